//! When each target is fetched: once a minute, at an offset of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::targets::Target;

/// Between two fetches of a target.
pub const MINUTE: Duration = Duration::from_secs(60);
/// What is due for longer, as the program or the machine stood still, is left to its next minute:
/// else all would be fetched at once.
const TOO_LATE: Duration = Duration::from_secs(5);

/// The time since 1970 as it was when this began, and from then on by a clock that never steps: a
/// system clock that is set can neither stop the schedule nor make a burst of it.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    began: Instant,
    at: Duration,
}

impl SteadyClock {
    /// A clock that shows `since_1970` now.
    #[must_use]
    pub fn new(since_1970: Duration) -> Self {
        Self { began: Instant::now(), at: since_1970 }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.at + self.began.elapsed()
    }

    /// When it will show that.
    #[must_use]
    pub fn when(&self, time: Duration) -> Instant {
        self.began + time.saturating_sub(self.at)
    }
}

/// How targets lie in the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Each at an offset that follows from its name, so that the load is even, and the same after a
    /// restart.
    OverTheMinute,
    /// All together, for measurements.
    AtOnce,
}

/// Which target is due next. Times are those of one [`SteadyClock`].
pub struct Schedule {
    spread: Spread,
    /// By offset from the whole minute.
    entries: Vec<(Duration, Arc<Target>)>,
    /// The next one of them, in the minute that begins at `minute`.
    next: usize,
    minute: Duration,
}

/// What is due.
#[derive(Default)]
pub struct Due {
    /// To be fetched now.
    pub targets: Vec<Arc<Target>>,
    /// How many fetches were missed.
    pub missed: u64,
}

impl Schedule {
    /// The schedule of these targets from `now` on.
    #[must_use]
    pub fn new(targets: &[Arc<Target>], spread: Spread, now: Duration) -> Self {
        let mut schedule = Self { spread, entries: Vec::new(), next: 0, minute: Duration::ZERO };
        if spread == Spread::AtOnce {
            schedule.minute = now;
            schedule.entries = together(targets);
        } else {
            schedule.replace(targets, now);
        }
        schedule
    }

    /// Takes other targets. Those that were there before keep their times.
    pub fn replace(&mut self, targets: &[Arc<Target>], now: Duration) {
        if self.spread == Spread::AtOnce {
            if self.entries.is_empty() {
                (self.minute, self.next) = (now, 0);
            }
            self.entries = together(targets);
            // Either all of them are behind us in this minute, or none is.
            self.next = if self.next == 0 { 0 } else { self.entries.len() };
            return;
        }
        let offset =
            |target: &Arc<Target>| offset(&target.host.address, target.identifier.as_str());
        self.entries = targets.iter().map(|target| (offset(target), Arc::clone(target))).collect();
        self.entries.sort_by_key(|(offset, _)| *offset);
        self.minute = Duration::from_secs(now.as_secs() / 60 * 60);
        self.next = self.entries.partition_point(|(offset, _)| self.minute + *offset <= now);
    }

    /// When the next target is due; `None` where there is none.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let (first, _) = self.entries.first()?;
        Some(match self.entries.get(self.next) {
            Some((offset, _)) => self.minute + *offset,
            None => self.minute + MINUTE + *first,
        })
    }

    /// Takes what is due by now.
    pub fn due(&mut self, now: Duration) -> Due {
        let mut due = Due::default();
        while let Some(time) = self.next()
            && time <= now
        {
            if self.next >= self.entries.len() {
                self.next = 0;
                self.minute += MINUTE;
            }
            if time + TOO_LATE < now {
                due.missed += 1;
            } else if let Some((_, target)) = self.entries.get(self.next) {
                due.targets.push(Arc::clone(target));
            }
            self.next += 1;
        }
        due
    }
}

fn together(targets: &[Arc<Target>]) -> Vec<(Duration, Arc<Target>)> {
    targets.iter().map(|target| (Duration::ZERO, Arc::clone(target))).collect()
}

