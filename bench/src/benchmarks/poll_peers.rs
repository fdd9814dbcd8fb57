//! poll, side by side: the same targets by HTTP, watched by Kurado's poller, collectd and Prometheus.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::poll::configure;
use crate::Result;
use crate::bench::Bench;
use crate::process::{Process, free_port};
use crate::redis_server::RedisServer;
use crate::slow_servers::SlowServers;
use crate::statistics::median;
use crate::table::{Table, number, ratio};

const MINUTE: Duration = Duration::from_secs(60);
/// Enough for all that never answer to be waited for, 10 s each, and some more.
const COLLECTD_THREADS: usize = 200;

/// One that watches.
struct Watcher {
    name: &'static str,
    /// The program as the list of commands names it.
    shown: &'static str,
    program: String,
    arguments: Vec<String>,
}

/// What one has done in the minutes measured.
struct Measured {
    /// Good targets that answered, in each minute.
    reached: f64,
    /// Answers that targets lack, of one a minute.
    missed: usize,
    /// Seconds on a processor, a minute.
    cpu: f64,
    /// Bytes.
    resident: f64,
}

/// Measures one after the other.
///
/// # Errors
/// Where Kurado's can't be measured: one that is not installed is said to be missing.
pub fn run(
    bench: &Bench,
    poller: &Path,
    redis: &RedisServer,
    servers: &SlowServers,
) -> Result<String> {
    let directory = bench.directory()?;
    let path = directory.path();
    let watchers = [
        kurado(path, poller, redis, servers)?,
        collectd(path, servers)?,
        prometheus(path, servers)?,
    ];
    let mut table = Table::new(&[
        "by HTTP, spread as each does it",
        "good targets reached a minute",
        "missed",
        "CPU, s a minute",
        "of Kurado",
        "RSS, MB",
        "of Kurado",
    ]);
    let minutes = bench.scale.pick(3, 2);
    let mut first: Option<(f64, f64)> = None;
    for watcher in &watchers {
        let measured = watcher.measure(bench, path, servers, minutes);
        let measured = match measured {
            Ok(measured) => measured,
            Err(error) if first.is_some() => {
                eprintln!("  {} failed: {error}", watcher.name);
                let lacks = ["–"; 6].map(str::to_owned);
                table.row([vec![format!("{}: {error}", watcher.name)], lacks.into()].concat());
                continue;
            }
            Err(error) => return Err(error),
        };
        let (cpu, resident) = *first.get_or_insert((measured.cpu, measured.resident));
        table.row(vec![
            watcher.name.to_owned(),
            format!("{:.0}", measured.reached),
            measured.missed.to_string(),
            number(measured.cpu),
            ratio(measured.cpu, cpu),
            number(measured.resident / 1e6),
            ratio(measured.resident, resident),
        ]);
    }
    Ok(format!(
        "The same targets, which now answer by HTTP what nginx's `stub_status` says (Prometheus gets the same four \
         numbers in its own format), watched by each in turn: a minute to begin, and then {minutes} that count, of which \
         CPU and memory are medians. {} good targets. collectd: plugin `curl`, four matches a page, {COLLECTD_THREADS} \
         threads, a limit of 10 s, and nobody to write to. Prometheus: interval 60 s, limit 10 s, into its own database.\n\n{table}",
        servers.answering()
    ))
}

