//! A redis-server with the module, in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use redis::{Connection, FromRedisValue, Value};
use tempfile::TempDir;

use crate::process::{Running, built, eventually, free_port};

/// One server. It ends with the test; [`Server::kill`] ends it as a power cut would.
pub struct Server {
    directory: TempDir,
    options: Vec<String>,
    port: u16,
    process: Option<Running>,
}

/// What PUSH and META SET reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Pushed {
    pub accepted: usize,
    pub rejected: usize,
    pub reasons: Vec<String>,
}

impl Server {
    /// Starts a server with the module and these options (`--name value`).
    pub fn start(options: &[&str]) -> Self {
        let module = built("libkurado.so");
        let load = ["--loadmodule", module.to_str().expect("path is text")];
        Self::bare(&[&load[..], options].concat())
    }

    /// Starts a server without the module.
    pub fn bare(options: &[&str]) -> Self {
        let mut server = Self {
            directory: tempfile::tempdir().expect("a directory"),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            port: 0,
            process: None,
        };
        server.start_again();
        server
    }

    /// Starts the server anew on the files that it left.
    pub fn start_again(&mut self) {
        // Between finding a free port and using it another process may take it: try another.
        self.port = eventually("a start of redis-server", || {
            let port = free_port();
            self.process = Some(Running::start(&mut self.command(port)));
            let log = self.log_path();
            let _ = fs::remove_file(&log);
            let started = eventually("redis-server", || {
                let process = &mut self.process.as_mut()?.0;
                if process.try_wait().expect("its state").is_some() {
                    return Some(false);
                }
                let ready = connection(port).is_some_and(|mut connection| {
                    redis::cmd("PING").query::<String>(&mut connection).is_ok()
                });
                ready.then_some(true)
            });
            if !started {
                let log = fs::read_to_string(&log).unwrap_or_default();
                assert!(log.contains("Address already in use"), "redis-server ended:\n{log}");
            }
            started.then_some(port)
        });
    }

    fn command(&self, port: u16) -> Command {
        let mut command = bare_command(self.path());
        command.args(["--port", &port.to_string()]).args(&self.options);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Ends the server at once, without any warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends the server as an operator does.
    pub fn shutdown(&mut self, how: &[&str]) {
        // The connection breaks instead of a reply.
        let _ = redis::cmd("SHUTDOWN").arg(how).query::<()>(&mut self.connect());
        let mut process = self.process.take().expect("it runs");
        process.0.wait().expect("its end");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Redis's own directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn log_path(&self) -> PathBuf {
        self.path().join("redis.log")
    }

    /// What the server wrote to its log since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The RRD file of a series.
    pub fn file(&self, address: &str, plugin: &str, key: &str) -> PathBuf {
        self.path().join("data").join(address).join(plugin).join(format!("{key}.rrd"))
    }

    pub fn connect(&self) -> Connection {
        eventually("a connection", || connection(self.port))
    }

    /// Runs a command whose words have no blanks.
    pub fn run<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_run(words).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// The same where it may fail; gives the error's text.
    pub fn try_run<T: FromRedisValue>(&self, words: &str) -> Result<T, String> {
        let words: Vec<&str> = words.split(' ').collect();
        self.try_run_words(&words)
    }

    /// The same with words that may have blanks.
    pub fn try_run_words<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, String> {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut self.connect()).map_err(|error| error.to_string())
    }

    /// Pushes one payload.
    pub fn push(&self, payload: &str) -> Pushed {
        self.try_push(payload).unwrap_or_else(|error| panic!("push: {error}"))
    }

    pub fn try_push(&self, payload: &str) -> Result<Pushed, String> {
        self.try_run_words(&["KURADO.PUSH", payload]).map(Pushed::from_reply)
    }

    /// Pushes one point of a gauge and expects it to be taken.
    pub fn push_point(&self, address: &str, key: &str, value: u32, time: u32) {
        let pushed = self.push(&format!("{address}\tbase.metrics.{key}\t{value}\t{time}"));
        assert_eq!((pushed.accepted, pushed.rejected), (1, 0), "{:?}", pushed.reasons);
    }

    /// Writes all that waits.
    pub fn flush(&self) -> usize {
        self.run("KURADO.FLUSH")
    }

    /// One number of `INFO kurado`.
    pub fn info(&self, name: &str) -> u64 {
        let text = self.info_text(name);
        text.parse().unwrap_or_else(|_| panic!("kurado_{name} is '{text}'"))
    }

    /// One field of `INFO kurado`.
    pub fn info_text(&self, name: &str) -> String {
        let info: String = self.run("INFO kurado");
        let field = format!("kurado_{name}:");
        let found = info.lines().find_map(|line| line.strip_prefix(&field));
        found.unwrap_or_else(|| panic!("no {field} in {info}")).to_owned()
    }
}

impl Pushed {
    pub fn from_reply((accepted, rejected, reasons): (usize, usize, Vec<String>)) -> Self {
        Self { accepted, rejected, reasons }
    }
}

/// A redis-server in a directory with the module; its own options may follow.
pub fn command(directory: &Path) -> Command {
    let mut command = bare_command(directory);
    command.arg("--loadmodule").arg(built("libkurado.so"));
    command
}

fn bare_command(directory: &Path) -> Command {
    let mut command = Command::new("redis-server");
    command.arg("--dir").arg(directory).arg("--logfile").arg(directory.join("redis.log")).args([
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--enable-debug-command",
        "yes",
    ]);
    command
}

fn connection(port: u16) -> Option<Connection> {
    redis::Client::open(("127.0.0.1", port)).ok()?.get_connection().ok()
}

/// Seconds since 1970.
pub fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u32::try_from(since.as_secs()).expect("a clock before 2106")
}

/// A reply of names and values as pairs, whatever the protocol's version.
pub fn pairs(reply: &Value) -> Vec<(String, Value)> {
    let text = |value: &Value| String::from_redis_value_ref(value).expect("a name");
    match reply {
        Value::Map(pairs) => pairs.iter().map(|(k, v)| (text(k), v.clone())).collect(),
        Value::Array(flat) => {
            flat.chunks(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect()
        }
        other => panic!("{other:?} is no map"),
    }
}

/// The value of a name in such a reply.
pub fn field(reply: &Value, name: &str) -> Value {
    let found = pairs(reply).into_iter().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("no '{name}' in {reply:?}")).1
}

/// A value as text.
pub fn text(value: &Value) -> String {
    String::from_redis_value_ref(value).unwrap_or_else(|_| panic!("{value:?} is no text"))
}
