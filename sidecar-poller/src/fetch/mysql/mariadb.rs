//! For the tests: a real MariaDB server on a loopback port of its own, not run by root, with its
//! data in a temporary directory.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use test_redis::{Running, eventually, free_port};

/// `nobody` and `nogroup` of Debian.
const NOBODY: u32 = 65534;
/// So small that a test's data is.
const SMALL: [&str; 3] = [
    "--innodb-log-file-size=4M",
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--innodb-flush-log-at-trx-commit=0",
];

pub(super) struct MariaDb {
    directory: TempDir,
    port: u16,
    process: Option<Running>,
}

impl MariaDb {
    /// Starts one with these options. Its user `root` has no password.
    pub(super) fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        if is_root(directory.path()) {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut server = Self { directory, port: 0, process: None };
        let mut install = server.command("mariadb-install-db");
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]).args(SMALL);
        let output = install.output().expect("mariadb-server is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        // Between finding a free port and using it another process may take it: try another.
        while !server.try_start(free_port(), options) {
            let log = server.log();
            assert!(log.contains("Address already in use"), "mariadbd ended:\n{log}");
        }
        server
    }

    fn try_start(&mut self, port: u16, options: &[&str]) -> bool {
        let _ = fs::remove_file(self.path().join("log"));
        self.port = port;
        let mut command = self.command("/usr/sbin/mariadbd");
        command
            .args([format!("--port={port}"), format!("--socket={}", self.socket().display())])
            .arg(format!("--log-error={}", self.path().join("log").display()))
            .arg(format!("--pid-file={}", self.path().join("pid").display()))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args(["--innodb-buffer-pool-size=16M"])
            .args(SMALL)
            .args(options);
        let mut process = Running::start(&mut command);
        let is_up = eventually("mariadbd", || {
            if process.0.try_wait().unwrap().is_some() {
                return Some(false);
            }
            self.client("SELECT 1").status.success().then_some(true)
        });
        self.process = Some(process);
        is_up
    }

    /// Ends the server at once.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as root, and gives the rows, with tabs between their columns.
    pub(super) fn sql(&self, sql: &str) -> String {
        let output = self.client(sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The names and values of a question that answers such.
    pub(super) fn fields(&self, question: &str) -> super::answers::Fields {
        let rows = self.sql(question);
        let pairs = rows.lines().filter_map(|line| line.split_once('\t'));
        pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
    }

    /// A file that the server wrote beside its data.
    pub(super) fn data_file(&self, name: &str) -> String {
        fs::read_to_string(self.path().join("data").join(name)).unwrap()
    }

    fn client(&self, sql: &str) -> std::process::Output {
        let socket = format!("--socket={}", self.socket().display());
        Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--batch", "--raw", "--skip-column-names"])
            .args([&socket, "--execute", sql])
            .output()
            .expect("mariadb-client is installed")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join("socket")
    }

    /// A program of the server, run as somebody who may do nothing else.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.path().join("data").display()))
            .current_dir(self.path())
            .env("TMPDIR", self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if fs::metadata(self.path()).unwrap().uid() == NOBODY {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

/// Whether whoever made the directory is root.
fn is_root(directory: &Path) -> bool {
    fs::metadata(directory).unwrap().uid() == 0
}
