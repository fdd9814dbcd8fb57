//! `redis[:port=6379]`: what INFO, SLOWLOG and CONFIG of a Redis server say.
//!
//! A password, and a user where there is one, stand in `metrics_config`:
//! `Redis: {password: …, user: …}`.

use std::collections::BTreeMap;
use std::time::Duration;

use line_protocol::DataSourceType::{self, Derive, Gauge};
use redis::{RedisError, RedisResult, Value};
use serde_json::{Map, Value as Json};

use super::{FetchError, Report, Request};
use crate::connection::{Credentials, Limits, connect, reason};

const LIMITS: Limits = Limits { connect: Duration::from_secs(4), reply: Duration::from_secs(8) };

/// Keys, their types, and the field of INFO; left out where INFO lacks it.
const METRICS: [(&str, DataSourceType, &str); 8] = [
    ("total_commands_processed", Derive, "total_commands_processed"),
    ("total_connections_received", Derive, "total_connections_received"),
    ("evicted_keys", Derive, "evicted_keys"),
    ("connected_clients", Gauge, "connected_clients"),
    ("connected_slaves", Gauge, "connected_slaves"),
    ("used_memory", Gauge, "used_memory"),
    ("mem_fragmentation_ratio", Gauge, "mem_fragmentation_ratio"),
    ("pubsub_channels", Gauge, "pubsub_channels"),
];

/// Meta and the field of INFO.
const META: [(&str, &str); 4] = [
    ("version", "redis_version"),
    ("uptime", "uptime_in_seconds"),
    ("vm_enabled", "vm_enabled"),
    ("role", "role"),
];

/// Settings that become meta. Asked for one by one: `CONFIG GET *` would answer passwords too.
const SETTINGS: [&str; 8] = [
    "maxmemory",
    "maxclients",
    "rdbcompression",
    "appendonly",
    "maxmemory-policy",
    "appendfsync",
    "save",
    "slowlog-max-len",
];

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let port = request.port(6379)?;
    let credentials = credentials(request.metrics_config);
    let failed =
        |error: &RedisError| FetchError::Failed(failure(error, port, credentials.is_some()));
    let mut connection = connect((request.address, port), credentials.as_ref(), LIMITS)
        .await
        .map_err(|error| failed(&error))?;

    let mut pipe = redis::pipe();
    pipe.ignore_errors();
    pipe.cmd("INFO").cmd("SLOWLOG").arg("LEN");
    for setting in SETTINGS {
        pipe.cmd("CONFIG").arg("GET").arg(setting);
    }
    let answers: Vec<RedisResult<Value>> =
        pipe.query_async(&mut connection).await.map_err(|error| failed(&error))?;
    let mut answers = answers.into_iter();
    let info: Vec<u8> = match answers.next() {
        Some(Ok(answer)) => redis::from_redis_value(answer)
            .map_err(|_| FetchError::Failed(format!("port {port}: INFO answered no text")))?,
        Some(Err(error)) => return Err(failed(&error)),
        None => return Err(FetchError::Failed(format!("port {port}: no answer to INFO"))),
    };
    // An ACL may refuse these two: the rest is worth having without them.
    let slowlog = match answers.next() {
        Some(Ok(Value::Int(length))) => length,
        _ => 0,
    };
    let settings = answers.flatten().filter_map(|answer| {
        let pairs: Vec<String> = redis::from_redis_value(answer).ok()?;
        let [name, value] = <[String; 2]>::try_from(pairs).ok()?;
        Some((name, value))
    });
    Ok(report(&String::from_utf8_lossy(&info), slowlog, settings))
}

/// Makes the report of what the server said.
fn report(info: &str, slowlog: i64, settings: impl Iterator<Item = (String, String)>) -> Report {
    let fields = fields(info);
    let mut report = Report::default();
    for (key, kind, field) in METRICS {
        if let Some(value) = fields.get(field) {
            report.metric(key, kind, value);
        }
    }
    // Its name before Redis 2.6, and since.
    let changes =
        fields.get("rdb_changes_since_last_save").or_else(|| fields.get("changes_since_last_save"));
    if let Some(changes) = changes {
        report.metric("changes_since_last_save", Gauge, changes);
    }
    report.metric("keys", Gauge, &keys(&fields).to_string());
    report.metric("slowlog", Gauge, &slowlog.to_string());
    for (name, field) in META {
        if let Some(value) = fields.get(field) {
            report.meta(name, value);
        }
    }
    for (name, value) in settings {
        report.meta(&name, &value);
    }
    report
}

