//! VictoriaMetrics, which takes InfluxDB's line protocol over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::bench::Bench;
use crate::process::{Process, free_port};

/// How long its counter may lag behind.
const COUNTED_WITHIN: Duration = Duration::from_secs(10);

/// A running victoria-metrics.
pub struct VictoriaMetrics {
    /// Its process.
    pub process: Process,
    port: u16,
    // Dropped last: its data.
    _directory: TempDir,
}

impl VictoriaMetrics {
    /// Starts one.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn start(bench: &Bench) -> Result<Self> {
        let directory = bench.directory()?;
        let port = free_port()?;
        let log = directory.path().join("log");
        let arguments = [
            format!("-storageDataPath={}", directory.path().join("data").display()),
            format!("-httpListenAddr=127.0.0.1:{port}"),
            "-retentionPeriod=3y".to_owned(),
        ];
        let mut process = bench.start("victoria-metrics", &arguments, &log)?;
        process.wait_until(&log, || rows(port).ok())?;
        Ok(Self { process, port, _directory: directory })
    }

    /// Sends these lines in one request; gives the time until it has confirmed them.
    ///
    /// # Errors
    /// Where it does not take them all.
    pub fn push(&self, lines: &str, count: usize) -> Result<Duration> {
        let before = rows(self.port)?;
        let head = format!("POST /write HTTP/1.0\r\nContent-Length: {}\r\n\r\n", lines.len());
        let start = Instant::now();
        let reply = ask(self.port, &[&head, lines])?;
        let elapsed = start.elapsed();
        let status = reply.lines().next().unwrap_or_default();
        if !status.contains(" 204 ") {
            return Err(format!("VictoriaMetrics: {status}").into());
        }
        // Its own count lags behind by a second.
        while rows(self.port)? < before + count as u64 {
            if start.elapsed() > elapsed + COUNTED_WITHIN {
                return Err("VictoriaMetrics has not counted all points".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(elapsed)
    }
}

/// Points that came in since its start.
fn rows(port: u16) -> Result<u64> {
    let text = ask(port, &["GET /metrics HTTP/1.0\r\n\r\n"])?;
    let name = "vm_rows_inserted_total{type=\"influx\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
    value.ok_or_else(|| "VictoriaMetrics does not say how many rows it took".into())
}

/// Sends a request of these parts, and gives the whole reply.
fn ask(port: u16, parts: &[&str]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    for part in parts {
        stream.write_all(part.as_bytes())?;
    }
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
