//! poll: thousands of targets that answer late or never, asked at once and spread over the minute.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::poll_peers;
use crate::Result;
use crate::bench::Bench;
use crate::process::{Process, free_port};
use crate::redis_server::{Journal, RedisServer};
use crate::slow_servers::SlowServers;
use crate::statistics::median;
use crate::table::{Table, number};

const MINUTE: Duration = Duration::from_secs(60);
/// Targets of each host.
const PLUGINS: usize = 3;
/// Hosts of the configuration that is only read.
const HOSTS_TO_READ: usize = 5000;

/// Measures, and compares with others.
///
/// # Errors
/// Where a program can't be started, or does not do what is waited for.
pub fn run(bench: &Bench) -> Result<String> {
    let poller = bench.module().with_file_name("kurado-poller");
    if !poller.exists() {
        return Err(format!("{} is not there; build it first", poller.display()).into());
    }
    let options = [
        // The poller is measured, not the disk: tiny files, and hardly any is written.
        ["--kurado.rra", "AVERAGE:1:2"],
        ["--kurado.write-delay", "86400"],
    ]
    .concat();
    let redis = RedisServer::with_module(bench, Journal::EverySecond, &options)?;
    let hosts = bench.scale.pick(3000, 300);
    let servers = SlowServers::start(hosts, PLUGINS, &redis.run::<String>(&["INFO"])?)?;
    let directory = bench.directory()?;
    let config = configure(directory.path(), "redis", &redis, &servers)?;
    let site = Polled { bench, poller: &poller, config: &config, servers: &servers };
    Ok(format!(
        "{hosts} hosts with {PLUGINS} targets each, on addresses of their own on loopback. Each answers as Redis does, 50 ms after it is asked; 5 % take the connection and never answer. \
         Lines go to a Redis with the module. CPU and memory are those of `kurado-poller`, with the default `fetch_worker` 4.\n\n{}\n{}\n{}\n{}",
        site.at_once()?,
        site.spread()?,
        read(bench, &poller)?,
        poll_peers::run(bench, &poller, &redis, &servers)?
    ))
}

/// What is polled, and by which program.
struct Polled<'a> {
    bench: &'a Bench,
    poller: &'a Path,
    config: &'a Path,
    servers: &'a SlowServers,
}

impl Polled<'_> {
    /// All targets together: how long until each good one has answered.
    fn at_once(&self) -> Result<String> {
        let good = self.servers.answering();
        let mut rounds = Vec::new();
        for round in 0..=self.bench.rounds {
            eprintln!("  at once, round {round}");
            let running = self.start(&["--at-once"])?;
            let end = Instant::now() + MINUTE;
            while self.servers.answered() < good && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
            }
            let usage = running.process.usage()?;
            let answers = self.servers.answers();
            let last = answers.iter().map(|answer| answer.at).max();
            let (Some(first), Some(last)) = (self.servers.first(), last) else {
                return Err("nothing was asked".into());
            };
            let resident = running.process.resident()?;
            // The first one warms everything up.
            if round > 0 {
                let took = (last - first).as_secs_f64();
                eprintln!("    {took:.1} s");
                rounds.push([took, usage.cpu, resident as f64 / 1e6, answers.len() as f64]);
            }
        }
        let of = |column: usize| {
            let values: Vec<f64> = rounds.iter().map(|round| round[column]).collect();
            number(median(&values))
        };
        let longest = number(rounds.iter().map(|round| round[0]).fold(0.0, f64::max));
        Ok(format!(
            "| all at once (`--at-once`) | |\n|---|---:|\n\
             | good targets that have answered, of {good} | {} |\n\
             | until the last one had, s (median, longest) | {}, {longest} |\n\
             | CPU for it, the start included, s | {} |\n\
             | RSS, MB | {} |\n",
            of(3),
            of(0),
            of(1),
            of(2)
        ))
    }

    /// As users run it: whether each good target is asked once in each minute.
    fn spread(&self) -> Result<String> {
        let minutes = self.bench.scale.pick(3, 2);
        let running = self.start(&[])?;
        eprintln!("  spread, first minute");
        std::thread::sleep(MINUTE + Duration::from_secs(1));
        self.servers.forget();
        let before = (Instant::now(), running.process.usage()?);
        let mut table = Table::new(&["minute", "CPU, % of one core", "RSS, MB"]);
        let mut last = before;
        for minute in 1..=minutes {
            eprintln!("  spread, minute {minute}");
            std::thread::sleep(
                (before.0 + MINUTE * minute).saturating_duration_since(Instant::now()),
            );
            let now = (Instant::now(), running.process.usage()?);
            table.row(vec![
                minute.to_string(),
                number(100.0 * (now.1 - last.1).cpu / (now.0 - last.0).as_secs_f64()),
                number(running.process.resident()? as f64 / 1e6),
            ]);
            last = now;
        }
        let mut times: HashMap<SocketAddr, Vec<Instant>> = HashMap::new();
        for answer in self.servers.answers() {
            times.entry(answer.server).or_default().push(answer.at);
        }
        let intervals = || times.values().flat_map(|times| times.windows(2));
        let off = |pair: &[Instant]| (pair[1] - pair[0]).as_secs_f64() - 60.0;
        let worst = intervals().map(|pair| off(pair).abs()).fold(0.0, f64::max);
        let missed: usize = times
            .values()
            .map(|times| (minutes as usize).saturating_sub(times.len()))
            .sum::<usize>()
            + (self.servers.answering() - times.len()) * minutes as usize;
        // At the edges of the time that was measured, one more or less is no fault.
        let overruns = running.metric("kurado_poller_overruns_total")?;
        let lost = running.metric("kurado_poller_lines_lost_total")?;
        Ok(format!(
            "Spread over the minute, as users run it:\n\n{table}\n\
             | over all | |\n|---|---:|\n\
             | CPU, % of one core | {} |\n\
             | answers, of {} good targets in {minutes} minutes | {} |\n\
             | answers that a target lacks, the edges of that time included | {missed} |\n\
             | overruns, as the poller counts them | {overruns} |\n\
             | an interval differs from 60 s by at most, s | {worst:.3} |\n\
             | lines pushed, from the start | {} |\n\
             | lines lost | {lost} |\n",
            number(100.0 * (last.1 - before.1).cpu / (last.0 - before.0).as_secs_f64()),
            self.servers.answering(),
            self.servers.answered(),
            running.metric("kurado_poller_lines_pushed_total")?,
        ))
    }

    fn start(&self, options: &[&str]) -> Result<Running> {
        self.servers.forget();
        let metrics = free_port()?;
        let arguments: Vec<String> = [
            &["-c", &self.config.display().to_string(), "--metrics-listen"],
            &[format!("127.0.0.1:{metrics}").as_str()][..],
            options,
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        let log = self.bench.path().join("kurado-poller.log");
        self.bench.note("target/release/kurado-poller", &arguments);
        let mut process = Process::start(&self.poller.display().to_string(), &arguments, &log)?;
        process.wait_until(&log, || TcpStream::connect(("127.0.0.1", metrics)).ok())?;
        Ok(Running { process, metrics })
    }
}

