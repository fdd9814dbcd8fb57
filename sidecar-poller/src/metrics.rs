//! What the poller counts of itself, for the plugin `kurado` and as Prometheus text.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use line_protocol::DataSourceType::Gauge;

use crate::fetch::Report;
use crate::push::Waiting;

/// Past it a schedule that was not looked at is one that stands still.
const STANDSTILL: Duration = Duration::from_secs(90);

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// How many targets there are.
    pub targets: Number,
    /// Fetches that brought numbers.
    pub fetched: Number,
    /// Fetches that failed.
    pub failed: Number,
    /// Fetches that were left out, as the one before had not ended or the program stood still.
    pub overruns: Number,
    /// How often the configuration was read anew and taken.
    pub reloads: Number,
    /// How often it had a new fault instead.
    pub reload_faults: Number,
    /// 1 while its files have a fault and the one before holds.
    pub is_faulty: Number,
    /// 1 while another poller fetches and this one stands by.
    pub is_standby: Number,
    /// 1 while `data_dir` is not that of Redis.
    pub is_data_dir_wrong: Number,
    looked: Mutex<Option<Instant>>,
    durations: Mutex<Durations>,
}

/// A number that several tasks change.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long fetches took.
#[derive(Debug, Default, Clone, Copy)]
struct Durations {
    /// Of all since the start.
    sum: Duration,
    /// The longest one of this minute, and of the one before.
    longest: Duration,
    longest_before: Duration,
}

/// All numbers at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot {
    targets: u64,
    fetched: u64,
    failed: u64,
    overruns: u64,
    reloads: u64,
    reload_faults: u64,
    is_faulty: u64,
    is_standby: u64,
    is_data_dir_wrong: u64,
    stands_still: Option<Duration>,
    durations: Durations,
    waiting: Waiting,
}

impl Metrics {
    /// Notes how long a fetch took.
    pub fn took(&self, duration: Duration) {
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        durations.sum += duration;
        durations.longest = durations.longest.max(duration);
    }

    /// Notes that the schedule was looked at: it must be, whether something is due or not.
    pub fn looked(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Ends the minute of which the longest fetch is told.
    pub fn end_minute(&self) {
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        durations.longest_before = std::mem::take(&mut durations.longest);
    }

    /// All numbers, and what is said of the lines that wait.
    #[must_use]
    pub fn snapshot(&self, waiting: Waiting) -> Snapshot {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            targets: self.targets.get(),
            fetched: self.fetched.get(),
            failed: self.failed.get(),
            overruns: self.overruns.get(),
            reloads: self.reloads.get(),
            reload_faults: self.reload_faults.get(),
            is_faulty: self.is_faulty.get(),
            is_standby: self.is_standby.get(),
            is_data_dir_wrong: self.is_data_dir_wrong.get(),
            stands_still: looked.map(|looked| looked.elapsed()).filter(|past| *past > STANDSTILL),
            durations: *self.durations.lock().unwrap_or_else(PoisonError::into_inner),
            waiting,
        }
    }
}

impl Snapshot {
    /// The report of the plugin `kurado`; counts are those since the snapshot of a minute before,
    /// and are left out where there is none.
    #[must_use]
    pub fn report(&self, before: Option<&Self>) -> Report {
        let mut report = Report::default();
        let mut gauge = |name: &str, value: &str| report.metric(name, Gauge, value);
        gauge("targets", &self.targets.to_string());
        gauge("push-lag", &seconds(self.waiting.lag));
        gauge("waiting-bytes", &self.waiting.bytes.to_string());
        let Some(before) = before else { return report };
        for (name, now, before) in [
            ("fetches", self.fetched, before.fetched),
            ("fetches-failed", self.failed, before.failed),
            ("overruns", self.overruns, before.overruns),
            ("lines-pushed", self.waiting.pushed, before.waiting.pushed),
            ("lines-lost", self.waiting.lost, before.waiting.lost),
            ("reloads", self.reloads, before.reloads),
            ("reload-faults", self.reload_faults, before.reload_faults),
        ] {
            gauge(name, &now.saturating_sub(before).to_string());
        }
        let ended = self.ended().saturating_sub(before.ended());
        let took = self.durations.sum.saturating_sub(before.durations.sum);
        if ended > 0 {
            gauge("duration-mean", &format!("{:.6}", took.as_secs_f64() / ended as f64));
            gauge("duration-max", &seconds(self.durations.longest_before));
        }
        report
    }

