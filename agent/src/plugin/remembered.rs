//! What a plugin with an interval of its own sends at the ticks between its runs, and behind them.
//!
//! Series are kept with a heartbeat of 120 s: where nothing comes for longer, they are unknown. So
//! gauges, meta and warnings are sent again at each tick. A counter sent again would be a rate of
//! zero, and at the next run a peak of so many times the true rate. Its rate is known at the next
//! run only: then the minutes between are filled in, by a straight line. That is what an RRD with a
//! heartbeat as long as the interval makes of the same two readings, value by value.

use std::collections::HashMap;
use std::time::Duration;

use line_protocol::{DataSourceType, Value};

use super::output::Line;
use crate::sample::Sample;

/// From one point that is filled in to the next, in seconds: the step of all series.
const STEP: u64 = 60;

/// Most that is filled in behind one run, in bytes.
const MAX_FILLED: usize = 2 * 1024 * 1024;

/// What a filled line has besides its key and its plugin's name, in bytes, at most.
const LINE_OVERHEAD: usize = 320;

/// What one run gave.
pub struct Remembered {
    /// The time of all lines which bring none of their own, in seconds since 1970.
    pub time: u64,
    /// What was printed; none after a failure.
    pub lines: Vec<Line>,
    /// Why the command failed, or which lines were not understood.
    pub warning: Option<String>,
}

impl Remembered {
    /// What the run sends. Where the run before was not long ago, counters are filled in from there.
    pub fn sample(&self, plugin: &str, before: Option<&Self>, interval: Duration) -> Sample {
        let mut sample = Sample::new(plugin, self.time);
        let filled = before.filter(|before| {
            let passed = self.time.saturating_sub(before.time);
            passed > 0 && passed <= interval.as_secs() * 2
        });
        let filled = filled.map(|before| Filled::new(plugin, before, self));
        for line in &self.lines {
            let is_filled =
                filled.as_ref().is_some_and(|filled| filled.add(line, self.time, &mut sample));
            if !is_filled {
                add(line, self.time, &mut sample);
            }
        }
        if filled.is_some_and(|filled| filled.is_too_much) {
            sample.warn(
                "interval",
                &format!(
                    "counters are left unknown: more than {MAX_FILLED} bytes would fill the interval in"
                ),
            );
        }
        self.warn(&mut sample);
        sample
    }

    /// What is sent at a tick between two runs.
    pub fn repeated(&self, plugin: &str, interval: Duration, time: u64) -> Sample {
        let mut sample = Sample::new(plugin, time);
        for line in self.lines.iter().filter(|line| line.time.is_none() && !grows(line)) {
            add(line, time, &mut sample);
        }
        self.warn(&mut sample);
        if sample.is_empty() && !self.lines.is_empty() {
            // A plugin that is not heard of for 300 s is shown as one that fails.
            sample.meta("interval", &format!("{} min", interval.as_secs() / 60));
        }
        sample
    }

    fn warn(&self, sample: &mut Sample) {
        if let Some(warning) = &self.warning {
            sample.warn(super::WARNING, warning);
        }
    }
}

/// Adds a line that was understood: it is so again, whatever the time.
fn add(line: &Line, time: u64, sample: &mut Sample) {
    let _ = line.add_to(sample, time);
}

/// Whether a line is of a series in which a value sent twice is wrong.
fn grows(line: &Line) -> bool {
    line.data_source_type().is_some_and(|of| of != DataSourceType::Gauge)
}

/// The counters of the run before, and when it was.
struct Filled<'a> {
    time: u64,
    before: HashMap<&'a str, Value>,
    is_too_much: bool,
}

impl<'a> Filled<'a> {
    fn new(plugin: &str, before: &'a Remembered, now: &Remembered) -> Self {
        let counters = before.lines.iter().filter(|line| line.time.is_none() && grows(line));
        let values: HashMap<_, _> =
            counters.filter_map(|line| Some((line.key.as_str(), value(line)?))).collect();
        let line_bytes: usize =
            values.keys().map(|key| key.len() + plugin.len() + LINE_OVERHEAD).sum();
        let steps = usize::try_from((now.time - before.time) / STEP).unwrap_or(usize::MAX);
        let is_too_much = line_bytes.saturating_mul(steps) > MAX_FILLED;
        let values = if is_too_much { HashMap::new() } else { values };
        Self { time: before.time, before: values, is_too_much }
    }

