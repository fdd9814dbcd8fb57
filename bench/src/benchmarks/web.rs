//! web: pictures a second, drawn and kept; how long the pages of a large site take.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Result;
use crate::bench::Bench;
use crate::http::Connection;
use crate::process::{self, Process, free_port};
use crate::redis_server::{Journal, RedisServer};
use crate::rrdtool::{self, Loop};
use crate::statistics::{median, percentile};
use crate::table::{Table, number, ratio};

/// Graphs of each host that are drawn.
const GRAPHS: [&str; 8] = [
    "cpu",
    "loadavg-1",
    "memory-usage",
    "tcp-established",
    "traffic-eth0",
    "disk-io-count-vda",
    "disk-io-byte-vda",
    "disk-usage-vda",
];
/// Keys of the plugin base, and whether each grows.
const KEYS: [(&str, bool); 28] = [
    ("cpu-user.derive", true),
    ("cpu-nice.derive", true),
    ("cpu-system.derive", true),
    ("cpu-idle.derive", true),
    ("cpu-iowait.derive", true),
    ("cpu-irq.derive", true),
    ("cpu-softirq.derive", true),
    ("cpu-steal.derive", true),
    ("cpu-guest.derive", true),
    ("cpu-guest-nice.derive", true),
    ("loadavg-1.gauge", false),
    ("processors.gauge", false),
    ("memory-total.gauge", false),
    ("memory-used.gauge", false),
    ("memory-free.gauge", false),
    ("memory-buffers.gauge", false),
    ("memory-cached.gauge", false),
    ("memory-swap-used.gauge", false),
    ("memory-swap-total.gauge", false),
    ("tcp-established.gauge", false),
    ("traffic-eth0-rxbytes.derive", true),
    ("traffic-eth0-txbytes.derive", true),
    ("disk-io-vda-read-ios.derive", true),
    ("disk-io-vda-write-ios.derive", true),
    ("disk-io-vda-read-sectors.derive", true),
    ("disk-io-vda-write-sectors.derive", true),
    ("disk-usage-vda-used.gauge", false),
    ("disk-usage-vda-available.gauge", false),
];
/// How long kept pictures are asked for.
const KEPT_FOR: Duration = Duration::from_secs(5);
/// Connections that ask at once.
const CONNECTIONS: usize = 8;

/// Measures, and compares with rrdtool.
///
/// # Errors
/// Where a program can't be started, or does not do what is waited for.
pub fn run(bench: &Bench) -> Result<String> {
    let site = Site::make(bench)?;
    Ok(format!(
        "{} hosts with a day of base's {} series each; a picture is one of {} graphs of a host over a day, 500 pixels wide. \
         An SVG of kurado-web is of its own drawing, a PNG librrd's. {CONNECTIONS} connections ask, from the same machine.\n\n{}\n{}\n{}",
        site.hosts,
        KEYS.len(),
        GRAPHS.len(),
        site.drawn()?,
        site.kept()?,
        site.pages()?
    ))
}

/// A site with data, and what serves it.
struct Site<'a> {
    bench: &'a Bench,
    web: PathBuf,
    directory: tempfile::TempDir,
    redis: RedisServer,
    /// All of the configuration.
    hosts: usize,
    /// Those whose graphs are drawn.
    drawn: usize,
}

/// A running web.
struct Running {
    process: Process,
    port: u16,
}

impl<'a> Site<'a> {
    fn make(bench: &'a Bench) -> Result<Self> {
        let web = bench.module().with_file_name("kurado-web");
        if !web.exists() {
            return Err(format!("{} is not there; build it first", web.display()).into());
        }
        let redis = RedisServer::with_module(bench, Journal::None, &[])?;
        let hosts = bench.scale.pick(3000, 300);
        let drawn = bench.scale.pick(100, 20);
        let site = Self { bench, web, directory: bench.directory()?, redis, hosts, drawn };
        eprintln!("  data");
        site.push()?;
        site.configure(1)?;
        Ok(site)
    }

    fn address(host: usize) -> String {
        format!("10.0.{}.{}", host / 250, host % 250 + 1)
    }

