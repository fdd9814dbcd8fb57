//! Inodes used and free on each mounted device. File systems that make them as they are needed, as btrfs and vfat,
//! have no number; images on loop devices are always full.

use crate::collect::block_device::is_numbered;
use crate::collect::device::block_device;
use crate::collect::listing::Listing;
use crate::collect::mount::{self, mounts};
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut devices = Listing::new();
    let mut fault = None;
    for mount in mounts(machine)? {
        let device = block_device(machine, &mount.device);
        if devices.has(&device) || is_numbered(&mount.device, "loop") {
            continue;
        }
        match machine.file_system(&mount.directory) {
            Ok(file_system) if file_system.inodes == 0 => {}
            Ok(file_system) if devices.take(&device) => {
                let used = file_system.inodes.saturating_sub(file_system.inodes_free);
                sample.gauge(&format!("inodes-{device}-used"), used);
                sample.gauge(&format!("inodes-{device}-free"), file_system.inodes_free);
                sample.meta(&format!("inodes-{device}-mount"), &mount.directory);
            }
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    devices.finish(sample, "inodes-devices", mount::PATH, fault)
}
