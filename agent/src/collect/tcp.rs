//! Open TCP connections.
//!
//! `CurrEstab` counts the states ESTABLISHED and CLOSE-WAIT over IPv4 and IPv6. It is what existing
//! data holds, and it costs one small file: `/proc/net/tcp` has a line for each socket, and
//! making it takes the kernel a walk through all its hash buckets.

use super::protocol_table::ProtocolTable;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

/// Also read for what else stands there.
pub const PATH: &str = "/proc/net/snmp";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    let established = ProtocolTable::of(PATH, &text, "Tcp").required("CurrEstab")?;
    sample.gauge("tcp-established", established);
    Ok(())
}
