//! Fetchers: each asks one kind of server for its numbers. One file a built-in fetcher.

#[cfg(test)]
mod drawn;
pub mod external;
#[cfg(test)]
mod fetched;
mod gaurun;
mod goapp;
#[cfg(test)]
mod hostile;
mod http;
mod jolokia;
mod memcached;
mod mysql;
mod nginx;
mod opcache;
mod prometheus;
mod redis;
mod squid;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use line_protocol::{DataSourceType, Identifier, Value};
use serde_json::{Map, Value as Json};

use external::External;

/// How long one fetch may take, all in all.
pub const LIMIT: Duration = Duration::from_secs(10);

/// What fetches: built in, or a user's program.
#[derive(Debug, Clone)]
pub enum Fetcher {
    /// A user's program, for one host.
    External(Arc<External>),
    /// Gaurun, which pushes to phones.
    Gaurun,
    /// A program in Go that tells of its runtime.
    Goapp,
    /// Apache, or another server with its status page.
    Http,
    /// A Java virtual machine, by Jolokia.
    Jolokia,
    /// A memcached.
    Memcached,
    /// A MySQL or MariaDB server.
    Mysql,
    /// nginx.
    Nginx,
    /// PHP's OPcache.
    Opcache,
    /// A Prometheus exporter.
    Prometheus,
    /// A Redis server.
    Redis,
    /// Squid.
    Squid,
}

/// What is to be fetched. Not to be printed: its settings hold passwords.
#[derive(Clone, Copy)]
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
    /// Wire lines of which key, value and time are known already.
    lines: String,
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
    /// The built-in fetcher of a plugin, by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "gaurun" => Some(Self::Gaurun),
            "goapp" => Some(Self::Goapp),
            "http" => Some(Self::Http),
            "jolokia" => Some(Self::Jolokia),
            "memcached" => Some(Self::Memcached),
            "mysql" => Some(Self::Mysql),
            "nginx" => Some(Self::Nginx),
            "opcache" => Some(Self::Opcache),
            "prometheus" => Some(Self::Prometheus),
            "redis" => Some(Self::Redis),
            "squid" => Some(Self::Squid),
            _ => None,
        }
    }

    /// Fetches once, within [`LIMIT`].
    ///
    /// # Errors
    /// Where nothing could be fetched.
    pub async fn fetch(&self, request: Request<'_>) -> Result<Report, FetchError> {
        let fetch = async {
            match self {
                Self::External(external) => external.fetch(request).await,
                Self::Gaurun => gaurun::fetch(request).await,
                Self::Goapp => goapp::fetch(request).await,
                Self::Http => http::fetch(request).await,
                Self::Jolokia => jolokia::fetch(request).await,
                Self::Memcached => memcached::fetch(request).await,
                Self::Mysql => mysql::fetch(request).await,
                Self::Nginx => nginx::fetch(request).await,
                Self::Opcache => opcache::fetch(request).await,
                Self::Prometheus => prometheus::fetch(request).await,
                Self::Redis => redis::fetch(request).await,
                Self::Squid => squid::fetch(request).await,
            }
        };
        match self {
            // Waits for its turn first, and then has its own limit.
            Self::External(_) => fetch.await,
            _ => tokio::time::timeout(LIMIT, fetch).await.unwrap_or(Err(FetchError::TimedOut)),
        }
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

    /// What of a program's lines was not understood.
    #[must_use]
    pub fn odd_lines(&self) -> Option<String> {
        let warning = self.warnings.iter().find(|(name, _)| name == external::ODD_LINES);
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
        format!("{address}\t{plugin}.warn.command\t{text}\t{time}\n")
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
