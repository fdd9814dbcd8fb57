//! Processes and threads, and what the scheduler counts.

use crate::collect::{loadavg, named};
use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/stat";

/// Above so many threads processes are not counted: `/proc` has a directory for each, and to list it takes
/// the kernel 1 µs of them.
const MAX_THREADS: u64 = 20_000;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let threads = threads(&machine.read_shared(loadavg::PATH)?)?;
    sample.gauge("threads", threads);
    if threads <= MAX_THREADS {
        let names = machine.names("/proc")?;
        let is_process = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
        sample.gauge("processes", names.iter().filter(is_process).count());
    }
    let text = machine.read_shared(PATH)?;
    for (key, name) in
        [("context-switches", "ctxt"), ("interrupts", "intr"), ("forks", "processes")]
    {
        sample.derive(key, named::required(PATH, &text, name)?);
    }
    for (key, name) in
        [("processes-running", "procs_running"), ("processes-blocked", "procs_blocked")]
    {
        sample.gauge(key, named::required(PATH, &text, name)?);
    }
    Ok(())
}

/// In `0.01 0.06 0.02 1/84 5258`, 84.
fn threads(loadavg: &str) -> Result<u64, ReadError> {
    let pair = loadavg.split_ascii_whitespace().nth(3).and_then(|pair| pair.split_once('/'));
    number(loadavg::PATH, pair.map(|(_, threads)| threads))
}
