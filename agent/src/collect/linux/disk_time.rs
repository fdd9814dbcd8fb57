//! Time that each block device has spent: the graph makes utilisation, wait and queue of it.
//!
//! The numbers of requests are base's too, but a definition draws its own plugin's series.

use crate::collect::block_device::{self, BlockDevice, DIRECTORY};
use crate::collect::listing::Listing;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

/// Metrics, and their columns. All times are in milliseconds.
const COLUMNS: [(&str, usize); 6] = [
    ("read-ios", 0),
    ("read-time", 3),
    ("write-ios", 4),
    ("write-time", 7),
    ("busy-time", 9),
    ("queue-time", 10),
];

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut devices = Listing::new();
    let mut fault = None;
    for name in block_device::names(machine)? {
        let read = block_device::read(machine, &name);
        match read.and_then(|device| device.map(columns).transpose()) {
            Ok(Some((device, values))) if devices.take(&device) => {
                for (what, value) in values {
                    sample.derive(&format!("disk-io-{device}-{what}"), value);
                }
            }
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    devices.finish(sample, "disk-io-devices", DIRECTORY, fault)
}

/// A device's name, and its values.
type Columns = (String, Vec<(&'static str, u64)>);

fn columns(device: BlockDevice) -> Result<Columns, ReadError> {
    let value = |(what, index)| Ok((what, device.column(index)?));
    let values = COLUMNS.into_iter().map(value).collect::<Result<_, ReadError>>()?;
    Ok((device.name, values))
}
