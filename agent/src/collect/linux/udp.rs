//! What UDP has counted since boot, IPv4 and IPv6 together.

use crate::collect::named;
use crate::collect::protocol_table::ProtocolTable;
use crate::collect::tcp::PATH;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const PATH_6: &str = "/proc/net/snmp6";

/// Metrics, and columns.
const KEYS: [(&str, &str); 6] = [
    ("udp-in-datagrams", "InDatagrams"),
    ("udp-out-datagrams", "OutDatagrams"),
    ("udp-no-ports", "NoPorts"),
    ("udp-in-errors", "InErrors"),
    ("udp-rcvbuf-errors", "RcvbufErrors"),
    ("udp-sndbuf-errors", "SndbufErrors"),
];

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    let table = ProtocolTable::of(PATH, &text, "Udp");
    table.required("InDatagrams")?;
    let text_6 = match machine.read(PATH_6) {
        Err(error) if error.is_unsupported() => String::new(),
        text => text?,
    };
    for (key, name) in KEYS {
        if let Some(value) = table.get(name)? {
            let value_6 = named::get(PATH_6, &text_6, &format!("Udp6{name}"))?.unwrap_or(0);
            sample.derive(key, value.saturating_add(value_6));
        }
    }
    Ok(())
}
