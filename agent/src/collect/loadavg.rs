//! Load averages over 1, 5 and 15 minutes.

use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const PATH: &str = "/proc/loadavg";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let mut words = text.split_ascii_whitespace();
    for key in ["loadavg-1", "loadavg-5", "loadavg-15"] {
        let load = words.next().unwrap_or_default();
        let plain = load.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !plain || load.parse::<f64>().is_err() {
            return Err(ReadError::content(PATH, format!("{load:?} must be a decimal number")));
        }
        sample.gauge(key, load);
    }
    Ok(())
}
