//! How the agent's own binary connects to a real redis-server without the Kurado module: whatever the
//! way, its lines arrive in the list that older servers read, or its log says what to do.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use test_redis::certificates::Certificates;
use test_redis::{RedisServer, Running, eventually, free_port};

/// A running agent with its log in a file.
struct Agent {
    process: Running,
    directory: TempDir,
}

impl Agent {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-agent"));
        command.args(["--spool-size", "0"]).args(arguments);
        command.stdin(Stdio::null()).stderr(log);
        for name in ["KURADO_MQ", "KURADO_PASSWORD", "RUST_LOG", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            command.env_remove(name);
        }
        let process = Running::start(command.envs(variables.iter().copied()));
        Self { process, directory }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Waits until it has said these words; the log.
    fn says(&self, words: &str) -> String {
        eventually(&format!("'{words}' in\n{}", self.log()), || {
            let log = self.log();
            log.contains(words).then_some(log)
        })
    }

    /// What other processes see of it.
    fn shown(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.process.0.id());
        String::from_utf8(fs::read(path).unwrap()).unwrap().replace('\0', " ")
    }
}

/// What a redis-server is told of its certificate.
fn tls_options(files: &Certificates, port: u16, certificate: &str) -> Vec<String> {
    let [cert, key] = ["pem", "key"].map(|kind| files.path(&format!("{certificate}.{kind}")));
    let port = port.to_string();
    [
        ["--tls-port", &port],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &files.path("ca.pem")],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .collect()
}

fn start(options: &[String], more: &[&str]) -> RedisServer {
    let options: Vec<&str> =
        options.iter().map(String::as_str).chain(more.iter().copied()).collect();
    RedisServer::start(&options)
}

/// Takes a payload out of the list of a database, once there is one.
fn arrived(redis: &RedisServer, database: &str) -> String {
    eventually("a payload", || {
        let payload = redis.cli(&["-n", database, "LPOP", "kurado-update"]);
        payload.contains("base.metrics.").then_some(payload)
    })
}

#[test]
fn lines_arrive_whatever_kind_of_address_the_server_is_named_by() {
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("redis.sock").to_str().unwrap().to_owned();
    let redis = RedisServer::start(&["--unixsocket", &socket]);
    redis.cli(&[
        "ACL",
        "SETUSER",
        "agent",
        "on",
        ">se/cret",
        "~kurado-update",
        "+rpush",
        "+select",
    ]);
    let port = redis.port();
    for (mq, database) in [
        (format!("127.0.0.1:{port}"), "0"),
        (format!("localhost:{port}"), "0"),
        (format!("redis://127.0.0.1:{port}"), "0"),
        (format!("redis://agent:se%2Fcret@127.0.0.1:{port}/3"), "3"),
        (format!("unix:{socket}"), "0"),
        (format!("unix://agent:se%2Fcret@{socket}?db=2"), "2"),
    ] {
        let _agent = Agent::start(&["--mq", &mq], &[]);
        arrived(&redis, database);
        let _agent = Agent::start(&[], &[("KURADO_MQ", &mq)]);
        arrived(&redis, database);
    }
}

#[test]
fn a_password_in_an_argument_is_shown_by_neither_ps_nor_log_nor_to_plugins() {
    let redis = RedisServer::start(&[]);
    redis.cli(&["ACL", "SETUSER", "agent", "on", ">hidden", "~kurado-update", "+rpush"]);
    let plugins = tempfile::tempdir().unwrap();
    let command = r#"printf 'variables\t%s\n' "$(env | grep -c '^KURADO_\|hidden')""#;
    let plugin = format!("[plugin.metrics.process]\ncommand = '''{command}'''\n");
    fs::write(plugins.path().join("process.toml"), plugin).unwrap();
    let plugins = plugins.path().to_str().unwrap();

    let place = format!("127.0.0.1:{}", redis.port());
    let url = format!("redis://agent:hidden@{place}");
    let is_blind = |payload: &str| payload.contains("process.metrics.variables.gauge\t0\t");
    for arguments in [
        vec!["--conf-d".to_owned(), plugins.to_owned(), "--mq".to_owned(), url.clone()],
        vec![format!("--mq={url}"), "--conf-d".to_owned(), plugins.to_owned()],
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // The argument comes first.
        let of_unit = format!("--mq {url}");
        let agent = Agent::start(
            &arguments,
            &[("KURADO_MQ", "hidden"), ("KURADO_AGENT_OPTIONS", &of_unit)],
        );
        let payload = arrived(&redis, "0");
        assert!(is_blind(&payload), "{payload}");
        let shown = agent.shown();
        assert!(
            !shown.contains("hidden") && shown.contains(&format!("redis://*@{place}")),
            "{shown}"
        );
        assert!(shown.contains(plugins), "{shown}");
        let log = agent.says(&format!("sends to {place}"));
        assert!(!log.contains("hidden"), "{log}");
    }

    let agent = Agent::start(
        &["--conf-d", plugins, "--mq", &place, "--user", "agent"],
        &[("KURADO_PASSWORD", "hidden")],
    );
    let payload = arrived(&redis, "0");
    assert!(is_blind(&payload), "{payload}");
    assert!(!agent.log().contains("hidden"));
}