/// The offset of a target in the minute, to the millisecond: a hash that will stay the same in
/// later versions (FNV-1a, and MurmurHash's last step, so that similar names lie far apart).
fn offset(address: &str, identifier: &str) -> Duration {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in address.bytes().chain([b'\t']).chain(identifier.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    Duration::from_millis((hash ^ (hash >> 33)) % 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::tests::target;

    const START: Duration = Duration::from_secs(1_700_000_000);

    fn targets(count: usize) -> Vec<Arc<Target>> {
        (0..count).map(|n| target(&format!("10.0.{}.{}", n / 250, n % 250), "redis")).collect()
    }

    fn names(targets: &[Arc<Target>]) -> Vec<&str> {
        targets.iter().map(|target| target.host.address.as_str()).collect()
    }

    /// Asks every 0.1 s for so long; gives when each was due.
    fn over(
        schedule: &mut Schedule,
        now: &mut Duration,
        seconds: u64,
    ) -> Vec<(Duration, Arc<Target>)> {
        let end = *now + Duration::from_secs(seconds);
        let mut all = Vec::new();
        while *now < end {
            *now += Duration::from_millis(100);
            let due = schedule.due(*now);
            assert_eq!(due.missed, 0);
            all.extend(due.targets.into_iter().map(|target| (*now, target)));
        }
        all
    }

    #[test]
    fn each_target_is_due_once_a_minute_always_at_the_same_offset() {
        let targets = targets(50);
        let mut now = START;
        let mut schedule = Schedule::new(&targets, Spread::OverTheMinute, now);
        let due = over(&mut schedule, &mut now, 180);
        for target in &targets {
            let times: Vec<Duration> =
                due.iter().filter(|(_, of)| Arc::ptr_eq(of, target)).map(|(at, _)| *at).collect();
            assert_eq!(times.len(), 3);
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == MINUTE), "{times:?}");
        }
    }

    #[test]
    fn offsets_stay_over_a_restart_and_spread_the_load() {
        // Written down, so that a change of the hash is seen.
        assert_eq!(offset("10.0.0.1", "redis"), Duration::from_millis(25_980));
        let mut seconds = [0; 60];
        for target in targets(3000) {
            for plugin in ["redis", "nginx", "http:8080"] {
                seconds[offset(&target.host.address, plugin).as_secs() as usize] += 1;
            }
        }
        // 150 on average, with a deviation of 12.
        assert!(seconds.iter().all(|count| (90..=210).contains(count)), "{seconds:?}");
    }

    #[test]
    fn targets_that_stay_keep_their_times_when_others_come_and_go() {
        let all = targets(40);
        let (before, after) = (&all[..30], &all[10..]);
        let mut now = START;
        let mut schedule = Schedule::new(before, Spread::OverTheMinute, now);
        let first = over(&mut schedule, &mut now, 90);
        schedule.replace(after, now);
        assert_eq!(schedule.entries.len(), 30);
        let second = over(&mut schedule, &mut now, 90);
        for target in &all[10..30] {
            let times: Vec<Duration> = first
                .iter()
                .chain(&second)
                .filter(|(_, of)| Arc::ptr_eq(of, target))
                .map(|(at, _)| *at)
                .collect();
            assert_eq!(times.len(), 3);
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == MINUTE), "{times:?}");
        }
        assert!(
            !second.iter().any(|(_, of)| names(&all[..10]).contains(&of.host.address.as_str()))
        );
    }

    #[test]
    fn after_a_standstill_what_was_missed_is_counted_and_not_made_up_for() {
        let targets = targets(60);
        let mut now = START;
        let mut schedule = Schedule::new(&targets, Spread::OverTheMinute, now);
        now += Duration::from_secs(600);
        let due = schedule.due(now);
        assert_eq!(due.missed + due.targets.len() as u64, 600);
        assert!(due.targets.len() < 20, "{}", due.targets.len());
        assert_eq!(over(&mut schedule, &mut now, 60).len(), 60);
    }

    #[test]
    fn at_once_means_now_and_each_minute_after() {
        let targets = targets(5);
        let mut schedule = Schedule::new(&targets, Spread::AtOnce, START);
        assert_eq!(schedule.due(START).targets.len(), 5);
        schedule.replace(&targets[..3], START + Duration::from_secs(10));
        assert_eq!(schedule.next(), Some(START + MINUTE));
        assert_eq!(names(&schedule.due(START + MINUTE).targets).len(), 3);
        // After a time without any, the minutes begin anew.
        schedule.replace(&[], START + MINUTE);
        schedule.replace(&targets, START + MINUTE * 9);
        let due = schedule.due(START + MINUTE * 9);
        assert_eq!((due.targets.len(), due.missed), (5, 0));
    }

    #[test]
    fn nothing_is_due_where_there_are_no_targets() {
        let mut schedule = Schedule::new(&[], Spread::OverTheMinute, START);
        assert_eq!(schedule.next(), None);
        assert!(schedule.due(START + MINUTE * 10).targets.is_empty());
        schedule.replace(&targets(3), START + MINUTE * 10);
        assert!(schedule.next().is_some_and(|next| next > START + MINUTE * 10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_goes_by_time_that_passes() {
        let clock = SteadyClock::new(START);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), START + Duration::from_secs(90));
        tokio::time::sleep_until(clock.when(START + Duration::from_secs(120))).await;
        assert_eq!(clock.now(), START + Duration::from_secs(120));
    }
}
