//! What watched servers and programs may say, in words: the input's first byte chooses the reader. MySQL's
//! packets and the samples of exporters have targets of their own.
#![no_main]
// The modules are the poller's, whole: they also ask, which is not done here.
#![allow(dead_code)]

#[path = "../../sidecar-poller/src/dns.rs"]
mod dns;
#[path = "../../sidecar-poller/src/exposition.rs"]
mod exposition;
#[path = "../../sidecar-poller/src/fetch"]
mod fetch {
    pub mod declaration;
    mod gaurun;
    mod goapp;
    mod http;
    mod jolokia;
    mod memcached;
    mod mysql {
        mod answers;
        mod innodb;
        mod innodb_status;
        mod replication;
        mod status;

        use super::Report;
        use answers::{Answers, Fields};

        /// What is made of the four answers.
        pub(super) fn report([status, variables, innodb, replica]: [String; 4]) -> Report {
            let answers = Answers {
                status: fields(&status),
                variables: fields(&variables),
                innodb_status: Some(innodb),
                replication: vec![fields(&replica)],
                no_replication: None,
            };
            let mut report = Report::default();
            status::add_to(&mut report, &answers);
            innodb::add_to(&mut report, &answers);
            replication::add_to(&mut report, &answers);
            report
        }

        fn fields(text: &str) -> Fields {
            let pairs = text.lines().filter_map(|line| line.split_once('\t'));
            pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
        }
    }
    mod nginx;
    mod opcache;
    mod prometheus;
    mod redis {
        pub(super) mod info;
    }
    mod report;
    mod request;
    mod squid;

    use std::sync::LazyLock;

    use line_protocol::Identifier;
    use serde_json::json;
    use site::prometheus::Mapping;
    use tokio::runtime::{Builder, Runtime};

    pub use report::{FetchError, LIMIT, Report};
    pub use request::Request;

    use crate::http_client::Page;

    /// In seconds since 1970.
    const NOW: u64 = 1_700_000_000;

    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));
    /// Keys made of labels, sums, and types that are told or guessed.
    static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
        let rules = json!([
            {"metric": "a_total", "key": "a-{method}", "times": 100},
            {"metric": "b", "labels": {"mode": "!idle"}, "type": "gauge"},
            {"metric": "c_bucket", "key": "c", "type": "counter"},
        ]);
        let config = json!({"Prometheus": {"9100": rules}});
        let identifier = Identifier::parse("prometheus").expect("an identifier");
        Mapping::of(config.as_object().expect("settings"), &identifier).expect("a mapping")
    });

    /// How many readers there are.
    pub const READERS: u8 = 10;

    /// What the reader of that number makes of a text, where it makes a report of it.
    pub fn read(reader: u8, text: &str) -> Option<Report> {
        // Some are told several pages.
        let mut parts = text.split('\0');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        match reader {
            0 => {
                let (info, value) = (part(), part());
                Some(redis::info::report(&info, 7, std::iter::once(("save", value))))
            }
            1 => {
                let (mut said, mut asked) = (text.as_bytes(), Vec::new());
                let answer = memcached::ask(&mut said, &mut asked, "stats");
                let stats = RUNTIME.block_on(answer).ok()?;
                Some(memcached::report(&stats, &stats))
            }
            2 => nginx::report(&page(text)).ok(),
            3 => http::report(&page(text), NOW).ok(),
            4 => {
                let pages = squid::Pages { counters: part(), five_minutes: part(), info: part() };
                squid::report(&pages)
            }
            5 => {
                let values = [0; 6].map(|_| jolokia::answered(&page(&part())).unwrap_or_default());
                jolokia::report(values, NOW)
            }
            6 => opcache::report(&page(text)).ok(),
            7 => gaurun::report(&page(text)).ok().or_else(|| goapp::report(&page(text)).ok()),
            8 => prometheus::report(&page(text), &MAPPING).ok(),
            _ => Some(mysql::report([0; 4].map(|_| part()))),
        }
    }

    fn page(text: &str) -> Page {
        crate::answered(text).page("here".to_owned()).expect("a page")
    }
}
#[path = "../../sidecar-poller/src/http_client.rs"]
mod http_client;
#[path = "../../sidecar-poller/src/json.rs"]
mod json;
/// The time, as the poller's modules ask for it.
mod poll {
    /// Since 1970.
    pub fn since_1970() -> std::time::Duration {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    }
}
#[path = "../../sidecar-poller/src/socket.rs"]
mod socket;

use http_client::{Connection, LONGEST, Response};
use libfuzzer_sys::fuzz_target;
use line_protocol::output::parse_output;
use line_protocol::{Identifier, parse_line};

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match first % (fetch::READERS + 2) {
        reader @ 0..fetch::READERS => {
            let Some(report) = fetch::read(reader, &text) else { return };
            let identifier = Identifier::parse("shop:80").expect("an identifier");
            for line in report.lines("2001:db8::1", &identifier, 1_700_000_000).lines() {
                parse_line(line.as_bytes()).expect("a line that can be pushed");
            }
        }
        fetch::READERS => http(rest),
        _ => {
            for line in text.lines() {
                let Ok(Some(output)) = parse_output(line, "1700000000") else { continue };
                assert!(!output.key.is_empty());
            }
        }
    }
});

/// An answer by HTTP, as it comes and when nothing more comes.
fn http(received: &[u8]) {
    let longest = 2048;
    let whole = http_client::parse(received, Connection::Closed, longest);
    assert!(!matches!(whole, Ok(None)), "an answer that is over is an answer or none");
    if let Ok(Some(open)) = http_client::parse(received, Connection::Open, longest) {
        // What is whole before the end is no other at the end, but for the next request.
        let page = |response: Response| response.page("here".to_owned());
        assert_eq!(page(open), page(whole.expect("an answer").expect("an answer")));
    }
}

/// The answer to a request for a page that says this.
fn answered(text: &str) -> Response {
    let answer = [b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n", text.as_bytes()].concat();
    let response = http_client::parse(&answer, Connection::Closed, LONGEST);
    response.expect("an answer").expect("an answer")
}
