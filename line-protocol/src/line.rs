//! One wire line: `[address TAB] plugin.type.key TAB value TAB unixtime`.

use std::borrow::Cow;
use std::fmt::Write;

use crate::address;
use crate::identifier;
use crate::key::{self, DataSourceType};
use crate::value::{Value, ValueError};

/// Longest line, in bytes. A kernel version or an error text is well below it.
pub const MAX_LINE_LEN: usize = 8192;

/// Longest line in its canonical form: what was accepted at [`MAX_LINE_LEN`] may get an address, a
/// type and a longer time.
pub const MAX_CANONICAL_LEN: usize = MAX_LINE_LEN + 300;

/// One line, its texts borrowed from the payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// The host; `None` means the sender's own address (a line of three columns).
    pub address: Option<&'a str>,
    /// The escaped plugin identifier.
    pub plugin: &'a str,
    /// What the line says.
    pub record: Record<'a>,
    /// Seconds since 1970.
    pub time: u32,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// A point of a series.
    Metric {
        /// With its type suffix; a key that named no known type got `.gauge`.
        key: Cow<'a, str>,
        /// What the key's suffix names.
        data_source_type: DataSourceType,
        /// The point's value.
        value: Value,
    },
    /// Information without history.
    Meta {
        /// Its name.
        key: &'a str,
        /// Its text.
        value: &'a str,
    },
    /// Something that a person should know.
    Warning {
        /// Its name.
        key: &'a str,
        /// Its text.
        text: &'a str,
    },
}

/// Why a line was refused. The texts name the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// More than [`MAX_LINE_LEN`] bytes.
    #[error("line of {0} bytes; at most {MAX_LINE_LEN} are taken")]
    TooLong(usize),
    /// Bytes that are no text.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// Other than three or four columns.
    #[error("{0} columns; a line is [address TAB] plugin.type.key TAB value TAB unixtime")]
    Columns(usize),
    /// The first of four columns is no address.
    #[error("address '{0}' must be an IP address or a host name")]
    Address(String),
    /// Not three parts with dots between them.
    #[error("'{0}' must be plugin.type.key")]
    Name(String),
    /// The plugin part is not an escaped identifier.
    #[error(
        "plugin '{0}' must be an escaped identifier: other than letters, digits, '_' and '-' is written %XX"
    )]
    Plugin(String),
    /// Another type than the three.
    #[error("type '{0}' must be metrics, meta or warn")]
    Type(String),
    /// A key that is empty, or too long to name a file, or holds control characters.
    #[error(
        "key '{0}' must be 1 to {max} bytes, its type and escapes included, without control characters",
        max = key::MAX_KEY_LEN
    )]
    Key(String),
    /// A value that its data source can't take.
    #[error("value '{0}' {1}")]
    Value(String, ValueError),
    /// A time that is no second since 1970.
    #[error("time '{0}' must be whole seconds since 1970, 1 to 4294967295")]
    Time(String),
}

impl LineError {
    /// A short name for the kind of fault, for counting.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "length",
            Self::NotUtf8 => "utf8",
            Self::Columns(_) => "columns",
            Self::Address(_) => "address",
            Self::Name(_) => "name",
            Self::Plugin(_) => "plugin",
            Self::Type(_) => "type",
            Self::Key(_) => "key",
            Self::Value(..) => "value",
            Self::Time(_) => "time",
        }
    }
}

/// The lines of a payload with their numbers, from 1. A carriage return before the line feed is
/// left out.
pub fn payload_lines(payload: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    payload
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Reads one line; `None` for a blank line or a comment (`#`, `//`).
///
/// # Errors
/// A fault costs this line only; the text of the error names the value and the rule.
pub fn parse_line(bytes: &[u8]) -> Result<Option<Line<'_>>, LineError> {
    parse_up_to(MAX_LINE_LEN, bytes)
}

/// Reads a line that [`Line::write_to`] wrote.
///
/// # Errors
/// As [`parse_line`], but at [`MAX_CANONICAL_LEN`] bytes.
pub fn parse_canonical_line(bytes: &[u8]) -> Result<Option<Line<'_>>, LineError> {
    parse_up_to(MAX_CANONICAL_LEN, bytes)
}

