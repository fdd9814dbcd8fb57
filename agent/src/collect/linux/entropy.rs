//! Bits of entropy that the kernel has for random numbers. Since 5.18 always 256.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/sys/kernel/random/entropy_avail";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    sample.gauge("entropy", number(PATH, Some(machine.read(PATH)?.trim()))?);
    Ok(())
}
