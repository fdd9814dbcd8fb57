//! The program as a user runs it: flags, exit codes, signals.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    assert!(
        stdout.ends_with("\n\nkurado.yml is good: 1 service, 1 host, 2 plugins, no warnings\n"),
        "{stdout}"
    );
    assert_eq!(stderr, "");

    let bad = "config: {web_worker: 0}\n---\nservice: []\n";
    std::fs::write(dir.path().join("bad.yml"), bad).unwrap();
    let output = poller(dir.path()).args(["-c", "bad.yml", "check"]).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr,
        "error: bad.yml:1: config web_worker is '0'; it must be a whole number from 1\n\
         error: bad.yml:3: service is a list of 0; it must be a text\n\
         kurado-poller: bad.yml can not be used: 2 errors\n"
    );
}

#[test]
fn a_target_that_can_never_work_fails_the_check_and_not_the_others() {
    let dir = site(6379, "base, 'redis:99999'");
    let output = poller(dir.path()).args(["check"]).output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout.contains(" redis  | yes"), "{stdout}");
    assert_eq!(
        stderr,
        "error: rolls/all.yml:1: plugin 'redis:99999': port '99999' must be a number from 1 to 65535\n\
         kurado-poller: kurado.yml has 1 error and no warnings\n"
    );
}

#[test]
fn who_reads_no_more_of_what_is_printed_is_no_fault_and_a_full_disk_is_one() {
    let dir = site(6379, "base");
    let (closed, writer) = std::io::pipe().unwrap();
    drop(closed);
    let output = poller(dir.path()).arg("check").stdout(writer).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = poller(dir.path()).arg("check").stdout(full).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("can't write what is to be printed: No space left"), "{stderr}");
}

#[test]
fn strict_lets_no_warning_pass() {
    let dir = site(6379, "base, nobody");
    let output = poller(dir.path()).args(["check"]).output().unwrap();
    assert!(output.status.success());
    let (stdout, stderr) = text(&output);
    assert!(stderr.starts_with("warning: rolls/all.yml:1: plugin 'nobody' is neither"), "{stderr}");
    assert!(stdout.ends_with("\nkurado.yml is good: 1 service, 1 host, 2 plugins, 1 warning\n"));
    let output = poller(dir.path()).args(["check", "--strict"]).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.ends_with("kurado-poller: kurado.yml has 1 warning, and --strict lets none pass\n"),
        "{stderr}"
    );

    let dir = site(6379, "base");
    assert!(poller(dir.path()).args(["check", "--strict"]).output().unwrap().status.success());
}

#[test]
fn secrets_come_from_the_environment_and_are_never_printed() {
    let dir = site(6379, "redis");
    let roll = dir.path().join("rolls/all.yml");
    std::fs::write(
        roll,
        "metrics: [redis]\nmetrics_config:\n  Redis: {password: \"${SHOP_PASSWORD}\"}\n",
    )
    .unwrap();
    let output = poller(dir.path()).args(["check"]).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr,
        "error: rolls/all.yml:3: environment variable SHOP_PASSWORD is not set; ${SHOP_PASSWORD} here needs it\n\
         kurado-poller: kurado.yml has 1 error and no warnings\n"
    );

    let server = RedisServer::start(&["--requirepass", "geheim"]);
    let identifier = format!("redis:{}", server.port());
    for arguments in [vec!["check"], vec!["fetch", "127.0.0.1", &identifier]] {
        let output = poller(dir.path())
            .env("SHOP_PASSWORD", "geheim")
            .env("RUST_LOG", "trace")
            .args(arguments)
            .output()
            .unwrap();
        let (stdout, stderr) = text(&output);
        assert!(output.status.success(), "{stderr}");
        assert!(!stdout.contains("geheim") && !stderr.contains("geheim"), "{stdout}{stderr}");
    }
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
    assert_eq!(
        stderr,
        "error: metrics_plugins/redis.toml:3: there is no [graph.\"a\"]\n\
         kurado-poller: kurado.yml can not be used: 1 error\n"
    );
}

