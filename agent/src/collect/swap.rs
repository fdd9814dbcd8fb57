//! Which devices hold swap, so that their disk graphs can say so.

use super::device::{block_device, unescape_octal};
use super::listing::Listing;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const PATH: &str = "/proc/swaps";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let mut devices = Listing::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if let (Some(path), Some("partition")) = (words.next(), words.next())
            && let Some(name) = path.strip_prefix("/dev/")
        {
            devices.take(&block_device(machine, &unescape_octal(name)));
        }
    }
    devices.finish(sample, "disk-swap-devices", PATH, None)
}
