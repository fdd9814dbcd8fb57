//! The text that agents send and plugins print, as pure functions: no I/O, no clock.
//!
//! One line is `address TAB plugin.type.key TAB value TAB unixtime`. A line of three columns leaves
//! the address out and means the sender's own. `type` is `metrics`, `meta` or `warn`. Lines that
//! are blank, or begin with `#` or `//`, say nothing.
//!
//! - [`line`]: one wire line, parsed and written.
//! - [`expected`]: the same, quicker, where the series is known beforehand.
//! - [`output`]: one line that a plugin printed (`key TAB value [TAB time]`).
//! - [`identifier`]: `name:arg:arg` as a roll names a plugin, and its escaped form.
//! - [`key`]: metric keys, their data-source type, the name of their RRD file.
//! - [`value`]: a number of a data-source type, or unknown.
//! - [`address`]: what may stand for a host.

pub mod address;
pub mod expected;
pub mod identifier;
pub mod key;
pub mod line;
pub mod output;
pub mod value;

mod escape;

pub use identifier::Identifier;
pub use key::DataSourceType;
pub use line::{Line, LineError, Record, parse_canonical_line, parse_line, payload_lines};
pub use value::Value;