#[test]
fn pipes_and_devices_in_place_of_files_are_faults_of_the_check_that_name_them() {
    let dir = site(free_port(), "base");
    let plugins = dir.path().join("metrics_plugins");
    std::fs::create_dir(&plugins).unwrap();
    let fifo = |path: PathBuf| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    fifo(plugins.join("shop.toml"));
    std::os::unix::fs::symlink("/dev/zero", plugins.join("zoo.toml")).unwrap();
    std::fs::remove_file(dir.path().join("rolls/all.yml")).unwrap();
    fifo(dir.path().join("rolls/all.yml"));
    let output = poller(dir.path()).arg("check").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (_, errors) = text(&output);
    for (file, what) in [
        ("rolls/all.yml", "a named pipe (FIFO)"),
        ("metrics_plugins/shop.toml", "a named pipe (FIFO)"),
        ("metrics_plugins/zoo.toml", "a device"),
    ] {
        let line = format!("{file} can not be read: it is {what}; only regular files are read");
        let told = errors.replace(".toml: ", ".toml ");
        assert!(told.contains(&line), "{line} in {errors}");
    }
}

#[test]
fn a_program_that_is_not_executable_is_named_by_fetch_and_view_with_what_to_do() {
    let dir = site(6379, "base");
    for purpose in ["fetch", "view"] {
        let folder = dir.path().join("metrics_plugins").join(purpose);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("shop.sh"), "#!/bin/sh\n").unwrap();
        let output = poller(dir.path()).args([purpose, "127.0.0.1", "shop"]).output().unwrap();
        let path = format!("metrics_plugins/{purpose}/shop.sh");
        let told = format!("; {path} is not executable: chmod +x {path}");
        assert!(text(&output).1.contains(&told), "{}", text(&output).1);
    }
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

/// Writes a program into the site's plugins.
fn write_program(dir: &Path, name: &str, text: &str) {
    let path = dir.join("metrics_plugins").join(name);
    test_redis::write_program(&path, text);
}

#[test]
fn a_program_is_fetched_with_the_meta_that_redis_has() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), "shop");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let meta = format!("127.0.0.1\tshop%3A80.meta.version\t1.2\t{now}");
    server.cli(&["KURADO.META", "SET", &meta]);
    let perl = r#"#!/usr/bin/perl
use strict; use warnings; use JSON::PP;
my $meta = decode_json($ENV{"kurado.metrics_meta_json"});
print "reqs.derive\t12\n", "meta.seen\t$meta->{version} $ARGV[3]\n", "rubbish\n";
"#;
    write_program(dir.path(), "fetch/shop.pl", perl);
    let output = poller(dir.path()).args(["fetch", "127.0.0.1", "shop:80"]).output().unwrap();
    let (stdout, stderr) = text(&output);
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains("\tshop%3A80.metrics.reqs.derive\t12\t"), "{stdout}");
    assert!(stdout.contains("\tshop%3A80.meta.seen\t1.2 me\t"), "{stdout}");
    assert!(
        stdout.contains("\tshop%3A80.warn.output\t1 of 3 lines not understood; line 3: 'rubbish' must be key TAB value [TAB unixtime]\t"),
        "{stdout}"
    );
    let output = poller(dir.path()).arg("check").output().unwrap();
    assert!(text(&output).0.contains(" shop   | no definition | fetched by a program\n"));

    write_program(dir.path(), "fetch/shop.pl", "#!/bin/sh\necho 'no\nlogin' >&2\nexit 1\n");
    let output = poller(dir.path()).args(["fetch", "127.0.0.1", "shop:80"]).output().unwrap();
    assert_eq!(text(&output).1, "kurado-poller: no\nlogin\n");
}