#[test]
fn an_argument_that_is_refused_is_named_without_its_password() {
    for (arguments, rule) in [
        (
            ["--mq", "redis://agent:hidden@h:x"],
            "the server 'redis://*' (--mq or KURADO_MQ): the port",
        ),
        (["--mq", "redis://agent:hidden:6379"], "stands in brackets"),
        (["--mq=redis://:hidden/6379@h", "--dump"], "/ is written %2F"),
        (["--mq", "host:the@hidden"], "stand in a URL"),
        (["--mq", "host:hidden"], "the port must be a number from 1 to 65535"),
        (["--mq=redis://agent:hidden@h", "--dmup"], "unexpected argument '--dmup' found"),
        (["redis://agent:hidden@h", "--dump"], "unexpected argument 'redis://*@h' found"),
        (["agent:hidden@h", "--dump"], "unexpected argument '*' found"),
        (["--interval", "redis://agent:hidden@h"], "invalid value 'redis://*@h' for '--interval"),
        (["--interval=redis://agent:hidden@h", "--dump"], "invalid value 'redis://*@h' for"),
    ] {
        let mut agent = Agent::start(&arguments, &[]);
        assert_eq!(agent.process.0.wait().unwrap().code(), Some(2));
        let log = agent.log();
        assert!(log.contains(rule) && !log.contains("hidden"), "{log}");
    }
}