fn parse_up_to(most: usize, bytes: &[u8]) -> Result<Option<Line<'_>>, LineError> {
    if bytes.starts_with(b"#") || bytes.starts_with(b"//") {
        return Ok(None);
    }
    if bytes.len() > most {
        return Err(LineError::TooLong(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| LineError::NotUtf8)?;
    if says_nothing(text) {
        return Ok(None);
    }
    let mut columns = [""; 4];
    let mut count = 0;
    for column in text.split('\t') {
        if let Some(place) = columns.get_mut(count) {
            *place = column;
        }
        count += 1;
    }
    let [first, second, third, fourth] = columns;
    let (address, name, value, time) = match count {
        4 => (Some(first), second, third, fourth),
        3 => (None, first, second, third),
        _ => return Err(LineError::Columns(count)),
    };
    if let Some(address) = address
        && !address::is_valid(address)
    {
        return Err(LineError::Address(quoted(address)));
    }
    let mut parts = name.splitn(3, '.');
    let (Some(plugin), Some(kind), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(LineError::Name(quoted(name)));
    };
    if !identifier::is_escaped(plugin) {
        return Err(LineError::Plugin(quoted(plugin)));
    }
    let record = parse_record(kind, key, value)?;
    let time = match time.parse::<u32>() {
        Ok(seconds) if seconds > 0 => seconds,
        _ => return Err(LineError::Time(quoted(time))),
    };
    Ok(Some(Line { address, plugin, record, time }))
}

/// Whether a line is blank or a comment.
pub(crate) fn says_nothing(line: &str) -> bool {
    line.is_empty()
        || line.starts_with('#')
        || line.starts_with("//")
        || line.bytes().all(|byte| byte == b' ')
}

fn parse_record<'a>(kind: &str, key: &'a str, value: &'a str) -> Result<Record<'a>, LineError> {
    let fits = match kind {
        // `.gauge` may be put behind it.
        "metrics" if DataSourceType::of_key(key).is_none() => {
            key::is_valid(key) && key::file_name_len(key) + ".gauge".len() <= key::MAX_FILE_NAME_LEN
        }
        "metrics" => key::is_valid(key),
        "meta" | "warn" => is_valid_text_key(key),
        _ => return Err(LineError::Type(quoted(kind))),
    };
    if !fits {
        return Err(LineError::Key(quoted(key)));
    }
    Ok(match kind {
        "meta" => Record::Meta { key, value },
        "warn" => Record::Warning { key, text: value },
        _ => {
            let (key, data_source_type) = match DataSourceType::of_key(key) {
                Some(known) => (Cow::Borrowed(key), known),
                None => (Cow::Owned(format!("{key}.gauge")), DataSourceType::Gauge),
            };
            let value = Value::parse(value, data_source_type)
                .map_err(|rule| LineError::Value(quoted(value), rule))?;
            Record::Metric { key, data_source_type, value }
        }
    })
}

/// Whether this may name a meta or warning.
#[must_use]
pub fn is_valid_text_key(key: &str) -> bool {
    (1..=key::MAX_KEY_LEN).contains(&key.len()) && !key.bytes().any(|byte| byte.is_ascii_control())
}

/// A value as an error shows it: the first 80 characters, control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == 80 {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

impl Line<'_> {
    /// Appends the line in its canonical form, with a line feed: the address given stands in
    /// front, the key has its type.
    pub fn write_to(&self, out: &mut String, address: &str) {
        // Writing to a String can't fail.
        let _ = match &self.record {
            Record::Metric { key, value, .. } => {
                writeln!(out, "{address}\t{}.metrics.{key}\t{value}\t{}", self.plugin, self.time)
            }
            Record::Meta { key, value } => {
                writeln!(out, "{address}\t{}.meta.{key}\t{value}\t{}", self.plugin, self.time)
            }
            Record::Warning { key, text } => {
                writeln!(out, "{address}\t{}.warn.{key}\t{text}\t{}", self.plugin, self.time)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(line: &str) -> String {
        parse_line(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn four_columns_name_the_host_and_three_mean_the_sender() {
        let line = parse_line(b"10.0.0.1\tbase.metrics.cpu-user.derive\t44682\t1404873350")
            .unwrap()
            .unwrap();
        assert_eq!(line.address, Some("10.0.0.1"));
        assert_eq!(line.plugin, "base");
        assert_eq!(line.time, 1_404_873_350);
        assert_eq!(
            line.record,
            Record::Metric {
                key: "cpu-user.derive".into(),
                data_source_type: DataSourceType::Derive,
                value: Value::Signed(44682)
            }
        );
        let line = parse_line(b"base.meta.uptime\t57649\t1404873350").unwrap().unwrap();
        assert_eq!(line.address, None);
        assert_eq!(line.record, Record::Meta { key: "uptime", value: "57649" });
    }

    #[test]
    fn a_key_without_a_known_type_is_a_gauge() {
        let line =
            parse_line(b"base.metrics.sda-write-sectors.device\t5\t1404873350").unwrap().unwrap();
        assert!(matches!(
            line.record,
            Record::Metric { ref key, data_source_type: DataSourceType::Gauge, .. }
                if key == "sda-write-sectors.device.gauge"
        ));
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        for line in ["", "# x", "// x", "  "] {
            assert_eq!(parse_line(line.as_bytes()), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn the_name_is_split_at_its_first_two_dots() {
        let line = parse_line(b"http%3A80.warn.a.b.c\tdown\t5").unwrap().unwrap();
        assert_eq!(line.plugin, "http%3A80");
        assert_eq!(line.record, Record::Warning { key: "a.b.c", text: "down" });
    }

    #[test]
    fn each_fault_names_the_value_and_the_rule() {
        assert_eq!(
            error("x"),
            "1 columns; a line is [address TAB] plugin.type.key TAB value TAB unixtime"
        );
        assert_eq!(
            error("../x\tbase.metrics.a\t1\t5"),
            "address '../x' must be an IP address or a host name"
        );
        assert_eq!(error("base.metrics\t1\t5"), "'base.metrics' must be plugin.type.key");
        assert_eq!(
            error("http:80.metrics.a\t1\t5"),
            "plugin 'http:80' must be an escaped identifier: other than letters, digits, '_' and '-' is written %XX"
        );
        assert_eq!(error("base.metric.a\t1\t5"), "type 'metric' must be metrics, meta or warn");
        assert_eq!(error("base.metrics.a\tx\t5"), "value 'x' must be a decimal number or U");
        assert_eq!(
            error("base.metrics.a.derive\t1.5\t5"),
            "value '1.5' must be a whole number of 64 bits or U, as its key ends in .derive"
        );
        assert_eq!(
            error("base.metrics.a\t1\tnow"),
            "time 'now' must be whole seconds since 1970, 1 to 4294967295"
        );
        assert_eq!(
            error("base.metrics.a\t1\t0"),
            "time '0' must be whole seconds since 1970, 1 to 4294967295"
        );
        assert!(error("base.metrics.\t1\t5").starts_with("key ''"));
        assert_eq!(parse_line(b"\xff"), Err(LineError::NotUtf8));
        assert_eq!(parse_line(&[b'x'; 9000]), Err(LineError::TooLong(9000)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_line(&bytes);
        }

        #[test]
        fn the_canonical_form_reads_back_the_same(
            plugin in "[a-z]{1,6}(%3A[0-9]{2})?",
            kind in "metrics|meta|warn",
            key in "[a-z_~/.-]{1,20}(\\.derive)?",
            value in 0u32..,
            time in 1u32..,
        ) {
            let text = format!("10.0.0.1\t{plugin}.{kind}.{key}\t{value}\t{time}");
            let line = parse_line(text.as_bytes()).unwrap().unwrap();
            let mut canonical = String::new();
            line.write_to(&mut canonical, "10.0.0.1");
            let again = parse_line(canonical.trim_end().as_bytes()).unwrap().unwrap();
            prop_assert_eq!(line, again);
        }
    }
}
