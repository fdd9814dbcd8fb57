//! When the points of each host are due, so that load is flat over the write delay.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Hosts that have points waiting, by the second at which they are due.
///
/// A host is due once a write delay, at a second of its own that its address decides.
#[derive(Debug, Default)]
pub struct Schedule {
    by_time: BTreeSet<(u32, Arc<str>)>,
    by_host: HashMap<Arc<str>, u32>,
}

impl Schedule {
    /// Makes the host due at its own second after `now`, unless it is due already.
    pub fn add(&mut self, address: &str, now: u32, delay: u32) {
        if !self.by_host.contains_key(address) {
            self.put(&address.into(), next_turn(address, now, delay));
        }
    }

    /// Makes the host due at `when`, or earlier where it was due earlier.
    pub fn add_at(&mut self, address: &Arc<str>, when: u32) {
        match self.by_host.get(address) {
            Some(due) if *due <= when => {}
            Some(due) => {
                self.by_time.remove(&(*due, Arc::clone(address)));
                self.put(address, when);
            }
            None => self.put(address, when),
        }
    }

    fn put(&mut self, address: &Arc<str>, when: u32) {
        self.by_time.insert((when, Arc::clone(address)));
        self.by_host.insert(Arc::clone(address), when);
    }

    /// Takes out the host that is due first, if it is due by `now`.
    pub fn pop(&mut self, now: u32) -> Option<Arc<str>> {
        if self.by_time.first()?.0 > now {
            return None;
        }
        let (_, address) = self.by_time.pop_first()?;
        self.by_host.remove(&address);
        Some(address)
    }

    /// Forgets one host.
    pub fn remove(&mut self, address: &Arc<str>) {
        if let Some(due) = self.by_host.remove(address) {
            self.by_time.remove(&(due, Arc::clone(address)));
        }
    }

    /// Makes all hosts due anew after the write delay changed.
    pub fn respread(&mut self, now: u32, delay: u32) {
        let hosts: Vec<_> = self.by_host.keys().map(Arc::clone).collect();
        self.clear();
        for address in hosts {
            self.add(&address, now, delay);
        }
    }

    /// Forgets all hosts.
    pub fn clear(&mut self) {
        self.by_time.clear();
        self.by_host.clear();
    }

    /// Whether the host is due at some time.
    #[must_use]
    pub fn contains(&self, address: &str) -> bool {
        self.by_host.contains_key(address)
    }

    /// How many hosts have points waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_host.len()
    }

    /// Whether no host has points waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_host.is_empty()
    }
}

/// The next second after `now` that is this host's own within a delay of so many seconds.
fn next_turn(address: &str, now: u32, delay: u32) -> u32 {
    let delay = delay.max(1);
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    let phase = u32::try_from(hasher.finish() % u64::from(delay)).unwrap_or(0);
    let past = (now.wrapping_sub(phase)) % delay;
    now.saturating_add(delay - past)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_due_within_the_delay_and_at_the_same_second_of_each() {
        let host: Arc<str> = "10.0.0.1".into();
        let first = next_turn(&host, 100_000, 300);
        assert!((100_001..=100_300).contains(&first));
        assert_eq!(next_turn(&host, first, 300), first + 300);
        let mut schedule = Schedule::default();
        schedule.add(&host, 100_000, 300);
        assert_eq!(schedule.pop(first - 1), None);
        assert_eq!(schedule.pop(first), Some(host));
        assert_eq!(schedule.pop(u32::MAX), None);
    }

    #[test]
    fn hosts_are_spread_over_the_delay() {
        let mut schedule = Schedule::default();
        for n in 0..3000 {
            schedule.add(&format!("10.0.{}.{}", n / 256, n % 256), 0, 300);
        }
        for minute in 1..=5 {
            let mut count = 0;
            while schedule.pop(minute * 60).is_some() {
                count += 1;
            }
            assert!((450..750).contains(&count), "{count} hosts in minute {minute}");
        }
        assert!(schedule.is_empty());
    }

    #[test]
    fn an_earlier_turn_wins() {
        let host: Arc<str> = "a".into();
        let mut schedule = Schedule::default();
        schedule.add_at(&host, 50);
        schedule.add_at(&host, 40);
        schedule.add_at(&host, 60);
        assert_eq!(schedule.len(), 1);
        assert_eq!(schedule.pop(40), Some(Arc::clone(&host)));
        schedule.add_at(&host, 50);
        assert!(schedule.contains("a"));
        schedule.remove(&host);
        assert!(!schedule.contains("a"));
        assert_eq!(schedule.pop(u32::MAX), None);
    }
}
