//! All commands, tick by tick: which are due, a bounded number at once, and what they gave.
//!
//! Nothing here holds a tick back: what has ended within a moment goes with the machine's own lines,
//! the rest in a payload of its own when all have ended, or with the next tick.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{error, info};

use super::command::{self, Outcome};
use super::conf_d::ConfD;
use super::definition::{Plugin, Rules};
use super::output::Printed;
use super::remembered::Remembered;
use super::told::Told;
use crate::payload::Payload;
use crate::sample::Sample;
use crate::stop::Stop;

/// Most commands that run at the same time; the rest wait their turn.
pub const MAX_AT_ONCE: usize = 32;

/// A payload is closed when it has so many bytes: the server takes 8 MiB, and one plugin has less
/// than 7.
const FULL_PAYLOAD: usize = 1024 * 1024;

/// How often a wait looks up to see whether the agent stops.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Most plugins that the log names of each kind of change.
const MAX_LISTED: usize = 20;

/// Stack of a thread that waits for a command.
const STACK: usize = 256 * 1024;

/// What the commands are run for.
pub struct Setup {
    /// The directory of definitions; `None` for no commands at all.
    pub directory: Option<PathBuf>,
    /// From one tick of the agent to the next.
    pub tick: Duration,
    /// Stands in front of each line; without it the server takes the sender's address.
    pub address: Option<String>,
    /// Ends all commands when it is set.
    pub stop: Stop,
    /// Takes payloads of what ended too late for its tick's own.
    pub late: Box<dyn Fn(Payload) + Send + Sync>,
}

/// The operator's commands. Clones share them.
#[derive(Clone)]
pub struct Plugins(Arc<Shared>);

struct Shared {
    setup: Setup,
    state: Mutex<State>,
    /// A job has ended.
    changed: Condvar,
    told: Mutex<Told>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    faults: Vec<String>,
    /// Jobs that wait for a thread.
    waiting: VecDeque<Job>,
    /// Threads that run jobs.
    threads: usize,
    /// Jobs that wait or run.
    unfinished: usize,
    /// The time of the last tick.
    tick: u64,
    /// Whether the tick's own payload is still open.
    is_gathering: bool,
    /// Lines of what has ended, not handed over yet.
    text: String,
}

struct Entry {
    plugin: Arc<Plugin>,
    is_running: bool,
    /// In which of its intervals it was run last.
    period: Option<u64>,
    /// What the last run gave; only where it has an interval.
    last: Option<Remembered>,
}

struct Job {
    plugin: Arc<Plugin>,
    time: u64,
}

impl Plugins {
    /// Reads the directory. What is wrong there is logged, and told by [`Self::faults`].
    pub fn new(setup: Setup) -> Self {
        let plugins = Self(Arc::new(Shared {
            setup,
            state: Mutex::default(),
            changed: Condvar::new(),
            told: Mutex::default(),
        }));
        if let Some(directory) = &plugins.0.setup.directory {
            match plugins.0.read(directory) {
                Ok((conf_d, _)) => {
                    let mut state = plugins.0.lock();
                    state.faults = conf_d.faults.into_iter().map(|fault| fault.text).collect();
                    state.entries = conf_d.plugins.into_iter().map(Entry::new).collect();
                }
                Err(fault) => {
                    error!("{fault}");
                    plugins.0.lock().faults = vec![fault];
                }
            }
        }
        plugins
    }

