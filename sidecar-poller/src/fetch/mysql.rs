//! `mysql[:port]`: what a MySQL (4.1 to 8.4) or MariaDB server says of itself, InnoDB and
//! replication.
//!
//! User, password and port stand in `metrics_config`: `MySQL: {user: …, password: …, port: …}`, also
//! as `MYSQL:`. The user needs no rights on any data: PROCESS for what InnoDB says of its mutexes,
//! REPLICATION CLIENT (in MariaDB since 10.5 SLAVE MONITOR) for replication. Nothing but SHOW is
//! sent: nothing is changed, and no table is locked.
//!
//! Passwords are proven, and not sent. But a MySQL server that has not seen a user of
//! `caching_sha2_password` since its start asks for the password, encrypted with a key that it sends
//! over the same connection: whoever can change what travels there can learn it.
//!
//! The client is our own. The libraries at hand trust the server: one takes as much memory as it
//! announces columns, reads an answer that nobody wants to its end, however long that takes, and
//! panics at a bad key. A poller talks to thousands, of which each may be broken.

mod client;
mod innodb_status;
#[cfg(test)]
mod mariadb;
mod packet;
mod password;

use std::collections::BTreeMap;
use std::time::Duration;

use line_protocol::DataSourceType::{Derive, Gauge};
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::declaration::{Arguments, Declaration, Kind, Settings};
use super::{FetchError, Report, Request};
use crate::socket;
use client::{Client, Fault, Table};
use innodb_status::{Counters, Waits};

/// For login and all answers together, once connected.
const ANSWERS: Duration = Duration::from_secs(5);

/// Questions, with their form on servers that don't know the first.
const STATUS: [&str; 2] = ["SHOW GLOBAL STATUS", "SHOW STATUS"];
const VARIABLES: [&str; 1] = ["SHOW VARIABLES"];
const INNODB_STATUS: [&str; 2] = ["SHOW ENGINE INNODB STATUS", "SHOW INNODB STATUS"];
/// MySQL 8.4 knows only the first.
const REPLICA_STATUS: [&str; 2] = ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"];

/// Errors by their numbers: a syntax that the server does not know; a wrong user or password; a
/// right that is missing.
const SYNTAX: u16 = 1064;
const ACCESS_DENIED: [u16; 2] = [1045, 1698];
const HOST_NOT_ALLOWED: u16 = 1130;
const NO_RIGHT: u16 = 1227;

/// Keys that are names in the status.
const DERIVED: [&str; 20] = [
    "created_tmp_tables",
    "created_tmp_disk_tables",
    "created_tmp_files",
    "com_delete",
    "com_insert",
    "com_replace",
    "com_select",
    "com_update",
    "slow_queries",
    "connections",
    "threads_created",
    "select_full_join",
    "select_full_range_join",
    "select_range",
    "select_range_check",
    "select_scan",
    "sort_merge_passes",
    "sort_range",
    "sort_rows",
    "sort_scan",
];
const GAUGES: [&str; 3] = ["threads_cached", "threads_connected", "threads_running"];
/// One of the numbers in InnoDB's own status.
type Counter = fn(&Counters) -> Option<u64>;

/// Such keys where there is InnoDB, and where its own status has them.
const INNODB_DERIVED: [(&str, Counter); 11] = [
    ("innodb_rows_read", |counters| counters.rows_read),
    ("innodb_rows_deleted", |counters| counters.rows_deleted),
    ("innodb_rows_updated", |counters| counters.rows_updated),
    ("innodb_rows_inserted", |counters| counters.rows_inserted),
    ("innodb_pages_read", |counters| counters.pages_read),
    ("innodb_pages_created", |counters| counters.pages_created),
    ("innodb_pages_written", |counters| counters.pages_written),
    ("innodb_data_reads", |counters| counters.data_reads),
    ("innodb_data_writes", |counters| counters.data_writes),
    ("innodb_data_fsyncs", |counters| counters.data_fsyncs),
    ("innodb_log_writes", |counters| counters.log_writes),
];
/// Pages there, sent in bytes.
const INNODB_PAGES: [(&str, Counter); 4] = [
    ("innodb_buffer_pool_pages_total", |counters| counters.pages_total),
    ("innodb_buffer_pool_pages_free", |counters| counters.pages_free),
    ("innodb_buffer_pool_pages_data", |counters| counters.pages_data),
    ("innodb_buffer_pool_pages_dirty", |counters| counters.pages_dirty),
];
/// The size of a page on servers that do not tell it.
const OLD_PAGE_SIZE: u64 = 16384;

/// Meta that are variables of the same name, sent where they exist.
const VARIABLES_SHOWN: [&str; 21] = [
    "version",
    "version_comment",
    "slow_query_log",
    "long_query_time",
    "log_queries_not_using_indexes",
    "max_connections",
    "max_connect_errors",
    "thread_cache_size",
    "sync_binlog",
    "sync_relay_log",
    "sync_relay_log_info",
    "innodb_version",
    "innodb_support_xa",
    "innodb_flush_log_at_trx_commit",
    "innodb_doublewrite",
    "innodb_file_per_table",
    "innodb_file_format",
    "innodb_io_capacity",
    "innodb_io_capacity_max",
    "innodb_page_size",
    "innodb_adaptive_hash_index",
];

/// Keys and meta of replication, and the columns that tell them, by the names before MySQL 8.0.22.
const REPLICATION_GAUGES: [(&str, &str); 3] = [
    ("replication_second_behind_master", "seconds_behind_master"),
    ("replication_read_master_log_pos", "read_master_log_pos"),
    ("replication_exec_master_log_pos", "exec_master_log_pos"),
];
const REPLICATION_META: [(&str, &str); 4] = [
    ("replication_slave_io_running", "slave_io_running"),
    ("replication_slave_sql_running", "slave_sql_running"),
    ("replication_master_host", "master_host"),
    ("replication_master_port", "master_port"),
];