#[test]
fn a_password_file_is_used_and_one_that_everybody_may_read_is_told() {
    let redis = RedisServer::start(&["--requirepass", "opensesame"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, "opensesame\n").unwrap();
    let path = path.to_str().unwrap();
    let place = format!("127.0.0.1:{}", redis.port());
    let warning = "every user of this machine can read the password file";
    for (mode, is_warned) in [(0o600, false), (0o644, true)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let agent = Agent::start(&["--mq", &place, "--password-file", path], &[]);
        arrived(&redis, "0");
        assert_eq!(agent.says("sends to").contains(warning), is_warned);
    }
    let agent = Agent::start(&["--mq", &place, "--password-file", "/none/such"], &[]);
    agent.says("cannot read the password file /none/such: No such file");
}

#[test]
fn a_refusal_of_a_real_server_says_what_to_do() {
    let nobody = free_port().to_string();
    for (options, advice) in [
        (
            &["--requirepass", "opensesame"][..],
            "NOAUTH Authentication required; give the password by",
        ),
        (&["--maxmemory", "1"], "its maxmemory"),
        (&["--replicaof", "127.0.0.1", &nobody], "name its master in --mq"),
        (&["--cluster-enabled", "yes"], "one of a Redis Cluster"),
    ] {
        let redis = RedisServer::start(options);
        let place = format!("127.0.0.1:{}", redis.port());
        Agent::start(&["--mq", &place], &[]).says(advice);
    }

    let redis = RedisServer::start(&[]);
    let place = format!("127.0.0.1:{}", redis.port());
    redis.cli(&["ACL", "SETUSER", "agent", "on", ">hidden", "~other", "+@all"]);
    for (user, password, reason) in [
        ("agent", "hidden", "; its user needs +rpush and ~kurado-update"),
        ("agent", "wrong", "AUTH refused: WRONGPASS invalid username-password pair"),
        ("other", "hidden", "AUTH refused: WRONGPASS invalid username-password pair"),
    ] {
        let agent =
            Agent::start(&["--mq", &place, "--user", user], &[("KURADO_PASSWORD", password)]);
        let log = agent.says(reason);
        assert!(!log.contains(password), "{log}");
    }
    let agent = Agent::start(&["--mq", &place], &[("KURADO_PASSWORD", "x")]);
    agent.says("; the server has no password: give none");

    let mut other = TcpStream::connect(&place).unwrap();
    other.write_all(b"PING\r\n").unwrap();
    other.read_exact(&mut [0; 7]).unwrap();
    assert_eq!(redis.cli(&["CONFIG", "SET", "maxclients", "1"]), "OK\n");
    Agent::start(&["--mq", &place], &[]).says("its maxclients");
}

#[test]
fn lines_arrive_by_tls_when_the_certificate_is_right() {
    let files = Certificates::new();
    let port = free_port();
    let redis = start(&tls_options(&files, port, "server"), &["--requirepass", "opensesame"]);
    let url = format!("rediss://:opensesame@127.0.0.1:{port}");
    let [ca, other_ca, cert, key, server] =
        ["ca.pem", "other-ca.pem", "client.pem", "client.key", "server.pem"]
            .map(|name| files.path(name));
    let shown = ["--mq", &url, "--tls-cert", &cert, "--tls-key", &key];

    let _agent = Agent::start(&[&shown[..], &["--tls-ca", &ca]].concat(), &[]);
    arrived(&redis, "0");
    // The system's store, which this variable names.
    let _agent = Agent::start(&shown, &[("SSL_CERT_FILE", &ca)]);
    arrived(&redis, "0");

    let localhost = url.replace("127.0.0.1", "localhost");
    let plain = format!("redis://127.0.0.1:{port}");
    let without_tls = url.replace(&port.to_string(), &redis.port().to_string());
    for (arguments, reason) in [
        (
            vec!["--mq", &url, "--tls-ca", &ca],
            "TLS: the server asks for a client certificate: --tls-cert and --tls-key".to_owned(),
        ),
        (
            [&shown[..], &["--tls-ca", &other_ca]].concat(),
            format!("by an authority that is not trusted: by none in --tls-ca {other_ca}"),
        ),
        (shown.to_vec(), "that is not trusted: name its file with --tls-ca".to_owned()),
        (
            vec!["--mq", &localhost, "--tls-ca", &ca],
            "its certificate is not for localhost, but for 127.0.0.1: name the server so"
                .to_owned(),
        ),
        (
            vec!["--mq", &url, "--tls-ca", "/none/such.pem"],
            "TLS: --tls-ca /none/such.pem cannot be read: No such file".to_owned(),
        ),
        (
            vec!["--mq", &url, "--tls-ca", &key],
            format!("TLS: --tls-ca {key} has no certificate in PEM"),
        ),
        (
            vec!["--mq", &url, "--tls-ca", &ca, "--tls-cert", &server, "--tls-key", &key],
            format!("TLS: --tls-key {key} cannot be used: it is not the key of {server}"),
        ),
        (vec!["--mq", &plain], "; if it speaks TLS, write rediss://".to_owned()),
        (vec!["--mq", &without_tls, "--tls-ca", &ca], "speak TLS there".to_owned()),
    ] {
        let log = Agent::start(&arguments, &[]).says(&reason);
        assert!(!log.contains("opensesame"), "{log}");
    }
}

#[test]
fn tls_1_2_does_and_a_client_certificate_need_not_be() {
    let files = Certificates::new();
    let ca = files.path("ca.pem");
    let port = free_port();
    let url = format!("rediss://127.0.0.1:{port}");
    let options = ["--tls-protocols", "TLSv1.2", "--tls-auth-clients", "no"];
    let redis = start(&tls_options(&files, port, "server"), &options);
    let _agent = Agent::start(&["--mq", &url, "--tls-ca", &ca], &[]);
    arrived(&redis, "0");
    redis.cli(&["CONFIG", "SET", "tls-auth-clients", "yes"]);
    let agent = Agent::start(&["--mq", &url, "--tls-ca", &ca], &[]);
    agent.says("the server asks for a client certificate");
}

#[test]
fn a_certificate_of_version_1_is_refused_with_what_it_lacks() {
    let files = Certificates::new();
    files.make_version_1();
    let port = free_port();
    let _redis = start(&tls_options(&files, port, "version-1"), &[]);
    let url = format!("rediss://127.0.0.1:{port}");
    let agent = Agent::start(&["--mq", &url, "--tls-ca", &files.path("ca.pem")], &[]);
    agent.says("of X.509 version 1, which has no names: make it anew with a subjectAltName");
}

#[test]
fn an_expired_certificate_is_refused() {
    let files = Certificates::new();
    files.make_expired();
    let port = free_port();
    let _redis = start(&tls_options(&files, port, "expired"), &[]);
    let url = format!("rediss://127.0.0.1:{port}");
    let agent = Agent::start(&["--mq", &url, "--tls-ca", &files.path("ca.pem")], &[]);
    agent.says("its certificate has expired, or the clock of this machine is wrong");
}
