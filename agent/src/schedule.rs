//! When the next tick is due: at whole multiples of the interval since 1970, plus a delay that is this
//! agent's own. Times are durations since 1970, so this is arithmetic without a clock.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The ticks of one agent.
pub struct Schedule {
    interval: Duration,
    delay: Duration,
    due: Duration,
}

impl Schedule {
    /// Ticks each `interval`, `delay` behind its whole multiples; the first is due at once.
    pub fn new(interval: Duration, delay: Duration, now: Duration) -> Self {
        Self { interval, delay, due: now }
    }

    /// How long to wait until the next tick; zero where it is due, which makes the one after it
    /// the next. Never more than one interval and a half.
    pub fn wait(&mut self, now: Duration) -> Duration {
        // The clock was set back: waiting for the old time could take years.
        if self.due.saturating_sub(now) > self.interval + self.interval / 2 {
            self.due = self.after(now);
        }
        if now >= self.due {
            // Ticks that the clock has jumped over, or that took too long, are left out.
            self.due = self.after(now);
            return Duration::ZERO;
        }
        self.due - now
    }

    /// The first tick behind `now`.
    fn after(&self, now: Duration) -> Duration {
        let interval = self.interval.as_millis().max(1);
        let (now, delay) = (now.as_millis(), self.delay.as_millis() % interval);
        // Where the delay is more than all time so far, the count starts at it.
        let passed = now.saturating_sub(delay) / interval + u128::from(now >= delay);
        let next = passed * interval + delay;
        Duration::from_millis(u64::try_from(next).unwrap_or(u64::MAX))
    }
}

/// A delay up to `max`, chosen by chance: it keeps many agents from sending in the same second.
pub fn random_delay(max: Duration) -> Duration {
    let max = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
    // The standard library seeds each of these from the system.
    let random = RandomState::new().hash_one(max);
    Duration::from_millis(random.checked_rem(max.saturating_add(1)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn each_minute(delay: u64, now: u64) -> Schedule {
        Schedule::new(seconds(60), seconds(delay), seconds(now))
    }

    #[test]
    fn the_first_tick_is_at_once_and_the_next_at_the_whole_minute() {
        let mut schedule = each_minute(0, 1000);
        assert_eq!(schedule.wait(seconds(1000)), seconds(0));
        assert_eq!(schedule.wait(seconds(1001)), seconds(19));
        assert_eq!(schedule.wait(seconds(1020)), seconds(0));
        assert_eq!(schedule.wait(seconds(1020)), seconds(60));
    }

    #[test]
    fn the_delay_is_added_to_each_whole_minute() {
        let mut schedule = each_minute(7, 1000);
        assert_eq!(schedule.wait(seconds(1000)), seconds(0));
        assert_eq!(schedule.wait(seconds(1000)), seconds(27));
        assert_eq!(schedule.wait(seconds(1027)), seconds(0));
        assert_eq!(schedule.wait(seconds(1027)), seconds(60));
    }

    #[test]
    fn waking_a_little_early_does_not_tick_twice() {
        let mut schedule = each_minute(0, 960);
        assert_eq!(schedule.wait(seconds(960)), seconds(0));
        let early = seconds(1020) - Duration::from_millis(3);
        assert_eq!(schedule.wait(early), Duration::from_millis(3));
        assert_eq!(schedule.wait(seconds(1020)), seconds(0));
        assert_eq!(schedule.wait(seconds(1020)), seconds(60));
    }

    #[test]
    fn a_clock_set_forward_costs_one_tick_and_does_not_make_up_for_the_rest() {
        let mut schedule = each_minute(0, 960);
        assert_eq!(schedule.wait(seconds(960)), seconds(0));
        assert_eq!(schedule.wait(seconds(90_001)), seconds(0));
        assert_eq!(schedule.wait(seconds(90_001)), seconds(59));
    }

    #[test]
    fn a_clock_set_back_does_not_stall() {
        let mut schedule = each_minute(0, 90_000);
        assert_eq!(schedule.wait(seconds(90_000)), seconds(0));
        assert_eq!(schedule.wait(seconds(1000)), seconds(20));
    }

    #[test]
    fn no_delay_asked_for_is_none_and_the_most_is_never_passed() {
        assert_eq!(random_delay(seconds(0)), seconds(0));
        for _ in 0..100 {
            assert!(random_delay(seconds(3)) <= seconds(3));
        }
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_it_neither_spins_nor_stalls(
            delay in 0u64..1000,
            clock in proptest::collection::vec(0u64..1_000_000, 1..50),
        ) {
            let mut schedule = each_minute(delay, 500_000);
            for now in clock {
                let wait = schedule.wait(seconds(now));
                prop_assert!(wait <= seconds(90));
                if wait.is_zero() {
                    prop_assert!(!schedule.wait(seconds(now)).is_zero());
                }
            }
        }
    }
}