/// Names, in small letters, and their values.
type Fields = BTreeMap<String, String>;

/// Where to ask, and as whom.
#[derive(Debug, PartialEq, Eq)]
struct Login {
    port: u16,
    user: String,
    password: String,
}

/// A connection that must have done its work by then.
struct Conversation {
    client: Client<TcpStream>,
    until: Instant,
    /// Why nothing more can be asked.
    broken: Option<String>,
}

/// All that a server said.
#[derive(Debug, Default)]
struct Answers {
    status: Fields,
    variables: Fields,
    /// `None` where InnoDB does not tell.
    innodb_status: Option<String>,
    /// Each source that it replicates from.
    replication: Vec<Fields>,
    /// Why it does not tell of replication.
    no_replication: Option<String>,
}

pub(super) const DECLARATION: Declaration = Declaration {
    arguments: Arguments::Port(3306),
    settings: Settings::Named(
        "MySQL",
        &[("user", Kind::Text), ("password", Kind::Text), ("port", Kind::Port)],
    ),
    not_drawn: &["innodb_spin_rounds.derive"],
};

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let login = Login::of(request)?;
    let failed = |reason: String| FetchError::Failed(format!("port {}: {reason}", login.port));
    let stream = socket::connect(request.address, login.port).await.map_err(failed)?;
    let until = Instant::now() + ANSWERS;
    let log_in = Client::log_in(stream, &login.user, &login.password);
    let client = match timeout_at(until, log_in).await {
        Ok(client) => client.map_err(|fault| failed(login.failure(&fault)))?,
        Err(_) => {
            return Err(failed(format!("connected, but no login within {} s", ANSWERS.as_secs())));
        }
    };
    let mut conversation = Conversation { client, until, broken: None };
    let answers = conversation.ask_all(&login.user).await.map_err(failed)?;
    conversation.end().await;
    Ok(report(&answers))
}

impl Login {
    fn of(request: Request<'_>) -> Result<Self, FetchError> {
        let settings = DECLARATION.settings.of(request.metrics_config);
        let text = |name: &str| match settings.as_ref()?.get(name)? {
            Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            // A password of digits only, without quotes.
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let default = match text("port") {
            None => None,
            Some(port) => {
                Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                    FetchError::Failed(format!(
                        "port '{port}' in metrics_config, MySQL: {{port: …}}, must be a number from 1 to 65535"
                    ))
                })?)
            }
        };
        Ok(Self {
            port: request.given(DECLARATION.arguments.with_port(default))?.port,
            user: text("user").unwrap_or_else(|| "root".to_owned()),
            password: text("password").unwrap_or_default(),
        })
    }

    /// Why there is no login, and what to do.
    fn failure(&self, fault: &Fault) -> String {
        let hint = match fault {
            Fault::Refused(error) if ACCESS_DENIED.contains(&error.code) => {
                "; see metrics_config, MySQL: {user: …, password: …}".to_owned()
            }
            Fault::Refused(error) if error.code == HOST_NOT_ALLOWED => {
                format!("; there, create a user '{}' for this host", self.user)
            }
            _ => String::new(),
        };
        format!("{}{hint}", fault.reason())
    }
}

impl Conversation {
    async fn ask_all(&mut self, user: &str) -> Result<Answers, String> {
        let mut answers = Answers {
            status: fields(self.ask(&STATUS).await.map_err(|(_, reason)| reason)?),
            variables: fields(self.ask(&VARIABLES).await.map_err(|(_, reason)| reason)?),
            ..Answers::default()
        };
        if has_innodb(&answers.variables)
            && let Ok(table) = self.ask(&INNODB_STATUS).await
        {
            answers.innodb_status =
                columns(table).next().and_then(|mut columns| columns.remove("status"));
        }
        // The last, as it may wait on a server whose replication is being stopped.
        match self.ask(&REPLICA_STATUS).await {
            Ok(table) => answers.replication = columns(table).collect(),
            Err((Some(NO_RIGHT), reason)) => {
                answers.no_replication = Some(format!("{reason}; grant it to user '{user}'"));
            }
            Err((_, reason)) => answers.no_replication = Some(reason),
        }
        Ok(answers)
    }

    /// Asks in the first of these forms that the server knows. An error is its number, where the
    /// server gave one, and a reason that names the question.
    async fn ask(&mut self, forms: &[&str]) -> Result<Table, (Option<u16>, String)> {
        let mut unknown = (None, String::new());
        for query in forms {
            if let Some(reason) = &self.broken {
                return Err((None, reason.clone()));
            }
            let fault = match timeout_at(self.until, self.client.query(query)).await {
                Ok(Ok(table)) => return Ok(table),
                Ok(Err(fault)) => fault,
                Err(_) => {
                    let reason = format!("no answer to {query} within {} s", ANSWERS.as_secs());
                    self.broken = Some(reason.clone());
                    return Err((None, reason));
                }
            };
            let reason = format!("{query}: {}", fault.reason());
            match fault {
                Fault::Refused(error) if error.code == SYNTAX => {
                    unknown = (Some(error.code), reason);
                }
                Fault::Refused(error) => return Err((Some(error.code), reason)),
                Fault::Io(_) | Fault::Odd(_) => {
                    self.broken = Some(reason.clone());
                    return Err((None, reason));
                }
            }
        }
        Err(unknown)
    }

    async fn end(self) {
        if self.broken.is_none() {
            // A server that does not take it is left without a word.
            let _ = timeout_at(self.until, self.client.quit()).await;
        }
    }
}

