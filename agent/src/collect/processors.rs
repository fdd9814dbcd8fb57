//! How many processors are online.
//!
//! `/proc/stat` has a line for each, as `/proc/cpuinfo` has, which is the slower the more there are: on some
//! kernels it measures the frequency of each one. It is read only where the other does not say.

use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const STAT: &str = "/proc/stat";
const CPUINFO: &str = "/proc/cpuinfo";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    sample.gauge("processors", count(machine)?);
    Ok(())
}

/// How many are online, at least one.
pub fn count(machine: &Machine) -> Result<usize, ReadError> {
    let stat = machine.read_shared(STAT).map_or(0, |text| text.lines().filter(is_cpu).count());
    if stat > 0 {
        return Ok(stat);
    }
    let text = machine.read_shared(CPUINFO)?;
    let count = text
        .lines()
        .filter(|line| {
            line.strip_prefix("processor").is_some_and(|rest| rest.trim_start().starts_with(':'))
        })
        .count();
    if count == 0 {
        return Err(ReadError::content(CPUINFO, "no line 'processor'"));
    }
    Ok(count)
}

/// Whether a line is one of `cpu0`, `cpu1` and so on.
fn is_cpu(line: &&str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
