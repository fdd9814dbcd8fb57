//! Memory and swap, in bytes.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

/// Where all of it stands.
pub const PATH: &str = "/proc/meminfo";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    let total =
        bytes(&text, "MemTotal")?.ok_or_else(|| ReadError::content(PATH, "no line 'MemTotal'"))?;
    // Virtual machines that share a kernel leave some of these out.
    let free = bytes(&text, "MemFree")?.unwrap_or(0);
    let buffers = bytes(&text, "Buffers")?.unwrap_or(0);
    let cached = bytes(&text, "Cached")?.unwrap_or(0);
    let swap_total = bytes(&text, "SwapTotal")?.unwrap_or(0);
    let swap_free = bytes(&text, "SwapFree")?.unwrap_or(0);

    sample.gauge("memory-total", total);
    sample.gauge("memory-free", free);
    sample.gauge("memory-buffers", buffers);
    sample.gauge("memory-cached", cached);
    let used = total.saturating_sub(free).saturating_sub(buffers).saturating_sub(cached);
    sample.gauge("memory-used", used);
    sample.gauge("memory-swap-total", swap_total);
    sample.gauge("memory-swap-used", swap_total.saturating_sub(swap_free));
    Ok(())
}

/// What stands behind `name:`, in bytes; `None` where there is no such line.
pub fn bytes(text: &str, name: &str) -> Result<Option<u64>, ReadError> {
    for line in text.lines() {
        let Some((_, rest)) = line.split_once(':').filter(|(key, _)| *key == name) else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        let amount = number(PATH, words.next())?;
        let unit = match words.next() {
            None => 1,
            Some("kB") => 1024,
            Some(unit) => {
                return Err(ReadError::content(
                    PATH,
                    format!("unit {unit:?} of {name} must be kB"),
                ));
            }
        };
        return Ok(Some(amount.saturating_mul(unit)));
    }
    Ok(None)
}
