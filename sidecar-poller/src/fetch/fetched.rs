//! A fetch as its tests see it: what was sent by its line's second column, and whether all that the
//! plugin's graphs draw is among it.

use std::collections::BTreeMap;

use line_protocol::Identifier;
use serde_json::Map;
use site::Meta;

use super::drawn::drawn_keys;
use super::{FetchError, Fetcher, Report, Request};

/// What was fetched: `metrics.busy.gauge`, `meta.server` and so on, with their values.
pub type Fetched = BTreeMap<String, String>;

/// Fetches from 127.0.0.1.
pub async fn fetched(identifier: &str) -> Result<Fetched, FetchError> {
    let identifier = Identifier::parse(identifier).unwrap();
    let metrics_config = Map::new();
    let request =
        Request { address: "127.0.0.1", identifier: &identifier, metrics_config: &metrics_config };
    let fetcher = Fetcher::named(identifier.name()).unwrap();
    Ok(read(&fetcher.fetch(request).await?))
}

/// What a report sends. Each of its lines is one that Redis takes.
pub fn read(report: &Report) -> Fetched {
    let identifier = Identifier::parse("x").unwrap();
    let lines = report.lines("127.0.0.1", &identifier, 5);
    let line = |line: &str| {
        line_protocol::parse_line(line.as_bytes()).unwrap();
        let columns: Vec<&str> = line.split('\t').collect();
        let key = columns[1].strip_prefix("x.").unwrap();
        (key.to_owned(), columns[2].to_owned())
    };
    lines.lines().map(line).collect()
}

/// Holds that the graphs of a built-in definition, as far as the meta that were fetched show them,
/// draw just what was fetched: nothing that was not, and nothing forgotten.
pub fn assert_all_is_drawn(name: &str, fetched: &Fetched) {
    let meta: Meta = fetched
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("meta.")?.to_owned(), value.clone())))
        .collect();
    let sent = fetched.keys().filter_map(|key| key.strip_prefix("metrics."));
    assert_eq!(drawn_keys(name, &meta), sent.map(str::to_owned).collect());
}
