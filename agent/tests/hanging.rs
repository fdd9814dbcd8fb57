//! An agent whose directories lie on a file system that hangs: a stop ends it all the same. The file system
//! is a preloaded library, as no real one hangs for whoever runs a test.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use test_redis::{Running, eventually, free_port};

/// A directory with the preloaded library, and in it the directories that the agent uses.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hanging_directory.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(place.path("hangs.so"));
        assert!(compiler.arg(source).status().expect("cc is installed").success());
        for name in ["conf.d", "spool"] {
            fs::create_dir(place.path(name)).unwrap();
            fs::set_permissions(place.path(name), Permissions::from_mode(0o700)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An agent to which one of the directories hangs.
    fn agent(&self, hangs: &str, options: &[&str]) -> Command {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_kurado-agent"));
        agent
            .args(["--mq", &format!("127.0.0.1:{}", free_port())])
            .arg("--spool")
            .arg(self.path("spool"))
            .arg("--conf-d")
            .arg(self.path("conf.d"))
            .args(options)
            .env("LD_PRELOAD", self.path("hangs.so"))
            .env("HANGS", self.path(hangs))
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(File::create(self.path("log")).unwrap());
        agent
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn waits_at(&self, name: &str) {
        let asked = self.path(&format!("{name}.asked"));
        eventually("the hang", || asked.exists().then_some(()));
    }
}

fn signal(agent: &Running, name: &str) {
    let pid = agent.0.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

fn end(agent: &mut Running) -> Option<i32> {
    eventually("the agent's end", || agent.0.try_wait().unwrap()).code()
}

#[test]
fn a_stop_ends_an_agent_that_hangs_in_its_start() {
    for hangs in ["spool", "conf.d"] {
        let place = Place::new();
        let pidfile = place.path("pid");
        let mut agent =
            Running::start(&mut place.agent(hangs, &["--pidfile", pidfile.to_str().unwrap()]));
        place.waits_at(hangs);
        assert!(pidfile.exists());
        signal(&agent, "TERM");
        assert_eq!(end(&mut agent), Some(0), "{}", place.log());
        assert!(!pidfile.exists());
        assert!(place.log().contains("stopped without waiting"), "{}", place.log());
    }
}

#[test]
fn a_check_or_dump_that_hangs_ends_by_a_signal_and_fails() {
    for option in ["--check", "--dump"] {
        let place = Place::new();
        let mut agent = Running::start(&mut place.agent("conf.d", &[option]));
        place.waits_at("conf.d");
        signal(&agent, "INT");
        assert_eq!(end(&mut agent), Some(1), "{}", place.log());
    }
}

#[test]
fn a_stop_is_heard_while_the_directory_hangs_that_is_read_again() {
    let place = Place::new();
    // The first reading goes well.
    let mut command = place.agent("conf.d", &[]);
    let mut agent = Running::start(command.env("HANGS_AFTER", "1"));
    eventually("the start", || place.log().contains("sends to").then_some(()));
    signal(&agent, "HUP");
    place.waits_at("conf.d");
    for _ in 0..3 {
        signal(&agent, "HUP");
    }
    signal(&agent, "TERM");
    assert_eq!(end(&mut agent), Some(0), "{}", place.log());
    // Nothing but the reading hung, so it ended by itself.
    assert!(place.log().contains("INFO stopped"), "{}", place.log());
}