/// The fields of INFO: lines `name:value`; sections begin with `#`.
fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim_end()))
        .collect()
}

/// How many keys all databases have: `db0:keys=1,expires=0,…`. A server without keys has no such
/// line.
fn keys(fields: &BTreeMap<&str, &str>) -> u64 {
    fields
        .iter()
        .filter(|(name, _)| {
            name.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok())
        })
        .flat_map(|(_, value)| value.split(','))
        .filter_map(|part| part.strip_prefix("keys=")?.parse::<u64>().ok())
        .sum()
}

/// The credentials of `metrics_config`, whatever the case of the plugin's name there.
fn credentials(metrics_config: &Map<String, Json>) -> Option<Credentials> {
    let (_, settings) =
        metrics_config.iter().find(|(name, _)| name.eq_ignore_ascii_case("redis"))?;
    let text = |name: &str| match settings.get(name)? {
        Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        // A password of digits only, without quotes.
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Some(Credentials { user: text("user"), password: text("password")? })
}

fn failure(error: &RedisError, port: u16, has_password: bool) -> String {
    let hint = match error.code() {
        Some("NOAUTH") if has_password => "",
        Some("NOAUTH") => "; set its password in metrics_config, Redis: {password: …}",
        Some("WRONGPASS") => "; see metrics_config, Redis: {password: …}",
        Some("NOPERM") => "; its user needs INFO",
        _ => "",
    };
    format!("port {port}: {}{hint}", reason(error, LIMITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Fetcher;
    use line_protocol::Identifier;
    use std::net::TcpListener;
    use test_redis::{RedisServer, free_port};

    async fn fetched(port: u16, config: Json) -> Result<BTreeMap<String, String>, FetchError> {
        let identifier = Identifier::parse(&format!("redis:{port}")).unwrap();
        let request = Request {
            address: "127.0.0.1",
            identifier: &identifier,
            metrics_config: config.as_object().unwrap(),
        };
        let report = Fetcher::Redis.fetch(request).await?;
        let meta = report.meta.into_iter().map(|(name, value)| (format!("meta {name}"), value));
        Ok(report.metrics.into_iter().chain(meta).collect())
    }

    fn none() -> Json {
        serde_json::json!({})
    }

    #[tokio::test]
    async fn values_are_what_the_server_itself_says() {
        let server =
            RedisServer::start(&["--maxmemory", "100mb", "--slowlog-log-slower-than", "0"]);
        for (database, key) in [("0", "a"), ("0", "b"), ("3", "c")] {
            server.cli(&["-n", database, "SET", key, "1"]);
        }
        let report = fetched(server.port(), none()).await.unwrap();
        let info = server.cli(&["INFO"]);
        let info = fields(&info);

        assert_eq!(report["keys.gauge"], "3");
        assert_eq!(report["changes_since_last_save.gauge"], "3");
        for steady in ["connected_slaves", "pubsub_channels"] {
            assert_eq!(report[&format!("{steady}.gauge")], info[steady], "{steady}");
        }
        assert_eq!(report["evicted_keys.derive"], info["evicted_keys"]);
        // These move by what asking does: at most the commands that came between.
        for (moving, by) in [("total_commands_processed", 20), ("total_connections_received", 2)] {
            let before: i64 = report[&format!("{moving}.derive")].parse().unwrap();
            let after: i64 = info[moving].parse().unwrap();
            assert!(
                before > 0 && (0..=by).contains(&(after - before)),
                "{moving}: {before} {after}"
            );
        }
        let used: f64 = report["used_memory.gauge"].parse().unwrap();
        let now: f64 = info["used_memory"].parse().unwrap();
        assert!((used / now - 1.0).abs() < 0.2, "{used} {now}");
        assert_eq!(report["connected_clients.gauge"], "1");
        assert!(report["mem_fragmentation_ratio.gauge"].parse::<f64>().unwrap() > 0.0);
        assert!(report["slowlog.gauge"].parse::<u32>().unwrap() >= 3);

        assert_eq!(report["meta version"], info["redis_version"]);
        assert_eq!(report["meta role"], "master");
        assert_eq!(report["meta maxmemory"], "104857600");
        assert_eq!(report["meta maxmemory-policy"], "noeviction");
        assert_eq!(report["meta save"], "");
        for setting in SETTINGS {
            assert!(report.contains_key(&format!("meta {setting}")), "{setting}");
        }
        assert!(report["meta uptime"].parse::<u32>().is_ok());
        assert!(!report.contains_key("meta vm_enabled"));
    }

    #[tokio::test]
    async fn a_server_without_keys_has_0_keys() {
        let server = RedisServer::start(&[]);
        assert_eq!(fetched(server.port(), none()).await.unwrap()["keys.gauge"], "0");
    }

    #[tokio::test]
    async fn a_password_is_taken_from_metrics_config() {
        let server = RedisServer::start(&["--requirepass", "0123"]);
        let error = fetched(server.port(), none()).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "port {}: NOAUTH Authentication required.; set its password in metrics_config, Redis: {{password: …}}",
                server.port()
            )
        );
        let wrong = serde_json::json!({"Redis": {"password": "x"}});
        let error = fetched(server.port(), wrong).await.unwrap_err().to_string();
        assert!(error.contains("WRONGPASS"), "{error}");
        for name in ["Redis", "REDIS", "redis"] {
            let config = serde_json::json!({name: {"password": "0123"}});
            assert!(fetched(server.port(), config).await.is_ok());
        }
        // A server without a password among those that have one.
        let open = RedisServer::start(&[]);
        let config = serde_json::json!({"Redis": {"password": "0123"}});
        assert!(fetched(open.port(), config).await.is_ok());
    }

    #[tokio::test]
    async fn an_acl_that_refuses_config_costs_these_meta_only() {
        let server = RedisServer::start(&[]);
        server.cli(&["ACL", "SETUSER", "watch", "on", ">pw", "+info", "+auth"]);
        let config = serde_json::json!({"Redis": {"user": "watch", "password": "pw"}});
        let report = fetched(server.port(), config).await.unwrap();
        assert_eq!(report["slowlog.gauge"], "0");
        assert_eq!(report["meta role"], "master");
        assert!(!report.contains_key("meta maxmemory"));
    }

    #[tokio::test]
    async fn failures_say_what_to_do() {
        let port = free_port();
        assert_eq!(
            fetched(port, none()).await.unwrap_err().to_string(),
            format!("port {port}: connection refused")
        );
        let identifier = Identifier::parse("redis:x").unwrap();
        let request =
            Request { address: "127.0.0.1", identifier: &identifier, metrics_config: &Map::new() };
        assert_eq!(
            Fetcher::Redis.fetch(request).await.unwrap_err().to_string(),
            "port 'x' must be a number from 1 to 65535"
        );
    }

    #[tokio::test]
    async fn a_server_that_speaks_something_else_or_hangs_up_is_a_failure() {
        use std::io::{Read, Write};
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let thread = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 100]);
                let _ = stream.write_all(answer.as_bytes());
            });
            let error = fetched(port, none()).await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("port {port}: ")), "{error}");
            thread.join().unwrap();
        }
    }

    #[test]
    fn old_and_odd_info_is_understood() {
        let report = report(
            "redis_version:2.2.0\r\nvm_enabled:0\r\nchanges_since_last_save:7\r\n\
             mem_fragmentation_ratio:-nan\r\n# Keyspace\r\ndb0:keys=2,expires=1\r\n\
             db15:keys=40,expires=0,avg_ttl=0\r\ndbx:keys=9\r\n",
            2,
            std::iter::empty(),
        );
        assert_eq!(
            report.metrics,
            [
                ("mem_fragmentation_ratio.gauge", "U"),
                ("changes_since_last_save.gauge", "7"),
                ("keys.gauge", "42"),
                ("slowlog.gauge", "2"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert_eq!(report.meta.len(), 2);
    }
}
