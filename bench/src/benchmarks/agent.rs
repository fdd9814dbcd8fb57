//! agent: what it takes to read a machine each minute, side by side with collectd and Prometheus's
//! node exporter, all at once on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Result;
use crate::bench::Bench;
use crate::process::{Process, free_port};
use crate::redis_server::{Journal, RedisServer};
use crate::statistics::median;
use crate::table::{Table, number, ratio};

/// What of collectd reads what our agent does.
const COLLECTD_PLUGINS: [&str; 11] = [
    "cpu",
    "df",
    "disk",
    "interface",
    "load",
    "memory",
    "network",
    "processes",
    "swap",
    "tcpconns",
    "uptime",
];
const COLLECTD_DIRECTORY: &str = "/usr/lib/collectd";

/// At which second of a minute all start, the exporter is asked, and all are looked at: our agent is
/// at work at the full minute, collectd when it was started.
const START: u64 = 20;
const SCRAPE: u64 = 35;
const LOOK: u64 = 50;

/// One that reads this machine.
struct Agent {
    name: &'static str,
    process: Process,
    /// The program, and what it loads besides the libraries that it is linked with.
    files: Vec<PathBuf>,
    /// Milliseconds on a processor, of each minute.
    cpu: Vec<f64>,
    seen: f64,
}

/// What came over the wire.
#[derive(Clone, Copy, Default)]
struct Sent {
    bytes: f64,
    values: f64,
}

/// Measures.
///
/// # Errors
/// Where one of the three does not start or says nothing.
pub fn run(bench: &Bench) -> Result<String> {
    let minutes = bench.scale.pick(10, 2);
    let directory = bench.directory()?;
    let redis = RedisServer::with_module(bench, Journal::None, &[])?;
    let program = bench.module().with_file_name("kurado-agent");
    let sink = Sink::open()?;
    let exporter_port = free_port()?;

    sleep_until_second(START);
    let mut agents = [
        kurado(bench, directory.path(), &program, &redis)?,
        collectd(bench, directory.path(), sink.port)?,
        node_exporter(bench, directory.path(), exporter_port)?,
    ];
    sleep_until_second(LOOK);
    for agent in &mut agents {
        agent.look()?;
        agent.cpu.clear();
    }
    let (received, asking) = (received(&redis)?, received(&redis)?);
    let pushed_before = asking;
    let asking = asking - received;
    let sink_before = sink.sent();
    let mut scraped = 0;
    for minute in 0..minutes {
        sleep_until_second(SCRAPE);
        scraped += scrape(exporter_port, true)?.len();
        sleep_until_second(LOOK);
        for agent in &mut agents {
            agent.look()?;
        }
        eprintln!("  minute {}", minute + 1);
    }
    let minutes = f64::from(minutes);
    let by_collectd = sink.sent();
    let sent = [
        Sent {
            bytes: (self::received(&redis)? - pushed_before - asking) / minutes,
            values: lines_of(&program)?,
        },
        Sent {
            bytes: (by_collectd.bytes - sink_before.bytes) / minutes,
            values: (by_collectd.values - sink_before.values) / minutes,
        },
        Sent { bytes: scraped as f64 / minutes, values: values_of(&scrape(exporter_port, false)?) },
    ];
    table(&agents, &sent, minutes)
}