    /// A day of points for one host, whose files all others share; a minute's for the others.
    fn push(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 60 * 60;
        let payload = |host: usize, minutes: u64| {
            let mut text = String::new();
            for minute in 0..minutes {
                let time = now - (minutes - 1 - minute) * 60;
                for (at, (key, grows)) in KEYS.iter().enumerate() {
                    let wave = (time / 60 % 1440 * (at as u64 + 3)) % 997;
                    let value =
                        if *grows { time * (at as u64 + 1) * 7 + wave } else { 1000 + wave };
                    let address = Self::address(host);
                    text.push_str(&format!("{address}\tbase.metrics.{key}\t{value}\t{time}\n"));
                }
            }
            let address = Self::address(host);
            for (key, value) in [
                ("traffic-interfaces", "eth0"),
                ("disk-io-devices", "vda"),
                ("disk-usage-devices", "vda"),
                ("disk-usage-vda-mount", "/"),
            ] {
                text.push_str(&format!("{address}\tbase.meta.{key}\t{value}\t{now}\n"));
            }
            text
        };
        for host in 0..self.hosts {
            let minutes = if host == 0 { 2000 } else { 1 };
            self.redis.run::<redis::Value>(&["KURADO.PUSH", &payload(host, minutes)])?;
        }
        self.redis.run::<redis::Value>(&["KURADO.FLUSH", &Self::address(0)])?;
        let info: String = self.redis.run(&["INFO", "kurado"])?;
        let data = info.lines().find_map(|line| line.strip_prefix("kurado_data_dir:"));
        let data = Path::new(data.ok_or("INFO has no kurado_data_dir")?);
        // The others' own are not written yet: these stand in their places, read alone.
        for host in 1..self.drawn {
            let folder = data.join(Self::address(host)).join("base");
            fs::create_dir_all(&folder)?;
            for (key, _) in KEYS {
                let file = format!("{key}.rrd");
                let from = data.join(Self::address(0)).join("base").join(&file);
                let to = folder.join(&file);
                if !to.exists() {
                    fs::copy(from, to)?;
                }
            }
        }
        self.redis.run::<redis::Value>(&["KURADO.FLUSH"])?;
        Ok(())
    }

    fn configure(&self, workers: usize) -> Result<()> {
        let path = self.directory.path();
        fs::create_dir_all(path.join("rolls"))?;
        fs::write(path.join("rolls/base.yml"), "metrics: [base]\n")?;
        let mut text =
            format!("config:\n  redis: 127.0.0.1:{}\n  web_worker: {workers}\n", self.redis.port());
        for host in 0..self.hosts {
            if host % 100 == 0 {
                let service = host / 100;
                text.push_str(&format!(
                    "---\nservice: Service {service}\nservers:\n- roll: base.yml\n  hosts:\n"
                ));
            }
            text.push_str(&format!("  - {} host-{host} rack {}\n", Self::address(host), host % 40));
        }
        fs::write(path.join("kurado.yml"), text)?;
        Ok(())
    }

    fn start(&self, workers: usize) -> Result<Running> {
        self.configure(workers)?;
        let port = free_port()?;
        let config = self.directory.path().join("kurado.yml");
        let arguments =
            ["-c", &config.display().to_string(), "--listen", &format!("127.0.0.1:{port}")]
                .map(str::to_owned);
        let log = self.bench.path().join("kurado-web.log");
        self.bench.note("target/release/kurado-web", &arguments);
        let mut process = Process::start(&self.web.display().to_string(), &arguments, &log)?;
        process.wait_until(&log, || TcpStream::connect(("127.0.0.1", port)).ok())?;
        Ok(Running { process, port })
    }

    fn pictures(&self) -> Vec<String> {
        let hosts = 0..self.drawn;
        let of = |host| {
            let address = Self::address(host);
            GRAPHS.map(|graph| {
                format!("address={address}&plugin_identifier=base&graph={graph}&width=500")
            })
        };
        hosts.flat_map(of).collect()
    }

    /// The commands that draw the same pictures, as the web itself tells them.
    fn commands(&self) -> Result<Vec<Vec<String>>> {
        let running = self.start(1)?;
        let mut connection = Connection::open(running.port)?;
        let mut commands = Vec::new();
        for picture in self.pictures() {
            let page = format!("/details?{picture}&height=100&legend=below");
            let answer = connection.get(&page, None)?;
            let page = String::from_utf8(answer.body)?;
            let command = page.split("<pre>rrdtool graph graph.png").nth(1);
            let command = command.and_then(|text| text.split("</pre>").next());
            let command = command.ok_or_else(|| format!("no command: {page}"))?;
            let mut words = vec!["graph".to_owned(), "-".to_owned()];
            words.extend(shell_words(&unescaped(command)));
            commands.push(words);
        }
        Ok(commands)
    }

