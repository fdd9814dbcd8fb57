//! Tests of the fetcher for MySQL.

mod hostile;
mod real_server;
mod recorded;

use std::collections::BTreeMap;

use line_protocol::Identifier;
use serde_json::json;

use super::*;
use crate::fetch::Fetcher;

/// Lines by their keys: `metrics.…`, `meta.…` and `warn.…`.
type Lines = BTreeMap<String, String>;

async fn fetched(identifier: &str, config: Json) -> Result<Lines, FetchError> {
    let identifier = Identifier::parse(identifier).unwrap();
    let request = Request {
        address: "127.0.0.1",
        identifier: &identifier,
        metrics_config: config.as_object().unwrap(),
    };
    Ok(lines(&Fetcher::Mysql.fetch(request).await?))
}

fn lines(report: &Report) -> Lines {
    let identifier = Identifier::parse("mysql").unwrap();
    let text = report.lines("h", &identifier, 5);
    let columns = text.lines().map(|line| {
        line_protocol::parse_line(line.as_bytes()).unwrap();
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[1].strip_prefix("mysql.").unwrap().to_owned(), columns[2].to_owned())
    });
    columns.collect()
}

/// A user that may see all that is asked for.
const WATCH: &str = "CREATE USER 'watch'@'127.0.0.1' IDENTIFIED BY '0123';
    GRANT PROCESS, SLAVE MONITOR ON *.* TO 'watch'@'127.0.0.1'";

fn watch() -> Json {
    json!({"MySQL": {"user": "watch", "password": "0123"}})
}
