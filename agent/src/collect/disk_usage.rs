//! Space used and available on each mounted device, in blocks of 1024 bytes as `df -k` has them.

use super::device::block_device;
use super::listing::Listing;
use super::mount::{self, mounts};
use crate::machine::{FileSystem, Machine, ReadError};
use crate::sample::Sample;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut devices = Listing::new();
    let mut fault = None;
    for mount in mounts(machine)? {
        let device = block_device(machine, &mount.device);
        // Mounted a second time, or one directory of it: the first place stands for all.
        if devices.has(&device) {
            continue;
        }
        match machine.file_system(&mount.directory) {
            // Not a disk: the FUSE mounts of desktops look like this.
            Ok(file_system) if file_system.blocks == 0 => {}
            Ok(file_system) if devices.take(&device) => {
                let (used, available) = usage(&file_system);
                sample.gauge(&format!("disk-usage-{device}-used"), used);
                sample.gauge(&format!("disk-usage-{device}-available"), available);
                sample.meta(&format!("disk-usage-{device}-mount"), &mount.directory);
            }
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    devices.finish(sample, "disk-usage-devices", mount::PATH, fault)
}

/// Used and available, rounded up to whole blocks as df does.
fn usage(file_system: &FileSystem) -> (u64, u64) {
    let kibibytes = |blocks: u64| {
        let bytes = u128::from(blocks) * u128::from(file_system.block_size);
        u64::try_from(bytes.div_ceil(1024)).unwrap_or(u64::MAX)
    };
    let used = file_system.blocks.saturating_sub(file_system.free);
    (kibibytes(used), kibibytes(file_system.available))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_system(block_size: u64, blocks: u64, free: u64, available: u64) -> FileSystem {
        FileSystem { block_size, blocks, free, available, inodes: 0, inodes_free: 0 }
    }

    #[test]
    fn used_counts_the_blocks_kept_for_root_and_available_does_not() {
        let file_system = file_system(4096, 100, 40, 35);
        assert_eq!(usage(&file_system), (240, 140));
    }

    #[test]
    fn small_blocks_are_rounded_up() {
        let file_system = file_system(512, 5, 2, 1);
        assert_eq!(usage(&file_system), (2, 1));
    }
}