fn table(agents: &[Agent], sent: &[Sent], minutes: f64) -> Result<String> {
    let mut table = Table::new(&[
        "agent",
        "files, MB",
        "with shared libraries, MB",
        "RSS, MB",
        "of Kurado",
        "CPU, ms a minute",
        "of Kurado",
        "values a minute",
        "bytes sent a minute",
    ]);
    let mut first = None;
    for (agent, sent) in agents.iter().zip(sent) {
        let resident = agent.process.resident()? as f64;
        let cpu = median(&agent.cpu);
        let (first_resident, first_cpu) = *first.get_or_insert((resident, cpu));
        let (own, all) = sizes(&agent.files)?;
        table.row(vec![
            agent.name.to_owned(),
            number(own as f64 / 1e6),
            number(all as f64 / 1e6),
            number(resident / 1e6),
            ratio(resident, first_resident),
            number(cpu),
            ratio(cpu, first_cpu),
            number(sent.values),
            number(sent.bytes),
        ]);
    }
    Ok(format!(
        "All three read this machine at once for {minutes} minutes; CPU is the median of the minutes, RSS that at the end. \
         collectd 5 with the plugins {}, each minute, by its network protocol. The exporter as Debian starts it, asked once a minute with gzip, as \
         Prometheus does; Prometheus itself is not counted. Values are metrics, without meta.\n\n{table}\n",
        COLLECTD_PLUGINS.join(", ")
    ))
}

impl Agent {
    fn start(
        bench: &Bench,
        name: &'static str,
        program: &Path,
        arguments: &[String],
        directory: &Path,
    ) -> Result<Self> {
        bench.note(name, arguments);
        let log = directory.join(format!("{name}.log"));
        let process = Process::start(&program.display().to_string(), arguments, &log)?;
        Ok(Self { name, process, files: vec![program.to_owned()], cpu: Vec::new(), seen: 0.0 })
    }

    /// Notes what was used since the last look.
    fn look(&mut self) -> Result<()> {
        let now = self.process.cpu_of_all_threads()?;
        self.cpu.push(1e3 * (now - self.seen));
        self.seen = now;
        Ok(())
    }
}

fn kurado(bench: &Bench, directory: &Path, program: &Path, redis: &RedisServer) -> Result<Agent> {
    let server = format!("127.0.0.1:{}", redis.port());
    let arguments = ["--self-ip", "10.0.0.1", "--mq", &server].map(str::to_owned);
    Agent::start(bench, "kurado-agent", program, &arguments, directory)
}

fn collectd(bench: &Bench, directory: &Path, port: u16) -> Result<Agent> {
    let shown = directory.display();
    let plugins: String =
        COLLECTD_PLUGINS.iter().map(|name| format!("LoadPlugin {name}\n")).collect();
    let config = directory.join("collectd.conf");
    fs::write(
        &config,
        format!(
            "BaseDir \"{shown}\"\nPIDFile \"{shown}/collectd.pid\"\nTypesDB \"/usr/share/collectd/types.db\"\n\
             Hostname \"bench\"\nFQDNLookup false\nInterval 60\n{plugins}\
             <Plugin cpu>\nReportByCpu false\n</Plugin>\n\
             <Plugin df>\nFSType ext4\nFSType xfs\nFSType btrfs\n</Plugin>\n\
             <Plugin disk>\nDisk \"/^(loop|ram)/\"\nIgnoreSelected true\n</Plugin>\n\
             <Plugin interface>\nInterface lo\nIgnoreSelected true\n</Plugin>\n\
             <Plugin tcpconns>\nAllPortsSummary true\n</Plugin>\n\
             <Plugin network>\nServer \"127.0.0.1\" \"{port}\"\n</Plugin>\n"
        ),
    )?;
    let arguments = ["-f".to_owned(), "-C".to_owned(), config.display().to_string()];
    let mut agent = Agent::start(bench, "collectd", &found("collectd")?, &arguments, directory)?;
    for plugin in COLLECTD_PLUGINS {
        agent.files.push(Path::new(COLLECTD_DIRECTORY).join(format!("{plugin}.so")));
    }
    Ok(agent)
}

fn node_exporter(bench: &Bench, directory: &Path, port: u16) -> Result<Agent> {
    let program = found("prometheus-node-exporter")?;
    let arguments = [format!("--web.listen-address=127.0.0.1:{port}")];
    let mut agent =
        Agent::start(bench, "prometheus-node-exporter", &program, &arguments, directory)?;
    let log = directory.join("prometheus-node-exporter.log");
    agent.process.wait_until(&log, || scrape(port, true).ok())?;
    Ok(agent)
}

