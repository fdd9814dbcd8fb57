//! Which devices hold swap, so that their disk graphs can say so.

use super::device::{block_device, unescape_octal};
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const PATH: &str = "/proc/swaps";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let mut devices = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if let (Some(path), Some("partition")) = (words.next(), words.next())
            && let Some(name) = path.strip_prefix("/dev/")
        {
            devices.push(block_device(machine, &unescape_octal(name)));
        }
    }
    sample.meta_list("disk-swap-devices", &devices);
    Ok(())
}
