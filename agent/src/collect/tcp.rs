//! Open TCP connections.
//!
//! `CurrEstab` counts the states ESTABLISHED and CLOSE-WAIT over IPv4 and IPv6. It is what existing
//! data holds, and it costs one small file: `/proc/net/tcp` has a line for each socket, and
//! making it takes the kernel a walk through all its hash buckets.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/net/snmp";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next(), lines.next());
    let position = names
        .unwrap_or_default()
        .split_ascii_whitespace()
        .position(|name| name == "CurrEstab")
        .ok_or_else(|| ReadError::content(PATH, "no column 'CurrEstab' of Tcp"))?;
    let value = values.unwrap_or_default().split_ascii_whitespace().nth(position);
    sample.gauge("tcp-established", number(PATH, value)?);
    Ok(())
}
