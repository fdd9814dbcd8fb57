//! The metrics that the agent reads itself: one file a collector, one table of them a plugin.

mod block_device;
mod cpu;
mod device;
mod disk_io;
mod disk_usage;
mod interface;
mod linux;
mod listing;
mod loadavg;
mod memory;
mod mount;
mod named;
mod network;
mod processors;
mod protocol_table;
mod swap;
mod tcp;
mod uptime;
mod version;

#[cfg(test)]
mod laid_out;
#[cfg(test)]
mod mangled_tests;
#[cfg(test)]
mod tests;

use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

/// Reads some files of a machine and adds what they say. What it added before a fault stays.
type Collect = fn(&Machine, &mut Sample) -> Result<(), ReadError>;

/// The collectors of plugin `base`, each with the name of its warning.
const BASE: [(&str, Collect); 11] = [
    ("memory", memory::collect),
    ("loadavg", loadavg::collect),
    ("uptime", uptime::collect),
    ("sys_version", version::collect),
    ("processors", processors::collect),
    ("cpu_usage", cpu::collect),
    ("tcp_established", tcp::collect),
    ("disk_usage", disk_usage::collect),
    ("disk_io", disk_io::collect),
    ("swaps", swap::collect),
    ("traffic", network::collect),
];

/// Reads plugin `base`.
pub fn base(machine: &Machine, time: u64) -> Sample {
    read("base", &BASE, machine, time)
}

/// Reads plugin `linux`.
pub fn linux(machine: &Machine, time: u64) -> Sample {
    read("linux", &linux::LINUX, machine, time)
}

/// A collector that fails costs its own lines, and says why in a warning.
fn read(plugin: &str, table: &[(&str, Collect)], machine: &Machine, time: u64) -> Sample {
    let mut sample = Sample::new(plugin, time);
    for (name, collect) in table {
        if let Err(fault) = collect(machine, &mut sample) {
            sample.warn(name, &fault.to_string());
        }
    }
    sample
}
