//! What Redis counted in the last minutes: of a fault that is long over, only the count shall tell.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::info::Info;
use crate::live::Live;

/// What is counted further back is not recent.
const RECENT: Duration = Duration::from_secs(300);

/// From one look at the counters to the next.
const EACH: Duration = Duration::from_secs(60);

/// The counters as they were, oldest first.
#[derive(Default)]
pub struct RecentCounts {
    looks: Mutex<VecDeque<(Instant, Info)>>,
}

impl RecentCounts {
    /// Remembers what was counted until `now`.
    fn note(&self, now: Instant, info: Info) {
        let mut looks = self.lock();
        looks.retain(|(since, _)| now.duration_since(*since) <= RECENT);
        looks.push_back((now, info));
    }

    /// How much the counter of that name grew in the five minutes before `now`, at which it is as in
    /// `info`; as far as it was looked at in them.
    #[must_use]
    pub fn grown(&self, now: Instant, info: &Info, name: &str) -> u64 {
        let looks = self.lock();
        let recent = looks.iter().filter(|(since, _)| now.duration_since(*since) <= RECENT);
        let counts: Vec<u64> =
            recent.map(|(_, info)| info).chain([info]).map(|info| info.number(name)).collect();
        // One that is less than before began anew with its Redis.
        let pairs = std::iter::zip(&counts, counts.iter().skip(1));
        pairs.map(|(before, after)| after.checked_sub(*before).unwrap_or(*after)).sum()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Info)>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the counters of the Redis in force each minute, whether anybody looks at a page or not.
pub async fn follow(live: Live) {
    loop {
        let app = live.app();
        // One that is away counts nothing.
        if let Ok(info) = app.redis.info().await {
            app.recent_counts.note(Instant::now(), info);
        }
        tokio::time::sleep(EACH).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(rejected: u64) -> Info {
        let text = format!("kurado_data_dir:/data\r\nkurado_lines_rejected:{rejected}\r\n");
        Info::read(&text).unwrap()
    }

    /// Counts that were looked at each minute, and what the last one is above those five minutes before.
    fn grown(counts: &[u64]) -> u64 {
        let recent = RecentCounts::default();
        let mut now = Instant::now();
        for count in counts {
            now += EACH;
            recent.note(now, info(*count));
        }
        recent.grown(now, &info(*counts.last().unwrap()), "lines_rejected")
    }

    #[test]
    fn a_count_is_recent_for_five_minutes_and_no_longer() {
        assert_eq!(grown(&[7]), 0, "nobody knows since when");
        assert_eq!(grown(&[7, 9]), 2);
        assert_eq!(grown(&[7, 9, 9, 9, 9, 9]), 2);
        assert_eq!(grown(&[7, 9, 9, 9, 9, 9, 9]), 0);
        assert_eq!(grown(&[7, 9, 9, 9, 9, 9, 10]), 1);
    }

    #[test]
    fn what_was_counted_since_the_last_look_is_recent_and_what_was_looked_at_long_ago_is_not() {
        let (recent, begin) = (RecentCounts::default(), Instant::now());
        recent.note(begin, info(7));
        assert_eq!(recent.grown(begin + EACH / 2, &info(10), "lines_rejected"), 3);
        assert_eq!(recent.grown(begin + RECENT + EACH, &info(10), "lines_rejected"), 0);
    }

    #[test]
    fn after_a_restart_of_redis_all_that_it_counted_is_recent() {
        assert_eq!(grown(&[7, 8, 2]), 3);
        assert_eq!(grown(&[7, 0, 0]), 0);
    }

    #[test]
    fn no_more_looks_are_kept_than_are_recent() {
        let recent = RecentCounts::default();
        let begin = Instant::now();
        for minute in 0..1000 {
            recent.note(begin + EACH * minute, info(1));
        }
        assert_eq!(recent.lock().len(), 6);
    }
}