#[test]
fn view_prints_groups_and_what_a_graph_draws_of_definitions_and_programs_alike() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), "redis, shop");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for line in ["redis.meta.version\t7.0", "shop.meta.mode\tfast"] {
        server.cli(&["KURADO.META", "SET", &format!("127.0.0.1\t{line}\t{now}")]);
    }
    let python = r##"#!/usr/bin/env python3
import json, os, sys
meta = json.loads(os.environ["kurado.metrics_meta_json"])
if "--graph" in sys.argv:
    print("Requests\nDEF:a=<%RRD reqs.derive %>:n:AVERAGE\nLINE1:a#4C8FDB")
else:
    print("#Shop\tmode\t" + meta["mode"] + "\nreqs")
"##;
    write_program(dir.path(), "view/shop.py", python);
    let view = |arguments: &[&str]| {
        let output = poller(dir.path()).args(["view", "127.0.0.1"]).args(arguments).output();
        let output = output.unwrap();
        let (stdout, stderr) = text(&output);
        if output.status.success() { Ok(stdout) } else { Err(stderr) }
    };
    assert!(view(&["redis"]).unwrap().starts_with("#Redis(6379)\tversion\t7.0\ncmd\nconn\n"));
    let drawn = view(&["redis", "--graph", "keys"]).unwrap();
    assert!(drawn.starts_with("Keys\nDEF:_s0=<%RRD keys.gauge %>:n:AVERAGE\n"), "{drawn}");
    assert_eq!(view(&["shop"]).unwrap(), "#Shop\tmode\tfast\nreqs\n");
    assert_eq!(
        view(&["shop", "--graph", "reqs"]).unwrap(),
        "Requests\nDEF:a=<%RRD reqs.derive %>:n:AVERAGE\nLINE1:a#4C8FDB\n"
    );
    assert_eq!(
        view(&["redis", "--graph", "x"]).unwrap_err(),
        "kurado-poller: graph 'x' is none of plugin 'redis'\n"
    );
    assert!(view(&["nobody"]).unwrap_err().contains("no executable view/nobody"));
}

#[test]
fn a_program_s_lines_and_its_failure_reach_redis() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), "shop, broken");
    write_program(dir.path(), "fetch/shop", "#!/bin/sh\nprintf 'busy\\t3\\n'\n");
    write_program(dir.path(), "fetch/broken", "#!/bin/sh\necho 'no\nlogin' >&2\nexit 1\n");
    let mut child = poller(dir.path()).arg("--at-once").stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !(server.cli(&["KURADO.SERIES", "127.0.0.1"]).contains("busy.gauge")
        && server.cli(&["KURADO.HOST", "127.0.0.1"]).contains("no login"))
    {
        assert!(Instant::now() < deadline, "nothing arrived");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_fetches_all_at_once_where_asked_to_and_ends_cleanly_when_told_to() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), &format!("base, 'redis:{}'", server.port()));
    let mut child = poller(dir.path()).arg("--at-once").stderr(Stdio::null()).spawn().unwrap();
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

/// A poller that runs until this is dropped, and its metrics.
struct Running {
    child: Child,
    metrics: u16,
    log: PathBuf,
}

impl Running {
    fn start(dir: &Path) -> Self {
        let metrics = free_port();
        let log = dir.join("log");
        let child = poller(dir)
            .args(["--at-once", "--metrics-listen", &format!("127.0.0.1:{metrics}")])
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let running = Self { child, metrics, log };
        running.wait_for("kurado_poller_configuration_faulty 0");
        running
    }

