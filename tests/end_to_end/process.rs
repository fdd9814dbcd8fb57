//! Processes that a test starts, and what they need.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

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
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}")))
    }
}

/// A file that this workspace builds, of the same profile as this test.
pub fn built(name: &str) -> PathBuf {
    let deps = std::env::current_exe().expect("this test's own path");
    let directory = deps.parent().and_then(|deps| deps.parent()).expect("target directory");
    let path = directory.join(name);
    assert!(path.exists(), "{} is missing: run 'cargo build --workspace' first", path.display());
    path
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Waits until `probe` gives something. The limit only ends a test that would hang: no test
/// depends on how long it takes.
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
