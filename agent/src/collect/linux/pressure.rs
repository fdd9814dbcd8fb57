//! Pressure stall information, kernels since 4.20, where it is on: microseconds since boot in which tasks waited for processor,
//! memory, disk or interrupts, some of them or all.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

/// `full` of the processor means nothing for a whole machine: the kernel says 0.
const KEYS: [(&str, &str, &str); 5] = [
    ("pressure-cpu-some", "/proc/pressure/cpu", "some"),
    ("pressure-memory-some", "/proc/pressure/memory", "some"),
    ("pressure-memory-full", "/proc/pressure/memory", "full"),
    ("pressure-io-some", "/proc/pressure/io", "some"),
    ("pressure-io-full", "/proc/pressure/io", "full"),
];

const IRQ: &str = "/proc/pressure/irq";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut fault = None;
    for (key, path, share) in KEYS {
        match machine.read_shared(path) {
            Ok(text) => match total(path, &text, share) {
                Ok(total) => sample.derive(key, total),
                Err(error) => fault = fault.or(Some(error)),
            },
            Err(error) if error.is_unsupported() => return Ok(()),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    sample.meta("has-pressure", "1");
    // Since 6.1, where the kernel accounts interrupts.
    match machine.read(IRQ) {
        Ok(text) => {
            sample.derive("pressure-irq-full", total(IRQ, &text, "full")?);
            sample.meta("has-pressure-irq", "1");
        }
        Err(error) if error.is_unsupported() => {}
        Err(error) => fault = fault.or(Some(error)),
    }
    fault.map_or(Ok(()), Err)
}

/// In `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, what stands behind `total=`.
fn total(path: &str, text: &str, share: &str) -> Result<u64, ReadError> {
    let total = text
        .lines()
        .map(str::split_ascii_whitespace)
        .find_map(|mut words| (words.next() == Some(share)).then_some(words))
        .and_then(|mut words| words.find_map(|word| word.strip_prefix("total=")));
    number(path, total)
}
