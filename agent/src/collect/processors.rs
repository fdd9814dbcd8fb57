//! How many processors are online.

use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const PATH: &str = "/proc/cpuinfo";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let count = text
        .lines()
        .filter(|line| {
            line.strip_prefix("processor").is_some_and(|rest| rest.trim_start().starts_with(':'))
        })
        .count();
    if count == 0 {
        return Err(ReadError::content(PATH, "no line 'processor'"));
    }
    sample.gauge("processors", count);
    Ok(())
}
