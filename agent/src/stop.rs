//! The wish to stop: set once, seen by everything that waits.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A handle on the one wish; clones share it.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Says that it is time to stop, and wakes who waits.
    pub fn set(&self) {
        let (wished, changed) = &*self.0;
        *wished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Whether it is time to stop.
    pub fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for so long at most; whether it is time to stop.
    pub fn wait(&self, time: Duration) -> bool {
        let (wished, changed) = &*self.0;
        let guard = wished.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = changed
            .wait_timeout_while(guard, time, |wished| !*wished)
            .unwrap_or_else(PoisonError::into_inner);
        *guard
    }
}
