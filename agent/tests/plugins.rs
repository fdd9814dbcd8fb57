//! The operator's commands, as the agent runs and shows them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use tempfile::TempDir;
use test_redis::{RedisServer, eventually, free_port};

fn agent() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-agent"));
    command.args(["--spool-size", "0"]);
    command.env_remove("KURADO_MQ").env_remove("KURADO_PASSWORD").env_remove("RUST_LOG");
    command
}

/// A directory with one file of definitions; `DIR` in it is the directory.
fn conf_d(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    define(directory.path(), text);
    directory
}

fn define(directory: &Path, text: &str) {
    let text = text.replace("DIR", directory.to_str().unwrap());
    std::fs::write(directory.join("plugins.toml"), text).unwrap();
}

/// A running agent, killed when dropped, and its log.
struct Running(Child, BufReader<ChildStderr>);

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self(child, log)
    }

    /// The first line of the log from here on that has some words in it.
    fn logged(&mut self, words: &str) -> String {
        self.until(words).pop().unwrap()
    }

    /// What is logged from here on, up to the first line that has some words in it.
    fn until(&mut self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "never said: {words}");
            let is_last = line.contains(words);
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The ids that commands have written to a file, once there are so many.
fn ids(file: &Path, count: usize) -> Vec<String> {
    eventually("the commands' start", || {
        let text = std::fs::read_to_string(file).ok()?;
        let ids: Vec<_> = text.lines().map(str::to_owned).collect();
        (ids.len() >= count).then_some(ids)
    })
}

fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A command that starts another, tells the ids of both and never ends.
const ENDLESS: &str = "[plugin.metrics.endless]\ntimeout = 50\n\
    command = 'sleep 600 & echo $! >> DIR/ids; echo $$ >> DIR/ids; sleep 600'\n";

fn check(directory: &Path) -> (bool, String) {
    let server = RedisServer::start_with_module(&[]);
    check_with(&format!("127.0.0.1:{}", server.port()), directory)
}

