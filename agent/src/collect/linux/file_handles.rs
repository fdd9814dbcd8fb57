//! Open files of the whole machine, and how many there may be.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/sys/fs/file-nr";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let mut words = text.split_ascii_whitespace();
    let allocated = number(PATH, words.next())?;
    let free = number(PATH, words.next())?;
    sample.gauge("file-handles", allocated.saturating_sub(free));
    // No series: newer kernels say 2^63, which no graph can show beside the rest.
    sample.meta("file-handles-max", &number(PATH, words.next())?.to_string());
    Ok(())
}
