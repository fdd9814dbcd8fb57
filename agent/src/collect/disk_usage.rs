//! Space used and available on each mounted device, in blocks of 1024 bytes as `df -k` has them.

use super::device::{block_device, unescape_octal};
use crate::machine::{FileSystem, Machine, ReadError};
use crate::sample::Sample;

const PATH: &str = "/proc/mounts";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let mut devices: Vec<String> = Vec::new();
    let mut fault = None;
    for (path, mount) in mounts(&text) {
        let device = block_device(machine, &path);
        // Mounted a second time, or one directory of it: the first place stands for all.
        if devices.contains(&device) {
            continue;
        }
        match machine.file_system(&mount) {
            // Not a disk: the FUSE mounts of desktops look like this.
            Ok(file_system) if file_system.blocks == 0 => {}
            Ok(file_system) => {
                let (used, available) = usage(&file_system);
                sample.gauge(&format!("disk-usage-{device}-used"), used);
                sample.gauge(&format!("disk-usage-{device}-available"), available);
                sample.meta(&format!("disk-usage-{device}-mount"), &mount);
                devices.push(device);
            }
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    sample.meta_list("disk-usage-devices", &devices);
    fault.map_or(Ok(()), Err)
}

/// The devices mounted, by their path below `/dev`, with their mount points; `/boot` is left out. Where
/// a second device was mounted over a first, only the second can be seen.
fn mounts(text: &str) -> Vec<(String, String)> {
    let mut mounts: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(source), Some(mount)) = (words.next(), words.next()) else {
            continue;
        };
        let mount = unescape_octal(mount);
        mounts.retain(|(_, earlier)| *earlier != mount);
        if let Some(path) = source.strip_prefix("/dev/")
            && !path.is_empty()
            && mount.starts_with('/')
            && mount != "/boot"
        {
            mounts.push((unescape_octal(path), mount));
        }
    }
    mounts
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

    #[test]
    fn used_counts_the_blocks_kept_for_root_and_available_does_not() {
        let file_system = FileSystem { block_size: 4096, blocks: 100, free: 40, available: 35 };
        assert_eq!(usage(&file_system), (240, 140));
    }

    #[test]
    fn small_blocks_are_rounded_up() {
        let file_system = FileSystem { block_size: 512, blocks: 5, free: 2, available: 1 };
        assert_eq!(usage(&file_system), (2, 1));
    }

    #[test]
    fn only_devices_count_and_boot_does_not() {
        let text = "proc /proc proc rw 0 0\n/dev/sda1 /boot ext4 rw 0 0\n/dev/sda2 / ext4 rw 0 0\n";
        assert_eq!(mounts(text), [("sda2".to_owned(), "/".to_owned())]);
    }

    #[test]
    fn a_mount_over_another_hides_it() {
        let text = "/dev/sda1 /mnt ext4 rw 0 0\n/dev/sdb1 /mnt ext4 rw 0 0\n\
                    /dev/sdc1 /srv ext4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\n";
        assert_eq!(mounts(text), [("sdb1".to_owned(), "/mnt".to_owned())]);
    }

    #[test]
    fn blanks_in_a_mount_point_are_read() {
        let text = "/dev/sdb1 /media/My\\040Disk vfat rw 0 0\n";
        assert_eq!(mounts(text), [("sdb1".to_owned(), "/media/My Disk".to_owned())]);
    }
}
