//! Counters for INFO. Atomics only: INFO is also asked in crash reports, and hosts may be freed
//! by a background thread of Redis.

use std::ffi::CStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rrd_store::file::FailureKind;

/// Why lines are rejected: as [`line_protocol::LineError::kind`] says, and what is found later;
/// and the field of INFO that counts it.
const REJECTIONS: [(&str, &CStr); 15] = [
    ("length", c"rejected_length"),
    ("utf8", c"rejected_utf8"),
    ("columns", c"rejected_columns"),
    ("address", c"rejected_address"),
    ("name", c"rejected_name"),
    ("plugin", c"rejected_plugin"),
    ("type", c"rejected_type"),
    ("key", c"rejected_key"),
    ("value", c"rejected_value"),
    ("time", c"rejected_time"),
    ("future", c"rejected_future"),
    ("too old", c"rejected_too_old"),
    ("permission", c"rejected_permission"),
    ("bound", c"rejected_bound"),
    ("key type", c"rejected_key_type"),
];

/// A number that only grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

/// A number that goes up and down.
#[derive(Default)]
pub struct Gauge(AtomicI64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    pub fn set(&self, number: i64) {
        self.0.store(number, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// All counters of the module.
pub struct Stats {
    pub lines_accepted: Counter,
    pub lines_rejected: Counter,
    rejected: [Counter; REJECTIONS.len()],
    pub pushes_refused: Counter,
    pub hosts: Gauge,
    pub series: Gauge,
    pub pending_points: Gauge,
    pub pending_bytes: Gauge,
    /// By the clock that never steps, and 1; 0 where none waits.
    pub oldest_pending_since: Gauge,
    pub batches_in_flight: Gauge,
    pub points_written: Counter,
    /// Over the last ten seconds.
    pub points_written_per_second: Gauge,
    pub points_skipped: Counter,
    pub files_created: Counter,
    pub files_updated: Counter,
    pub errors_no_space: Counter,
    pub errors_permission: Counter,
    pub errors_damaged: Counter,
    pub errors_layout: Counter,
    pub errors_locked: Counter,
    pub errors_other: Counter,
    pub flushes: Counter,
    pub flushes_waiting: Gauge,
    pub paused: Gauge,
    pub last_write: Gauge,
}

/// The one instance.
pub static STATS: Stats = Stats {
    lines_accepted: Counter::new(),
    lines_rejected: Counter::new(),
    rejected: [const { Counter::new() }; REJECTIONS.len()],
    pushes_refused: Counter::new(),
    hosts: Gauge::new(),
    series: Gauge::new(),
    pending_points: Gauge::new(),
    pending_bytes: Gauge::new(),
    oldest_pending_since: Gauge::new(),
    batches_in_flight: Gauge::new(),
    points_written: Counter::new(),
    points_written_per_second: Gauge::new(),
    points_skipped: Counter::new(),
    files_created: Counter::new(),
    files_updated: Counter::new(),
    errors_no_space: Counter::new(),
    errors_permission: Counter::new(),
    errors_damaged: Counter::new(),
    errors_layout: Counter::new(),
    errors_locked: Counter::new(),
    errors_other: Counter::new(),
    flushes: Counter::new(),
    flushes_waiting: Gauge::new(),
    paused: Gauge::new(),
    last_write: Gauge::new(),
};

impl Stats {
    /// Counts a rejected line by its reason, one of [`REJECTIONS`].
    pub fn count_rejected(&self, reason: &str) {
        self.lines_rejected.add(1);
        let counters = REJECTIONS.iter().zip(&self.rejected);
        if let Some((_, counter)) = counters.into_iter().find(|((name, _), _)| *name == reason) {
            counter.add(1);
        }
    }

    /// How many lines were rejected, by reason.
    pub fn rejections(&self) -> impl Iterator<Item = (&'static CStr, &Counter)> {
        REJECTIONS.iter().map(|(_, field)| *field).zip(&self.rejected)
    }

    /// Counts a failed write by its kind.
    pub fn count_failure(&self, kind: FailureKind) {
        let counter = match kind {
            FailureKind::NoSpace => &self.errors_no_space,
            FailureKind::Permission => &self.errors_permission,
            FailureKind::Damaged => &self.errors_damaged,
            FailureKind::Layout => &self.errors_layout,
            FailureKind::Locked => &self.errors_locked,
            FailureKind::Missing | FailureKind::Other => &self.errors_other,
        };
        counter.add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_line_has_a_counter() {
        let long = "x".repeat(line_protocol::line::MAX_LINE_LEN + 1);
        for bad in [
            long.as_bytes(),
            b"\xff",
            b"one",
            b"a/b\tbase.metrics.k\t1\t5",
            b"a\tbase\t1\t5",
            b"a\tb b.metrics.k\t1\t5",
            b"a\tbase.what.k\t1\t5",
            b"a\tbase.metrics.\t1\t5",
            b"a\tbase.metrics.k\tx\t5",
            b"a\tbase.metrics.k\t1\tx",
        ] {
            let is_counted = |kind: &str| REJECTIONS.iter().any(|(name, _)| *name == kind);
            let fault = line_protocol::parse_line(bad);
            assert!(fault.is_err_and(|fault| is_counted(fault.kind())), "{}", bad.escape_ascii());
        }
    }
}
