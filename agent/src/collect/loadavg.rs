//! Load averages over 1, 5 and 15 minutes.

use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

/// Also read for what else stands there.
pub const PATH: &str = "/proc/loadavg";

/// Most bytes of a number.
const MAX_LEN: usize = 20;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    let mut words = text.split_ascii_whitespace();
    for key in ["loadavg-1", "loadavg-5", "loadavg-15"] {
        let load = words.next().unwrap_or_default();
        let plain = load.len() <= MAX_LEN && load.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !plain || load.parse::<f64>().is_err() {
            return Err(ReadError::content(PATH, format!("{load:?} must be a decimal number")));
        }
        sample.gauge(key, load);
    }
    Ok(())
}
