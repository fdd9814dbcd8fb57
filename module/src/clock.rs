//! Two clocks: the time of day, which may step, and one that never does.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Seconds since the module was loaded: what is scheduled must not wait for an hour because
/// somebody set the clock back by one.
pub fn monotonic() -> u32 {
    u32::try_from(STARTED.elapsed().as_secs()).unwrap_or(u32::MAX)
}

/// Seconds since 1970: when lines come, and when they expire.
pub fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
