//! How a program that runs follows changes of its configuration.

use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::time::{Interval, MissedTickBehavior};

use crate::configuration::{Configuration, Watcher};
use crate::error::Fault;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Looks at the files of a configuration every few seconds, and reads them when they have changed;
/// on a signal in any case.
pub struct Follower {
    /// Gone where reading panicked.
    watcher: Option<Watcher>,
    looks: Interval,
    hangup: Signal,
}

impl Follower {
    /// Follows what the watcher has read; the signal is SIGHUP.
    #[must_use]
    pub fn new(watcher: Watcher, hangup: Signal) -> Self {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { watcher: Some(watcher), looks, hangup }
    }

    /// Whether what was read last is another state of the files than that read before.
    #[must_use]
    pub fn found_changes(&self) -> bool {
        self.watcher.as_ref().is_some_and(Watcher::found_changes)
    }

    /// Waits for what is read next; `None` where reading panicked, and nothing is followed any more.
    pub async fn next(&mut self) -> Option<Result<Configuration, Fault>> {
        loop {
            let read: fn(&mut Watcher) -> _ = tokio::select! {
                _ = self.looks.tick() => |watcher| watcher.look(),
                _ = self.hangup.recv() => |watcher| Some(watcher.read()),
            };
            let mut watcher = self.watcher.take()?;
            // Disks may be slow.
            let looked = tokio::task::spawn_blocking(move || {
                let result = read(&mut watcher);
                (watcher, result)
            });
            let (watcher, result) = looked.await.ok()?;
            self.watcher = Some(watcher);
            if result.is_some() {
                return result;
            }
        }
    }
}
