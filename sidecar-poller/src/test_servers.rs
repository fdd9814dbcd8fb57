//! Servers for the fetchers' tests: real ones of the system's packages, ones that say over HTTP what
//! a test wrote, and ones that do not do as they should.

use std::fs::File;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_redis::{Running, eventually, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A real server on a loopback port of its own, in a directory of its own; ended by its handle.
pub struct RealServer {
    port: u16,
    process: Running,
    _directory: TempDir,
}

impl Drop for RealServer {
    fn drop(&mut self) {
        // Asked to end first: Squid leaves shared memory behind when it is killed.
        let asked = Command::new("kill").args(["-TERM", &self.process.0.id().to_string()]).status();
        let end = Instant::now() + Duration::from_secs(20);
        while asked.is_ok() && Instant::now() < end && matches!(self.process.0.try_wait(), Ok(None))
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl RealServer {
    /// Starts the command that `command` makes of a port and a directory: it must stay in the
    /// foreground, in one process. Returns when the port takes connections.
    ///
    /// # Panics
    /// Where the server ends for another reason than its port.
    pub fn start(command: impl Fn(u16, &Path) -> Command) -> Self {
        loop {
            let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
            let log = directory.path().join("output.log");
            let output = File::create(&log).unwrap();
            let mut command = command(port, directory.path());
            command.stdout(output.try_clone().unwrap()).stderr(output);
            let mut process = Running::start(&mut command);
            let runs = eventually("the start of a server", || {
                if process.0.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true)
            });
            if runs {
                return Self { port, process, _directory: directory };
            }
            // Between finding a free port and using it another process may take it: try another.
            let log = std::fs::read_to_string(log).unwrap();
            assert!(log.to_lowercase().contains("already in use"), "{command:?} ended:\n{log}");
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Listens on a port of this address until the test ends. Each connection is given to `talk` with
/// the head of its request. Gives the port.
pub async fn listen<T>(
    address: IpAddr,
    talk: impl Fn(TcpStream, String) -> T + Send + Sync + 'static,
) -> u16
where
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            tokio::spawn(talk(stream, String::from_utf8(head).unwrap()));
        }
    });
    port
}

/// Answers each request on 127.0.0.1 with what `answer` says to its head, and closes the connection.
pub async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    listen([127, 0, 0, 1].into(), move |mut stream, head| {
        let answer = answer(&head);
        async move {
            // The client may have had enough.
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

/// An answer with this page.
pub fn page(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nServer: written\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

/// What a page on 127.0.0.1 says to another client than ours.
pub fn curl(port: u16, path: &str) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", &format!("http://127.0.0.1:{port}{path}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a server that does not do as it should does with the one connection that it takes.
pub enum Hostile {
    /// Takes it and never says a word.
    Silent,
    /// Says this, and nothing more.
    Says(Vec<u8>),
    /// Says this, and hangs up.
    Closes(Vec<u8>),
    /// Says this again and again.
    Endless(Vec<u8>),
}

/// Starts one, and gives its port on 127.0.0.1.
pub fn accepts(hostile: Hostile) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Whoever asks may have gone: that is no fault here.
        match hostile {
            Hostile::Silent => {}
            Hostile::Says(text) => drop(stream.write_all(&text)),
            Hostile::Closes(text) => {
                // Hanging up on what was not read would be a reset.
                let _ = stream.write_all(&text);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
            Hostile::Endless(text) => {
                let block = text.repeat(8192 / text.len());
                while stream.write_all(&block).is_ok() {}
            }
        }
        while stream.read(&mut [0; 512]).is_ok_and(|length| length > 0) {}
    });
    port
}