/// Where collectd sends to.
struct Sink {
    port: u16,
    bytes: Arc<AtomicU64>,
    values: Arc<AtomicU64>,
}

impl Sink {
    fn open() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let port = socket.local_addr()?.port();
        let (bytes, values) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let sink = Self { port, bytes: bytes.clone(), values: values.clone() };
        std::thread::spawn(move || {
            let mut packet = [0; 65_536];
            while let Ok(length) = socket.recv(&mut packet) {
                bytes.fetch_add(length as u64, Ordering::Relaxed);
                values.fetch_add(values_in(&packet[..length]), Ordering::Relaxed);
            }
        });
        Ok(sink)
    }

    fn sent(&self) -> Sent {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        Sent { bytes: number(&self.bytes), values: number(&self.values) }
    }
}

/// How many values a packet of collectd's has: it consists of parts, each with its type and length,
/// and one of type 6 begins with the number of its values.
fn values_in(mut packet: &[u8]) -> u64 {
    const VALUES: u16 = 6;
    let mut values = 0;
    while let [a, b, c, d, ..] = *packet {
        let (kind, length) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
        if let (VALUES, Some(&[e, f])) = (kind, packet.get(4..6)) {
            values += u64::from(u16::from_be_bytes([e, f]));
        }
        packet = packet.get(length.max(4)..).unwrap_or_default();
    }
    values
}

/// Bytes that a Redis has received so far.
fn received(redis: &RedisServer) -> Result<f64> {
    Ok(redis.number("total_net_input_bytes")? as f64)
}

/// How many metrics our agent sends.
fn lines_of(program: &Path) -> Result<f64> {
    let output = Command::new(program).arg("--dump").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter(|line| line.contains(".metrics.")).count() as f64)
}

/// How many values an exporter's page has.
fn values_of(page: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(page);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // A value's line has a blank; the length of a chunk has none.
    body.lines().filter(|line| !line.starts_with('#') && line.contains(' ')).count() as f64
}

/// An exporter's answer as it comes over the wire.
fn scrape(port: u16, gzip: bool) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let accept = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}Connection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 200") { Ok(answer) } else { Err("no page of metrics".into()) }
}

fn sleep_until_second(second: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let within =
        Duration::from_secs(now.as_secs() % 60) + Duration::from_nanos(now.subsec_nanos().into());
    let wanted = Duration::from_secs(second);
    let wait =
        if wanted > within { wanted - within } else { wanted + Duration::from_secs(60) - within };
    std::thread::sleep(wait);
}

/// The path of a program that is installed.
fn found(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{program} is not installed").into())
}

/// Bytes of files, and of these together with the shared libraries that they need.
fn sizes(files: &[PathBuf]) -> Result<(u64, u64)> {
    let mut libraries = BTreeSet::new();
    for file in files {
        let output = Command::new("ldd").arg(file).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for word in text.split_whitespace().filter(|word| word.starts_with('/')) {
            libraries.insert(Path::new(word.trim_end_matches(':')).canonicalize()?);
        }
    }
    let mut own = 0;
    for file in files {
        let file = file.canonicalize()?;
        libraries.remove(&file);
        own += fs::metadata(file)?.len();
    }
    let mut all = own;
    for library in libraries {
        all += fs::metadata(library)?.len();
    }
    Ok((own, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_packet_are_counted_whatever_stands_between() {
        let host = [0, 0, 0, 6, b'x', 0];
        let two = [0, 6, 0, 24, 0, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(values_in(&[&host[..], &two, &host, &two].concat()), 4);
        assert_eq!(values_in(&[0, 6, 0, 0, 0]), 0);
        assert_eq!(values_in(&[]), 0);
    }

    #[test]
    fn comments_heads_and_lengths_of_chunks_are_no_values() {
        let page =
            b"HTTP/1.1 200 OK\r\nX: y z\r\n\r\n1f4\r\n# HELP a b\na 1\nb{c=\"d\"} 2\n\r\n0\r\n\r\n";
        assert_eq!(values_of(page), 2.0);
    }
}
