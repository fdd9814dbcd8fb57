//! Pollers that are killed, that are two, and what they say of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use test_redis::{RedisServer, Running, eventually, free_port, write_program};

/// A folder with `kurado.yml` for this Redis, and one host whose roll has these plugins.
fn site(redis: u16, config: &str, plugins: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rolls")).unwrap();
    std::fs::write(dir.path().join("rolls/all.yml"), format!("metrics: [{plugins}]")).unwrap();
    let config = format!(
        "config: {{redis: '127.0.0.1:{redis}'{config}}}\n---\nservice: Shop\nservers:\n- {{roll: all.yml, hosts: [127.0.0.1 me]}}\n"
    );
    std::fs::write(dir.path().join("kurado.yml"), config).unwrap();
    dir
}

/// A poller that runs until it is killed or dropped.
struct Poller {
    process: Running,
    metrics: u16,
    log: PathBuf,
}

impl Poller {
    fn start(dir: &Path, name: &str) -> Self {
        let (metrics, log) = (free_port(), dir.join(format!("{name}.log")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-poller"));
        command
            .current_dir(dir)
            .args(["--at-once", "--metrics-listen", &format!("127.0.0.1:{metrics}")])
            .env("TMPDIR", dir)
            .stderr(std::fs::File::create(&log).unwrap());
        Self { process: Running::start(&mut command), metrics, log }
    }

    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.metrics)) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            stream.read_to_string(&mut answer).unwrap();
        }
        answer
    }

    fn wait_for_metric(&self, line: &str) {
        eventually(line, || self.get("/metrics").lines().any(|found| found == line).then_some(()));
    }

    fn wait_for_log(&self, text: &str) {
        eventually(text, || {
            std::fs::read_to_string(&self.log).unwrap().contains(text).then_some(())
        });
    }

    /// As `kill -9` does.
    fn kill(mut self) {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
    }
}

fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_killed_poller_leaves_no_program_none_of_its_children_and_no_settings() {
    let dir = site(free_port(), "", "shop");
    let program = r#"#!/bin/sh
for argument; do
    case $before in --metrics-config-json) settings=$argument ;; esac
    before=$argument
done
sleep 600 &
echo "$$ $! $(cat "$settings")" > pids.new
mv pids.new pids
wait
"#;
    write_program(&dir.path().join("metrics_plugins/fetch/shop"), program);
    let poller = Poller::start(dir.path(), "poller");
    let pids = dir.path().join("pids");
    let written = eventually("the program", || std::fs::read_to_string(&pids).ok());
    let [program, child, settings] = written.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{written}");
    };
    assert_eq!(settings, "{}");
    assert!(lives(program) && lives(child));
    poller.kill();
    eventually("the end of both", || (!lives(program) && !lives(child)).then_some(()));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    let known = ["kurado.yml", "rolls", "metrics_plugins", "pids", "poller.log"];
    for entry in left {
        assert!(known.contains(&entry.file_name().to_str().unwrap()), "{entry:?} was left behind");
    }
}

#[test]
fn a_second_poller_stands_by_and_takes_over_when_the_first_one_is_killed() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), "", &format!("base, kurado, 'redis:{}'", server.port()));
    let first = Poller::start(dir.path(), "first");
    first.wait_for_metric("kurado_poller_fetches_total{result=\"ok\"} 1");
    assert!(first.get("/healthz").ends_with("\r\n\r\nok\n"));

    let second = Poller::start(dir.path(), "second");
    second.wait_for_metric("kurado_poller_standby 1");
    second.wait_for_log(&format!(", process {}) feeds Redis at", first.process.0.id()));
    assert!(second.get("/healthz").contains("200 OK"));
    assert!(second.get("/healthz").ends_with("\r\n\r\nstandby\n"));
    assert!(second.get("/metrics").contains("\nkurado_poller_targets 0\n"));
    eventually("the page", || {
        let meta = server.cli(&["KURADO.META", "GET", "127.0.0.1", "kurado", "standby"]);
        meta.contains(&format!("process {}, ready", second.process.0.id())).then_some(())
    });
    first.wait_for_metric("kurado_poller_standby 0");

    first.kill();
    second.wait_for_metric("kurado_poller_standby 0");
    second.wait_for_metric("kurado_poller_fetches_total{result=\"ok\"} 1");
}

#[test]
fn a_poller_that_ends_gives_its_lease_back() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), "", "base");
    let mut first = Poller::start(dir.path(), "first");
    eventually("the lease", || (server.cli(&["EXISTS", "kurado-poller"]) == "1\n").then_some(()));
    let id = first.process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(first.process.0.wait().unwrap().success());
    assert_eq!(server.cli(&["EXISTS", "kurado-poller"]), "0\n");
}

#[test]
fn a_data_dir_that_is_not_that_of_redis_is_told_by_log_page_metrics_and_check() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), ", data_dir: elsewhere", "base, kurado");
    let poller = Poller::start(dir.path(), "poller");
    poller.wait_for_metric("kurado_poller_data_dir_wrong 1");
    poller.wait_for_log("elsewhere', which is not there; Redis at 127.0.0.1:");
    let host = || server.cli(&["KURADO.HOST", "127.0.0.1"]);
    eventually("the page", || host().contains("which is not there; Redis at").then_some(()));

    let check = || {
        let mut check = Command::new(env!("CARGO_BIN_EXE_kurado-poller"));
        check.current_dir(dir.path()).arg("check").stdout(Stdio::null()).output().unwrap()
    };
    let checked = check();
    let stderr = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success());
    assert!(stderr.contains("warning: config data_dir is '"), "{stderr}");

    // By another name the same.
    let link = dir.path().join("elsewhere");
    std::os::unix::fs::symlink(server.path().join("data"), link).unwrap();
    assert_eq!(check().stderr, b"");
}

#[test]
fn lines_that_are_not_understood_are_in_the_log() {
    let server = RedisServer::start_with_module(&[]);
    let dir = site(server.port(), "", "shop");
    let program = "#!/bin/sh\nprintf 'busy\\t3\\nrubbish\\n'\n";
    write_program(&dir.path().join("metrics_plugins/fetch/shop"), program);
    let poller = Poller::start(dir.path(), "poller");
    poller.wait_for_log("127.0.0.1 shop is fetched in part: 1 of 2 lines not understood; line 2:");
}

#[test]
fn an_address_without_a_port_is_refused_with_an_example() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-poller"));
    let output = command.args(["--metrics-listen", "127.0.0.1"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("it must be an address and a port, such as 127.0.0.1:9100"),
        "{stderr}"
    );
}
