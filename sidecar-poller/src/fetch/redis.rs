//! `redis[:port=6379]`: what INFO, SLOWLOG and CONFIG of a Redis server say.
//!
//! A password, and a user where there is one, stand in `metrics_config`:
//! `Redis: {password: …, user: …}`; there, too, that the server speaks TLS:
//! `Redis: {tls: true, ca_file: …, cert_file: …, key_file: …}`, with the rules of [`crate::tls`]. Redis
//! asks for a certificate of ours unless `tls-auth-clients` says otherwise.

mod first_bytes;
mod info;

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, RedisResult, Value};
use serde_json::Value as Json;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::declaration::{Arguments, Declaration, Kind, Settings};
use super::{FetchError, Report, Request};
use crate::connection::{Credentials, Limits, authenticate, reason};
use crate::socket;
use crate::tls::Transport;
use first_bytes::FirstBytes;
use info::report;

const LIMITS: Limits = Limits { connect: Duration::from_secs(4), reply: Duration::from_secs(8) };

/// All answers together, in bytes; real ones have less than 50,000. Then the connection ends, or the
/// client would wait for as much as a server announces.
const LONGEST: u64 = 1 << 20;

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

pub(super) const DECLARATION: Declaration = Declaration {
    arguments: Arguments::Port(6379),
    settings: Settings::Named(
        "Redis",
        &[
            ("user", Kind::Text),
            ("password", Kind::Text),
            ("tls", Kind::Switch),
            ("ca_file", Kind::Text),
            ("cert_file", Kind::Text),
            ("key_file", Kind::Text),
        ],
    ),
    not_drawn: &[],
};

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let port = request.given(DECLARATION.arguments)?.port;
    let settings = DECLARATION.settings.of(request.metrics_config);
    let credentials = settings.as_ref().and_then(credentials);
    let transport = settings
        .as_ref()
        .map_or(Ok(Transport::Plain), |settings| Transport::of("Redis", settings, port))
        .map_err(FetchError::Failed)?;
    let unreachable = |reason: String| FetchError::Failed(format!("port {port}: {reason}"));
    let first = FirstBytes::default();
    let failed = |error: &RedisError| match first.not_redis() {
        Some(reason) => unreachable(reason),
        None => failure(port, credentials.as_ref(), error),
    };
    let stream = socket::connect(request.address, port).await.map_err(unreachable)?;
    let connected = match transport {
        Transport::Plain => connect(stream, &first).await,
        Transport::Tls(tls) => {
            let stream = tls.begin(request.address, stream, Instant::now() + LIMITS.connect);
            connect(stream.await.map_err(unreachable)?, &first).await
        }
    };
    let (mut connection, _driver) = connected.map_err(|error| failed(&error))?;
    if let Some(credentials) = &credentials {
        authenticate(&mut connection, credentials).await.map_err(|error| failed(&error))?;
    }

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
    // By the names that were asked for: what the server calls them might be no name of a meta.
    let settings = SETTINGS.into_iter().zip(answers).filter_map(|(setting, answer)| {
        let pair: Vec<String> = redis::from_redis_value(answer.ok()?).ok()?;
        let [_name, value] = <[String; 2]>::try_from(pair).ok()?;
        Some((setting, value))
    });
    Ok(report(&String::from_utf8_lossy(&info), slowlog, settings))
}

/// A setting that is a text, and not empty.
fn text(settings: &Json, name: &str) -> Option<String> {
    match settings.get(name)? {
        Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        // A password of digits only, without quotes.
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn credentials(settings: &Json) -> Option<Credentials> {
    Some(Credentials { user: text(settings, "user"), password: text(settings, "password")? })
}

/// What moves the bytes of a connection. It ends when this is dropped: by itself it would wait for
/// answers that nobody wants any more.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to speak Redis's protocol.
async fn connect(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    first: &FirstBytes,
) -> Result<(MultiplexedConnection, Driver), RedisError> {
    let (read, write) = tokio::io::split(stream);
    let stream = tokio::io::join(first.of(read.take(LONGEST)), write);
    // Redis before 7.2 does not know the command that this leaves out.
    let info = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(LIMITS.reply));
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&info, stream, config).await?;
    Ok((connection, Driver(tokio::spawn(driver))))
}

