//! The program as a user runs it: flags, exit codes, signals.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_redis::{RedisServer, free_port};

/// A folder with `kurado.yml` for this Redis, and one host whose roll has these plugins.
fn site(redis: u16, plugins: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rolls")).unwrap();
    std::fs::write(dir.path().join("rolls/all.yml"), format!("metrics: [{plugins}]")).unwrap();
    let config = format!(
        "config: {{redis: '127.0.0.1:{redis}'}}\n---\nservice: Shop\nservers:\n- {{roll: all.yml, hosts: [127.0.0.1 me]}}\n"
    );
    std::fs::write(dir.path().join("kurado.yml"), config).unwrap();
    dir
}

fn poller(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-poller"));
    command.current_dir(dir);
    command
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn check_prints_tables_and_exits_1_on_a_fault() {
    let dir = site(6379, "base, redis");
    let output = poller(dir.path()).args(["check"]).output().unwrap();
    let (stdout, stderr) = text(&output);
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains(" Shop    | 1\n") && stdout.contains(" redis  | yes"), "{stdout}");

    std::fs::write(dir.path().join("bad.yml"), "config: {}\n---\nservice: []\n").unwrap();
    let output = poller(dir.path()).args(["-c", "bad.yml", "check"]).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr, "kurado-poller: bad.yml:3: service is a list of 0; it must be a text\n");
}

#[test]
fn a_fault_in_a_definition_is_found_too() {
    let dir = site(6379, "redis");
    std::fs::create_dir(dir.path().join("metrics_plugins")).unwrap();
    let own = dir.path().join("metrics_plugins/redis.toml");
    std::fs::write(own, "[[group]]\nlabel = 'x'\ngraphs = ['a']\n").unwrap();
    let output = poller(dir.path()).args(["check"]).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr, "kurado-poller: metrics_plugins/redis.toml:3: there is no [graph.\"a\"]\n");
}

#[test]
fn fetch_prints_the_lines_or_the_reason() {
    let server = RedisServer::start(&[]);
    let dir = site(server.port(), "base");
    let identifier = format!("redis:{}", server.port());
    let fetch = |identifier: &str| {
        poller(dir.path()).args(["fetch", "127.0.0.1", identifier]).output().unwrap()
    };
    let output = fetch(&identifier);
    let (stdout, stderr) = text(&output);
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains("\tredis%3A") && stdout.contains(".metrics.keys.gauge\t0\t"));
    assert!(stdout.contains(".meta.role\tmaster\t"), "{stdout}");

    let closed = free_port();
    let output = fetch(&format!("redis:{closed}"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output).1, format!("kurado-poller: port {closed}: connection refused\n"));
}

#[test]
fn it_fetches_at_start_and_ends_cleanly_when_told_to() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), &format!("base, 'redis:{}'", server.port()));
    let mut child = poller(dir.path()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !server.cli(&["KURADO.SERIES", "127.0.0.1"]).contains("used_memory.gauge") {
        assert!(Instant::now() < deadline, "nothing arrived");
        std::thread::sleep(Duration::from_millis(50));
    }
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it did not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
