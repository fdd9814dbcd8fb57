//! How many sockets there are, and what TCP keeps in memory.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/net/sockstat";
const PATH_6: &str = "/proc/net/sockstat6";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    sample.gauge("sockets-used", required(&text, "sockets", "used")?);
    sample.gauge("tcp-orphan", required(&text, "TCP", "orphan")?);
    let memory = required(&text, "TCP", "mem")?.saturating_mul(machine.page_size());
    sample.gauge("tcp-memory", memory);
    let text_6 = in_use_6(machine)?;
    let udp_6 = get(PATH_6, &text_6, "UDP6", "inuse")?.unwrap_or(0);
    sample.gauge("udp-sockets", required(&text, "UDP", "inuse")?.saturating_add(udp_6));
    Ok(())
}

/// TCP sockets in TIME-WAIT, which are counted apart.
pub fn time_wait(machine: &Machine) -> Result<u64, ReadError> {
    required(&machine.read_shared(PATH)?, "TCP", "tw")
}

/// All other TCP sockets but those that listen, of both families.
pub fn tcp_in_use(machine: &Machine) -> Result<u64, ReadError> {
    let in_use = required(&machine.read_shared(PATH)?, "TCP", "inuse")?;
    let in_use_6 = get(PATH_6, &in_use_6(machine)?, "TCP6", "inuse")?.unwrap_or(0);
    Ok(in_use.saturating_add(in_use_6))
}

/// Nothing on a machine without IPv6.
fn in_use_6(machine: &Machine) -> Result<std::rc::Rc<str>, ReadError> {
    match machine.read_shared(PATH_6) {
        Err(error) if error.is_unsupported() => Ok("".into()),
        text => text,
    }
}

/// In `TCP: inuse 19 orphan 0 tw 110`, the number behind a name in the line of a protocol.
fn get(path: &str, text: &str, protocol: &str, name: &str) -> Result<Option<u64>, ReadError> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(protocol).and_then(|rest| rest.strip_prefix(':')));
    let mut words = line.unwrap_or_default().split_ascii_whitespace();
    if !words.any(|word| word == name) {
        return Ok(None);
    }
    number(path, words.next()).map(Some)
}

fn required(text: &str, protocol: &str, name: &str) -> Result<u64, ReadError> {
    get(PATH, text, protocol, name)?
        .ok_or_else(|| ReadError::content(PATH, format!("no '{name}' of {protocol}")))
}
