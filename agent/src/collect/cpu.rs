//! Processor time by kind, in jiffies since boot, all processors together.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/stat";

/// In the order of the columns. Old kernels have fewer: what is missing counts as 0.
const KEYS: [&str; 10] = [
    "cpu-user",
    "cpu-nice",
    "cpu-system",
    "cpu-idle",
    "cpu-iowait",
    "cpu-irq",
    "cpu-softirq",
    "cpu-steal",
    "cpu-guest",
    "cpu-guest-nice",
];

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    let mut columns = text
        .lines()
        .find_map(|line| line.strip_prefix("cpu "))
        .ok_or_else(|| ReadError::content(PATH, "no line 'cpu'"))?
        .split_ascii_whitespace();
    let mut jiffies = [0; KEYS.len()];
    for (place, column) in jiffies.iter_mut().zip(&mut columns) {
        *place = number(PATH, Some(column))?;
    }
    for (key, jiffies) in KEYS.into_iter().zip(jiffies) {
        sample.derive(key, jiffies);
    }
    Ok(())
}