fn check_with(server: &str, directory: &Path) -> (bool, String) {
    let mut command = agent();
    command.args(["--check", "--mq", server, "--conf-d"]).arg(directory);
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_a_check_leaves_out_is_counted_in_words_that_fit_one_as_well() {
    let directory = conf_d("[plugin.metrics.long]\ncommand = \"seq 51 | sed 's/.*/n&\\t&/'\"\n");
    let (_, text) = check(directory.path());
    assert!(text.contains("\n  line 50  n50  gauge  50  now\n  … 1 more\n"), "{text}");
}

/// What `--check` says of a server with these options.
fn check_as(options: &[&str]) -> (bool, String) {
    let output = agent().arg("--check").args(options).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_check_says_which_pattern_of_the_acl_lacks_this_host_and_changes_nothing() {
    let server = RedisServer::start_with_module(&[]);
    server.cli(&[
        "ACL",
        "SETUSER",
        "rack-a",
        "on",
        ">hidden",
        "~kurado:{10.0.0.*}",
        "+kurado.push",
    ]);
    let url = format!("redis://rack-a:hidden@127.0.0.1:{}", server.port());
    let (good, text) = check_as(&["--mq", &url, "--self-ip", "10.0.0.1"]);
    assert!(good && text.ends_with("\n  takes KURADO.PUSH\n\nNo faults.\n"), "{text}");
    let (good, text) = check_as(&["--mq", &url, "--self-ip", "10.9.0.1"]);
    let fault = "  FAULT   line 1: NOPERM this user has no permission for key 'kurado:{10.9.0.1}'; the \
                 server's ACL gives it to its user by ~kurado:{10.9.0.1}\n";
    assert!(!good && text.contains(fault), "{text}");
    // Without an address it is the one that the connection comes from.
    let (good, text) = check_as(&["--mq", &url]);
    assert!(!good && text.contains("by ~kurado:{127.0.0.1}\n"), "{text}");
    assert_eq!(server.cli(&["DBSIZE"]).trim(), "0");
    assert_eq!(server.cli(&["KURADO.HOSTS"]).trim(), "");
}

#[test]
fn a_check_shows_how_each_line_was_understood_and_why_another_was_not() {
    let directory = conf_d(
        "[plugin.metrics.queue]\ninterval = 5\ntimeot = 3\n\
         command = \"printf 'jobs.derive\\\\t12\\\\nlength\\\\t3\\\\t1404871619\\\\nwarn.x\\\\t\\\\033[31mred\\\\nbad line\\\\n'; echo aside >&2\"\n\
         [plugin.metrics.fails]\ncommand = 'exit 7'\n\
         [plugin.metrics.wrong]\ncommand = 5\n",
    );
    let (good, text) = check(directory.path());
    assert!(!good, "{text}");
    for part in [
        "plugins.toml:8: plugin 'wrong': command must be a text, not 5",
        "plugins.toml:3: plugin 'queue': unknown key 'timeot' is passed over; did you mean 'timeout'?",
        "of 10 s, each 5 min",
        "  line 1  jobs    derive  12             now\n",
        "  line 2  length  gauge   3              1404871619\n",
        "  line 3  x       warn    \\u{1b}[31mred  now\n",
        "  FAULT   line 4: 'bad line' must be key TAB value [TAB unixtime]\n",
        "  stderr  aside\n",
        "  FAULT   exit status 7; what it printed is not sent\n",
        "\n3 faults.\n",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_check_of_a_good_configuration_succeeds() {
    let directory = conf_d("[plugin.metrics.good]\ncommand = \"printf 'a\\\\t1\\\\n'\"\n");
    let (good, text) = check(directory.path());
    assert!(good && text.ends_with("\n  takes KURADO.PUSH\n\nNo faults.\n"), "{text}");
}

#[test]
fn a_check_says_what_the_server_answers() {
    let directory = conf_d("[plugin.metrics.good]\ncommand = \"printf 'a\\\\t1\\\\n'\"\n");
    let plain = RedisServer::start(&[]);
    let (good, text) = check_with(&format!("127.0.0.1:{}", plain.port()), directory.path());
    assert!(good && text.contains("\n  warning it does not know KURADO.PUSH"), "{text}");
    let locked = RedisServer::start_with_module(&["--requirepass", "secret"]);
    let (good, text) = check_with(&format!("127.0.0.1:{}", locked.port()), directory.path());
    assert!(!good && text.contains("\n  FAULT   KURADO.PUSH refused: NOAUTH"), "{text}");
}

#[test]
fn commands_are_waited_for_where_the_parent_ignores_the_end_of_children() {
    let directory = conf_d("[plugin.metrics.good]\ncommand = \"printf 'a\\\\t1\\\\n'\"\n");
    let mut command = agent();
    // SAFETY: signal takes numbers, and no lock nor memory.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        })
    };
    let output = command.arg("--dump").arg("--conf-d").arg(directory.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("good.metrics.a.gauge\t1\t"), "{text}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let directory = conf_d("[plugin.metrics.good]\ncommand = \"printf 'a\\\\t1\\\\n'\"\n");
    let server = RedisServer::start(&[]);
    for option in ["--check", "--dump"] {
        let mut child = agent()
            .args([option, "--mq", &format!("127.0.0.1:{}", server.port())])
            .arg("--conf-d")
            .arg(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(child.wait().unwrap().success(), "{errors}");
        assert_eq!(errors, "");
    }
}

#[test]
fn a_command_that_hangs_holds_no_base_metrics_back_and_its_own_lines_follow() {
    let redis = RedisServer::start(&[]);
    let directory = conf_d(
        "[plugin.metrics.slow]\ntimeout = 50\n\
         command = \"while ! test -e DIR/go; do sleep 0.01; done; printf 'a\\\\t1\\\\n'\"\n",
    );
    let _running = Running::start(
        agent()
            .arg("--mq")
            .arg(format!("127.0.0.1:{}", redis.port()))
            .arg("--conf-d")
            .arg(directory.path()),
    );
    let payload = |index: &str| {
        eventually("a payload", || {
            let payload = redis.cli(&["LINDEX", "kurado-update", index]);
            (!payload.trim().is_empty()).then_some(payload)
        })
    };
    let first = payload("0");
    assert!(first.contains("base.metrics.loadavg-1.gauge\t"), "{first}");
    assert!(!first.contains("slow."), "{first}");
    std::fs::write(directory.path().join("go"), "").unwrap();
    let later = eventually("the command's payload", || {
        let all = redis.cli(&["LRANGE", "kurado-update", "1", "-1"]);
        all.contains("slow.").then_some(all)
    });
    assert!(later.contains("slow.metrics.a.gauge\t1\t"), "{later}");
}

#[test]
fn a_hangup_reads_the_directory_again_and_says_what_changed() {
    let directory = conf_d("[plugin.metrics.old]\ncommand = 'true'\n");
    let mut running = Running::start(
        agent()
            .args(["--mq", &format!("127.0.0.1:{}", free_port())])
            .arg("--conf-d")
            .arg(directory.path()),
    );
    running.logged("sends to");
    define(directory.path(), "[plugin.metrics.new]\ncommand = 'true'\n[plugin.metrics.bad]\n");
    running.signal("HUP");
    running.logged("plugins.toml:3: plugin 'bad' has no command");
    let line = running.logged("read again");
    let counts = "plugins: 1; faults: 1, of which are new: 1; plugins that are new: new; changed: none; \
                  gone: old";
    assert!(line.contains(counts), "{line}");
    running.signal("HUP");
    let log = running.until("read again").concat();
    assert!(log.contains("plugins: 1; faults: 1, of which are new: 0"), "{log}");
    assert!(!log.contains("has no command"), "{log}");
    assert!(running.0.try_wait().unwrap().is_none());
}

#[test]
fn hangups_without_end_tell_each_fault_but_once() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..200 {
        let text = format!("[plugin.metrics.bad{number}]\n");
        std::fs::write(directory.path().join(format!("{number}.toml")), text).unwrap();
    }
    let mut running = Running::start(
        agent()
            .args(["--mq", &format!("127.0.0.1:{}", free_port())])
            .arg("--conf-d")
            .arg(directory.path()),
    );
    let mut log = running.until("sends to");
    for _ in 0..50 {
        running.signal("HUP");
    }
    define(directory.path(), "[plugin.metrics.good]\ncommand = 'true'\n");
    running.signal("HUP");
    log.extend(running.until("plugins that are new: good"));
    let told: Vec<_> = log.iter().filter(|line| line.contains("has no command")).collect();
    assert_eq!(told.len(), 100, "{told:?}");
    assert!(log.iter().any(|line| line.contains("but by --check: 100")), "{log:?}");
}

#[test]
fn commands_end_with_an_agent_that_is_stopped_or_killed() {
    for signal in ["TERM", "KILL"] {
        let directory = conf_d(ENDLESS);
        let mut running = Running::start(
            agent()
                .args(["--mq", &format!("127.0.0.1:{}", free_port())])
                .arg("--conf-d")
                .arg(directory.path()),
        );
        let ids = ids(&directory.path().join("ids"), 2);
        running.signal(signal);
        running.0.wait().unwrap();
        for id in ids {
            eventually("the end of a command", || (!lives(&id)).then_some(()));
        }
    }
}