    /// Whether it does what it should: `Ok` with what that is, or what is wrong.
    ///
    /// # Errors
    /// Where the schedule stands still. What is wrong elsewhere, such as Redis being away, is told by
    /// numbers: to start this program anew would lose the lines that it keeps.
    pub fn health(&self) -> Result<&'static str, String> {
        match self.stands_still {
            Some(past) => Err(format!("the schedule stands still for {} s", past.as_secs())),
            None if self.is_standby == 1 => Ok("standby"),
            None => Ok("ok"),
        }
    }

    fn ended(&self) -> u64 {
        self.fetched + self.failed
    }

    /// As Prometheus reads it (text format 0.0.4).
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(&str, String)]| {
            // Writing to a String can't fail.
            let _ = writeln!(text, "# HELP kurado_poller_{name} {help}");
            let _ = writeln!(text, "# TYPE kurado_poller_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "kurado_poller_{name}{labels} {value}");
            }
        };
        let durations = &self.durations;
        family("targets", "gauge", "Plugins of hosts that are fetched.", &one(self.targets));
        family(
            "fetches_total",
            "counter",
            "Fetches that ended.",
            &[
                ("{result=\"ok\"}", self.fetched.to_string()),
                ("{result=\"failed\"}", self.failed.to_string()),
            ],
        );
        family(
            "overruns_total",
            "counter",
            "Fetches left out, as the one before had not ended or the program stood still.",
            &one(self.overruns),
        );
        family(
            "fetch_duration_seconds",
            "summary",
            "How long fetches took.",
            &[("_sum", seconds(durations.sum)), ("_count", self.ended().to_string())],
        );
        family(
            "fetch_duration_max_seconds",
            "gauge",
            "The longest fetch of the last whole minute.",
            &[("", seconds(durations.longest_before))],
        );
        family(
            "lines_pushed_total",
            "counter",
            "Lines that Redis has accepted.",
            &one(self.waiting.pushed),
        );
        family(
            "lines_lost_total",
            "counter",
            "Lines that Redis has refused, or that were dropped while it was away.",
            &one(self.waiting.lost),
        );
        family(
            "push_lag_seconds",
            "gauge",
            "Age of the oldest line that waits for Redis.",
            &[("", seconds(self.waiting.lag))],
        );
        family(
            "waiting_bytes",
            "gauge",
            "Lines that wait for Redis.",
            &one(self.waiting.bytes as u64),
        );
        family(
            "reloads_total",
            "counter",
            "Times that the configuration was read anew and taken.",
            &one(self.reloads),
        );
        family(
            "reload_faults_total",
            "counter",
            "New faults that were found in the configuration.",
            &one(self.reload_faults),
        );
        family(
            "configuration_faulty",
            "gauge",
            "1 while the files have a fault and the configuration of before holds.",
            &one(self.is_faulty),
        );
        family(
            "standby",
            "gauge",
            "1 while another poller feeds this Redis and this one stands by.",
            &one(self.is_standby),
        );
        family(
            "data_dir_wrong",
            "gauge",
            "1 while data_dir of the configuration is not the directory of Redis.",
            &one(self.is_data_dir_wrong),
        );
        text
    }
}

