//! Metric keys: the data-source type that a key's last part names, and its RRD file.

use crate::escape::{escape_into, unescape};

/// Longest RRD file name, in bytes: file systems take 255, and librrd makes a new file under a name
/// that is six longer.
pub const MAX_FILE_NAME_LEN: usize = 249;
/// Longest key, in bytes, when escaped.
pub const MAX_KEY_LEN: usize = MAX_FILE_NAME_LEN - ".rrd".len();

/// What kind of number a data source holds (rrdcreate's DST).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataSourceType {
    /// A value as it is at its time.
    Gauge,
    /// A whole number that only grows; it wraps at 32 or 64 bits.
    Counter,
    /// A whole number whose change a second is kept, up or down.
    Derive,
    /// A number that starts again from zero at each reading.
    Absolute,
}

impl DataSourceType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gauge, Self::Counter, Self::Derive, Self::Absolute];

    /// As it ends a key, without the dot.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Derive => "derive",
            Self::Absolute => "absolute",
        }
    }

    /// As rrdcreate names it.
    #[must_use]
    pub fn rrd_name(self) -> &'static str {
        match self {
            Self::Gauge => "GAUGE",
            Self::Counter => "COUNTER",
            Self::Derive => "DERIVE",
            Self::Absolute => "ABSOLUTE",
        }
    }

    /// The type that a key's last part names; `None` where it names none.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        let (_, suffix) = key.rsplit_once('.')?;
        match suffix {
            "gauge" => Some(Self::Gauge),
            "counter" => Some(Self::Counter),
            "derive" => Some(Self::Derive),
            "absolute" => Some(Self::Absolute),
            _ => None,
        }
    }
}

/// The name of a metric key's RRD file: the key escaped as a URI component, and `.rrd`.
/// Letters, digits, `-`, `_`, `.` and `~` stay, as in the files of existing installations.
#[must_use]
pub fn file_name(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    escape_into(&mut out, key, keep);
    out.push_str(".rrd");
    out
}

/// The key whose file this is; `None` for another kind of file.
#[must_use]
pub fn key_of_file_name(name: &str) -> Option<String> {
    unescape(name.strip_suffix(".rrd")?)
}

/// Whether this names a file of the length that file systems take, and has no control characters.
#[must_use]
pub fn is_valid(key: &str) -> bool {
    !key.is_empty()
        && file_name_len(key) <= MAX_FILE_NAME_LEN
        && !key.bytes().any(|byte| byte.is_ascii_control())
}

/// Length of [`file_name`] without making it.
pub(crate) fn file_name_len(key: &str) -> usize {
    let escaped = key.bytes().filter(|byte| !keep(*byte)).count();
    key.len() + 2 * escaped + ".rrd".len()
}

fn keep(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_part_names_the_type() {
        assert_eq!(DataSourceType::of_key("cpu-user.derive"), Some(DataSourceType::Derive));
        assert_eq!(DataSourceType::of_key("sda-write-sectors.device"), None);
        assert_eq!(DataSourceType::of_key("gauge"), None);
    }

    #[test]
    fn dots_and_tildes_stay_in_file_names() {
        assert_eq!(file_name("mem~pool.old.max.gauge"), "mem~pool.old.max.gauge.rrd");
        assert_eq!(file_name("a/b c.gauge"), "a%2Fb%20c.gauge.rrd");
    }

    proptest! {
        #[test]
        fn file_names_round_trip(key in "[^\\x00]{1,40}") {
            prop_assert_eq!(file_name(&key).len(), file_name_len(&key));
            prop_assert_eq!(key_of_file_name(&file_name(&key)), Some(key));
        }
    }
}
