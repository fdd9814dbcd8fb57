//! `--check`: tries a configuration, and shows a person what came of it. No value is sent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use line_protocol::{Record, parse_line};

use crate::collect;
use crate::machine::Machine;
use crate::options::Options;
use crate::plugin::{self, ConfD, MAX_AT_ONCE, Outcome, Plugin, Printed, Rules};
use crate::reader::Linux;
use crate::redis::Server;
use crate::sample::Sample;
use crate::stop::Stop;

/// Most lines of one plugin that are shown.
const MAX_SHOWN: usize = 50;

/// What is shown, and how many faults it has.
#[derive(Default)]
struct Report {
    text: String,
    faults: usize,
}

/// Tries everything and prints what came of it; whether all was well.
pub fn run(options: &Options, server: &Server, stop: &Stop) -> ExitCode {
    let mut report = Report::default();
    report.machine(options.linux());
    if let Some(directory) = &options.conf_d {
        report.conf_d(directory, options.tick(), stop);
    }
    report.server(server, options.self_ip.as_deref());
    report.end();
    // A reader like `head` may have seen enough: that is no error.
    let _ = std::io::stdout().write_all(report.text.as_bytes());
    if report.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Report {
    fn line(&mut self, text: &str) {
        self.text.push_str(&printable(text));
        self.text.push('\n');
    }

    fn fault(&mut self, text: &str) {
        self.faults += 1;
        self.line(&format!("  FAULT   {text}"));
    }

    fn machine(&mut self, linux: Linux) {
        self.line("This machine");
        let (machine, time) = (Machine::this(), crate::agent::now().as_secs());
        self.built_in("base", collect::base(&machine, time));
        if linux == Linux::On {
            self.built_in("linux", collect::linux(&machine, time));
        }
    }

    fn built_in(&mut self, name: &str, sample: Sample) {
        let mut lines = String::new();
        sample.write_to(&mut lines, None);
        let (mut metrics, mut meta) = (0, 0);
        for line in lines.lines() {
            match parse_line(line.as_bytes()) {
                Ok(Some(line)) => match line.record {
                    Record::Metric { .. } => metrics += 1,
                    Record::Meta { .. } => meta += 1,
                    Record::Warning { key, text } => self.fault(&format!("{name} {key}: {text}")),
                },
                Ok(None) => {}
                Err(fault) => self.fault(&format!("{name}: {fault}")),
            }
        }
        let of = if metrics == 1 { "metric" } else { "metrics" };
        self.line(&format!("  {name}: {metrics} {of}, {meta} meta"));
    }

    /// Sends a comment, which a server takes as it takes lines, and keeps nothing of. Then a line that it
    /// refuses, as it is of the future, and before that where the agent's user may not push for this host.
    fn server(&mut self, server: &Server, address: Option<&str>) {
        self.line(&format!("\nServer {}", server.address));
        let answer = server.connect().and_then(|mut connection| {
            connection.push("# kurado-agent --check\n")?;
            // A list would keep it.
            if connection.uses_list() {
                return Ok(None);
            }
            connection.push(&refused_line(address)).map(Some)
        });
        let is_other = |reason: &&String| !reason.contains(" s in the future");
        match answer {
            Ok(Some(receipt)) => match receipt.reasons.iter().find(is_other) {
                None => self.line("  takes KURADO.PUSH"),
                Some(reason) => self.fault(reason),
            },
            Ok(None) => self.line(
                "  warning it does not know KURADO.PUSH: lines go to its list kurado-update, for the \
                 worker of an older server",
            ),
            Err(error) => self.fault(&error.to_string()),
        }
    }

    fn conf_d(&mut self, directory: &Path, tick: Duration, stop: &Stop) {
        self.line(&format!("\nPlugins of {}", directory.display()));
        let conf_d = match ConfD::read(directory, Rules::of_this_process(tick)) {
            Ok(conf_d) => conf_d,
            Err(fault) => return self.fault(&fault),
        };
        for fault in &conf_d.faults {
            self.fault(&fault.text);
        }
        for warning in &conf_d.warnings {
            self.line(&format!("  warning {}", warning.text));
        }
        for (plugin, outcome) in conf_d.plugins.iter().zip(run_all(&conf_d.plugins, stop)) {
            match outcome {
                Some(outcome) => self.plugin(plugin, &outcome),
                None => self.fault(&format!("{}: cannot start a thread to run it", plugin.name)),
            }
        }
    }

    fn plugin(&mut self, plugin: &Plugin, outcome: &Outcome) {
        self.line(&format!("\n{}", plugin.name));
        for (index, line) in plugin.command.trim().lines().enumerate() {
            self.line(&format!("  {} {line}", if index == 0 { "command" } else { "       " }));
        }
        let user = plugin.user.as_ref().map(|user| format!(", as {}", user.name));
        let interval =
            plugin.interval.map(|interval| format!(", each {} min", interval.as_secs() / 60));
        self.line(&format!(
            "  took    {:.3} s of {} s{}{}",
            outcome.took.as_secs_f64(),
            plugin.timeout.as_secs(),
            interval.unwrap_or_default(),
            user.unwrap_or_default()
        ));
        if let Err(failure) = &outcome.end {
            self.fault(&format!("{failure}; what it printed is not sent"));
        }
        for line in outcome.errors.lines() {
            self.line(&format!("  stderr  {line}"));
        }
        let printed = Printed::read(&plugin.name, &outcome.output);
        self.understood(&printed);
        if printed.bad_lines > 0 && printed.faults.len() < printed.bad_lines {
            self.line(&format!("  … {} more", printed.bad_lines - printed.faults.len()));
            self.faults += printed.bad_lines - printed.faults.len();
        }
        for fault in &printed.faults {
            self.fault(&format!("line {}: {}", fault.number, fault.why));
        }
        if printed.lines.is_empty() && printed.faults.is_empty() && outcome.end.is_ok() {
            self.line("  warning it printed no metrics");
        }
    }

    /// The lines as a table: number, key, type, value and time.
    fn understood(&mut self, printed: &Printed) {
        let rows: Vec<[String; 5]> = printed
            .lines
            .iter()
            .take(MAX_SHOWN)
            .map(|line| {
                let (kind, key) = line.key.split_once('.').unwrap_or_default();
                let of = line.data_source_type().map(|of| of.suffix());
                let suffix = of.map(|of| format!(".{of}"));
                let key =
                    suffix.as_deref().and_then(|suffix| key.strip_suffix(suffix)).unwrap_or(key);
                [
                    format!("line {}", line.number),
                    printable(key),
                    of.unwrap_or(kind).to_owned(),
                    printable(&line.value),
                    line.time.clone().unwrap_or_else(|| "now".to_owned()),
                ]
            })
            .collect();
        let width = |column: usize| {
            let of = |row: &[String; 5]| row.get(column).map_or(0, |cell| cell.chars().count());
            rows.iter().map(of).max().unwrap_or(0).min(60)
        };
        let widths = [width(0), width(1), width(2), width(3)];
        for [line, key, of, value, time] in &rows {
            let [first, second, third, fourth] = widths;
            // Writing to a String can't fail.
            let _ = writeln!(
                self.text,
                "  {line:first$}  {key:second$}  {of:third$}  {value:fourth$}  {time}"
            );
        }
        if printed.lines.len() > MAX_SHOWN {
            self.line(&format!("  … {} more", printed.lines.len() - MAX_SHOWN));
        }
    }

    fn end(&mut self) {
        let text = match self.faults {
            0 => "\nNo faults.".to_owned(),
            1 => "\n1 fault.".to_owned(),
            faults => format!("\n{faults} faults."),
        };
        self.line(&text);
    }
}

/// A line of this host that no server takes, of a series that each host has: a new one would count for the
/// server's bounds.
fn refused_line(address: Option<&str>) -> String {
    let address = address.map(|address| format!("{address}\t")).unwrap_or_default();
    format!("{address}base.metrics.memory-total.gauge\tU\t{}\n", u32::MAX)
}

/// Runs each command once, a bounded number at a time; `None` where no thread could be had.
fn run_all(plugins: &[Plugin], stop: &Stop) -> Vec<Option<Outcome>> {
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::default();
    let lock = || outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..MAX_AT_ONCE.min(plugins.len()) {
            // Fewer threads only take longer.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plugin) = plugins.get(index) else { return };
                    let outcome = plugin::run(plugin, stop);
                    lock().push((index, outcome));
                }
            });
        }
    });
    let mut outcomes = std::mem::take(&mut *lock());
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    let mut outcomes = outcomes.into_iter().peekable();
    (0..plugins.len())
        .map(|index| outcomes.next_if(|(of, _)| *of == index).map(|(_, outcome)| outcome))
        .collect()
}

/// A text as a terminal may be given it: what would move its cursor is shown escaped. Line feeds and tabs stay.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