    fn metrics(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Waits until the metrics have this line.
    fn wait_for(&self, line: &str) {
        wait_until(|| self.metrics().is_ok_and(|text| text.lines().any(|found| found == line)));
    }

    fn signal(&self, name: &str) {
        let told =
            Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn wait_until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "not within two minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// As editors do: a new file takes the old one's name.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}

#[test]
fn changed_files_are_followed_and_a_faulty_one_leaves_the_old_in_force() {
    let server = RedisServer::start_with_module(&[]);
    let redis = format!("'redis:{}'", server.port());
    let dir = site(server.port(), &format!("base, kurado, {redis}"));
    let roll = dir.path().join("rolls/all.yml");
    let running = Running::start(dir.path());
    running.wait_for("kurado_poller_targets 1");
    running.wait_for("kurado_poller_fetches_total{result=\"ok\"} 1");

    replace(&roll, &format!("metrics: [base, kurado, {redis}, 'redis:1']"));
    running.wait_for("kurado_poller_targets 2");
    running.wait_for("kurado_poller_reloads_total 1");

    // Written in place, and faulty.
    std::fs::write(&roll, "metrics: [base\n").unwrap();
    running.wait_for("kurado_poller_configuration_faulty 1");
    running.wait_for("kurado_poller_targets 2");
    let host = || server.cli(&["KURADO.HOST", "127.0.0.1"]);
    wait_until(|| host().contains("the configuration of before holds"));
    assert!(host().contains("rolls/all.yml:"), "{}", host());
    assert_eq!(running.log().matches("the configuration of before holds").count(), 1);
    // The same fault again is no new one, but who asks gets an answer.
    running.signal("-HUP");
    wait_until(|| running.log().contains("WARN still rolls/all.yml:"));

    replace(&roll, &format!("metrics: [base, kurado, {redis}]"));
    running.wait_for("kurado_poller_configuration_faulty 0");
    running.wait_for("kurado_poller_reload_faults_total 1");
    running.wait_for("kurado_poller_reloads_total 2");
    running.wait_for("kurado_poller_targets 1");
    wait_until(|| !host().contains("configuration"));

    running.signal("-HUP");
    running.wait_for("kurado_poller_reloads_total 3");
    let log = running.log();
    for told in [
        "configuration read anew: plugins added: redis:1 of 127.0.0.1; ",
        "configuration read anew: plugins removed: redis:1 of 127.0.0.1; ",
        "configuration read again: unchanged; ",
    ] {
        assert!(log.contains(told), "{told}\n{log}");
    }
    assert!(server.cli(&["KURADO.SERIES", "127.0.0.1", "kurado"]).contains("targets.gauge"));
}

#[test]
fn a_pipe_that_comes_while_it_runs_is_a_fault_and_keeps_neither_a_reload_nor_the_end() {
    let server = RedisServer::start(&[]);
    let dir = site(server.port(), "base");
    let plugins = dir.path().join("metrics_plugins");
    std::fs::create_dir(&plugins).unwrap();
    let mut running = Running::start(dir.path());
    let fifo = plugins.join("shop.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    running.wait_for("kurado_poller_configuration_faulty 1");
    std::fs::remove_file(&fifo).unwrap();
    running.wait_for("kurado_poller_configuration_faulty 0");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    running.wait_for("kurado_poller_reload_faults_total 2");
    running.signal("-TERM");
    assert!(running.child.wait().unwrap().success());
}

#[test]
fn lines_go_to_another_redis_when_the_configuration_names_it() {
    let (first, second) =
        (RedisServer::start_with_module(&[]), RedisServer::start_with_module(&[]));
    let dir = site(first.port(), "base, kurado");
    let running = Running::start(dir.path());
    let arrived =
        |server: &RedisServer| server.cli(&["KURADO.HOST", "127.0.0.1"]).contains("kurado");
    wait_until(|| arrived(&first));
    let file = dir.path().join("kurado.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    let [before, after] = [&first, &second].map(|server| format!("127.0.0.1:{}", server.port()));
    replace(&file, &text.replace(&before, &after));
    running.wait_for("kurado_poller_reloads_total 1");
    // A fault is told at once.
    replace(&dir.path().join("rolls/all.yml"), "metrics: base\n");
    wait_until(|| arrived(&second));
}