fn one(value: u64) -> [(&'static str, String); 1] {
    [("", value.to_string())]
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Identifier;
    use site::graph::sources;
    use site::{Definitions, Meta};

    fn metrics() -> Metrics {
        let metrics = Metrics::default();
        metrics.targets.set(3);
        metrics.fetched.add(5);
        metrics.failed.add(1);
        metrics.took(Duration::from_millis(1500));
        metrics
    }

    fn lines(report: &Report) -> Vec<String> {
        let kurado = Identifier::parse("kurado").unwrap();
        let lines = report.lines("h", &kurado, 5);
        lines.lines().map(|line| line.replace("h\tkurado.metrics.", "")).collect()
    }

    #[test]
    fn counts_of_the_plugin_are_those_of_the_minute() {
        let metrics = metrics();
        let before = metrics.snapshot(Waiting { pushed: 100, ..Waiting::default() });
        metrics.fetched.add(3);
        metrics.failed.add(1);
        metrics.overruns.add(2);
        metrics.took(Duration::from_millis(100));
        metrics.took(Duration::from_millis(500));
        metrics.end_minute();
        let waiting = Waiting { bytes: 7, lag: Duration::from_millis(2500), pushed: 130, lost: 4 };
        let report = metrics.snapshot(waiting).report(Some(&before));
        assert_eq!(
            lines(&report),
            [
                "targets.gauge\t3\t5",
                "push-lag.gauge\t2.500\t5",
                "waiting-bytes.gauge\t7\t5",
                "fetches.gauge\t3\t5",
                "fetches-failed.gauge\t1\t5",
                "overruns.gauge\t2\t5",
                "lines-pushed.gauge\t30\t5",
                "lines-lost.gauge\t4\t5",
                "reloads.gauge\t0\t5",
                "reload-faults.gauge\t0\t5",
                "duration-mean.gauge\t0.150000\t5",
                "duration-max.gauge\t1.500\t5",
            ]
        );
    }

    #[test]
    fn each_key_that_the_definition_draws_is_reported() {
        let metrics = metrics();
        let before = Metrics::default().snapshot(Waiting::default());
        let reported = lines(&metrics.snapshot(Waiting::default()).report(Some(&before)));
        let definitions = Definitions::load(&[]).unwrap();
        let definition = definitions.get("kurado").unwrap();
        let (kurado, meta) = (Identifier::parse("kurado").unwrap(), Meta::new());
        let mut drawn = Vec::new();
        for graph in definition.groups(&kurado, &meta).iter().flat_map(|group| &group.graphs) {
            let graph = definition.graph(&kurado, graph, &meta).unwrap();
            drawn.extend(sources(&graph, ("h", &kurado)).unwrap());
        }
        assert!(drawn.len() >= reported.len());
        for key in drawn.iter().map(|source| &source.key) {
            assert!(reported.iter().any(|line| line.starts_with(&format!("{key}\t"))), "{key}");
        }
    }

    #[test]
    fn at_the_start_there_are_no_counts_of_a_minute() {
        let report = metrics().snapshot(Waiting::default()).report(None);
        assert_eq!(
            lines(&report),
            ["targets.gauge\t3\t5", "push-lag.gauge\t0.000\t5", "waiting-bytes.gauge\t0\t5"]
        );
    }

    #[test]
    fn the_longest_fetch_is_that_of_the_last_whole_minute() {
        let metrics = metrics();
        let longest = || metrics.snapshot(Waiting::default()).durations.longest_before;
        assert_eq!(longest(), Duration::ZERO);
        metrics.end_minute();
        assert_eq!(longest(), Duration::from_millis(1500));
        metrics.end_minute();
        assert_eq!(longest(), Duration::ZERO);
    }

    #[test]
    fn health_is_that_the_schedule_goes_on() {
        let metrics = metrics();
        let mut snapshot = metrics.snapshot(Waiting::default());
        assert_eq!(snapshot.health(), Ok("ok"));
        metrics.looked();
        metrics.is_standby.set(1);
        snapshot = metrics.snapshot(Waiting::default());
        assert_eq!(snapshot.health(), Ok("standby"));
        snapshot.stands_still = Some(Duration::from_secs(100));
        assert_eq!(snapshot.health(), Err("the schedule stands still for 100 s".to_owned()));
    }

    #[test]
    fn each_number_is_a_family_of_prometheus() {
        let text = metrics().snapshot(Waiting::default()).prometheus();
        for line in [
            "# TYPE kurado_poller_fetches_total counter",
            "kurado_poller_fetches_total{result=\"ok\"} 5",
            "kurado_poller_fetches_total{result=\"failed\"} 1",
            "kurado_poller_targets 3",
            "kurado_poller_fetch_duration_seconds_sum 1.500",
            "kurado_poller_fetch_duration_seconds_count 6",
            "kurado_poller_push_lag_seconds 0.000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let mut families = std::collections::BTreeSet::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            assert!(families.insert(line.split(' ').next().unwrap()), "{line}");
        }
    }
}
