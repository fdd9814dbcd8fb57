//! Counters for INFO. Atomics only: INFO is also asked in crash reports, and hosts may be freed
//! by a background thread of Redis.

use std::ffi::CStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rrd_store::file::FailureKind;

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

/// Why lines are rejected, as INFO names it.
pub const REASONS: [&CStr; 15] = [
    c"rejected_length",
    c"rejected_utf8",
    c"rejected_columns",
    c"rejected_address",
    c"rejected_name",
    c"rejected_plugin",
    c"rejected_type",
    c"rejected_key",
    c"rejected_value",
    c"rejected_time",
    c"rejected_future",
    c"rejected_too_old",
    c"rejected_full",
    c"rejected_permission",
    c"rejected_key_in_use",
];

/// All counters of the module.
pub struct Stats {
    pub lines_accepted: Counter,
    pub lines_rejected: Counter,
    /// By [`REASONS`].
    pub rejected: [Counter; REASONS.len()],
    pub hosts: Gauge,
    pub series: Gauge,
    pub pending_points: Gauge,
    pub pending_bytes: Gauge,
    pub batches_in_flight: Gauge,
    pub points_written: Counter,
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
    rejected: [const { Counter::new() }; REASONS.len()],
    hosts: Gauge::new(),
    series: Gauge::new(),
    pending_points: Gauge::new(),
    pending_bytes: Gauge::new(),
    batches_in_flight: Gauge::new(),
    points_written: Counter::new(),
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
    /// Counts a rejected line; `kind` is one of [`REASONS`] without `rejected_`.
    pub fn count_rejected(&self, kind: &str) {
        self.lines_rejected.add(1);
        let is_it =
            |reason: &&CStr| reason.to_bytes().strip_prefix(b"rejected_") == Some(kind.as_bytes());
        let at = REASONS.iter().position(is_it);
        if let Some(counter) = at.and_then(|at| self.rejected.get(at)) {
            counter.add(1);
        }
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
