//! Metrics from commands of the operator's own.

mod command;
mod conf_d;

pub use conf_d::{ConfD, Plugin};

use line_protocol::output::parse_output;

use crate::sample::Sample;
use crate::stop::Stop;
use command::Limits;

/// What a failed command or a line that it printed shows up as: `NAME.warn.command`.
const WARNING: &str = "command";

/// Runs the commands side by side, and reads what they print. `time` is that of lines which bring none.
pub fn run_all(plugins: &[Plugin], time: u64, stop: &Stop) -> Vec<Sample> {
    std::thread::scope(|scope| {
        let runs: Vec<_> = plugins
            .iter()
            .map(|plugin| {
                let run = std::thread::Builder::new()
                    .stack_size(256 * 1024)
                    .spawn_scoped(scope, move || run_one(plugin, time, stop));
                (plugin, run)
            })
            .collect();
        runs.into_iter()
            .map(|(plugin, run)| match run.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(sample)) => sample,
                Ok(Err(_)) => failed(plugin, time, "reading what it printed failed"),
                Err(error) => failed(plugin, time, &format!("cannot start a thread: {error}")),
            })
            .collect()
    })
}

fn run_one(plugin: &Plugin, time: u64, stop: &Stop) -> Sample {
    match command::run(&plugin.command, &Limits::default(), stop) {
        Ok(output) => read(plugin, &output, time),
        Err(failure) => failed(plugin, time, &failure.to_string()),
    }
}

/// Takes what a command printed, line by line; a bad line costs that line and is told in a warning.
fn read(plugin: &Plugin, output: &str, time: u64) -> Sample {
    let mut sample = Sample::new(&plugin.name, time);
    let now = time.to_string();
    let mut bad_lines = 0;
    let mut first_fault = String::new();
    for (index, line) in output.lines().enumerate() {
        let taken = match parse_output(line, &now) {
            Ok(None) => Ok(()),
            Ok(Some(output)) => sample.printed(&output.key, output.value, output.time),
            Err(fault) => Err(fault.to_string()),
        };
        if let Err(fault) = taken {
            if bad_lines == 0 {
                first_fault = format!("line {}: {fault}", index + 1);
            }
            bad_lines += 1;
        }
    }
    match bad_lines {
        0 => {}
        1 => sample.warn(WARNING, &first_fault),
        _ => sample.warn(WARNING, &format!("{bad_lines} bad lines; {first_fault}")),
    }
    sample
}

fn failed(plugin: &Plugin, time: u64, why: &str) -> Sample {
    let mut sample = Sample::new(&plugin.name, time);
    sample.warn(WARNING, why);
    sample
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn plugin(name: &str, command: &str) -> Plugin {
        Plugin { name: name.to_owned(), command: command.to_owned() }
    }

    fn lines(samples: Vec<Sample>) -> String {
        let mut out = String::new();
        for sample in samples {
            sample.write_to(&mut out, None);
        }
        out
    }

    #[test]
    fn keys_get_the_plugins_name_a_type_and_a_time() {
        let plugins = [plugin(
            "process",
            r"printf 'fork.derive\t39234\t1404871619\n# said aside\nzombies\t2\nmeta.os\tLinux\nwarn.full\tdisk full\n'",
        )];
        assert_eq!(
            lines(run_all(&plugins, 99, &Stop::default())),
            "process.metrics.fork.derive\t39234\t1404871619\n\
             process.metrics.zombies.gauge\t2\t99\n\
             process.meta.os\tLinux\t99\n\
             process.warn.full\tdisk full\t99\n"
        );
    }

    #[test]
    fn a_bad_line_costs_that_line_and_is_told() {
        let plugins = [plugin("p", r"printf 'a\t1\nb 2\nc\tx\nd\t4\n'")];
        assert_eq!(
            lines(run_all(&plugins, 99, &Stop::default())),
            "p.metrics.a.gauge\t1\t99\np.metrics.d.gauge\t4\t99\n\
             p.warn.command\t2 bad lines; line 2: 'b 2' must be key TAB value [TAB unixtime]\t99\n"
        );
    }

    #[test]
    fn a_failing_command_is_a_warning_with_what_it_said_and_stops_no_other() {
        let plugins = [
            plugin("bad", "echo 'a\t1'; echo 'no such\nhost' >&2; exit 3"),
            plugin("good", "echo 'a\t1'"),
        ];
        assert_eq!(
            lines(run_all(&plugins, 99, &Stop::default())),
            "bad.warn.command\texit status 3: no such host\t99\ngood.metrics.a.gauge\t1\t99\n"
        );
    }

    #[test]
    fn commands_run_side_by_side() {
        let plugins: Vec<_> = (0..8).map(|_| plugin("p", "sleep 1")).collect();
        let started = Instant::now();
        run_all(&plugins, 99, &Stop::default());
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
