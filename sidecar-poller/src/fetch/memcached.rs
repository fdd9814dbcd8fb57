//! `memcached[:port=11211]`: what `stats` and, since 1.4, `stats settings` of a memcached say.

use std::collections::BTreeMap;
use std::time::Duration;

use line_protocol::DataSourceType::{self, Derive, Gauge};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::socket;

/// For all answers together, once connected.
const ANSWER: Duration = Duration::from_secs(5);
/// All answers together, in bytes; real ones have less than 8,000.
const LONGEST: u64 = 256 << 10;

/// Keys and their types, named as in `stats`; unknown where it lacks them.
const METRICS: [(&str, DataSourceType); 10] = [
    ("cmd_get", Derive),
    ("cmd_set", Derive),
    ("get_hits", Derive),
    ("get_misses", Derive),
    ("evictions", Derive),
    ("evicted_unfetched", Derive),
    ("curr_connections", Gauge),
    ("bytes", Gauge),
    ("limit_maxbytes", Gauge),
    ("curr_items", Gauge),
];
/// The one that `stats settings` tells.
const MAXCONNS: &str = "maxconns";

/// Names and values.
pub(super) type Stats = BTreeMap<String, String>;

/// A line of an answer.
#[derive(Debug, PartialEq)]
enum Line<'a> {
    /// A name and its value.
    Stat(&'a str, &'a str),
    /// The answer is complete.
    End,
}

/// Why there are no stats.
pub(super) enum Refusal {
    /// The server said something else instead, and may be asked other things.
    Said(String),
    /// Nothing more is to be had.
    Broken(String),
}

pub(super) const DECLARATION: Declaration = Declaration::of(Arguments::Port(11211));

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let port = request.given(DECLARATION.arguments)?.port;
    let failed = |reason: String| FetchError::Failed(format!("port {port}: {reason}"));
    let stream = socket::connect(request.address, port).await.map_err(failed)?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read.take(LONGEST));
    let answers = async {
        let stats = ask(&mut read, &mut write, "stats").await.map_err(Refusal::reason)?;
        let settings = if stats.get("version").is_some_and(|version| has_settings(version)) {
            match ask(&mut read, &mut write, "stats settings").await {
                Ok(settings) => settings,
                // A proxy may know the one and not the other.
                Err(Refusal::Said(_)) => Stats::new(),
                Err(Refusal::Broken(reason)) => return Err(reason),
            }
        } else {
            Stats::new()
        };
        Ok((stats, settings))
    };
    match timeout(ANSWER, answers).await {
        Ok(Ok((stats, settings))) => Ok(report(&stats, &settings)),
        Ok(Err(reason)) => Err(failed(reason)),
        Err(_) => Err(failed(format!(
            "connected, but the answer was not complete within {} s",
            ANSWER.as_secs()
        ))),
    }
}

/// Sends a command and reads its stats.
pub(super) async fn ask(
    read: &mut (impl AsyncBufRead + Unpin),
    write: &mut (impl AsyncWriteExt + Unpin),
    command: &str,
) -> Result<Stats, Refusal> {
    let broken = |error: std::io::Error| Refusal::Broken(socket::reason(&error));
    write.write_all(format!("{command}\r\n").as_bytes()).await.map_err(broken)?;
    let mut stats = Stats::new();
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        length += read.read_until(b'\n', &mut line).await.map_err(broken)? as u64;
        if !line.ends_with(b"\n") {
            let answer = socket::beginning(&line);
            return Err(Refusal::Broken(if length >= LONGEST {
                format!("the answer to {command} is longer than {LONGEST} bytes: {answer}")
            } else if length == 0 {
                format!("the connection was closed without an answer to {command}")
            } else {
                format!("the connection was closed amid the answer to {command}: {answer}")
            }));
        }
        match Line::parse(&line) {
            Some(Line::Stat(name, value)) => {
                stats.insert(name.to_owned(), value.to_owned());
            }
            Some(Line::End) => return Ok(stats),
            None => {
                return Err(Refusal::Said(format!(
                    "the answer to {command} is no line of memcached's stats: {}",
                    socket::beginning(&line)
                )));
            }
        }
    }
}

impl Refusal {
    fn reason(self) -> String {
        match self {
            Self::Said(reason) | Self::Broken(reason) => reason,
        }
    }
}