    /// Adds a line and what fills the time before it; whether it did.
    fn add(&self, line: &Line, time: u64, sample: &mut Sample) -> bool {
        let (Some(before), Some(now), None) =
            (self.before.get(line.key.as_str()), value(line), &line.time)
        else {
            return false;
        };
        let passed = i128::from(time - self.time);
        // The value at a time between both, and since the point before it.
        let at = |then: u64, since: u64| -> Option<String> {
            let part = i128::from(then - self.time);
            Some(match (*before, now) {
                (Value::Signed(before), Value::Signed(now)) => {
                    let (before, now) = (i128::from(before), i128::from(now));
                    (before + (now - before) * part / passed).to_string()
                }
                // One that has gone back was set to zero, or is past its end: which, nobody knows.
                (Value::Unsigned(before), Value::Unsigned(now)) if before <= now => {
                    let (before, now) = (i128::from(before), i128::from(now));
                    (before + (now - before) * part / passed).to_string()
                }
                #[allow(clippy::cast_precision_loss)]
                (Value::Float(_), Value::Float(all)) => {
                    Value::Float(all * (then - since) as f64 / (time - self.time) as f64)
                        .to_string()
                }
                _ => return None,
            })
        };
        let mut since = self.time;
        loop {
            let then = (since + STEP).min(time);
            let Some(value) = at(then, since) else { return false };
            add(&Line { value, ..line.clone() }, then, sample);
            if then == time {
                return true;
            }
            since = then;
        }
    }
}

