//! Seconds since boot.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/uptime";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let seconds = number(PATH, text.split(['.', ' ', '\n']).next())?;
    sample.meta("uptime", &seconds.to_string());
    Ok(())
}
