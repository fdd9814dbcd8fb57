//! One line that a plugin printed: `key TAB value [TAB time]`, as agents' commands and external
//! plugins print it.

use crate::key::DataSourceType;
use crate::line::{quoted, says_nothing};

/// A plugin's line, its key made whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// `metrics.NAME.TYPE`, `meta.NAME` or `warn.NAME`.
    pub key: String,
    /// As printed.
    pub value: &'a str,
    /// As printed, or `now`.
    pub time: &'a str,
}

/// Why a plugin's line was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// Other than two or three columns.
    #[error("'{0}' must be key TAB value [TAB unixtime]")]
    Columns(String),
    /// The first column is empty.
    #[error("'{0}' has no key")]
    NoKey(String),
}

/// Reads a plugin's line; `None` for a blank line or a comment. A key without one of the prefixes
/// `metrics.`, `meta.`, `warn.` gets `metrics.`; a metric without a type gets `.gauge`; a line
/// without a time gets `now` (seconds since 1970).
///
/// # Errors
/// Where the columns are wrong. Values and times are checked by [`crate::parse_line`] later.
pub fn parse_output<'a>(line: &'a str, now: &'a str) -> Result<Option<Output<'a>>, OutputError> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if says_nothing(line) {
        return Ok(None);
    }
    let mut columns = line.split('\t');
    let (key, value, time) = match (columns.next(), columns.next(), columns.next(), columns.next())
    {
        (Some(key), Some(value), time, None) => (key, value, time.filter(|t| !t.is_empty())),
        _ => return Err(OutputError::Columns(quoted(line))),
    };
    if key.is_empty() {
        return Err(OutputError::NoKey(quoted(line)));
    }
    let mut whole = key.to_owned();
    if !["metrics.", "meta.", "warn."].iter().any(|prefix| key.starts_with(prefix)) {
        whole.insert_str(0, "metrics.");
    }
    if whole.starts_with("metrics.") && DataSourceType::of_key(&whole).is_none() {
        whole.push_str(".gauge");
    }
    Ok(Some(Output { key: whole, value, time: time.unwrap_or(now) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> (String, String, String) {
        let output = parse_output(line, "99").unwrap().unwrap();
        (output.key, output.value.to_owned(), output.time.to_owned())
    }

    #[test]
    fn prefix_type_and_time_are_filled_in() {
        let whole = |k: &str, v: &str, t: &str| (k.to_owned(), v.to_owned(), t.to_owned());
        assert_eq!(parsed("fork.derive\t39234\t5"), whole("metrics.fork.derive", "39234", "5"));
        assert_eq!(parsed("busy\t3"), whole("metrics.busy.gauge", "3", "99"));
        assert_eq!(parsed("metrics.busy\t3\t"), whole("metrics.busy.gauge", "3", "99"));
        assert_eq!(parsed("meta.version\t1.2"), whole("meta.version", "1.2", "99"));
        assert_eq!(parsed("warn.replication\tstopped"), whole("warn.replication", "stopped", "99"));
    }

    #[test]
    fn comments_are_skipped_and_faults_are_named() {
        assert_eq!(parse_output("# x", "99"), Ok(None));
        assert_eq!(
            parse_output("busy 3", "99").unwrap_err().to_string(),
            "'busy 3' must be key TAB value [TAB unixtime]"
        );
        assert!(parse_output("\t3", "99").is_err());
        assert!(parse_output("a\t3\t4\t5", "99").is_err());
    }
}