/// The fields of an answer with a name and a value a row. NULL is left out.
fn fields(table: Table) -> Fields {
    let pairs = table.rows.into_iter().filter_map(|row| {
        let [name, value] = <[Option<String>; 2]>::try_from(row).ok()?;
        Some((name?.to_lowercase(), value?))
    });
    pairs.collect()
}

/// The rows of an answer by the names of its columns. NULL is left out.
fn columns(table: Table) -> impl Iterator<Item = Fields> {
    let names: Vec<String> = table.names.iter().map(|name| name.to_lowercase()).collect();
    table.rows.into_iter().map(move |row| {
        let named = names.iter().zip(row);
        named.filter_map(|(name, value)| Some((name.clone(), value?))).collect()
    })
}

/// Whether InnoDB is there and in use. Since MySQL 5.6 no variable says so: it always is.
fn has_innodb(variables: &Fields) -> bool {
    match variables.get("have_innodb") {
        Some(have) => have.eq_ignore_ascii_case("yes"),
        None => variables.contains_key("innodb_buffer_pool_size"),
    }
}

fn report(answers: &Answers) -> Report {
    let Answers { status, variables, .. } = answers;
    let mut report = Report::default();
    let told = |name: &str| status.get(name).map_or("U", String::as_str);
    for key in DERIVED {
        report.metric(key, Derive, told(key));
    }
    for key in GAUGES {
        report.metric(key, Gauge, told(key));
    }
    let has_innodb = has_innodb(variables);
    if has_innodb {
        innodb(answers, &mut report);
    }
    report.meta("innodb", flag(has_innodb));
    report.meta("uptime", status.get("uptime").map_or("0", String::as_str));
    for name in VARIABLES_SHOWN {
        if let Some(value) = variables.get(name) {
            report.meta(name, value);
        }
    }
    // Its name before MySQL 5.1, and in MySQL 8.4.
    if !variables.contains_key("slow_query_log")
        && let Some(value) = variables.get("log_slow_queries")
    {
        report.meta("log_slow_queries", value);
    }
    if let Some(value) = either_name(variables, "sync_master_info") {
        report.meta("sync_master_info", value);
    }
    replication(answers, &mut report);
    report
}

fn innodb(answers: &Answers, report: &mut Report) {
    let Answers { status, variables, .. } = answers;
    let text = answers.innodb_status.as_deref().unwrap_or_default();
    let page_size = status.get("innodb_page_size").or_else(|| variables.get("innodb_page_size"));
    let page_size = page_size.map_or(Some(OLD_PAGE_SIZE), |text| text.parse().ok());
    let number = |name: &str| status.get(name)?.parse::<u64>().ok();
    // Before MySQL 5.0 the text alone tells.
    let counters = Counters::parse(text);
    for (key, of) in INNODB_DERIVED {
        report.metric(key, Derive, &known(number(key).or_else(|| of(&counters))));
    }
    for (key, of) in INNODB_PAGES {
        let pages = number(key).or_else(|| of(&counters));
        let bytes = pages.zip(page_size).and_then(|(pages, size)| pages.checked_mul(size));
        report.metric(key, Gauge, &known(bytes));
    }
    let hit_rate = number("innodb_buffer_pool_reads")
        .zip(number("innodb_buffer_pool_read_requests"))
        .map_or(counters.hit_rate, |(reads, requests)| hit_rate(reads, requests))
        .map(|rate| format!("{rate:.5}"));
    report.metric("innodb_buffer_pool_hit_rate", Gauge, &known(hit_rate));
    let waits = Waits::parse(text);
    report.metric("innodb_spin_waits", Derive, &known(waits.spin_waits));
    report.metric("innodb_spin_rounds", Derive, &known(waits.spin_rounds));
    report.metric("innodb_os_waits", Derive, &known(waits.os_waits));

    if let Some(size) = variables.get("innodb_buffer_pool_size") {
        report.meta("innodb_buffer_pool_size", &megabytes(size));
    }
    let method = variables.get("innodb_flush_method").filter(|method| !method.is_empty());
    report.meta("innodb_flush_method", method.map_or("fdatasync", String::as_str));
}

fn replication(answers: &Answers, report: &mut Report) {
    let source = answers.replication.first();
    report.meta("replication", flag(source.is_some()));
    if let Some(source) = source {
        for (key, column) in REPLICATION_GAUGES {
            report.metric(key, Gauge, either_name(source, column).unwrap_or("U"));
        }
        for (name, column) in REPLICATION_META {
            if let Some(value) = either_name(source, column) {
                report.meta(name, value);
            }
        }
    }
    // What stopped applying; else what keeps it from reading. Of several sources any one's.
    let error = ["last_error", "last_io_error"].iter().find_map(|column| {
        let errors = answers.replication.iter().filter_map(|source| source.get(*column));
        errors.map(|error| error.trim()).find(|error| !error.is_empty())
    });
    if let Some(error) = error.or(answers.no_replication.as_deref()) {
        let text = error.replace('\r', "\\r").replace('\n', "\\n").replace('\t', "\\t");
        report.warning("replication", &text);
    }
}

/// A value by its name of old; or by the one that MySQL has now: `source` and `replica` for
/// `master` and `slave`.
fn either_name<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let now = || fields.get(&name.replace("master", "source").replace("slave", "replica"));
    fields.get(name).or_else(now).map(String::as_str)
}

/// In percent; `None` where nothing was asked for.
#[allow(clippy::cast_precision_loss)]
fn hit_rate(reads: u64, requests: u64) -> Option<f64> {
    (requests > 0).then(|| (1.0 - reads as f64 / requests as f64) * 100.0)
}

/// The value, or that it is unknown.
fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "U".to_owned(), |value| value.to_string())
}

fn flag(is_so: bool) -> &'static str {
    if is_so { "1" } else { "0" }
}

