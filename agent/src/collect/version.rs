//! The kernel's own line about itself.

use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const PATH: &str = "/proc/version";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(ReadError::content(PATH, "is empty"));
    }
    sample.meta("version", line);
    Ok(())
}