impl Watcher {
    fn measure(
        &self,
        bench: &Bench,
        directory: &Path,
        servers: &SlowServers,
        minutes: u32,
    ) -> Result<Measured> {
        eprintln!("  {}", self.name);
        let log = directory.join(format!("{}.log", self.name));
        servers.forget();
        bench.note(self.shown, &self.arguments);
        let mut process = Process::start(&self.program, &self.arguments, &log)?;
        process.wait_until(&log, || servers.first())?;
        std::thread::sleep(MINUTE);
        servers.forget();
        let (begun, mut before) = (Instant::now(), process.usage()?);
        let (mut cpu, mut resident) = (Vec::new(), Vec::new());
        for minute in 1..=minutes {
            let left = (begun + MINUTE * minute).saturating_duration_since(Instant::now());
            std::thread::sleep(left);
            let now = process.usage()?;
            cpu.push((now - before).cpu);
            resident.push(process.resident()? as f64);
            before = now;
            eprintln!("    {} answers", servers.answered());
        }
        let mut counts: HashMap<SocketAddr, u32> = HashMap::new();
        for answer in servers.answers() {
            *counts.entry(answer.server).or_default() += 1;
        }
        let reached: u32 = counts.values().map(|count| (*count).min(minutes)).sum();
        Ok(Measured {
            reached: f64::from(reached) / f64::from(minutes),
            missed: servers.answering() * minutes as usize - reached as usize,
            cpu: median(&cpu),
            resident: median(&resident),
        })
    }
}

fn kurado(
    directory: &Path,
    poller: &Path,
    redis: &RedisServer,
    servers: &SlowServers,
) -> Result<Watcher> {
    let directory = directory.join("kurado");
    fs::create_dir(&directory)?;
    let config = configure(&directory, "nginx", redis, servers)?;
    Ok(Watcher {
        name: "kurado-poller",
        shown: "target/release/kurado-poller",
        program: poller.display().to_string(),
        arguments: vec!["-c".to_owned(), config.display().to_string()],
    })
}

/// The addresses and ports of all targets.
fn targets(servers: &SlowServers) -> impl Iterator<Item = String> {
    let ports = servers.ports();
    servers.addresses().flat_map(move |host| ports.iter().map(move |port| format!("{host}:{port}")))
}

fn collectd(directory: &Path, servers: &SlowServers) -> Result<Watcher> {
    let shown = directory.display();
    let mut text = format!(
        "BaseDir \"{shown}\"\nPIDFile \"{shown}/collectd.pid\"\nTypesDB \"/usr/share/collectd/types.db\"\n\
         Hostname \"bench\"\nFQDNLookup false\nInterval 60\nMaxReadInterval 60\n\
         ReadThreads {COLLECTD_THREADS}\nLoadPlugin curl\n<Plugin curl>\n"
    );
    let matches: String = [
        ("Reading: ([0-9]+)", "GaugeLast", "gauge", "read"),
        ("Writing: ([0-9]+)", "GaugeLast", "gauge", "write"),
        ("Waiting: ([0-9]+)", "GaugeLast", "gauge", "wait"),
        (" [0-9]+ [0-9]+ ([0-9]+)", "DeriveSet", "derive", "reqs"),
    ]
    .iter()
    .map(|(regex, kind, name, instance)| {
        format!(
            "<Match>\nRegex \"{regex}\"\nDSType \"{kind}\"\nType \"{name}\"\nInstance \"{instance}\"\n</Match>\n"
        )
    })
    .collect();
    for target in targets(servers) {
        text.push_str(&format!(
            "<Page \"{target}\">\nURL \"http://{target}/nginx_status\"\nTimeout 10000\n{matches}</Page>\n"
        ));
    }
    text.push_str("</Plugin>\n");
    let config = directory.join("collectd.conf");
    fs::write(&config, text)?;
    Ok(Watcher {
        name: "collectd",
        shown: "collectd",
        program: "collectd".to_owned(),
        arguments: vec!["-f".to_owned(), "-C".to_owned(), config.display().to_string()],
    })
}

fn prometheus(directory: &Path, servers: &SlowServers) -> Result<Watcher> {
    let list: String = targets(servers).map(|target| format!("    - {target}\n")).collect();
    let config = directory.join("prometheus.yml");
    fs::write(
        &config,
        format!(
            "global:\n  scrape_interval: 60s\n  scrape_timeout: 10s\nscrape_configs:\n\
             - job_name: nginx\n  static_configs:\n  - targets:\n{list}"
        ),
    )?;
    Ok(Watcher {
        name: "prometheus",
        shown: "prometheus",
        program: "prometheus".to_owned(),
        arguments: vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", directory.join("tsdb").display()),
            format!("--web.listen-address=127.0.0.1:{}", free_port()?),
        ],
    })
}
