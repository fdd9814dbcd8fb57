//! For tests: a real redis-server on a free port of loopback, killed when dropped.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server.
pub struct RedisServer {
    child: Child,
    /// Its folder, removed after it.
    _dir: TempDir,
    /// Where it listens.
    pub port: u16,
}

impl RedisServer {
    /// Starts one with these settings besides, such as `["--requirepass", "x"]`.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_on(free_port(), settings)
    }

    /// Starts one on a port.
    pub fn start_on(port: u16, settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--dir", dir.path().to_str().unwrap()])
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed for this test");
        let server = Self { child, _dir: dir, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        // Any answer will do: it may want a password first.
        while !server.answers() {
            assert!(Instant::now() < deadline, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Runs commands by redis-cli and gives what it printed.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn answers(&self) -> bool {
        let answer = self.cli(&["PING"]);
        answer.starts_with("PONG") || answer.starts_with("NOAUTH")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The built module, where there is one.
pub fn module() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/release/libkurado.so");
    path.exists().then_some(path)
}
