//! The agent beside a real redis-server without the Kurado module: its lines arrive in the list that
//! older servers read.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use test_redis::{RedisServer, eventually, free_port};

/// Where a server listens, as `--mq` takes it.
fn address(redis: &RedisServer) -> String {
    format!("127.0.0.1:{}", redis.port())
}

/// The first payload in the list of a server, once there is one.
fn first_payload(redis: &RedisServer) -> String {
    eventually("a payload", || {
        let payload = redis.cli(&["LINDEX", "kurado-update", "0"]);
        (!payload.trim().is_empty()).then_some(payload)
    })
}

/// An agent that keeps nothing where one of this machine's own may keep it.
fn agent() -> Command {
    let mut command = bare_agent();
    command.args(["--spool-size", "0"]);
    command
}

fn bare_agent() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-agent"));
    command.env_remove("KURADO_MQ").env_remove("KURADO_PASSWORD").env_remove("RUST_LOG");
    command
}

/// A running agent; killed when dropped, unless it was stopped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Sends TERM; the exit status, and what was logged.
    fn stop(mut self) -> (std::process::ExitStatus, String) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let status = eventually("the agent's end", || self.0.try_wait().unwrap());
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn conf_d(name: &str, command: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("[plugin.metrics.{name}]\ncommand = '''{command}'''\n");
    std::fs::write(directory.path().join("plugin.toml"), text).unwrap();
    directory
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn the_first_payload_comes_at_once_and_falls_back_to_the_list() {
    let redis = RedisServer::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let pidfile = directory.path().join("agent.pid");
    let conf_d = conf_d("process", r"printf 'fork.derive\t39234\n'");
    let running = Running::start(
        agent()
            .args(["--self-ip", "10.0.0.1", "--mq", &address(&redis)])
            .arg("--pidfile")
            .arg(&pidfile)
            .arg("--conf-d")
            .arg(conf_d.path()),
    );

    let payload = first_payload(&redis);
    let pid = std::fs::read_to_string(&pidfile).unwrap();
    assert_eq!(pid.trim(), running.0.id().to_string());
    assert!(payload.contains("10.0.0.1\tbase.metrics.loadavg-1.gauge\t"), "{payload}");
    assert!(payload.contains("10.0.0.1\tprocess.metrics.fork.derive\t39234\t"), "{payload}");
    for line in payload.lines().filter(|line| !line.is_empty()) {
        assert!(line_protocol::parse_line(line.as_bytes()).is_ok(), "{line}");
        assert_eq!(line.split('\t').count(), 4, "{line}");
    }

    let (status, log) = running.stop();
    assert!(status.success(), "{log}");
    assert!(log.contains("does not know KURADO.PUSH"), "{log}");
    assert!(!pidfile.exists());
}

#[test]
fn a_password_comes_from_the_environment_and_a_wrong_one_is_told() {
    let redis = RedisServer::start(&["--requirepass", "opensesame"]);
    let good = Running::start(
        agent().args(["--mq", &address(&redis)]).env("KURADO_PASSWORD", "opensesame"),
    );
    let payload = first_payload(&redis);
    assert!(payload.starts_with("base.metrics."), "{payload}");
    drop(good);

    let mut bad =
        Running::start(agent().args(["--mq", &address(&redis)]).env("KURADO_PASSWORD", "letmein"));
    let log = read_until(&mut bad, "AUTH refused: WRONGPASS");
    assert!(!log.contains("letmein"), "{log}");
}

#[test]
fn a_server_that_is_away_is_named_and_the_agent_goes_on() {
    let address = format!("127.0.0.1:{}", free_port());
    let spool = tempfile::tempdir().unwrap();
    let mut running =
        Running::start(bare_agent().args(["--mq", &address]).arg("--spool").arg(spool.path()));
    let log = read_until(&mut running, "payloads that wait: 1");
    assert!(log.contains(&format!("cannot send to {address}: cannot connect")), "{log}");
    assert!(running.0.try_wait().unwrap().is_none());
    let (status, log) = running.stop();
    assert!(status.success(), "{log}");
    assert!(log.contains("for the next start: 1"), "{log}");
}

#[test]
fn dump_prints_the_lines_and_ends() {
    let conf_d = conf_d("bad", "exit 7");
    let output = agent().arg("--dump").arg("--conf-d").arg(conf_d.path()).output().unwrap();
    assert!(output.status.success());
    let text = text(&output);
    assert!(text.starts_with("base.metrics.cpu-guest-nice.derive\t"), "{text}");
    assert!(text.contains("\nbad.warn.command\texit status 7\t"), "{text}");
}

#[test]
fn the_plugin_linux_is_sent_unless_it_is_switched_off() {
    let with = agent().arg("--dump").output().unwrap();
    assert!(text(&with).contains("\nlinux.metrics.context-switches.derive\t"), "{with:?}");
    let without = agent().args(["--dump", "--no-linux"]).output().unwrap();
    assert!(text(&without).starts_with("base."), "{without:?}");
    assert!(text(&without).lines().all(|line| line.starts_with("base.")), "{without:?}");
}

#[test]
fn bad_options_are_refused_with_the_rule() {
    for (option, value, rule) in [
        ("--mq", "localhost:", "the port must be a number from 1 to 65535"),
        (
            "--mq",
            "redis://:secret@h:x",
            "the server 'redis://*' (--mq or KURADO_MQ): the port must",
        ),
        ("--self-ip", "../x", "must be an IP address or a host name"),
        ("--interval", "0", "must be a whole number from 1 to 1440"),
        ("--spool-size", "1025", "must be a whole number from 0 to 1024"),
    ] {
        let output = bare_agent().args([option, value]).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(errors.contains(rule) && !errors.contains("secret"), "{errors}");
    }
}

/// What the agent logs, up to some words.
fn read_until(running: &mut Running, words: &str) -> String {
    let mut log = Vec::new();
    let stream = running.0.stderr.as_mut().unwrap();
    let mut byte = [0];
    while !String::from_utf8_lossy(&log).contains(words) {
        let len = stream.read(&mut byte).unwrap();
        assert!(len > 0, "never said: {}", String::from_utf8_lossy(&log));
        log.extend(byte);
    }
    String::from_utf8(log).unwrap()
}
