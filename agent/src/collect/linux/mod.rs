//! Plugin `linux`: what base's keys, which are those of existing data, lack. Each metric and where it comes from
//! stand in the documentation of the agent.
//!
//! Kernels differ: what one lacks is not sent, and a whole file that it lacks is no fault. A file that says
//! something else than it should is.

mod cgroup;
mod conntrack;
mod disk_time;
mod entropy;
mod file_handles;
mod inodes;
mod interfaces;
mod load;
mod memory;
mod paging;
mod pressure;
mod processes;
mod sockets;
mod tcp;
mod tcp_states;
mod udp;

use super::Collect;

/// The collectors, each with the name of its warning.
pub const LINUX: [(&str, Collect); 16] = [
    ("load", load::collect),
    ("processes", processes::collect),
    ("pressure", pressure::collect),
    ("memory", memory::collect),
    ("paging", paging::collect),
    ("disk_time", disk_time::collect),
    ("inodes", inodes::collect),
    ("interfaces", interfaces::collect),
    ("sockets", sockets::collect),
    ("tcp", tcp::collect),
    ("tcp_states", tcp_states::collect),
    ("udp", udp::collect),
    ("file_handles", file_handles::collect),
    ("entropy", entropy::collect),
    ("conntrack", conntrack::collect),
    ("cgroup", cgroup::collect),
];