    /// Reads the directory again. Plugins that have not changed keep all that is known of them; where
    /// the directory can't be read, so do all.
    pub fn reload(&self) {
        let Some(directory) = &self.0.setup.directory else {
            info!("there is no --conf-d to read again");
            return;
        };
        let (conf_d, new_faults) = match self.0.read(directory) {
            Ok(read) => read,
            Err(fault) => {
                error!("{fault}: the plugins stay as they are");
                self.0.lock().faults = vec![format!("{fault}: the plugins stay as they are")];
                return;
            }
        };
        let mut state = self.0.lock();
        let mut old = std::mem::take(&mut state.entries);
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for plugin in conf_d.plugins {
            let known = old.iter().position(|entry| entry.plugin.name == plugin.name);
            let entry = match known.map(|index| old.swap_remove(index)) {
                Some(entry) if *entry.plugin == plugin => entry,
                Some(entry) => {
                    changed.push(plugin.name.clone());
                    Entry { is_running: entry.is_running, ..Entry::new(plugin) }
                }
                None => {
                    new.push(plugin.name.clone());
                    Entry::new(plugin)
                }
            };
            state.entries.push(entry);
        }
        let gone: Vec<_> = old.iter().map(|entry| entry.plugin.name.clone()).collect();
        info!(
            "{} read again: plugins: {}; faults: {}, of which are new: {new_faults}; plugins that are \
             new: {}; changed: {}; gone: {}",
            directory.display(),
            state.entries.len(),
            conf_d.faults.len(),
            listed(&new),
            listed(&changed),
            listed(&gone)
        );
        state.faults = conf_d.faults.into_iter().map(|fault| fault.text).collect();
    }

    /// What is wrong with the directory and its files.
    pub fn faults(&self) -> Vec<String> {
        self.0.lock().faults.clone()
    }

    /// Starts what is due at a tick, given in seconds since 1970. What is not sends again what it
    /// said last.
    pub fn begin(&self, time: u64) {
        let mut state = self.0.lock();
        state.tick = time;
        state.is_gathering = true;
        let mut text = String::new();
        let mut due = Vec::new();
        for entry in &mut state.entries {
            let period = entry.period_at(time);
            let is_due = entry.period != Some(period);
            if is_due && !entry.is_running {
                entry.is_running = true;
                entry.period = Some(period);
                due.push(Job { plugin: entry.plugin.clone(), time });
                continue;
            }
            let (name, interval) = (&entry.plugin.name, entry.plugin.interval);
            if is_due && interval.is_none() {
                let mut sample = Sample::new(name, time);
                sample.warn(super::WARNING, "left out, as its last run has not ended yet");
                sample.write_to(&mut text, self.0.address());
            }
            if let (Some(last), Some(interval)) = (&entry.last, interval) {
                last.repeated(name, interval, time).write_to(&mut text, self.0.address());
            }
        }
        state.text.push_str(&text);
        state.unfinished += due.len();
        state.waiting.extend(due);
        self.0.start_threads(&mut state);
    }

    /// The lines of what has ended since it was asked last, when all has ended or so much time has
    /// passed. What ends later is handed over later.
    pub fn finished(&self, within: Duration) -> String {
        let started = Instant::now();
        let mut state = self.0.lock();
        while state.unfinished > 0 && !self.0.setup.stop.is_set() {
            let Some(left) = within.checked_sub(started.elapsed()) else { break };
            let waited = self.0.changed.wait_timeout(state, left.min(LOOK_UP));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_gathering = false;
        std::mem::take(&mut state.text)
    }

    /// Waits until no command runs, or so much time has passed. To be called when the agent stops,
    /// which ends them.
    pub fn wait_for_end(&self, within: Duration) {
        let state = self.0.lock();
        let ended = self.0.changed.wait_timeout_while(state, within, |state| state.threads > 0);
        drop(ended);
    }
}

impl Entry {
    fn new(plugin: Plugin) -> Self {
        Self { plugin: Arc::new(plugin), is_running: false, period: None, last: None }
    }

