//! What a fetch brings: a report, or why there is none; and the lines of both.

use std::fmt::Write;
use std::time::Duration;

use line_protocol::{DataSourceType, Identifier, Value};

/// How long one fetch may take, all in all.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The warning of a fetch that failed.
pub const FAILURE: &str = "command";

/// The warning of lines that were not understood.
pub const ODD_LINES: &str = "output";

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub(super) metrics: Vec<(String, String)>,
    pub(super) meta: Vec<(String, String)>,
    pub(super) warnings: Vec<(String, String)>,
    /// Wire lines of which key, value and time are known already.
    pub(super) lines: String,
}

/// Why a fetch failed, in words that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It took longer than [`LIMIT`].
    #[error("timed out after {} s", LIMIT.as_secs())]
    TimedOut,
    /// The server can't be reached, or refused.
    #[error("{0}")]
    Failed(String),
}

impl Report {
    /// Adds a metric. A value that its type can't take becomes `U`, unknown: one odd number
    /// must not cost the others.
    pub fn metric(&mut self, name: &str, kind: DataSourceType, value: &str) {
        let value = match Value::parse(value, kind) {
            Ok(_) => value,
            Err(_) => "U",
        };
        self.metrics.push((format!("{name}.{}", kind.suffix()), value.to_owned()));
    }

    /// Adds a meta.
    pub fn meta(&mut self, name: &str, value: &str) {
        self.meta.push((name.to_owned(), value.to_owned()));
    }

    /// Adds a warning.
    pub fn warning(&mut self, name: &str, text: &str) {
        self.warnings.push((name.to_owned(), text.to_owned()));
    }

    /// Adds the end of a warning: one with an empty text. One of this report itself stays.
    pub fn end_warning(&mut self, name: &str) {
        if self.warnings.iter().all(|(key, _)| key != name) {
            self.warning(name, "");
        }
    }

    /// What of a program's lines was not understood.
    #[must_use]
    pub fn odd_lines(&self) -> Option<String> {
        let warning = self.warnings.iter().find(|(name, _)| name == ODD_LINES);
        warning.map(|(_, text)| one_column(text))
    }

    /// The wire lines of this report: `address TAB plugin.type.key TAB value TAB time`.
    #[must_use]
    pub fn lines(&self, address: &str, identifier: &Identifier, time: u64) -> String {
        let plugin = identifier.escaped();
        let mut lines = self.lines.clone();
        let kinds = [("metrics", &self.metrics), ("meta", &self.meta), ("warn", &self.warnings)];
        for (kind, entries) in kinds {
            for (key, value) in entries {
                // Writing to a String can't fail.
                let _ = writeln!(
                    lines,
                    "{address}\t{plugin}.{kind}.{key}\t{}\t{time}",
                    one_column(value)
                );
            }
        }
        lines
    }
}

impl FetchError {
    /// The wire line of this failure: the warning `command`.
    #[must_use]
    pub fn line(&self, address: &str, identifier: &Identifier, time: u64) -> String {
        let plugin = identifier.escaped();
        let text = one_column(&self.to_string());
        format!("{address}\t{plugin}.warn.{FAILURE}\t{text}\t{time}\n")
    }
}

/// A text that fits in a column of a line, and in one line of the log: without tabs and line ends, and
/// not too long.
pub fn one_column(text: &str) -> String {
    /// Well below the longest line.
    const LONGEST: usize = 2000;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_escaped_identifier_and_the_type() {
        let mut report = Report::default();
        report.metric("keys", DataSourceType::Gauge, "3");
        report.metric("evicted_keys", DataSourceType::Derive, "1.5");
        report.meta("save", "900 1\t300\n10");
        report.warning("replication", "stopped");
        let identifier = Identifier::parse("redis:6379").unwrap();
        assert_eq!(
            report.lines("::1", &identifier, 5),
            "::1\tredis%3A6379.metrics.keys.gauge\t3\t5\n\
             ::1\tredis%3A6379.metrics.evicted_keys.derive\tU\t5\n\
             ::1\tredis%3A6379.meta.save\t900 1 300 10\t5\n\
             ::1\tredis%3A6379.warn.replication\tstopped\t5\n"
        );
        for line in report.lines("::1", &identifier, 5).lines() {
            line_protocol::parse_line(line.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_failure_is_the_warning_command() {
        let identifier = Identifier::parse("redis").unwrap();
        assert_eq!(
            FetchError::TimedOut.line("h", &identifier, 5),
            "h\tredis.warn.command\ttimed out after 10 s\t5\n"
        );
    }
}
