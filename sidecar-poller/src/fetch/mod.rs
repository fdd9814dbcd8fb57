//! Fetchers: each asks one kind of server for its numbers. One file a built-in fetcher.

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod hostile;
mod memcached;
mod mysql;
mod redis;
mod socket;

use std::fmt::Write;
use std::time::Duration;

use line_protocol::{DataSourceType, Identifier, Value};
use serde_json::{Map, Value as Json};

/// How long one fetch may take, all in all.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A built-in fetcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetcher {
    /// A memcached.
    Memcached,
    /// A MySQL or MariaDB server.
    Mysql,
    /// A Redis server.
    Redis,
}

/// What is to be fetched.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The host, which is also where the server is.
    pub address: &'a str,
    /// The plugin with its arguments.
    pub identifier: &'a Identifier,
    /// Settings of the host's roll, by plugin.
    pub metrics_config: &'a Map<String, Json>,
}

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    metrics: Vec<(String, String)>,
    meta: Vec<(String, String)>,
    warnings: Vec<(String, String)>,
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

impl<'a> Request<'a> {
    /// An argument of the plugin; where it is missing, empty or `0`, as people write it to keep the
    /// default, that.
    #[must_use]
    pub fn argument(&self, index: usize, default: &'a str) -> &'a str {
        self.identifier.argument(index).filter(|text| *text != "0").unwrap_or(default)
    }

    /// The first argument as a port.
    ///
    /// # Errors
    /// Where it is none.
    pub fn port(&self, default: u16) -> Result<u16, FetchError> {
        match self.argument(0, "") {
            "" => Ok(default),
            text => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                FetchError::Failed(format!("port '{text}' must be a number from 1 to 65535"))
            }),
        }
    }
}

impl Fetcher {
    /// The fetcher of a plugin, by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "memcached" => Some(Self::Memcached),
            "mysql" => Some(Self::Mysql),
            "redis" => Some(Self::Redis),
            _ => None,
        }
    }

    /// Fetches once, within [`LIMIT`].
    ///
    /// # Errors
    /// Where nothing could be fetched.
    pub async fn fetch(self, request: Request<'_>) -> Result<Report, FetchError> {
        let fetch = async {
            match self {
                Self::Memcached => memcached::fetch(request).await,
                Self::Mysql => mysql::fetch(request).await,
                Self::Redis => redis::fetch(request).await,
            }
        };
        tokio::time::timeout(LIMIT, fetch).await.unwrap_or(Err(FetchError::TimedOut))
    }
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

    /// The wire lines of this report: `address TAB plugin.type.key TAB value TAB time`.
    #[must_use]
    pub fn lines(&self, address: &str, identifier: &Identifier, time: u64) -> String {
        let plugin = identifier.escaped();
        let mut lines = String::new();
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
        format!("{address}\t{plugin}.warn.command\t{text}\t{time}\n")
    }
}

/// A text that fits in a column of a line: without tabs and line ends, and not too long.
fn one_column(text: &str) -> String {
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
    fn an_argument_that_is_missing_empty_or_0_has_its_default() {
        let port = |identifier: &str| {
            let identifier = Identifier::parse(identifier).unwrap();
            let metrics_config = Map::new();
            Request { address: "h", identifier: &identifier, metrics_config: &metrics_config }
                .port(80)
                .map_err(|error| error.to_string())
        };
        assert_eq!(port("http"), Ok(80));
        assert_eq!(port("http::/status"), Ok(80));
        assert_eq!(port("http:0"), Ok(80));
        assert_eq!(port("http:8080"), Ok(8080));
        for bad in ["http:x", "http:65536", "http:-1"] {
            assert!(port(bad).unwrap_err().contains("must be a number from 1 to 65535"), "{bad}");
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
