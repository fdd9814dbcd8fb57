//! Requests and sectors of 512 bytes that each block device has read and written since boot.

use super::block_device::{self, BlockDevice, DIRECTORY};
use super::listing::Listing;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut devices = Listing::new();
    let mut fault = None;
    for name in block_device::names(machine)? {
        let read = block_device::read(machine, &name);
        match read.and_then(|device| device.map(Counters::of).transpose()) {
            Ok(Some(counters)) if devices.take(&counters.device) => counters.add_to(sample),
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    devices.finish(sample, "disk-io-devices", DIRECTORY, fault)
}

struct Counters {
    device: String,
    read_ios: u64,
    read_sectors: u64,
    write_ios: u64,
    write_sectors: u64,
}

impl Counters {
    fn of(device: BlockDevice) -> Result<Self, ReadError> {
        Ok(Self {
            read_ios: device.column(0)?,
            read_sectors: device.column(2)?,
            write_ios: device.column(4)?,
            write_sectors: device.column(6)?,
            device: device.name,
        })
    }

    fn add_to(&self, sample: &mut Sample) {
        let mut derive = |what, value| {
            sample.derive(&format!("disk-io-{}-{what}", self.device), value);
        };
        derive("read-ios", self.read_ios);
        derive("read-sectors", self.read_sectors);
        derive("write-ios", self.write_ios);
        derive("write-sectors", self.write_sectors);
    }
}
