//! Users' programs that fetch: `<metrics_plugin_dir>/fetch/<name>[.*]`, by the protocol of
//! [`site::program`]. They print `key TAB value [TAB time]`.

use std::sync::Arc;
use std::time::Duration;

use line_protocol::output::parse_output;
use line_protocol::{Identifier, parse_line};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use site::program::{Call, Limits, ProgramError};
use site::{Config, Host, Meta, Program};
use tokio::sync::{Mutex, Semaphore};
use tracing::debug;

use super::report::ODD_LINES;
use super::{FetchError, LIMIT, Report, Request};
use crate::connection::{self, Credentials, connect};

/// How many programs run at once, all in all: a fetch waits mostly, but a program is a process.
const PROGRAMS_AT_ONCE: usize = 64;
const META_LIMITS: connection::Limits =
    connection::Limits { connect: Duration::from_secs(1), reply: Duration::from_secs(2) };

/// A user's program that fetches a plugin of one host.
#[derive(Debug)]
pub struct External {
    program: Program,
    hostname: String,
    comments: String,
    shared: Arc<Shared>,
}

/// What all of these programs share: turns, and the way to the Redis that has their meta.
pub struct Shared {
    turns: Semaphore,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    /// Made when first used, and again after a failure.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl External {
    /// The program for this host.
    #[must_use]
    pub fn new(program: Program, host: &Host, shared: Arc<Shared>) -> Self {
        let (hostname, comments) = (host.hostname.clone(), host.comments.clone());
        Self { program, hostname, comments, shared }
    }

    /// Runs the program once, when it is its turn.
    ///
    /// # Errors
    /// Where it fails: as it said it on its standard error.
    pub async fn fetch(&self, request: Request<'_>) -> Result<Report, FetchError> {
        // Never closed, so always a turn.
        let _turn = self.shared.turns.acquire().await;
        let (address, identifier) = (request.address, request.identifier);
        // Without meta, as at the first time, is better than not at all.
        let meta = self.shared.meta(address, identifier).await.unwrap_or_else(|error| {
            debug!("{address} {identifier} is fetched without meta: {error}");
            Meta::new()
        });
        let call = Call {
            address,
            hostname: &self.hostname,
            comments: &self.comments,
            identifier,
            metrics_config: request.metrics_config,
            meta: &meta,
        };
        let limits = Limits { time: LIMIT, ..Limits::default() };
        let printed = self.program.run(&call, None, limits).await.map_err(|error| match error {
            ProgramError::TimedOut(_) => FetchError::TimedOut,
            other => FetchError::Failed(other.to_string()),
        })?;
        if !printed.errors.is_empty() {
            debug!("{address} {identifier} said: {}", printed.errors);
        }
        let now = crate::poll::since_1970().as_secs();
        Ok(report(&printed.output, address, identifier, now))
    }
}

impl std::fmt::Debug for Shared {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("host", &self.host).field("port", &self.port).finish()
    }
}

impl Shared {
    /// For the Redis of this configuration; connects when it is first asked.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (host, port) = config.redis_address();
        Self {
            turns: Semaphore::new(PROGRAMS_AT_ONCE),
            host: host.to_owned(),
            port,
            credentials: crate::credentials(),
            connection: Mutex::default(),
        }
    }

    /// What Redis knows of a plugin of a host, without history.
    ///
    /// # Errors
    /// Where it can't be asked, in words that a person can act on.
    pub async fn meta(&self, address: &str, identifier: &Identifier) -> Result<Meta, String> {
        let said = |error: RedisError| {
            let reason = connection::reason(&error, META_LIMITS);
            format!("Redis at {}:{}: {reason}", self.host, self.port)
        };
        let mut connection = self.connected().await.map_err(said)?;
        let mut command = redis::cmd("KURADO.META");
        command.arg("GET").arg(address).arg(identifier.escaped());
        match command.query_async(&mut connection).await {
            Ok(meta) => Ok(meta),
            Err(error) => {
                if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
                    *self.connection.lock().await = None;
                }
                Err(said(error))
            }
        }
    }

    /// The connection; those who come while it is being made wait for the same.
    async fn connected(&self) -> RedisResult<MultiplexedConnection> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let address = (self.host.as_str(), self.port);
        let made = connect(address, self.credentials.as_ref(), META_LIMITS).await?;
        *kept = Some(made.clone());
        Ok(made)
    }
}

