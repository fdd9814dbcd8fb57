//! What TCP has counted since boot, IPv4 and IPv6 together.

use crate::collect::protocol_table::ProtocolTable;
use crate::collect::tcp::PATH;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const EXTENDED: &str = "/proc/net/netstat";

/// Metrics, and columns that each kernel has.
const KEYS: [(&str, &str); 8] = [
    ("tcp-active-opens", "ActiveOpens"),
    ("tcp-passive-opens", "PassiveOpens"),
    ("tcp-attempt-fails", "AttemptFails"),
    ("tcp-estab-resets", "EstabResets"),
    ("tcp-in-segs", "InSegs"),
    ("tcp-out-segs", "OutSegs"),
    ("tcp-retrans-segs", "RetransSegs"),
    ("tcp-out-rsts", "OutRsts"),
];

/// Metrics of [`EXTENDED`], and columns that kernels may lack.
const EXTENDED_KEYS: [(&str, &str); 5] = [
    ("tcp-listen-overflows", "ListenOverflows"),
    ("tcp-listen-drops", "ListenDrops"),
    ("tcp-syncookies-sent", "SyncookiesSent"),
    ("tcp-timeouts", "TCPTimeouts"),
    ("tcp-aborts-on-memory", "TCPAbortOnMemory"),
];

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    // Each of the two files stands for itself.
    let fault = basic(machine, sample).err();
    extended(machine, sample)?;
    fault.map_or(Ok(()), Err)
}

fn basic(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    let table = ProtocolTable::of(PATH, &text, "Tcp");
    for (key, name) in KEYS {
        sample.derive(key, table.required(name)?);
    }
    if let Some(errors) = table.get("InErrs")? {
        sample.derive("tcp-in-errors", errors);
    }
    Ok(())
}

fn extended(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = match machine.read(EXTENDED) {
        // The network of a container may show fewer files.
        Err(error) if error.is_unsupported() => return Ok(()),
        text => text?,
    };
    let table = ProtocolTable::of(EXTENDED, &text, "TcpExt");
    for (key, name) in EXTENDED_KEYS {
        if let Some(value) = table.get(name)? {
            sample.derive(key, value);
        }
    }
    Ok(())
}
