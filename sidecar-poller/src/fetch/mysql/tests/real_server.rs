//! Against a real MariaDB: values, logins, rights, replication and TLS.

use serde_json::json;
use test_redis::eventually;

use super::*;
use crate::fetch::mysql::answers::Fields;
use crate::fetch::mysql::mariadb::MariaDb;
use crate::fetch::mysql::{innodb, status};
use test_redis::certificates::Certificates;

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
    assert_eq!(lines["metrics.innodb_buffer_pool_pages_total.gauge"], (total * 16384).to_string());
    let rate_of = |status: &Fields| {
        let number = |name: &str| status[name].parse::<u64>().unwrap();
        let reads = number("innodb_buffer_pool_reads");
        innodb::hit_rate(reads, number("innodb_buffer_pool_read_requests")).unwrap()
    };
    let rate: f64 = lines["metrics.innodb_buffer_pool_hit_rate.gauge"].parse().unwrap();
    let (low, high) =
        (rate_of(&before).min(rate_of(&status)), rate_of(&before).max(rate_of(&status)));
    assert!((low - 0.1..high + 0.1).contains(&rate), "{low} {rate} {high}");
    // Each one is there, and these may have grown by what asked meanwhile.
    let innodb = innodb::DERIVED.map(|(key, _)| key);
    let innodb = innodb.into_iter().filter(|key| !key.contains("_rows_"));
    for key in status::DERIVED.into_iter().chain(innodb) {
        let before: u64 = lines[&format!("metrics.{key}.derive")].parse().unwrap();
        let after: u64 = status[key].parse().unwrap();
        assert!(before <= after && after - before < 2000, "{key}: {before} {after}");
    }

    for name in ["version", "version_comment", "max_connections", "sync_binlog", "long_query_time"]
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
         see metrics_config, MySQL: {user: …, password: …, tls: …}"
    );
    assert_eq!(
        refused(json!({"MySQL": {"user": "watch"}})).await,
        "ERROR 1045: Access denied for user 'watch'@'127.0.0.1' (using password: NO); \
         see metrics_config, MySQL: {user: …, password: …, tls: …}"
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

#[tokio::test]
async fn a_server_that_wants_tls_is_asked_by_it_when_its_certificate_is_right() {
    let files = Certificates::new();
    let option = |name: &str, file: &str| format!("--ssl-{name}={}", files.path(file));
    let server = MariaDb::start(&[
        &option("cert", "server.pem"),
        &option("key", "server.key"),
        &option("ca", "ca.pem"),
    ]);
    server.sql(WATCH);
    server.sql("ALTER USER 'watch'@'127.0.0.1' REQUIRE SSL");
    let port = server.port();
    let config = |ca: &str| json!({"MySQL": {"user": "watch", "password": "0123", "tls": true, "ca_file": files.path(ca)}});
    let by_tls = async |config: Json| {
        let fetched = fetched(&format!("mysql:{port}"), config).await;
        fetched.map_err(|error| {
            error.to_string().strip_prefix(&format!("port {port}: ")).unwrap().to_owned()
        })
    };
    let lines = by_tls(config("ca.pem")).await.unwrap();
    assert_eq!(lines["meta.innodb"], "1");
    assert_eq!(lines["metrics.threads_connected.gauge"], "1");

    let error = by_tls(watch()).await.unwrap_err();
    assert!(error.contains("Access denied for user 'watch'"), "{error}");
    // One signed by somebody else, also where the system says whom to trust.
    let error = by_tls(config("other-ca.pem")).await.unwrap_err();
    assert!(error.contains("invalid peer certificate: "), "{error}");
    assert!(error.ends_with("; see metrics_config, MySQL: {ca_file: …}"), "{error}");
    let mut by_system = config("ca.pem");
    by_system["MySQL"].as_object_mut().unwrap().remove("ca_file");
    let error = by_tls(by_system).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");

    // A user who must show a certificate of ours.
    server.sql("ALTER USER 'watch'@'127.0.0.1' REQUIRE X509");
    assert!(by_tls(config("ca.pem")).await.unwrap_err().contains("Access denied"));
    let mut with_ours = config("ca.pem");
    with_ours["MySQL"]["cert_file"] = files.path("client.pem").into();
    with_ours["MySQL"]["key_file"] = files.path("client.key").into();
    assert_eq!(by_tls(with_ours).await.unwrap()["meta.innodb"], "1");
}

#[tokio::test]
async fn a_server_without_tls_is_not_asked_where_tls_is_wanted() {
    let server = MariaDb::start(&["--skip-ssl"]);
    server.sql(WATCH);
    let port = server.port();
    let mut config = watch();
    config["MySQL"]["tls"] = true.into();
    assert_eq!(
        fetched(&format!("mysql:{port}"), config).await.unwrap_err().to_string(),
        format!("port {port}: the server has no TLS, and tls is true")
    );
    let config = json!({"MySQL": {"tls": true, "ca_file": "/no/such"}});
    assert_eq!(
        fetched(&format!("mysql:{port}"), config).await.unwrap_err().to_string(),
        "in metrics_config, MySQL: {…}, ca_file '/no/such' can't be read: No such file or directory (os error 2)"
    );
}