/// Makes the report of what a program printed. Lines that are none are told in the warning [`ODD_LINES`],
/// and cost the others nothing.
fn report(output: &str, address: &str, identifier: &Identifier, now: u64) -> Report {
    let (plugin, now) = (identifier.escaped(), now.to_string());
    let mut report = Report::default();
    let mut count = 0;
    let mut bad: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(output.lines()) {
        match wire_line(line, address, &plugin, &now) {
            Ok(None) => continue,
            Ok(Some(line)) => report.lines.push_str(&line),
            Err(reason) => {
                let (bad, _) = bad.get_or_insert_with(|| (0, format!("line {number}: {reason}")));
                *bad += 1;
            }
        }
        count += 1;
    }
    if let Some((bad, first)) = bad {
        let which = if bad == 1 { "" } else { "the first: " };
        report
            .warning(ODD_LINES, &format!("{bad} of {count} lines not understood; {which}{first}"));
    }
    report
}

/// The wire line of a line that a program printed; `None` of one that says nothing. A metric
/// without a value is unknown: programs print their variables as they are.
fn wire_line(line: &str, address: &str, plugin: &str, now: &str) -> Result<Option<String>, String> {
    let Some(output) = parse_output(line, now).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let is_metric = output.key.starts_with("metrics.");
    let value = if is_metric && output.value.is_empty() { "U" } else { output.value };
    let line = format!("{address}\t{plugin}.{}\t{value}\t{}\n", output.key, output.time);
    parse_line(line.trim_end_matches('\n').as_bytes()).map_err(|error| error.to_string())?;
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(output: &str) -> String {
        let identifier = Identifier::parse("shop:80").unwrap();
        report(output, "h", &identifier, 99).lines("h", &identifier, 100)
    }

    #[test]
    fn prefix_type_and_time_are_filled_in_and_those_given_are_kept() {
        assert_eq!(
            lines(
                "busy\t3\n# a comment\n\nmetrics.reqs.derive\t7\t5\nmeta.version\t1.2 b\nwarn.disk\tfull\t6\r\n"
            ),
            "h\tshop%3A80.metrics.busy.gauge\t3\t99\n\
             h\tshop%3A80.metrics.reqs.derive\t7\t5\n\
             h\tshop%3A80.meta.version\t1.2 b\t99\n\
             h\tshop%3A80.warn.disk\tfull\t6\n"
        );
    }

    #[test]
    fn a_metric_without_a_value_is_unknown() {
        assert_eq!(lines("busy\t\n"), "h\tshop%3A80.metrics.busy.gauge\tU\t99\n");
    }

    #[test]
    fn bad_lines_are_counted_in_a_warning_that_names_the_first_and_its_rule() {
        let text = lines("busy 3\nidle\t4\nreqs.derive\t1.5\nx\tnan\ny\t1\tlater\n");
        assert_eq!(
            text,
            "h\tshop%3A80.metrics.idle.gauge\t4\t99\n\
             h\tshop%3A80.warn.output\t4 of 5 lines not understood; the first: line 1: 'busy 3' must be key TAB value [TAB unixtime]\t100\n"
        );
        assert!(
            lines("reqs.derive\t1.5\n").contains(
                "1 of 1 lines not understood; line 1: value '1.5' must be a whole number"
            )
        );
    }

    proptest! {
        #[test]
        fn whatever_is_printed_gives_lines_that_are_taken(output in "[a-z.\t \n\rU0-9\u{1}é-]{0,200}") {
            for line in lines(&output).lines() {
                prop_assert!(parse_line(line.as_bytes()).is_ok(), "{line:?}");
            }
        }
    }
}