    /// The number of the plugin's interval that a time is in. Intervals of plugins begin at different
    /// minutes, by their names, so that not all run at the same tick.
    fn period_at(&self, time: u64) -> u64 {
        let Some(interval) = self.plugin.interval else {
            // Each tick is one.
            return time;
        };
        let minutes = (interval.as_secs() / 60).max(1);
        let mut hasher = DefaultHasher::new();
        self.plugin.name.hash(&mut hasher);
        (time / 60 + hasher.finish() % minutes) / minutes
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> Option<&str> {
        self.setup.address.as_deref()
    }

    /// What the directory holds, and how many of its faults were not there when it was read last.
    fn read(&self, directory: &Path) -> Result<(ConfD, usize), String> {
        let conf_d = ConfD::read(directory, Rules::of_this_process(self.setup.tick))?;
        let new_faults = self.told.lock().unwrap_or_else(PoisonError::into_inner).tell(&conf_d);
        Ok((conf_d, new_faults))
    }

    fn start_threads(self: &Arc<Self>, state: &mut State) {
        while state.threads < MAX_AT_ONCE.min(state.unfinished) {
            let shared = self.clone();
            let thread = std::thread::Builder::new()
                .name("plugin".to_owned())
                .stack_size(STACK)
                .spawn(move || shared.run_jobs());
            match thread {
                Ok(_) => state.threads += 1,
                Err(_) if state.threads > 0 => return,
                Err(error) => {
                    let why = format!("cannot start a thread: {error}");
                    while let Some(job) = state.waiting.pop_front() {
                        let run = Remembered {
                            time: job.time,
                            lines: Vec::new(),
                            warning: Some(why.clone()),
                        };
                        self.take(state, &job, run);
                    }
                    return;
                }
            }
        }
    }

    /// Runs jobs until none is left.
    fn run_jobs(&self) {
        loop {
            let mut state = self.lock();
            if self.setup.stop.is_set() {
                state.waiting.clear();
            }
            let Some(job) = state.waiting.pop_front() else {
                state.threads -= 1;
                self.changed.notify_all();
                return;
            };
            drop(state);
            let outcome = command::run(&job.plugin, &self.setup.stop);
            self.finish(&job, &outcome);
        }
    }

    fn finish(&self, job: &Job, outcome: &Outcome) {
        let (lines, warning) = match outcome.failure() {
            Some(failure) => (Vec::new(), Some(failure)),
            None => {
                let printed = Printed::read(&job.plugin.name, &outcome.output);
                let warning = printed.warning();
                (printed.lines, warning)
            }
        };
        let mut state = self.lock();
        // One that ran past the next tick is of now: what it said before was sent for that tick.
        let time = if state.tick == job.time {
            job.time
        } else {
            crate::agent::now().as_secs().max(state.tick + 1)
        };
        self.take(&mut state, job, Remembered { time, lines, warning });
        let is_last = state.unfinished == 0 && !state.is_gathering;
        let lines = if is_last || state.text.len() > FULL_PAYLOAD {
            std::mem::take(&mut state.text)
        } else {
            String::new()
        };
        let tick = state.tick;
        self.changed.notify_all();
        drop(state);
        // What was ended for the stop says nothing.
        if !lines.is_empty() && !self.setup.stop.is_set() {
            (self.setup.late)(Payload { time: tick, lines });
        }
    }

    /// Takes what a job gave.
    fn take(&self, state: &mut State, job: &Job, run: Remembered) {
        state.unfinished -= 1;
        let name = &job.plugin.name;
        // After a change of its definition it is still the one that runs, but no longer the one whose
        // output is kept.
        let mut entry = state.entries.iter_mut().find(|entry| entry.plugin.name == *name);
        if let Some(entry) = &mut entry {
            entry.is_running = false;
        }
        let entry = entry.filter(|entry| Arc::ptr_eq(&entry.plugin, &job.plugin));
        let interval = job.plugin.interval.unwrap_or_default();
        let before = entry.as_ref().and_then(|entry| entry.last.as_ref());
        let sample = run.sample(name, before, interval);
        if let Some(entry) = entry
            && job.plugin.interval.is_some()
        {
            entry.last = Some(run);
        }
        sample.write_to(&mut state.text, self.address());
    }
}

/// The first of these names, and how many there are beside them.
fn listed(names: &[String]) -> String {
    match names.split_at_checked(MAX_LISTED) {
        None if names.is_empty() => "none".to_owned(),
        None | Some((_, [])) => names.join(", "),
        Some((first, others)) => format!("{} and {} more", first.join(", "), others.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    /// Long enough for any machine: it only ends a hang.
    const LONG: Duration = Duration::from_secs(120);

    /// A directory of definitions and the plugins of it.
    struct Bench {
        directory: tempfile::TempDir,
        plugins: Plugins,
        late: Receiver<String>,
        stop: Stop,
    }

    impl Bench {
        /// Each definition is a name and what its table says; `DIR` is the directory.
        fn new(definitions: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            define(directory.path(), definitions);
            let (sender, late) = channel();
            let stop = Stop::default();
            let plugins = Plugins::new(Setup {
                directory: Some(directory.path().to_owned()),
                tick: Duration::from_secs(60),
                address: None,
                stop: stop.clone(),
                late: Box::new(move |payload| sender.send(payload.lines).unwrap()),
            });
            assert_eq!(plugins.faults(), Vec::<String>::new());
            Self { directory, plugins, late, stop }
        }

        fn tick(&self, time: u64) -> String {
            self.plugins.begin(time);
            self.plugins.finished(LONG)
        }

        fn touch(&self, name: &str) {
            std::fs::write(self.directory.path().join(name), "").unwrap();
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            self.stop.set();
            self.plugins.wait_for_end(LONG);
        }
    }

    fn define(directory: &Path, definitions: &[(&str, &str)]) {
        let text: String = definitions
            .iter()
            .map(|(name, says)| format!("[plugin.metrics.{name}]\n{says}\n"))
            .collect();
        let text = text.replace("DIR", directory.to_str().unwrap());
        std::fs::write(directory.join("plugins.toml"), text).unwrap();
    }

    #[test]
    fn keys_get_the_plugins_name_and_a_failure_is_a_warning_that_stops_no_other() {
        let bench = Bench::new(&[
            ("bad", r#"command = "echo 'a\t1'; echo 'no such\nhost' >&2; exit 3""#),
            ("good", r#"command = "printf 'a\t1\nb 2\n'""#),
        ]);
        let text = bench.tick(99);
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "bad.warn.command\texit status 3: no such host\t99",
                "good.metrics.a.gauge\t1\t99",
                "good.warn.command\tline 2: 'b 2' must be key TAB value [TAB unixtime]\t99",
            ]
        );
    }

    #[test]
    fn what_takes_long_holds_nothing_back_and_comes_with_the_time_of_its_tick() {
        let bench = Bench::new(&[
            ("quick", r#"command = "echo 'a\t1'; touch DIR/quick""#),
            ("slow", r#"command = "while ! test -e DIR/go; do sleep 0.01; done; echo 'a\t2'""#),
        ]);
        bench.plugins.begin(60);
        let mut text = String::new();
        while !text.contains("quick.") {
            text.push_str(&bench.plugins.finished(Duration::from_millis(10)));
        }
        assert_eq!(text, "quick.metrics.a.gauge\t1\t60\n");
        bench.touch("go");
        assert_eq!(bench.late.recv_timeout(LONG).unwrap(), "slow.metrics.a.gauge\t2\t60\n");
    }

    #[test]
    fn one_that_still_runs_at_the_next_tick_is_not_started_again() {
        let bench = Bench::new(&[(
            "slow",
            r#"command = "echo >> DIR/runs; while ! test -e DIR/go; do sleep 0.01; done; echo 'a\t2'""#,
        )]);
        let now = crate::agent::now().as_secs();
        for time in [now - 60, now] {
            bench.plugins.begin(time);
            let text = bench.plugins.finished(Duration::ZERO);
            assert_eq!(text.contains("left out"), time == now, "{text}");
        }
        bench.touch("go");
        // It is of a time behind the tick that it ran past.
        let text = bench.late.recv_timeout(LONG).unwrap();
        let time = text.trim_end().rsplit_once('\t').unwrap().1.parse::<u64>().unwrap();
        assert!(time > now, "{text}");
        let runs = std::fs::read_to_string(bench.directory.path().join("runs")).unwrap();
        assert_eq!(runs.lines().count(), 1);
    }

    #[test]
    fn a_plugin_with_an_interval_runs_once_in_it_and_its_output_is_sent_at_each_tick() {
        let bench = Bench::new(&[(
            "p",
            r#"command = "echo >> DIR/runs; wc -l < DIR/runs | sed 's/^/n\t/'"
            interval = 5"#,
        )]);
        let values: Vec<_> = (0..21)
            .map(|minute| {
                let time = 1_700_000_000 + minute * 60;
                let text = bench.tick(time);
                let columns: Vec<_> = text.trim_end().split('\t').collect();
                let ["p.metrics.n.gauge", value, at] = columns[..] else { panic!("{text}") };
                assert_eq!(at, time.to_string());
                value.parse::<usize>().unwrap()
            })
            .collect();
        // The first period may be cut short by the first run, which is at once.
        assert_eq!(values.first(), Some(&1));
        for value in 2..=4 {
            assert_eq!(values.iter().filter(|of| **of == value).count(), 5, "{values:?}");
        }
    }

    #[test]
    fn plugins_of_one_interval_run_at_different_ticks() {
        let mut at = [0; 5];
        for name in 0..100 {
            let plugin = Plugin {
                interval: Some(Duration::from_secs(300)),
                ..super::super::plugin_for_tests(&format!("p{name}"), "x")
            };
            let entry = Entry::new(plugin);
            let begins = (1..=5).filter(|minute| {
                entry.period_at(minute * 60) != entry.period_at((minute - 1) * 60)
            });
            for minute in begins {
                at[usize::try_from(minute - 1).unwrap()] += 1;
            }
        }
        assert_eq!(at.iter().sum::<i32>(), 100);
        assert!(at.iter().all(|count| *count > 5), "{at:?}");
    }

    #[test]
    fn a_bounded_number_runs_at_once_and_all_have_their_turn() {
        // Each says how many there are while it runs.
        let names: Vec<_> = (0..MAX_AT_ONCE + 8).map(|number| format!("p{number}")).collect();
        let says = r#"command = "mkdir -p DIR/on; touch DIR/on/$$; sleep 0.3; ls DIR/on | wc -l | sed 's/^/n\t/'; rm DIR/on/$$""#;
        let definitions: Vec<_> = names.iter().map(|name| (name.as_str(), says)).collect();
        let bench = Bench::new(&definitions);
        let text = bench.tick(60);
        let counts: Vec<usize> = text
            .lines()
            .map(|line| line.split('\t').nth(1).unwrap().trim().parse().unwrap())
            .collect();
        assert_eq!(counts.len(), names.len());
        assert!(counts.iter().all(|count| (1..=MAX_AT_ONCE).contains(count)), "{counts:?}");
    }

    #[test]
    fn reading_again_keeps_what_is_known_of_plugins_that_have_not_changed() {
        let says = |text: &str| {
            format!("command = \"echo >> DIR/runs-{text}; echo 'a\\t1'\"\ninterval = 1440")
        };
        let (same, old, new) = (says("same"), says("old"), says("new"));
        let bench = Bench::new(&[("same", &same), ("changed", &old), ("gone", "command = 'true'")]);
        let runs = |name: &str| {
            std::fs::read_to_string(bench.directory.path().join(format!("runs-{name}")))
                .map_or(0, |text| text.lines().count())
        };
        bench.tick(60);
        define(bench.directory.path(), &[("same", &same), ("changed", &new), ("added", &new)]);
        bench.plugins.reload();
        let text = bench.tick(120);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!((runs("same"), runs("old"), runs("new")), (1, 1, 2));
    }

    #[test]
    fn a_directory_that_can_not_be_read_again_leaves_the_plugins_as_they_are() {
        let bench = Bench::new(&[("p", r#"command = "echo 'a\t1'""#)]);
        let moved = bench.directory.path().with_extension("moved");
        std::fs::rename(bench.directory.path(), &moved).unwrap();
        bench.plugins.reload();
        assert_eq!(bench.tick(60), "p.metrics.a.gauge\t1\t60\n");
        assert!(bench.plugins.faults()[0].contains("the plugins stay as they are"));
        std::fs::rename(&moved, bench.directory.path()).unwrap();
        bench.plugins.reload();
        assert!(bench.plugins.faults().is_empty());
    }

    #[test]
    fn a_list_of_names_has_an_end() {
        let names: Vec<_> = (0..MAX_LISTED + 2).map(|name| name.to_string()).collect();
        assert_eq!(listed(&[]), "none");
        assert!(listed(&names[..MAX_LISTED]).ends_with(", 19"));
        assert!(listed(&names).ends_with(", 19 and 2 more"));
    }

    #[test]
    fn a_stop_ends_what_runs_and_hands_nothing_over() {
        let bench = Bench::new(&[("p", "command = 'sleep 600'\ntimeout = 50")]);
        bench.plugins.begin(60);
        bench.stop.set();
        bench.plugins.wait_for_end(LONG);
        assert_eq!(bench.plugins.0.lock().threads, 0);
        assert!(bench.late.try_recv().is_err());
    }
}
