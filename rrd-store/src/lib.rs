//! Pending points and the RRD files that they go to, without Redis.
//!
//! - [`host`], [`series`], [`point`]: what is known of one host; owned by one thread.
//! - [`selection`]: some of a host's series, and what is due of them.
//! - [`series_table`]: the series of a plugin, by key and in their order.
//! - [`packed`]: pending points in few bytes, which [`bytes`] keeps.
//! - [`snapshot`]: a host as bytes, and back.
//! - [`schedule`]: when each host's points are due.
//! - [`data_dir`]: where a series' file lies; one server at a time.
//! - [`deletion`]: deletes the files of a host, a plugin or a series.
//! - [`file`]: create, update and fetch one file.
//! - [`header`]: what a file's first bytes say.
//! - [`layout`]: the archives of new files.
//! - [`writers`]: the threads that do it, and how their results come back.

pub mod bytes;
pub mod data_dir;
pub mod deletion;
pub mod file;
pub mod header;
pub mod host;
pub mod layout;
pub mod packed;
pub mod point;
mod prefetch;
mod priority;
pub mod renaming;
pub mod schedule;
pub mod selection;
pub mod series;
pub mod series_table;
pub mod snapshot;
pub mod writers;

mod allocated;
mod create;
mod disk;
mod fetch;
mod lock;
mod reading;
mod update;

/// Seconds between two rows of the finest archive.
pub const STEP: u32 = 60;
/// Seconds without a point after which the value is unknown.
pub const HEARTBEAT: u32 = 120;
