//! The load average over one minute, a processor: 1 is one that always has something to do.

use crate::collect::{loadavg, processors};
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(loadavg::PATH)?;
    let load = text.split_ascii_whitespace().next().unwrap_or_default();
    let load: f64 =
        load.parse().ok().filter(|load| (0.0..1e9).contains(load)).ok_or_else(|| {
            ReadError::content(loadavg::PATH, format!("{load:?} must be a decimal number"))
        })?;
    let processors = u32::try_from(processors::count(machine)?).unwrap_or(u32::MAX);
    sample.gauge("load-per-core", format_args!("{:.3}", load / f64::from(processors)));
    Ok(())
}