/// Bytes as `1,024MB`; as it is where it is no number.
fn megabytes(bytes: &str) -> String {
    let Ok(bytes) = bytes.parse::<u64>() else {
        return bytes.to_owned();
    };
    let digits = (bytes >> 20).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + "MB"
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use line_protocol::Identifier;
    use proptest::prelude::*;
    use rsa::pkcs8::{EncodePublicKey, LineEnding};
    use rsa::rand_core::OsRng;
    use rsa::{Oaep, RsaPrivateKey};
    use serde_json::json;
    use test_redis::{eventually, free_port};

    use super::mariadb::MariaDb;
    use super::*;
    use crate::fetch::Fetcher;
    use crate::fetch::drawn::drawn_keys;
    use crate::fetch::hostile::{Hostile, accepts};

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

    #[tokio::test]
    async fn values_are_what_the_server_itself_says() {
        let server = MariaDb::start(&[]);
        server.sql(WATCH);
        server.sql(
            "CREATE DATABASE d; CREATE TABLE d.t (a INT) ENGINE=InnoDB;
             INSERT INTO d.t VALUES (1), (2), (3); INSERT INTO d.t VALUES (4);
             REPLACE INTO d.t VALUES (5); UPDATE d.t SET a = 6 WHERE a = 1;
             DELETE FROM d.t WHERE a = 2; SELECT * FROM d.t ORDER BY a",
        );
        let before = server.fields("SHOW GLOBAL STATUS");
        let identifier = format!("mysql:{}", server.port());
        let lines = fetched(&identifier, watch()).await.unwrap();
        let status = server.fields("SHOW GLOBAL STATUS");
        let variables = server.fields("SHOW VARIABLES");

        for (key, value) in [
            ("com_insert.derive", "2"),
            ("com_replace.derive", "1"),
            ("com_update.derive", "1"),
            ("com_delete.derive", "1"),
            ("sort_rows.derive", "4"),
            // The only one that asks is the poller.
            ("threads_connected.gauge", "1"),
            ("slow_queries.derive", "0"),
            // What this version counts no more.
            ("innodb_rows_inserted.derive", "U"),
            ("innodb_rows_updated.derive", "U"),
            ("innodb_rows_deleted.derive", "U"),
            ("innodb_rows_read.derive", "U"),
            ("innodb_spin_waits.derive", "U"),
            ("innodb_spin_rounds.derive", "U"),
            ("innodb_os_waits.derive", "U"),
        ] {
            assert_eq!(lines[&format!("metrics.{key}")], value, "{key}");
        }
        let total: u64 = status["innodb_buffer_pool_pages_total"].parse().unwrap();
        assert_eq!(
            lines["metrics.innodb_buffer_pool_pages_total.gauge"],
            (total * 16384).to_string()
        );
        let rate_of = |status: &Fields| {
            let number = |name: &str| status[name].parse::<u64>().unwrap();
            let reads = number("innodb_buffer_pool_reads");
            hit_rate(reads, number("innodb_buffer_pool_read_requests")).unwrap()
        };
        let rate: f64 = lines["metrics.innodb_buffer_pool_hit_rate.gauge"].parse().unwrap();
        let (low, high) =
            (rate_of(&before).min(rate_of(&status)), rate_of(&before).max(rate_of(&status)));
        assert!((low - 0.1..high + 0.1).contains(&rate), "{low} {rate} {high}");
        // Each one is there, and these may have grown by what asked meanwhile.
        let innodb = INNODB_DERIVED.map(|(key, _)| key);
        let innodb = innodb.into_iter().filter(|key| !key.contains("_rows_"));
        for key in DERIVED.into_iter().chain(innodb) {
            let before: u64 = lines[&format!("metrics.{key}.derive")].parse().unwrap();
            let after: u64 = status[key].parse().unwrap();
            assert!(before <= after && after - before < 2000, "{key}: {before} {after}");
        }

        for name in
            ["version", "version_comment", "max_connections", "sync_binlog", "long_query_time"]
        {
            assert_eq!(lines[&format!("meta.{name}")], variables[name], "{name}");
        }
        assert_eq!(lines["meta.innodb"], "1");
        assert_eq!(lines["meta.innodb_buffer_pool_size"], "16MB");
        assert_eq!(lines["meta.innodb_flush_method"], "O_DIRECT");
        assert_eq!(lines["meta.innodb_page_size"], "16384");
        assert_eq!(lines["meta.replication"], "0");
        let seconds = |text: &str| text.parse::<u64>().unwrap();
        let uptime = seconds(&lines["meta.uptime"]);
        assert!(
            (seconds(&before["uptime"])..=seconds(&status["uptime"])).contains(&uptime),
            "{uptime}"
        );
        assert!(!lines.keys().any(|key| key.contains("log_slow_queries")));
        assert!(!lines.keys().any(|key| key.starts_with("warn.")), "{lines:?}");
        assert!(!lines.keys().any(|key| key.starts_with("metrics.replication")), "{lines:?}");

        settings_are_taken_from_where_users_write_them(&server).await;
        a_login_that_is_refused_says_what_to_do(&server).await;
        rights_that_are_missing_cost_only_what_they_are_for(&server).await;
        a_watched_server_is_asked_and_not_changed(&server).await;
    }

    /// On the same server, as each takes seconds to set up.
    async fn settings_are_taken_from_where_users_write_them(server: &MariaDb) {
        let port = server.port();
        for name in ["MySQL", "MYSQL", "mysql"] {
            let config = json!({name: {"user": "watch", "password": "0123", "port": port}});
            for identifier in ["mysql", "mysql:", "mysql:0"] {
                assert!(fetched(identifier, config.clone()).await.is_ok(), "{name} {identifier}");
            }
        }
        // The argument is before the setting.
        let config = json!({"MYSQL": {"user": "watch", "password": "0123", "port": "1"}});
        assert!(fetched(&format!("mysql:{port}"), config).await.is_ok());
        // A password of digits, read as a number.
        server.sql("CREATE USER 'digits'@'127.0.0.1' IDENTIFIED BY '9876'");
        let config = json!({"MySQL": {"user": "digits", "password": 9876}});
        assert!(fetched(&format!("mysql:{port}"), config).await.is_ok());
        // No password, and a name that is not ASCII.
        server.sql("CREATE USER 'Jürgen'@'127.0.0.1'");
        let config = json!({"MySQL": {"user": "Jürgen", "password": ""}});
        assert!(fetched(&format!("mysql:{port}"), config).await.is_ok());
    }

    async fn a_login_that_is_refused_says_what_to_do(server: &MariaDb) {
        let port = server.port();
        let refused = async |config: Json| {
            let error = fetched(&format!("mysql:{port}"), config).await.unwrap_err().to_string();
            error.strip_prefix(&format!("port {port}: ")).unwrap().to_owned()
        };
        assert_eq!(
            refused(json!({"MySQL": {"user": "watch", "password": "wrong"}})).await,
            "ERROR 1045: Access denied for user 'watch'@'127.0.0.1' (using password: YES); \
             see metrics_config, MySQL: {user: …, password: …}"
        );
        assert_eq!(
            refused(json!({"MySQL": {"user": "watch"}})).await,
            "ERROR 1045: Access denied for user 'watch'@'127.0.0.1' (using password: NO); \
             see metrics_config, MySQL: {user: …, password: …}"
        );
        // Without settings it is root without a password.
        assert!(fetched(&format!("mysql:{port}"), json!({})).await.is_ok());
        server.sql("ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY 'x'");
        assert!(refused(json!({})).await.contains("Access denied for user 'root'@'127.0.0.1'"));
        // One that logs in in a way that this client does not know.
        server.sql("CREATE USER 'key'@'127.0.0.1' IDENTIFIED VIA unix_socket");
        let error = refused(json!({"MySQL": {"user": "key", "password": "x"}})).await;
        assert!(error.starts_with("ERROR 1698: Access denied") && error.contains("see metrics_"));
    }

    async fn rights_that_are_missing_cost_only_what_they_are_for(server: &MariaDb) {
        server.sql("CREATE USER 'bare'@'127.0.0.1' IDENTIFIED BY 'x'");
        let config = json!({"MySQL": {"user": "bare", "password": "x"}});
        let lines = fetched(&format!("mysql:{}", server.port()), config).await.unwrap();
        assert_eq!(lines["metrics.com_insert.derive"], "2");
        assert_eq!(lines["meta.replication"], "0");
        assert_eq!(
            lines["warn.replication"],
            "SHOW REPLICA STATUS: ERROR 1227: Access denied; you need (at least one of) the SUPER, \
             SLAVE MONITOR privilege(s) for this operation; grant it to user 'bare'"
        );
    }

    async fn a_watched_server_is_asked_and_not_changed(server: &MariaDb) {
        server.sql("SET GLOBAL general_log_file = 'queries', GLOBAL general_log = 1");
        fetched(&format!("mysql:{}", server.port()), watch()).await.unwrap();
        server.sql("SET GLOBAL general_log = 0");
        let log = server.data_file("queries");
        let queries: Vec<&str> = log
            .lines()
            .filter(|line| !line.contains("SET GLOBAL"))
            .filter_map(|line| Some(line.split_once("Query\t")?.1))
            .collect();
        assert_eq!(
            queries,
            [
                "SHOW GLOBAL STATUS",
                "SHOW VARIABLES",
                "SHOW ENGINE INNODB STATUS",
                "SHOW REPLICA STATUS"
            ],
            "{log}"
        );
        // The farewell, too: it is no aborted client.
        assert!(log.contains("Quit"), "{log}");
    }

    #[tokio::test]
    async fn too_many_connections_is_what_the_server_says() {
        let server = MariaDb::start(&["--max-connections=10"]);
        server.sql(WATCH);
        let port = server.port();
        let connections: Vec<_> =
            (0..12).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
        // The server takes them one after the other.
        let error = loop {
            if let Err(error) = fetched(&format!("mysql:{port}"), watch()).await {
                break error.to_string();
            }
        };
        assert_eq!(error, format!("port {port}: ERROR 1040: Too many connections"));
        drop(connections);
    }

    #[tokio::test]
    async fn a_host_that_is_not_allowed_is_told_so() {
        let server = MariaDb::start(&[]);
        server.sql("CREATE USER 'watch'@'10.9.8.7' IDENTIFIED BY '0123'");
        server.sql("DELETE FROM mysql.global_priv WHERE Host <> '10.9.8.7' AND User = 'root'");
        server.sql("DELETE FROM mysql.global_priv WHERE User = ''; FLUSH PRIVILEGES");
        let port = server.port();
        let error = fetched(&format!("mysql:{port}"), watch()).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "port {port}: ERROR 1130: Host '127.0.0.1' is not allowed to connect to this \
                 MariaDB server; there, create a user 'watch' for this host"
            )
        );
    }

    #[tokio::test]
    async fn replication_is_told_while_it_runs_and_when_it_stops() {
        let mut source = MariaDb::start(&["--server-id=1", "--log-bin=log"]);
        let replica = MariaDb::start(&["--server-id=2", "--log-bin=log"]);
        source.sql("CREATE USER 'copy'@'127.0.0.1' IDENTIFIED BY 'x'");
        source.sql("GRANT REPLICATION SLAVE ON *.* TO 'copy'@'127.0.0.1'");
        replica.sql(&format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'copy',
             MASTER_PASSWORD = 'x', MASTER_CONNECT_RETRY = 1; START SLAVE",
            source.port()
        ));
        source.sql(WATCH);
        source.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY)");
        let replicated = |what: &str, where_from: &str| {
            eventually(what, || replica.sql(where_from).contains('1').then_some(()));
        };
        replicated("the user", "SELECT COUNT(*) FROM mysql.user WHERE User = 'watch'");
        replicated("d", "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'd'");

        let identifier = format!("mysql:{}", replica.port());
        let lines = fetched(&identifier, watch()).await.unwrap();
        let position = source.sql("SHOW MASTER STATUS");
        let position = position.split('\t').nth(1).unwrap();
        for (key, value) in [
            ("meta.replication", "1"),
            ("meta.replication_slave_io_running", "Yes"),
            ("meta.replication_slave_sql_running", "Yes"),
            ("meta.replication_master_host", "127.0.0.1"),
            ("meta.replication_master_port", &source.port().to_string()),
            ("metrics.replication_second_behind_master.gauge", "0"),
            ("metrics.replication_read_master_log_pos.gauge", position),
            ("metrics.replication_exec_master_log_pos.gauge", position),
        ] {
            assert_eq!(lines[key], value, "{key}");
        }
        assert!(!lines.contains_key("warn.replication"), "{lines:?}");

        // Something that can't be applied.
        replica.sql("SET sql_log_bin = 0; INSERT INTO d.t VALUES (1)");
        source.sql("INSERT INTO d.t VALUES (1)");
        eventually("the stop", || {
            replica.sql("SHOW SLAVE STATUS").contains("Duplicate entry").then_some(())
        });
        let lines = fetched(&identifier, watch()).await.unwrap();
        assert_eq!(lines["meta.replication_slave_sql_running"], "No");
        assert_eq!(lines["metrics.replication_second_behind_master.gauge"], "U");
        assert!(lines["warn.replication"].contains("Duplicate entry '1'"), "{lines:?}");

        // A source that has gone.
        replica.sql("STOP SLAVE; SET GLOBAL sql_slave_skip_counter = 1; START SLAVE");
        source.kill();
        eventually("the loss", || {
            replica.sql("SHOW SLAVE STATUS").contains("onnecting to master").then_some(())
        });
        let lines = fetched(&identifier, watch()).await.unwrap();
        assert_eq!(lines["meta.replication_slave_io_running"], "Connecting");
        assert!(lines["warn.replication"].contains("onnecting to master"), "{lines:?}");
    }

    fn table(names: &[&str], rows: &[&[Option<&str>]]) -> Table {
        Table {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(|value| value.map(str::to_owned)).collect())
                .collect(),
        }
    }

    fn some_fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_names_of_mysql_8_4_become_those_of_before() {
        let replica = table(
            &[
                "Replica_IO_State",
                "Source_Host",
                "Source_Port",
                "Read_Source_Log_Pos",
                "Exec_Source_Log_Pos",
                "Replica_IO_Running",
                "Replica_SQL_Running",
                "Seconds_Behind_Source",
                "Last_Error",
                "Last_IO_Error",
            ],
            &[&[
                Some("Waiting for source to send event"),
                Some("db1"),
                Some("3306"),
                Some("700"),
                Some("600"),
                Some("Yes"),
                Some("No"),
                None,
                Some("Error 'x'\r\nin\ta query\n"),
                Some(""),
            ]],
        );
        let answers = Answers {
            variables: some_fields(&[("sync_source_info", "10000"), ("version", "8.4.2")]),
            replication: columns(replica).collect(),
            ..Answers::default()
        };
        let lines = lines(&report(&answers));
        for (key, value) in [
            ("metrics.replication_second_behind_master.gauge", "U"),
            ("metrics.replication_read_master_log_pos.gauge", "700"),
            ("metrics.replication_exec_master_log_pos.gauge", "600"),
            ("meta.replication", "1"),
            ("meta.replication_slave_io_running", "Yes"),
            ("meta.replication_slave_sql_running", "No"),
            ("meta.replication_master_host", "db1"),
            ("meta.replication_master_port", "3306"),
            ("meta.sync_master_info", "10000"),
            ("warn.replication", "Error 'x'\\r\\nin\\ta query"),
        ] {
            assert_eq!(lines[key], value, "{key}");
        }
    }

    #[test]
    fn a_server_of_4_1_tells_of_innodb_in_its_text_alone() {
        let text = "Buffer pool size   512\nFree buffers       400\nDatabase pages     112\n\
                    Modified db pages  10\nPages read 20, created 3, written 4\n\
                    Buffer pool hit rate 999 / 1000\n5 OS file reads, 6 OS file writes, 7 OS fsyncs\n\
                    8 log i/o's done, 0.00 log i/o's/second\n\
                    Number of rows inserted 9, updated 1, deleted 2, read 3\n\
                    Mutex spin waits 100, rounds 200, OS waits 3\n\
                    RW-shared spins 10, OS waits 1; RW-excl spins 20, OS waits 2\n";
        let answers = Answers {
            variables: some_fields(&[
                ("have_innodb", "YES"),
                ("log_slow_queries", "OFF"),
                ("innodb_buffer_pool_size", "8589934592"),
                ("innodb_flush_method", ""),
            ]),
            innodb_status: Some(text.to_owned()),
            ..Answers::default()
        };
        let lines = lines(&report(&answers));
        for (key, value) in [
            ("innodb_buffer_pool_pages_total.gauge", "8388608"),
            ("innodb_buffer_pool_pages_free.gauge", "6553600"),
            ("innodb_buffer_pool_pages_data.gauge", "1835008"),
            ("innodb_buffer_pool_pages_dirty.gauge", "163840"),
            ("innodb_buffer_pool_hit_rate.gauge", "99.90000"),
            ("innodb_pages_read.derive", "20"),
            ("innodb_pages_created.derive", "3"),
            ("innodb_pages_written.derive", "4"),
            ("innodb_data_reads.derive", "5"),
            ("innodb_data_writes.derive", "6"),
            ("innodb_data_fsyncs.derive", "7"),
            ("innodb_log_writes.derive", "8"),
            ("innodb_rows_inserted.derive", "9"),
            ("innodb_rows_updated.derive", "1"),
            ("innodb_rows_deleted.derive", "2"),
            ("innodb_rows_read.derive", "3"),
            ("innodb_spin_waits.derive", "130"),
            ("innodb_spin_rounds.derive", "200"),
            ("innodb_os_waits.derive", "6"),
            ("com_select.derive", "U"),
        ] {
            assert_eq!(lines[&format!("metrics.{key}")], value, "{key}");
        }
        assert_eq!(lines["meta.innodb_buffer_pool_size"], "8,192MB");
        assert_eq!(lines["meta.innodb_flush_method"], "fdatasync");
        assert_eq!(lines["meta.log_slow_queries"], "OFF");
        assert_eq!(lines["meta.uptime"], "0");
        assert_eq!(lines["meta.replication"], "0");
    }

    #[test]
    fn innodb_that_is_not_in_use_is_not_told_of() {
        for have in ["NO", "DISABLED"] {
            let answers = Answers {
                variables: some_fields(&[("have_innodb", have), ("innodb_buffer_pool_size", "1")]),
                ..Answers::default()
            };
            let lines = lines(&report(&answers));
            assert_eq!(lines["meta.innodb"], "0");
            assert!(!lines.keys().any(|key| key.starts_with("metrics.innodb")), "{lines:?}");
        }
    }

    #[test]
    fn graphs_are_drawn_from_what_is_fetched() {
        let answers = Answers {
            variables: some_fields(&[("innodb_buffer_pool_size", "1")]),
            replication: vec![Fields::new()],
            ..Answers::default()
        };
        let mut fetched: std::collections::BTreeSet<String> =
            report(&answers).metrics.into_iter().map(|(key, _)| key).collect();
        // As it was before.
        for key in DECLARATION.not_drawn {
            assert!(fetched.remove(*key), "{key}");
        }
        // What groups are shown for.
        let meta = ["innodb", "replication"].map(|name| (name.to_owned(), "1".to_owned()));
        assert_eq!(drawn_keys("mysql", &meta.into()), fetched);
    }

    async fn failure(hostile: Hostile) -> String {
        let port = accepts(hostile);
        let error = fetched(&format!("mysql:{port}"), watch()).await.unwrap_err().to_string();
        error.strip_prefix(&format!("port {port}: ")).unwrap().to_owned()
    }

    fn framed(sequence: u8, body: &[u8]) -> Vec<u8> {
        let [a, b, c, ..] = body.len().to_le_bytes();
        [&[a, b, c, sequence], body].concat()
    }

    /// As MySQL 8.0 sends it.
    fn greeting() -> Vec<u8> {
        let mut body = b"\x0a8.0.36\0\x05\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xcf\x15".to_vec();
        body.extend([0; 10]);
        body.extend(b"ijklmnopqrst\0caching_sha2_password\0");
        framed(0, &body)
    }

    /// All up to an answer to the first question.
    fn logged_in(answer: &[u8]) -> Vec<u8> {
        [greeting(), framed(2, b"\0\0\0\x02\0\0\0"), answer.to_vec()].concat()
    }

    #[tokio::test]
    async fn failures_say_what_is_wrong() {
        let port = free_port();
        assert_eq!(
            fetched(&format!("mysql:{port}"), json!({})).await.unwrap_err().to_string(),
            format!("port {port}: connection refused")
        );
        assert_eq!(
            fetched("mysql", json!({"MySQL": {"port": "x"}})).await.unwrap_err().to_string(),
            "port 'x' in metrics_config, MySQL: {port: …}, must be a number from 1 to 65535"
        );
        assert_eq!(
            failure(Hostile::Says(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).await,
            "it says 'SSH-2.0-OpenSSH_9.2', which is not MySQL's protocol"
        );
        assert_eq!(
            failure(Hostile::Closes(Vec::new())).await,
            "the connection was closed in the middle"
        );
        assert_eq!(
            failure(Hostile::Closes(greeting())).await,
            "the connection was closed in the middle"
        );
        let clear = framed(2, b"\xfemysql_clear_password\0");
        assert_eq!(
            failure(Hostile::Says([greeting(), clear].concat())).await,
            "user 'watch' logs in by the plugin mysql_clear_password; \
             known here are mysql_native_password and caching_sha2_password"
        );
        assert_eq!(
            failure(Hostile::Says([greeting(), framed(2, b"\x01no key")].concat())).await,
            "the server's public key can't be used: ASN.1 error: PEM error: PEM preamble contains invalid data \
             (NUL byte)"
        );
        let error = framed(0, b"\xff\x10\x04Too many connections");
        assert_eq!(failure(Hostile::Says(error)).await, "ERROR 1040: Too many connections");
    }

    #[tokio::test]
    async fn a_server_that_falls_silent_is_left_within_the_limit() {
        assert_eq!(failure(Hostile::Silent).await, "connected, but no login within 5 s");
        assert_eq!(
            failure(Hostile::Says(logged_in(b""))).await,
            "no answer to SHOW GLOBAL STATUS within 5 s"
        );
    }

    #[tokio::test]
    async fn an_answer_too_large_is_not_taken() {
        // As many columns as a number can hold: no memory is taken for them.
        let columns = framed(1, &[&[0xfe][..], &[0xff; 8]].concat());
        assert_eq!(
            failure(Hostile::Says(logged_in(&columns))).await,
            "SHOW GLOBAL STATUS: it answers 18446744073709551615 columns"
        );
        // A packet of 16 MB.
        let packet = [0xff, 0xff, 0xff, 1];
        assert_eq!(
            failure(Hostile::Says(logged_in(&packet))).await,
            "SHOW GLOBAL STATUS: its answer is longer than 4194304 bytes"
        );
        // A file of ours.
        assert_eq!(
            failure(Hostile::Says(logged_in(&framed(1, b"\xfb/etc/passwd")))).await,
            "SHOW GLOBAL STATUS: it says '\u{fffd}/etc/passwd', \
             which is not MySQL's protocol"
        );
        for endless in [&b"\0"[..], b"\x01\0\0\0\0", b"x"] {
            let error = failure(Hostile::Endless(endless.to_vec())).await;
            assert!(error.starts_with("it says '"), "{error}");
        }
    }

    #[tokio::test]
    async fn rows_without_end_are_cut_off() {
        let column = b"\x03def\0\0\0\x01a\0";
        let mut answer = logged_in(
            &[framed(1, b"\x01"), framed(2, column), framed(3, b"\xfe\0\0\x02\0")].concat(),
        );
        let mut small = answer.clone();
        for sequence in (4..=u8::MAX).chain((0..300).flat_map(|_| 0..=u8::MAX)) {
            small.extend(framed(sequence, &[0]));
        }
        assert_eq!(
            failure(Hostile::Says(small)).await,
            "SHOW GLOBAL STATUS: its answer has more than 50000 values"
        );
        let mut sequence = 4_u8;
        while answer.len() < 6 << 20 {
            answer.extend(framed(sequence, &[&b"\xfc\x00\x10"[..], &[b'x'; 4096]].concat()));
            sequence = sequence.wrapping_add(1);
        }
        assert_eq!(
            failure(Hostile::Says(answer)).await,
            "SHOW GLOBAL STATUS: its answer is longer than 4194304 bytes"
        );
    }

    #[tokio::test]
    async fn a_server_that_has_not_seen_the_user_gets_the_password_for_its_eyes_only() {
        let key = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
        let public = key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = |packet: &[u8]| {
                stream.write_all(packet).unwrap();
                let mut header = [0; 4];
                stream.read_exact(&mut header).unwrap();
                let mut body = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
                stream.read_exact(&mut body).unwrap();
                body
            };
            let login = said(&greeting());
            assert!(login.windows(7).any(|part| part == b"watch\0\x20"), "{login:?}");
            assert_eq!(said(&framed(2, b"\x01\x04")), [2]);
            let body = [&[1], public.as_bytes()].concat();
            let sent = said(&framed(4, &body));
            let read = key.decrypt(Oaep::new::<sha1::Sha1>(), &sent).unwrap();
            let nonce = b"abcdefghijklmnopqrst".iter().cycle();
            let password: Vec<u8> = read.iter().zip(nonce).map(|(a, b)| a ^ b).collect();
            assert_eq!(password, b"0123\0");
            let question = said(&framed(6, b"\0\0\0\x02\0\0\0"));
            assert_eq!(question, b"\x03SHOW GLOBAL STATUS");
        });
        let error = fetched(&format!("mysql:{port}"), watch()).await.unwrap_err().to_string();
        assert!(error.contains("closed"), "{error}");
        server.join().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn whatever_bytes_a_server_sends_nothing_panics(
            has_greeted in any::<bool>(),
            answer in proptest::collection::vec(any::<u8>(), 0..400),
            packets in proptest::collection::vec(
                (proptest::sample::select(vec![0u8, 1, 2, 3, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]),
                 proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
        ) {
            let mut said = if has_greeted { logged_in(b"") } else { greeting() };
            let first = if has_greeted { 1 } else { 2 };
            for (sequence, (kind, body)) in (first..).zip(&packets) {
                said.extend(framed(sequence, &[&[*kind], body.as_slice()].concat()));
            }
            said.extend(answer);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let stream = tokio::io::join(said.as_slice(), tokio::io::sink());
                if let Ok(mut client) = Client::log_in(stream, "user", "password").await
                    && let Ok(table) = client.query("SHOW GLOBAL STATUS").await
                {
                    fields(table);
                }
            });
        }

        #[test]
        fn whatever_a_server_tells_makes_lines_that_can_be_pushed(
            status in proptest::collection::btree_map(
                proptest::sample::select([&DERIVED[..], &GAUGES[..], &["uptime"]].concat()),
                any::<String>(), 0..20),
            innodb in proptest::collection::btree_map(
                proptest::sample::select(INNODB_PAGES.map(|(key, _)| key).to_vec()),
                any::<u64>().prop_map(|number| number.to_string()), 0..4),
            page_size in prop_oneof![Just("16384".to_owned()), any::<u64>().prop_map(|n| n.to_string()), any::<String>()],
            variables in proptest::collection::btree_map(
                proptest::sample::select([&VARIABLES_SHOWN[..], &["innodb_buffer_pool_size", "innodb_flush_method"]].concat()),
                any::<String>(), 0..20),
            source in proptest::collection::btree_map(
                proptest::sample::select(vec!["last_error", "last_io_error", "master_host", "seconds_behind_source"]),
                any::<String>(), 0..4),
            text in proptest::option::of(any::<String>()),
        ) {
            let owned = |pairs: BTreeMap<&str, String>| -> Fields {
                pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            };
            let mut status = owned(status);
            status.extend(owned(innodb));
            status.insert("innodb_page_size".to_owned(), page_size);
            let answers = Answers {
                status,
                variables: owned(variables),
                innodb_status: text,
                replication: vec![owned(source)],
                no_replication: None,
            };
            // Each line is parsed there.
            lines(&report(&answers));
        }
    }
}
