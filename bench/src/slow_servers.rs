//! Thousands of servers to be watched, in one process: they answer late, and some never. Each speaks
//! Redis's protocol and, to whoever begins so, HTTP: what nginx's `stub_status` says, and the same for
//! Prometheus.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::Result;

/// How long an answer takes.
const DELAY: Duration = Duration::from_millis(50);
/// One host in so many takes connections and never answers.
const SILENT: usize = 20;

/// What nginx's `stub_status` says, and the same for Prometheus.
const STUB_STATUS: &str = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630948 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n";
const METRICS: &str = "# TYPE nginx_reading gauge\nnginx_reading 6\n# TYPE nginx_writing gauge\nnginx_writing 179\n# TYPE nginx_waiting gauge\nnginx_waiting 106\n# TYPE nginx_requests_total counter\nnginx_requests_total 31070465\n";

/// The servers; they end when this is dropped.
pub struct SlowServers {
    hosts: usize,
    ports: Vec<u16>,
    log: Arc<Log>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Log {
    first: Mutex<Option<Instant>>,
    answers: Mutex<Vec<Answer>>,
}

/// A server has answered.
#[derive(Clone, Copy)]
pub struct Answer {
    /// Which.
    pub server: SocketAddr,
    /// When.
    pub at: Instant,
}

impl SlowServers {
    /// Starts `hosts` hosts with `plugins` servers each, whose INFO is `info`.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn start(hosts: usize, plugins: usize, info: &str) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let log = Arc::new(Log::default());
        let info: Arc<str> = info.into();
        let mut ports = Vec::new();
        for _ in 0..plugins {
            // All of 127.0.0.0/8 is this machine: each host has an address of its own.
            let listener = runtime.block_on(TcpListener::bind("0.0.0.0:0"))?;
            ports.push(listener.local_addr()?.port());
            runtime.spawn(accept(listener, Arc::clone(&info), Arc::clone(&log)));
        }
        Ok(Self { hosts, ports, log, _runtime: runtime })
    }

    /// The hosts' addresses.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        (0..self.hosts).map(address)
    }

    /// The servers' ports, the same on each host.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// How many servers answer.
    pub fn answering(&self) -> usize {
        (0..self.hosts).filter(|host| !is_silent(*host)).count() * self.ports.len()
    }

    /// When the first connection came since [`Self::forget`].
    pub fn first(&self) -> Option<Instant> {
        *self.log.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers since [`Self::forget`].
    pub fn answers(&self) -> Vec<Answer> {
        self.log.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many these are.
    pub fn answered(&self) -> usize {
        self.log.answers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Begins anew.
    pub fn forget(&self) {
        *self.log.first.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.log.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// 127.1.0.1 and so on, 250 in each network.
fn address(host: usize) -> Ipv4Addr {
    let [.., network, number] = (host / 250 * 256 + host % 250 + 1).to_be_bytes();
    Ipv4Addr::new(127, 1, network, number)
}

fn host(address: Ipv4Addr) -> usize {
    let [_, _, network, number] = address.octets();
    usize::from(network) * 250 + usize::from(number) - 1
}

fn is_silent(host: usize) -> bool {
    host.is_multiple_of(SILENT)
}

async fn accept(listener: TcpListener, info: Arc<str>, log: Arc<Log>) {
    while let Ok((stream, _)) = listener.accept().await {
        log.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        let (info, log) = (Arc::clone(&info), Arc::clone(&log));
        // A client that goes away in between is the client's affair.
        tokio::spawn(async move { serve(stream, &info, &log).await });
    }
}

async fn serve(mut stream: TcpStream, info: &str, log: &Log) -> std::io::Result<()> {
    let server = stream.local_addr()?;
    let IpAddr::V4(address) = server.ip() else { return Ok(()) };
    // Room for all that a fetch asks: what comes in one piece is to be answered after one delay.
    let mut received = Vec::with_capacity(4096);
    let mut is_first = true;
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        if received.starts_with(b"GET ") {
            if !received.ends_with(b"\r\n\r\n") || is_silent(host(address)) {
                continue;
            }
            tokio::time::sleep(DELAY).await;
            stream.write_all(page(&received).as_bytes()).await?;
            received.clear();
            let mut answers = log.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push(Answer { server, at: Instant::now() });
            continue;
        }
        let mut answer = String::new();
        while let Some((words, length)) = command(&received) {
            answer_to(&words, info, &mut answer);
            received.drain(..length);
        }
        if answer.is_empty() || is_silent(host(address)) {
            continue;
        }
        tokio::time::sleep(DELAY).await;
        stream.write_all(answer.as_bytes()).await?;
        // Whoever sets the connection up by a command of its own is answered twice.
        if answer.contains(info) && std::mem::take(&mut is_first) {
            let mut answers = log.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push(Answer { server, at: Instant::now() });
        }
    }
}

/// The answer to a request by HTTP. The connection is kept, should the client want that.
fn page(request: &[u8]) -> String {
    let (kind, body) = if request.starts_with(b"GET /metrics") {
        ("text/plain; version=0.0.4", METRICS)
    } else {
        ("text/plain", STUB_STATUS)
    };
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn answer_to(words: &[&str], info: &str, answer: &mut String) {
    match words {
        ["INFO", ..] => {
            answer.push_str(&format!("${}\r\n{info}\r\n", info.len()));
        }
        ["SLOWLOG", ..] => answer.push_str(":0\r\n"),
        ["CONFIG", "GET", setting] => {
            answer.push_str(&format!("*2\r\n${}\r\n{setting}\r\n$1\r\n0\r\n", setting.len()));
        }
        _ => answer.push_str("+OK\r\n"),
    }
}

/// The first command of the bytes, an array of bulk strings, and its length; `None` where it is not
/// whole yet.
fn command(bytes: &[u8]) -> Option<(Vec<&str>, usize)> {
    let mut at = 0;
    let count = number(bytes, &mut at, b'*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(bytes, &mut at, b'$')?;
        words.push(std::str::from_utf8(bytes.get(at..at + length)?).ok()?);
        at += length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

/// The number of a line such as `*3`.
fn number(bytes: &[u8], at: &mut usize, mark: u8) -> Option<usize> {
    let line = bytes.get(*at..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    let digits = line.get(..end)?.strip_prefix(&[mark])?;
    *at += end + 2;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_an_address_of_its_own() {
        assert!((0..5000).all(|n| host(address(n)) == n));
        assert_eq!(address(250), Ipv4Addr::new(127, 1, 1, 1));
        assert_eq!((0..3000).filter(|n| is_silent(*n)).count(), 150);
    }

    #[test]
    fn commands_are_read_one_by_one_when_they_are_whole() {
        let bytes = b"*1\r\n$4\r\nINFO\r\n*2\r\n$7\r\nSLOWLOG\r\n$3\r\nLEN\r\n";
        let (words, length) = command(bytes).unwrap();
        assert_eq!((words, length), (vec!["INFO"], 14));
        assert_eq!(command(&bytes[14..]).unwrap().0, ["SLOWLOG", "LEN"]);
        for cut in 15..bytes.len() {
            assert!(command(&bytes[14..cut]).is_none(), "{cut}");
        }
    }
}
