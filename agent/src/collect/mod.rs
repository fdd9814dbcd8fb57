//! The metrics that the agent reads itself: one file a collector, one table of them a plugin.

mod cpu;
mod device;
mod disk_io;
mod disk_usage;
mod loadavg;
mod memory;
mod network;
mod processors;
mod swap;
mod tcp;
mod uptime;
mod version;

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

/// Reads plugin `base`. A collector that fails costs its own lines, and says why in a warning.
pub fn base(machine: &Machine, time: u64) -> Sample {
    let mut sample = Sample::new("base", time);
    for (name, collect) in BASE {
        if let Err(fault) = collect(machine, &mut sample) {
            sample.warn(name, &fault.to_string());
        }
    }
    sample
}