    /// Pictures that nobody has asked for before, in each format.
    fn drawn(&self) -> Result<String> {
        let mut table = Table::new(&[
            "pictures a second, not drawn before",
            "kurado-web",
            "a command `rrdtool graph` each",
            "librrd in a loop (`rrdtool -`)",
            "of the commands",
            "of the loop",
        ]);
        let png = self.commands()?;
        let svg: Vec<Vec<String>> = png.iter().map(|words| as_svg(words)).collect();
        for (format, commands) in [("svg", svg), ("png", png)] {
            for workers in [1, 2] {
                let [web, command, in_loop] = self.rates(format, &commands, workers)?;
                table.row(vec![
                    format!("{}, {workers} worker{}", format.to_uppercase(), &"s"[..workers - 1]),
                    number(web),
                    number(command),
                    number(in_loop),
                    ratio(web, command),
                    ratio(web, in_loop),
                ]);
            }
        }
        Ok(table.to_string())
    }

    /// Pictures a second: of the web, of a command each, of librrd in a loop.
    fn rates(&self, format: &str, commands: &[Vec<String>], workers: usize) -> Result<[f64; 3]> {
        let pictures = self.pictures();
        let count = pictures.len() as f64;
        let mut rates: [Vec<f64>; 3] = Default::default();
        for round in 0..=self.bench.rounds {
            eprintln!("  {format} drawn by {workers}, round {round}");
            let web = {
                let running = self.start(workers)?;
                count
                    / timed(workers.max(2) * 2, &pictures, |connection, picture| {
                        let connection = match connection {
                            Some(connection) => connection,
                            None => connection.insert(Connection::open(running.port)?),
                        };
                        let path = format!("/graph?{picture}&format={format}");
                        match connection.get(&path, None)?.status {
                            200 => Ok(()),
                            status => Err(format!("{picture}: {status}").into()),
                        }
                    })?
            };
            let command = count
                / timed(workers, commands, |_: &mut Option<()>, command| rrdtool::draw(command))?;
            let in_loop = count
                / timed(workers, commands, |rrdtool, command| {
                    match rrdtool {
                        Some(rrdtool) => rrdtool,
                        None => rrdtool.insert(Loop::start()?),
                    }
                    .draw(command)
                })?;
            // The first one warms everything up.
            if round > 0 {
                for (rates, rate) in rates.iter_mut().zip([web, command, in_loop]) {
                    rates.push(rate);
                }
            }
        }
        Ok(rates.each_ref().map(|rates| median(rates)))
    }

    /// One picture again and again, sent and not sent.
    fn kept(&self) -> Result<String> {
        let running = self.start(2)?;
        let pictures = self.pictures();
        // A range of its own: that of a day would move on with each minute.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let (from, path) = (now - 86_400, &pictures[0]);
        let path = format!("/graph?{path}&format=svg&term=custom&from={from}&to={now}");
        let tag = Connection::open(running.port)?.get(&path, None)?.tag;
        let tag = tag.ok_or("the picture has no entity tag")?;
        let mut table =
            Table::new(&["kept pictures", "answers a second", "CPU of kurado-web, us each"]);
        let mut asking = Vec::new();
        for (name, known, status) in
            [("sent", None, 200), ("304 Not Modified", Some(tag.as_str()), 304)]
        {
            let mut rates = Vec::new();
            let mut costs = Vec::new();
            for _ in 0..self.bench.rounds {
                let (answered, before) = (AtomicUsize::new(0), running.process.usage()?);
                let asked_for = Mutex::new(0.0);
                let end = Instant::now() + KEPT_FOR;
                let fault = Mutex::new(None);
                std::thread::scope(|scope| {
                    for _ in 0..CONNECTIONS {
                        scope.spawn(|| {
                            let ask = || -> Result<()> {
                                let mut connection = Connection::open(running.port)?;
                                while Instant::now() < end {
                                    let answer = connection.get(&path, known)?;
                                    if answer.status != status {
                                        return Err(format!("answered {}", answer.status).into());
                                    }
                                    answered.fetch_add(1, Ordering::Relaxed);
                                }
                                *asked_for.lock().unwrap_or_else(|e| e.into_inner()) +=
                                    process::of_this_thread()?;
                                Ok(())
                            };
                            if let Err(error) = ask() {
                                *fault.lock().unwrap_or_else(|e| e.into_inner()) = Some(error);
                            }
                        });
                    }
                });
                if let Some(error) = fault.into_inner().unwrap_or_else(|e| e.into_inner()) {
                    return Err(error);
                }
                let answered = answered.into_inner() as f64;
                rates.push(answered / KEPT_FOR.as_secs_f64());
                costs.push(1e6 * (running.process.usage()? - before).cpu / answered);
                asking.push(
                    1e6 * asked_for.into_inner().unwrap_or_else(|e| e.into_inner()) / answered,
                );
            }
            table.row(vec![name.to_owned(), number(median(&rates)), number(median(&costs))]);
        }
        Ok(format!(
            "{table}\nWho asks takes {} us of CPU each beside that.\n",
            number(median(&asking))
        ))
    }

