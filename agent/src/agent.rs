//! The agent's round: read the machine, hand over what was read, wait for the next tick.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::delivery::Outbox;
use crate::payload::Payload;
use crate::reader::Reader;
use crate::schedule::Schedule;
use crate::stop::Stop;

/// How long a tick's payload waits for the operator's commands; most take a few milliseconds. What
/// they say later is sent by itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads at each tick, until it is time to stop. Nothing that happens to what was read is waited for.
pub fn run(reader: &Reader, outbox: &Outbox, interval: Duration, delay: Duration, stop: &Stop) {
    let mut schedule = Schedule::new(interval, delay, now());
    loop {
        let wait = schedule.wait(now());
        if stop.wait(wait) {
            return;
        }
        if wait.is_zero() {
            let time = now().as_secs();
            let lines = reader.read(time, PATIENCE);
            // What was read while stopping lacks the plugins that were ended for it.
            if !stop.is_set() {
                outbox.put(Payload { time, lines });
            }
        }
    }
}

/// Time since 1970 by the wall clock; zero where that is set before it.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