/// A poller, and the port of its metrics.
struct Running {
    process: Process,
    metrics: u16,
}

impl Running {
    /// A number that it tells of itself.
    fn metric(&self, name: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("/metrics has no {name}"))?.to_owned())
    }
}

/// Writes the configuration of all servers, watched by this plugin; gives the path of `kurado.yml`.
pub(super) fn configure(
    directory: &Path,
    plugin: &str,
    redis: &RedisServer,
    servers: &SlowServers,
) -> Result<PathBuf> {
    fs::create_dir(directory.join("rolls"))?;
    let plugins: String =
        servers.ports().iter().map(|port| format!("- {plugin}:{port}\n")).collect();
    fs::write(directory.join("rolls/slow.yml"), format!("metrics:\n{plugins}"))?;
    let hosts: String =
        servers.addresses().map(|address| format!("  - {address} slow\n")).collect();
    let config = directory.join("kurado.yml");
    let port = redis.port();
    fs::write(
        &config,
        format!(
            "config:\n  redis: 127.0.0.1:{port}\n---\nservice: Slow\nservers:\n- roll: slow.yml\n  hosts:\n{hosts}"
        ),
    )?;
    Ok(config)
}

/// How long a large configuration takes to read.
fn read(bench: &Bench, poller: &Path) -> Result<String> {
    eprintln!("  reading");
    let directory = bench.directory()?;
    fs::create_dir(directory.path().join("rolls"))?;
    let mut text = "config: {}\n---\nservice: Many\nservers:\n".to_owned();
    for n in 0..HOSTS_TO_READ {
        if n % 25 == 0 {
            let roll = format!("rolls/{n}.yml");
            fs::write(directory.path().join(roll), "metrics: [base, 'redis:6379', redis]\n")?;
            text.push_str(&format!("- roll: {n}.yml\n  label: Rack {n}\n  hosts:\n"));
        }
        text.push_str(&format!("  - 10.0.{}.{} host-{n} some comment\n", n / 250, n % 250));
    }
    let config = directory.path().join("kurado.yml");
    fs::write(&config, text)?;
    let mut seconds = Vec::new();
    for _ in 0..=bench.rounds {
        let begun = Instant::now();
        let output = Command::new(poller).arg("-c").arg(&config).arg("check").output()?;
        seconds.push(begun.elapsed().as_secs_f64());
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
    }
    bench.note("target/release/kurado-poller", &["check".to_owned()]);
    Ok(format!(
        "`kurado-poller check` of {HOSTS_TO_READ} hosts with {} rolls takes {:.2} s.\n",
        HOSTS_TO_READ / 25,
        median(&seconds[1..])
    ))
}
