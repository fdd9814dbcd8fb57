//! How long to wait before a server that failed is tried again: about twice as long each time, with
//! chance in it, so that thousands of agents whose server was restarted do not all come back in the
//! same second. Arithmetic without a clock.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The shortest wait, after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(60);

/// The waits of one agent for one server.
pub struct Backoff {
    /// The next wait is between half of this and all of it.
    ceiling: Duration,
    random: u64,
}

impl Backoff {
    /// Begins with a wait of 1 to 2 seconds.
    pub fn new() -> Self {
        // The standard library seeds each of these from the system.
        Self::seeded(RandomState::new().hash_one(0))
    }

    fn seeded(random: u64) -> Self {
        Self { ceiling: FIRST * 2, random }
    }

    /// The wait after another failure: 1 to 2 s at first, then 2 to 4 s and so on, in the end 30 to
    /// 60 s.
    pub fn next_wait(&mut self) -> Duration {
        let least = self.ceiling / 2;
        let span = u64::try_from((self.ceiling - least).as_millis()).unwrap_or(u64::MAX);
        let more = self.next_random().checked_rem(span.saturating_add(1)).unwrap_or(0);
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        least + Duration::from_millis(more)
    }

    /// After a success: the next failure is a first one again.
    pub fn reset(&mut self) {
        self.ceiling = FIRST * 2;
    }

    /// SplitMix64: few lines, and good enough to spread waits.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agents_that_fail_together_come_back_spread() {
        let mut waits: Vec<_> = (0..1000).map(|_| Backoff::new().next_wait()).collect();
        waits.sort();
        waits.dedup();
        // Of 1,001 milliseconds a thousand draws hit some 630.
        assert!(waits.len() > 400, "{}", waits.len());
    }

    #[test]
    fn the_last_step_is_half_a_minute_to_a_minute_and_stays_so() {
        let mut backoff = Backoff::new();
        for _ in 0..5 {
            backoff.next_wait();
        }
        for _ in 0..1000 {
            let wait = backoff.next_wait();
            assert!((LONGEST / 2..=LONGEST).contains(&wait), "{wait:?}");
        }
    }

    proptest! {
        #[test]
        fn each_wait_is_in_its_step_and_a_success_begins_anew(
            seed: u64,
            failures in proptest::collection::vec(0u32..20, 1..10),
        ) {
            let mut backoff = Backoff::seeded(seed);
            for failures in failures {
                for failure in 0..failures {
                    let ceiling = (FIRST * 2u32.pow((failure + 1).min(10))).min(LONGEST);
                    let wait = backoff.next_wait();
                    prop_assert!((ceiling / 2..=ceiling).contains(&wait), "{wait:?} of {ceiling:?}");
                    prop_assert!((FIRST..=LONGEST).contains(&wait));
                }
                backoff.reset();
            }
        }
    }
}