impl<'a> Line<'a> {
    /// `STAT name value` or `END`; `None` for anything else.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_end();
        if line == "END" {
            return Some(Self::End);
        }
        let rest = line.strip_prefix("STAT ")?;
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self::Stat(name, value))
    }
}

/// Whether a server of this version (`1.6.18`) knows `stats settings`: since 1.4.
fn has_settings(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits).and_then(|number| number.parse::<u32>().ok())
    });
    (numbers.next().flatten(), numbers.next().flatten()) >= (Some(1), Some(4))
}

pub(super) fn report(stats: &Stats, settings: &Stats) -> Report {
    let mut report = Report::default();
    for (key, kind) in METRICS {
        report.metric(key, kind, stats.get(key).map_or("U", String::as_str));
    }
    let maxconns = settings.get(MAXCONNS);
    report.metric(MAXCONNS, Gauge, maxconns.map_or("U", String::as_str));
    for name in ["version", "uptime"] {
        if let Some(value) = stats.get(name) {
            report.meta(name, value);
        }
    }
    if let Some(maxconns) = maxconns {
        report.meta(MAXCONNS, maxconns);
    }
    report
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader as StdBufReader, Write};
    use std::net::TcpStream;
    use std::process::{Command, Stdio};

    use line_protocol::Identifier;
    use proptest::prelude::*;
    use serde_json::Map;
    use test_redis::{Running, eventually, free_port};

    use super::*;
    use crate::fetch::Fetcher;
    use crate::fetch::drawn::drawn_keys;
    use crate::test_servers::{Hostile, accepts};

    struct Memcached {
        port: u16,
        _process: Running,
    }

    impl Memcached {
        fn start() -> Self {
            // Between finding a free port and using it another process may take it: try another.
            loop {
                let port = free_port();
                let mut process = Running::start(
                    Command::new("memcached")
                        .args(["-l", "127.0.0.1", "-U", "0", "-m", "8", "-c", "345"])
                        .args(["-u", "nobody", "-p", &port.to_string()])
                        .stdin(Stdio::null())
                        .stderr(Stdio::null()),
                );
                let is_up = eventually("memcached", || {
                    if process.0.try_wait().unwrap().is_some() {
                        return Some(false);
                    }
                    TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true)
                });
                if is_up {
                    return Self { port, _process: process };
                }
            }
        }

        /// What the server answers, line by line, up to one that ends so.
        fn says(&self, command: &str, last: &str) -> Vec<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
            stream.write_all(command.as_bytes()).unwrap();
            let mut lines = Vec::new();
            for line in StdBufReader::new(stream).lines() {
                let line = line.unwrap();
                if line == last {
                    return lines;
                }
                lines.push(line);
            }
            panic!("{command}: {lines:?}");
        }

        fn stat(&self, name: &str) -> String {
            let start = format!("STAT {name} ");
            let lines = self.says("stats\r\n", "END");
            lines.iter().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
        }
    }

    async fn fetched(port: u16) -> Result<BTreeMap<String, String>, FetchError> {
        let identifier = Identifier::parse(&format!("memcached:{port}")).unwrap();
        let request =
            Request { address: "127.0.0.1", identifier: &identifier, metrics_config: &Map::new() };
        let report = Fetcher::Memcached.fetch(request).await?;
        assert!(report.warnings.is_empty());
        let meta = report.meta.into_iter().map(|(name, value)| (format!("meta {name}"), value));
        Ok(report.metrics.into_iter().chain(meta).collect())
    }

    #[tokio::test]
    async fn values_are_what_the_server_itself_says() {
        let server = Memcached::start();
        server.says("set a 0 0 3\r\nabc\r\n", "STORED");
        server.says("set b 0 0 3\r\nabc\r\n", "STORED");
        server.says("get a\r\n", "END");
        server.says("get a\r\n", "END");
        server.says("get none\r\n", "END");
        let report = fetched(server.port).await.unwrap();

        for (key, value) in [
            ("cmd_set.derive", "2"),
            ("cmd_get.derive", "3"),
            ("get_hits.derive", "2"),
            ("get_misses.derive", "1"),
            ("evictions.derive", "0"),
            ("evicted_unfetched.derive", "0"),
            ("curr_items.gauge", "2"),
            ("limit_maxbytes.gauge", "8388608"),
            ("maxconns.gauge", "345"),
            ("meta maxconns", "345"),
        ] {
            assert_eq!(report[key], value, "{key}");
        }
        for (key, name) in [("bytes.gauge", "bytes"), ("meta version", "version")] {
            assert_eq!(report[key], server.stat(name), "{key}");
        }
        assert!(report["curr_connections.gauge"].parse::<u32>().unwrap() >= 1);
        assert!(report["meta uptime"].parse::<u32>().is_ok());
        assert_eq!(report.len(), 11 + 3);
    }

    #[test]
    fn what_an_old_server_lacks_is_unknown() {
        let stats = Stats::from([
            ("version".to_owned(), "1.2.8".to_owned()),
            ("cmd_get".to_owned(), "5".to_owned()),
        ]);
        let report = report(&stats, &Stats::new());
        assert_eq!(report.meta, [("version".to_owned(), "1.2.8".to_owned())]);
        for (key, value) in report.metrics {
            assert_eq!(value, if key == "cmd_get.derive" { "5" } else { "U" }, "{key}");
        }
    }

    #[test]
    fn settings_are_asked_for_since_1_4() {
        for (version, has) in [
            ("1.4.0", true),
            ("1.4", true),
            ("1.4-rc1", true),
            ("1.6.18", true),
            ("1.10.1", true),
            ("2.0.0", true),
            ("1.2.8", false),
            ("0.9", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(has_settings(version), has, "{version}");
        }
    }

    #[test]
    fn graphs_are_drawn_from_what_is_fetched() {
        let fetched = report(&Stats::new(), &Stats::new()).metrics;
        assert_eq!(
            drawn_keys("memcached", &BTreeMap::new()),
            fetched.into_iter().map(|(key, _)| key).collect()
        );
    }

    async fn failure(hostile: Hostile) -> String {
        let port = accepts(hostile);
        let error = fetched(port).await.unwrap_err().to_string();
        error.strip_prefix(&format!("port {port}: ")).unwrap().to_owned()
    }

    #[tokio::test]
    async fn failures_say_what_is_wrong() {
        let port = free_port();
        assert_eq!(
            fetched(port).await.unwrap_err().to_string(),
            format!("port {port}: connection refused")
        );
        assert_eq!(
            failure(Hostile::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await,
            "the answer to stats is no line of memcached's stats: HTTP/1.1 400 Bad Request"
        );
        assert_eq!(
            failure(Hostile::Says(b"CLIENT_ERROR unauthenticated\r\n".to_vec())).await,
            "the answer to stats is no line of memcached's stats: CLIENT_ERROR unauthenticated"
        );
        assert_eq!(
            failure(Hostile::Closes(Vec::new())).await,
            "the connection was closed without an answer to stats"
        );
        assert_eq!(
            failure(Hostile::Closes(b"STAT version 1.6\r\nSTAT upt".to_vec())).await,
            "the connection was closed amid the answer to stats: STAT upt"
        );
        assert_eq!(
            failure(Hostile::Silent).await,
            "connected, but the answer was not complete within 5 s"
        );
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        for endless in [&b"STAT a b\r\n"[..], b"x"] {
            let error = failure(Hostile::Endless(endless.to_vec())).await;
            assert!(
                error.starts_with("the answer to stats is longer than 262144 bytes: "),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_server_that_refuses_settings_costs_these_only() {
        let answer = b"STAT version 1.5.0\r\nSTAT curr_items 7\r\nEND\r\nERROR\r\n";
        let report = fetched(accepts(Hostile::Says(answer.to_vec()))).await.unwrap();
        assert_eq!(report["curr_items.gauge"], "7");
        assert_eq!(report["maxconns.gauge"], "U");
        assert!(!report.contains_key("meta maxconns"));
    }

    proptest! {
        #[test]
        fn whatever_bytes_a_server_sends_nothing_panics(
            answer in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..600),
                proptest::collection::vec("(STAT|END|STAT version|ERROR|) ?[ -~]{0,20}\r?\n", 0..40)
                    .prop_map(|lines| lines.concat().into_bytes()),
            ],
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let answer = runtime.block_on(ask(&mut answer.as_slice(), &mut Vec::new(), "stats"));
            if let Ok(stats) = answer {
                let report = report(&stats, &stats);
                let identifier = Identifier::parse("memcached").unwrap();
                for line in report.lines("h", &identifier, 5).lines() {
                    line_protocol::parse_line(line.as_bytes()).unwrap();
                }
            }
        }
    }
}
