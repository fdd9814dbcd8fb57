//! The devices that are mounted.

use super::device::unescape_octal;
use crate::machine::{Machine, ReadError};

/// Where they stand.
pub const PATH: &str = "/proc/mounts";

/// Where a device is mounted.
#[derive(Debug, PartialEq, Eq)]
pub struct Mount {
    /// The device's path below `/dev`.
    pub device: String,
    /// The directory.
    pub directory: String,
}

/// The devices that are mounted, but for `/boot`. Where a second one was mounted over a first, only the second
/// can be seen.
pub fn mounts(machine: &Machine) -> Result<Vec<Mount>, ReadError> {
    Ok(devices(&machine.read_shared(PATH)?))
}

/// Those of file systems from elsewhere, which never answer where their server is away, are no devices. Nor
/// is what is mounted below one taken: the way there leads through it.
fn devices(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut remote: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(source), Some(directory)) = (words.next(), words.next()) else {
            continue;
        };
        let directory = unescape_octal(directory);
        mounts.retain(|earlier| earlier.directory != directory);
        if words.next().is_some_and(is_remote) {
            remote.push(format!("{}/", directory.trim_end_matches('/')));
            continue;
        }
        if let Some(device) = source.strip_prefix("/dev/")
            && !device.is_empty()
            && directory.starts_with('/')
            && directory != "/boot"
            && !remote.iter().any(|above| directory.starts_with(above.as_str()))
        {
            mounts.push(Mount { device: unescape_octal(device), directory });
        }
    }
    mounts
}

/// Whether a file system of this kind stands on the answers of another machine or of a program.
fn is_remote(kind: &str) -> bool {
    kind.starts_with("fuse.")
        || matches!(
            kind,
            "fuse"
                | "nfs"
                | "nfs4"
                | "cifs"
                | "smb3"
                | "smbfs"
                | "ncpfs"
                | "afs"
                | "ceph"
                | "lustre"
                | "glusterfs"
                | "9p"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(device: &str, directory: &str) -> Mount {
        Mount { device: device.to_owned(), directory: directory.to_owned() }
    }

    #[test]
    fn only_devices_count_and_boot_does_not() {
        let text = "proc /proc proc rw 0 0\n/dev/sda1 /boot ext4 rw 0 0\n/dev/sda2 / ext4 rw 0 0\n\
                    10.0.0.9:/home /home nfs4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n";
        assert_eq!(devices(text), [mount("sda2", "/")]);
    }

    #[test]
    fn a_mount_over_another_hides_it() {
        let text = "/dev/sda1 /mnt ext4 rw 0 0\n/dev/sdb1 /mnt ext4 rw 0 0\n\
                    /dev/sdc1 /srv ext4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\n";
        assert_eq!(devices(text), [mount("sdb1", "/mnt")]);
    }

    #[test]
    fn the_first_root_is_hidden_by_the_device_over_it() {
        let text = "rootfs / rootfs rw 0 0\n/dev/root / ext4 rw 0 0\n";
        assert_eq!(devices(text), [mount("root", "/")]);
    }

    #[test]
    fn nothing_is_asked_below_a_file_system_that_may_never_answer() {
        let text = "/dev/sda1 / ext4 rw 0 0\n/dev/fuse /home/a/net fuse rw 0 0\n10.0.0.9:/srv /srv nfs rw 0 0\n\
                    /dev/sdb1 /srv/disk ext4 rw 0 0\n/dev/sdc1 /srv2 ext4 rw 0 0\n";
        assert_eq!(devices(text), [mount("sda1", "/"), mount("sdc1", "/srv2")]);
    }

    #[test]
    fn blanks_in_a_directory_are_read() {
        let text = "/dev/sdb1 /media/My\\040Disk vfat rw 0 0\n";
        assert_eq!(devices(text), [mount("sdb1", "/media/My Disk")]);
    }
}