    /// Whole pages.
    fn pages(&self) -> Result<String> {
        let running = self.start(2)?;
        let side_by_side: Vec<String> = (0..100.min(self.drawn))
            .map(|host| format!("address={}", Self::address(host)))
            .collect();
        let list = format!("list of {} hosts", self.hosts);
        let servers = format!("/servers with {} hosts", side_by_side.len());
        let mut table = Table::new(&["page", "ms at the server", "slowest of 20, ms", "kB"]);
        for (name, path) in [
            (list.as_str(), "/".to_owned()),
            ("one host", format!("/server?address={}", Self::address(0))),
            (servers.as_str(), format!("/servers?{}", side_by_side.join("&"))),
        ] {
            let mut connection = Connection::open(running.port)?;
            let mut times = Vec::new();
            let mut bytes = 0;
            for round in 0..=20 {
                let begun = Instant::now();
                let answer = connection.get(&path, None)?;
                if answer.status != 200 {
                    return Err(format!("{path}: {}", answer.status).into());
                }
                bytes = answer.body.len();
                if round > 0 {
                    times.push(begun.elapsed().as_secs_f64() * 1e3);
                }
            }
            table.row(vec![
                name.to_owned(),
                number(median(&times)),
                number(percentile(&times, 100.0)),
                number(bytes as f64 / 1e3),
            ]);
        }
        let painted = first_paint(running.port)?;
        Ok(format!("{table}\nFirst paint of that list in Chromium: {painted}.\n"))
    }
}

/// The same command for an SVG.
fn as_svg(words: &[String]) -> Vec<String> {
    let mut is_format = false;
    let word = |word: &String| {
        let is_this = std::mem::replace(&mut is_format, word == "--imgformat");
        if is_this { "SVG".to_owned() } else { word.clone() }
    };
    words.iter().map(word).collect()
}

/// What the browser says, in words.
fn first_paint(port: u16) -> Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/browser/first_paint.js");
    let output = Command::new("node")
        .args([script, &format!("http://127.0.0.1:{port}/")])
        .output()
        .map_err(|error| format!("node: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Ok(format!("not measured ({})", text.lines().next().unwrap_or_default()));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Does `work` on all of `items`, by so many threads with a state each; how long that takes, in
/// seconds.
fn timed<T: Sync, S: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&mut Option<S>, &T) -> Result<()> + Sync,
) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let fault = Mutex::new(None);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut state = None;
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(&mut state, item) {
                        *fault.lock().unwrap_or_else(|e| e.into_inner()) = Some(error);
                        return;
                    }
                }
            });
        }
    });
    match fault.into_inner().unwrap_or_else(|e| e.into_inner()) {
        Some(error) => Err(error),
        None => Ok(begun.elapsed().as_secs_f64()),
    }
}

/// A text of a page without its escapes.
fn unescaped(text: &str) -> String {
    [("&#39;", "'"), ("&#34;", "\""), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// The words of a command that has single quotes and backslashes alone.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if quoted => word.get_or_insert_default().push(c),
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_default().push(c),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_a_shell_would_make() {
        let command = " \\\n  --title 'Day web-1' \\\n  'it'\\''s' '' a=b";
        assert_eq!(shell_words(command), ["--title", "Day web-1", "it's", "", "a=b"]);
        assert_eq!(unescaped("&#39;a&#38;#39;b"), "'a&#39;b");
    }
}