/// The number in a metric's line; `None` where it is unknown.
fn value(line: &Line) -> Option<Value> {
    let value = Value::parse(&line.value, line.data_source_type()?).ok()?;
    (value != Value::Unknown).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::output::Printed;
    use super::*;
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    fn run(time: u64, output: &str) -> Remembered {
        let printed = Printed::read("p", output.as_bytes());
        Remembered { time, warning: printed.warning(), lines: printed.lines }
    }

    fn text(sample: Sample) -> String {
        let mut out = String::new();
        sample.write_to(&mut out, None);
        out
    }

    #[test]
    fn between_runs_gauges_meta_and_warnings_are_sent_again_but_no_counter_and_no_own_time() {
        let run = run(
            1000,
            "g\t1\nown\t1\t990\nc.counter\t5\nd.derive\t5\na.absolute\t5\nmeta.m\tx\nwarn.w\ty\nbad\n",
        );
        assert_eq!(
            text(run.repeated("p", INTERVAL, 1060)),
            "p.metrics.g.gauge\t1\t1060\np.meta.m\tx\t1060\n\
             p.warn.command\tline 8: 'bad' must be key TAB value [TAB unixtime]\t1060\np.warn.w\ty\t1060\n"
        );
    }

    #[test]
    fn a_plugin_of_counters_alone_says_its_interval_so_that_it_is_heard_of() {
        assert_eq!(
            text(run(1000, "d.derive\t5\n").repeated("p", INTERVAL, 1060)),
            "p.meta.interval\t5 min\t1060\n"
        );
        assert_eq!(text(run(1000, "").repeated("p", INTERVAL, 1060)), "");
    }

    #[test]
    fn a_counter_is_filled_in_by_a_straight_line() {
        let before = run(1000, "d.derive\t10\nc.counter\t0\ng\t1\n");
        let now = run(1200, "d.derive\t-10\nc.counter\t7\ng\t2\n");
        assert_eq!(
            text(now.sample("p", Some(&before), INTERVAL)),
            "p.metrics.c.counter\t2\t1060\np.metrics.c.counter\t4\t1120\n\
             p.metrics.c.counter\t6\t1180\np.metrics.c.counter\t7\t1200\n\
             p.metrics.d.derive\t4\t1060\np.metrics.d.derive\t-2\t1120\n\
             p.metrics.d.derive\t-8\t1180\np.metrics.d.derive\t-10\t1200\n\
             p.metrics.g.gauge\t2\t1200\n"
        );
    }

    /// The rates of each minute that `rrdtool` has of a counter's points.
    fn rates(heartbeat: u64, points: &[(u64, u64)]) -> Vec<f64> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("n.rrd").into_os_string().into_string().unwrap();
        let rrdtool = |arguments: &[&str]| {
            let output = std::process::Command::new("rrdtool").args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let (start, end) = (points[0].0, points[points.len() - 1].0);
        let before = (start - 60).to_string();
        let source = format!("DS:n:COUNTER:{heartbeat}:U:U");
        rrdtool(&[
            "create",
            &file,
            "--start",
            &before,
            "--step",
            "60",
            &source,
            "RRA:AVERAGE:0.5:1:100",
        ]);
        for (time, value) in points {
            rrdtool(&["update", &file, &format!("{time}:{value}")]);
        }
        let (start, end) = (start.to_string(), (end - 1).to_string());
        let text = rrdtool(&["fetch", &file, "AVERAGE", "-s", &start, "-e", &end]);
        let rates = text.lines().filter_map(|line| line.split_once(": ")?.1.parse().ok());
        rates.collect()
    }

    #[test]
    fn what_is_filled_in_is_what_an_rrd_with_so_long_a_heartbeat_makes_of_it() {
        let readings: Vec<_> = [7, 3007, 3007, 9999, 10_010]
            .into_iter()
            .zip((1_700_000_100..).step_by(300))
            .map(|(value, time)| (time, value))
            .collect();
        let mut filled = Vec::new();
        let mut before: Option<Remembered> = None;
        for (time, value) in &readings {
            let now = run(*time, &format!("c.counter\t{value}\n"));
            for line in text(now.sample("p", before.as_ref(), INTERVAL)).lines() {
                let mut columns = line.split('\t').skip(1).map(|column| column.parse().unwrap());
                let (value, time) = (columns.next().unwrap(), columns.next().unwrap());
                filled.push((time, value));
            }
            before = Some(now);
        }
        let (ours, theirs) = (rates(120, &filled), rates(600, &readings));
        assert_eq!((ours.len(), theirs.len()), (20, 20));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // Of a whole number, a part of one is left to the next minute.
            assert!((ours - theirs).abs() < 1.0 / 60.0 + 1e-9, "{ours} {theirs}");
        }
        assert!(rates(120, &readings).iter().all(|rate| rate.is_nan()));
    }

    #[test]
    fn an_absolute_is_shared_among_the_minutes() {
        let (before, now) = (run(1000, "a.absolute\t1\n"), run(1150, "a.absolute\t30\n"));
        assert_eq!(
            text(now.sample("p", Some(&before), INTERVAL)),
            "p.metrics.a.absolute\t12\t1060\np.metrics.a.absolute\t12\t1120\np.metrics.a.absolute\t6\t1150\n"
        );
    }

    #[test]
    fn what_is_not_known_is_not_filled_in() {
        let now = run(1300, "c.counter\t5\n");
        let alone = "p.metrics.c.counter\t5\t1300\n";
        for before in [
            run(1000, "c.counter\t6\n"),
            run(1000, "c.counter\tU\n"),
            run(1000, "c.counter\t1\t990\n"),
            run(1000, "d.derive\t1\n"),
            run(600, "c.counter\t1\n"),
            run(1300, "c.counter\t1\n"),
            run(2000, "c.counter\t1\n"),
        ] {
            assert_eq!(text(now.sample("p", Some(&before), INTERVAL)), alone);
        }
        assert_eq!(text(now.sample("p", None, INTERVAL)), alone);
    }

    #[test]
    fn more_than_the_bound_is_not_filled_in_and_told() {
        let output: String = (0..100).map(|n| format!("c{n}.derive\t1\n")).collect();
        let day = Duration::from_secs(86_400);
        let text = text(run(100_000, &output).sample("p", Some(&run(13_600, &output)), day));
        assert_eq!(text.lines().count(), 101);
        assert!(text.contains("p.warn.interval\tcounters are left unknown"));
    }

    proptest! {
        #[test]
        fn filled_values_go_from_the_one_to_the_other_in_steps_of_a_minute_at_most(
            before in any::<u64>(), more in any::<u64>(), start in 1u64..4_000_000_000, passed in 1u64..601,
        ) {
            let after = before.saturating_add(more);
            let one = run(start, &format!("c.counter\t{before}\n"));
            let other = run(start + passed, &format!("c.counter\t{after}\n"));
            let text = text(other.sample("p", Some(&one), INTERVAL));
            let mut last = (before, start);
            for line in text.lines() {
                let mut columns = line.split('\t').skip(1).map(|column| column.parse().unwrap());
                let point = (columns.next().unwrap(), columns.next().unwrap());
                prop_assert!(point.0 >= last.0 && point.1 > last.1 && point.1 - last.1 <= STEP);
                last = point;
            }
            prop_assert_eq!(last, (after, start + passed));
        }
    }
}
