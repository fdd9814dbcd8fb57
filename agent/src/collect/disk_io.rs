//! Requests and sectors of 512 bytes that each block device has read and written since boot.

use super::device::block_device;
use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const DIRECTORY: &str = "/sys/block";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut devices = Vec::new();
    let mut fault = None;
    for name in machine.names(DIRECTORY)? {
        if is_numbered(&name, "loop") || is_numbered(&name, "ram") {
            continue;
        }
        match counters(machine, &name) {
            // Never used: an empty card reader, a CD drive.
            Ok(counters) if counters.read_ios == 0 && counters.write_ios == 0 => {}
            Ok(counters) => {
                let device = block_device(machine, &name);
                let mut derive = |what, value| {
                    sample.derive(&format!("disk-io-{device}-{what}"), value);
                };
                derive("read-ios", counters.read_ios);
                derive("read-sectors", counters.read_sectors);
                derive("write-ios", counters.write_ios);
                derive("write-sectors", counters.write_sectors);
                devices.push(device);
            }
            Err(error) if error.is_gone() => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    sample.meta_list("disk-io-devices", &devices);
    fault.map_or(Ok(()), Err)
}

struct Counters {
    read_ios: u64,
    read_sectors: u64,
    write_ios: u64,
    write_sectors: u64,
}

/// Columns of a `stat` file: read ios, merges, sectors, ticks, then the same four of writing.
fn counters(machine: &Machine, name: &str) -> Result<Counters, ReadError> {
    let path = format!("{DIRECTORY}/{name}/stat");
    let text = machine.read(&path)?;
    let columns: Vec<&str> = text.split_ascii_whitespace().collect();
    let column = |index: usize| number(&path, columns.get(index).copied());
    Ok(Counters {
        read_ios: column(0)?,
        read_sectors: column(2)?,
        write_ios: column(4)?,
        write_sectors: column(6)?,
    })
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}
