//! For the tests of all crates: a real redis-server on a loopback port of its own, with or without
//! the module, ended by its own handle. `KURADO_TEST_SERVER` and `KURADO_TEST_CLI` name another
//! server and its client, such as Valkey's.

pub mod certificates;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A process that is killed by its own handle when the test lets go of it.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts a command.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}")))
    }
}

/// A file that this workspace builds, of the same profile as the test that asks.
///
/// # Panics
/// Where it is not built.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    let directory = test.parent().and_then(Path::parent).expect("the target directory");
    let path = directory.join(name);
    assert!(path.exists(), "{} is missing: run 'cargo build --workspace' first", path.display());
    path
}

/// The built module as an option of redis-server.
#[must_use]
pub fn load_module() -> [String; 2] {
    let path = built("libkurado.so").into_os_string().into_string().expect("the path is text");
    ["--loadmodule".to_owned(), path]
}

/// A loopback port that was free a moment ago.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Waits until `probe` gives something. The limit only ends a test that would hang: no test
/// depends on how long it takes.
///
/// # Panics
/// At the limit.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not happen within 120 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A redis-server in a directory of its own.
pub struct RedisServer {
    directory: TempDir,
    launcher: Vec<String>,
    options: Vec<String>,
    port: u16,
    process: Option<Running>,
}

impl RedisServer {
    /// Starts one with these options (`--name value`) besides those that make it the test's own.
    #[must_use]
    pub fn start(options: &[&str]) -> Self {
        Self::start_under(&[], options)
    }

    /// Starts one by a command that ends in running the words behind it as its own process, such
    /// as `env` or `unshare`.
    #[must_use]
    pub fn start_under(launcher: &[&str], options: &[&str]) -> Self {
        let mut server = Self::not_started(launcher, options);
        server.start_again();
        server
    }

    /// Starts one with the module.
    #[must_use]
    pub fn start_with_module(options: &[&str]) -> Self {
        Self::start_with_module_under(&[], options)
    }

    /// The same by another command, as [`RedisServer::start_under`] takes it.
    #[must_use]
    pub fn start_with_module_under(launcher: &[&str], options: &[&str]) -> Self {
        let [load, module] = load_module();
        Self::start_under(launcher, &[&[load.as_str(), module.as_str()], options].concat())
    }

    /// Starts one on a port that the test knows.
    ///
    /// # Panics
    /// Where the port is in use.
    #[must_use]
    pub fn start_on(port: u16, options: &[&str]) -> Self {
        let mut server = Self::not_started(&[], options);
        assert!(server.try_start(port), "redis-server does not start on {port}:\n{}", server.log());
        server
    }

    fn not_started(launcher: &[&str], options: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let directory = tempfile::tempdir().expect("a directory");
        let (launcher, options) = (owned(launcher), owned(options));
        Self { directory, launcher, options, port: 0, process: None }
    }

    /// Starts the server anew on the files that it left, on another port.
    ///
    /// # Panics
    /// Where it ends for another reason than its port.
    pub fn start_again(&mut self) {
        // Between finding a free port and using it another process may take it: try another.
        while !self.try_start(free_port()) {
            let log = self.log();
            assert!(log.contains("Address already in use"), "redis-server ended:\n{log}");
        }
    }

    fn try_start(&mut self, port: u16) -> bool {
        // What it logged before is of no interest.
        let _ = fs::remove_file(log_of(self.path()));
        self.port = port;
        let mut command = launched(&self.launcher, command(self.path()));
        command.args(["--port", &port.to_string()]).args(&self.options);
        let mut process = Running::start(&mut command);
        let own = format!("process_id:{}\r\n", process.0.id());
        let started = eventually("redis-server", || {
            if process.0.try_wait().expect("its state").is_some() {
                return Some(false);
            }
            // Another server may have the port, and this one may still read its files.
            let info = self.cli(&["INFO"]);
            (info.contains(&own) && info.contains("\nloading:0")).then_some(true)
        });
        self.process = Some(process);
        started
    }

    /// Ends the server at once, without any warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends the server as an operator does, and waits for its end.
    ///
    /// # Panics
    /// Where it was ended before.
    pub fn shutdown(&mut self, how: &str) {
        self.cli(&["SHUTDOWN", how]);
        let mut process = self.process.take().expect("it runs");
        process.0.wait().expect("its end");
    }

    /// Its process.
    ///
    /// # Panics
    /// Where it was ended.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it runs").0.id()
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What it wrote to its log since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(log_of(self.path())).unwrap_or_default()
    }

    /// Runs a command by redis-cli, with the server's password where it has one, and gives what
    /// that printed.
    ///
    /// # Panics
    /// Where there is no redis-cli.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("KURADO_TEST_CLI", "redis-cli"));
        command.args(["-p", &self.port.to_string(), "--raw"]);
        if let Some(at) = self.options.iter().position(|option| option == "--requirepass") {
            command.arg("--no-auth-warning").arg("-a").args(self.options.get(at + 1));
        }
        let output = command.args(arguments).output().expect("redis-cli is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// A redis-server in a directory, as a test starts it; more options may follow.
#[must_use]
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(program("KURADO_TEST_SERVER", "redis-server"));
    command.arg("--dir").arg(directory).arg("--logfile").arg(log_of(directory));
    command.args(["--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The command with a launcher's words in front.
fn launched(launcher: &[String], server: Command) -> Command {
    let Some((program, words)) = launcher.split_first() else {
        return server;
    };
    let mut command = Command::new(program);
    command.args(words).arg(server.get_program()).args(server.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What the environment says under `name`, or the one that is installed.
fn program(name: &str, installed: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| installed.into())
}

/// The log of such a server.
#[must_use]
pub fn log_of(directory: &Path) -> PathBuf {
    directory.join("redis.log")
}

/// Writes a program that can be run, and the folders that it lies in. By another process: a file that
/// this one has open for writing, which one that is started beside it would have too, can't be run.
///
/// # Panics
/// Where it can't be written.
pub fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    install.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(install.wait().unwrap().success());
}