fn failure(port: u16, credentials: Option<&Credentials>, error: &RedisError) -> FetchError {
    let reason = reason(error, LIMITS);
    let hint = match error.code() {
        Some("NOAUTH") if credentials.is_some() => "",
        Some("NOAUTH") => "; set its password in metrics_config, Redis: {password: …}",
        Some("WRONGPASS") => "; see metrics_config, Redis: {password: …}",
        Some("NOPERM") => "; its user needs INFO",
        // By the TLS that Redis speaks, it tells of this only now.
        _ if reason.contains("CertificateRequired") => {
            "; set one in metrics_config, Redis: {cert_file: …, key_file: …}"
        }
        _ => "",
    };
    FetchError::Failed(format!("port {port}: {reason}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::info::{META, METRICS, fields};
    use super::*;
    use crate::fetch::Fetcher;
    use crate::test_servers::{Hostile, accepts};
    use line_protocol::Identifier;
    use proptest::prelude::*;
    use serde_json::Map;
    use std::collections::BTreeMap;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use test_redis::certificates::Certificates;
    use test_redis::{RedisServer, free_port};

    async fn fetched(port: u16, config: Json) -> Result<BTreeMap<String, String>, FetchError> {
        fetched_from("127.0.0.1", port, config).await
    }

    async fn fetched_from(
        address: &str,
        port: u16,
        config: Json,
    ) -> Result<BTreeMap<String, String>, FetchError> {
        let identifier = Identifier::parse(&format!("redis:{port}")).unwrap();
        let request = Request {
            address,
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
    async fn a_user_that_is_wrong_or_lacks_rights_is_told_so() {
        let server = RedisServer::start(&[]);
        server.cli(&["ACL", "SETUSER", "watch", "on", ">pw", "+@all"]);
        server.cli(&["ACL", "SETUSER", "blind", "on", ">pw", "+auth"]);
        let port = server.port();
        let error = async |user: &str, password: &str| {
            let config = serde_json::json!({"Redis": {"user": user, "password": password}});
            fetched(port, config).await.err().map(|error| error.to_string())
        };
        assert_eq!(error("watch", "pw").await, None);
        assert_eq!(
            error("watch", "wrong").await.unwrap(),
            format!(
                "port {port}: WRONGPASS invalid username-password pair or user is disabled.; \
                 see metrics_config, Redis: {{password: …}}"
            )
        );
        let text = error("blind", "pw").await.unwrap();
        assert!(text.contains("NOPERM") && text.ends_with("; its user needs INFO"), "{text}");
    }

    #[tokio::test]
    async fn a_server_that_speaks_tls_is_asked_when_its_certificate_is_right() {
        let files = Certificates::new();
        let tls_port = free_port();
        let server = RedisServer::start(&[
            "--tls-port",
            &tls_port.to_string(),
            "--tls-cert-file",
            &files.path("server.pem"),
            "--tls-key-file",
            &files.path("server.key"),
            "--tls-ca-cert-file",
            &files.path("ca.pem"),
            "--requirepass",
            "0123",
        ]);
        let config = |ca: &str, client: Option<&str>| {
            let mut settings = serde_json::json!({"tls": true, "ca_file": files.path(ca)});
            settings["password"] = "0123".into();
            if let Some(client) = client {
                settings["cert_file"] = files.path(&format!("{client}.pem")).into();
                settings["key_file"] = files.path(&format!("{client}.key")).into();
            }
            serde_json::json!({"Redis": settings})
        };
        let right = || config("ca.pem", Some("client"));
        let report = fetched(tls_port, right()).await.unwrap();
        assert_eq!(report["meta role"], "master");
        assert_eq!(report["meta maxmemory"], "0");

        let failed = async |address: &str, config: Json| {
            fetched_from(address, tls_port, config).await.unwrap_err().to_string()
        };
        // One signed by somebody else: also where the system says whom to trust.
        let error = failed("127.0.0.1", config("other-ca.pem", Some("client"))).await;
        assert!(
            error.contains("invalid peer certificate: ") && error.contains("ca_file"),
            "{error}"
        );
        let mut by_system = right();
        by_system["Redis"].as_object_mut().unwrap().remove("ca_file");
        let error = failed("127.0.0.1", by_system).await;
        assert!(error.contains("UnknownIssuer"), "{error}");
        // It is for 127.0.0.1, and not for every name of this host.
        let error = failed("localhost", right()).await;
        assert!(error.contains("not valid for name \"localhost\""), "{error}");
        // The server wants to see one of ours.
        assert_eq!(
            failed("127.0.0.1", config("ca.pem", None)).await,
            format!(
                "port {tls_port}: received fatal alert: CertificateRequired; \
                 set one in metrics_config, Redis: {{cert_file: …, key_file: …}}"
            )
        );
        // Nobody falls back to plain text, on either side.
        let plain = serde_json::json!({"Redis": {"password": "0123"}});
        let error = failed("127.0.0.1", plain).await;
        assert!(error.starts_with(&format!("port {tls_port}: ")), "{error}");
        let error = fetched(server.port(), right()).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("port {}: ", server.port())), "{error}");
    }

    #[tokio::test]
    async fn a_setting_of_tls_that_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file.pem").to_str().unwrap().to_owned();
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
            .unwrap();
        let failed = async |settings: Json| {
            let config = serde_json::json!({"Redis": settings});
            let error = fetched(free_port(), config).await.unwrap_err().to_string();
            let rest = error.strip_prefix("in metrics_config, Redis: {…}, ").unwrap_or(&error);
            rest.to_owned()
        };
        for (settings, reason) in [
            (serde_json::json!({"tls": "yes"}), "tls is \"yes\"; it must be true or false"),
            (serde_json::json!({"ca_file": &file}), "certificates stand without tls: true"),
            (
                serde_json::json!({"tls": true, "cert_file": &file}),
                "of cert_file and key_file stands only one",
            ),
            (
                serde_json::json!({"tls": true, "ca_file": "/no/such"}),
                "ca_file '/no/such' can't be read: No such file or directory (os error 2)",
            ),
        ] {
            assert_eq!(failed(settings).await, reason);
        }
        let error = failed(serde_json::json!({"tls": true, "ca_file": &file})).await;
        assert!(error.contains("ca_file"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_no_redis_is_told_with_what_it_said() {
        for (answer, said) in [
            ("HTTP/1.1 400 Bad Request\r\nA: b\r\n\r\n", "HTTP/1.1 400 Bad Request A: b"),
            ("SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        ] {
            let port = accepts(Hostile::Closes(answer.into()));
            let error = fetched(port, none()).await.unwrap_err().to_string();
            assert_eq!(error, format!("port {port}: not a Redis server: it answered '{said}'"));
        }
    }

    #[tokio::test]
    async fn a_server_that_answers_tls_with_text_is_told_so() {
        let port = accepts(Hostile::Closes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
        let config = serde_json::json!({"Redis": {"tls": true}});
        let error = fetched(port, config).await.unwrap_err().to_string();
        assert_eq!(error, format!("port {port}: the server does not speak TLS there"));
    }

    #[tokio::test]
    async fn an_answer_too_large_is_not_taken() {
        for answer in [&b"$999999999999\r\nx"[..], b"*9223372036854775807\r\n", b"+x"] {
            let port = accepts(Hostile::Endless(answer.to_vec()));
            let error = fetched(port, none()).await.unwrap_err().to_string();
            // It ends by what it said, and not by the time that it took.
            assert!(error.starts_with(&format!("port {port}: ")), "{error}");
            assert!(!error.contains("no answer within"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_can_not_name_what_becomes_of_its_answers() {
        let evil = "x\t1\t5\n10.9.8.7\tbase.metrics.a.gauge\t1\t5\ny";
        let setting = format!("*2\r\n${}\r\n{evil}\r\n$1\r\n7\r\n", evil.len());
        let said = format!("$0\r\n\r\n:0\r\n{}", setting.repeat(SETTINGS.len()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Answers that come before the questions are another matter.
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let report = fetched(port, none()).await.unwrap();
        let meta: Vec<&str> = report.keys().filter_map(|key| key.strip_prefix("meta ")).collect();
        let mut settings = SETTINGS;
        settings.sort_unstable();
        assert_eq!(meta, settings);
        assert_eq!(report["meta maxmemory"], "7");
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

    proptest! {
        #[test]
        fn whatever_info_says_makes_lines_that_can_be_pushed(
            info in prop_oneof![
                any::<String>(),
                proptest::collection::vec((
                    proptest::sample::select(
                        METRICS.iter().map(|(_, _, field)| *field)
                            .chain(META.iter().map(|(_, field)| *field))
                            .chain(["db0", "db1", "rdb_changes_since_last_save"])
                            .collect::<Vec<_>>()),
                    prop_oneof![any::<String>(), any::<u64>().prop_map(|keys| format!("keys={keys}"))],
                ), 0..20).prop_map(|fields| {
                    fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect()
                }),
            ],
            setting in any::<String>(),
        ) {
            let settings = std::iter::once(("save", setting));
            let report = report(&info, 0, settings);
            for line in report.lines("h", &Identifier::parse("redis").unwrap(), 5).lines() {
                line_protocol::parse_line(line.as_bytes()).unwrap();
            }
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
