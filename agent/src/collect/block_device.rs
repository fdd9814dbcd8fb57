//! The block devices that have been used since boot, and what the kernel counts of each.

use std::rc::Rc;

use super::device::block_device;
use crate::machine::{Machine, ReadError, number};

/// Where they are.
pub const DIRECTORY: &str = "/sys/block";

/// One device with its counters.
pub struct BlockDevice {
    /// Its name in keys.
    pub name: String,
    path: String,
    stat: Rc<str>,
}

impl BlockDevice {
    /// The counters, in order: read requests, merged ones, sectors of 512 bytes and milliseconds, the same four
    /// of writing, requests under way, milliseconds with any under way, and milliseconds of all requests.
    /// Newer kernels have more.
    pub fn column(&self, index: usize) -> Result<u64, ReadError> {
        number(&self.path, self.stat.split_ascii_whitespace().nth(index))
    }
}

/// The names of all devices below [`DIRECTORY`], without loop devices and RAM disks.
pub fn names(machine: &Machine) -> Result<Vec<String>, ReadError> {
    let mut names = machine.names(DIRECTORY)?;
    names.retain(|name| !is_numbered(name, "loop") && !is_numbered(name, "ram"));
    Ok(names)
}

/// Reads one device; `None` where it has gone meanwhile, and where it was never used: an empty card reader,
/// a CD drive.
pub fn read(machine: &Machine, name: &str) -> Result<Option<BlockDevice>, ReadError> {
    let path = format!("{DIRECTORY}/{name}/stat");
    let stat = match machine.read_shared(&path) {
        Err(error) if error.is_gone() => return Ok(None),
        stat => stat?,
    };
    let mut device = BlockDevice { name: String::new(), path, stat };
    if device.column(0)? == 0 && device.column(4)? == 0 {
        return Ok(None);
    }
    device.name = block_device(machine, name);
    Ok(Some(device))
}

/// Whether a name is a prefix and a number.
pub fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}
