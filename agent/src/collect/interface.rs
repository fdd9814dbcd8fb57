//! The network interfaces, without `lo`, and what the kernel counts of each.

use super::device::key_safe;
use crate::machine::{Machine, ReadError, number};

/// Where the counters stand.
pub const PATH: &str = "/proc/net/dev";

/// `IFF_UP` of the kernel's interface flags.
const UP: u64 = 1;

/// Counters of one direction.
const COLUMNS: usize = 8;

/// One interface with its counters.
pub struct Interface<'a> {
    /// Its name, as the system has it.
    pub name: &'a str,
    /// Its name in keys.
    pub key: String,
    counters: &'a str,
}

/// All interfaces in the text of [`PATH`]. The ends of pairs that lead to containers and virtual machines come
/// last: there may be thousands, and they must not take the place of others.
pub fn all<'a>(machine: &Machine, text: &'a str) -> Result<Vec<Interface<'a>>, ReadError> {
    // Without sysfs nothing says which are up; with it, an interface that is missing there has gone.
    machine.names("/sys/class/net")?;
    let mut interfaces: Vec<Interface> = text
        .lines()
        // A counter may follow the colon at once; an alias has a colon in its name.
        .filter_map(|line| line.rsplit_once(':'))
        .map(|(name, counters)| (name.trim(), counters))
        .filter(|(name, _)| *name != "lo")
        .map(|(name, counters)| Interface { name, key: key_safe(name), counters })
        .collect();
    interfaces.sort_by_key(Interface::is_guests);
    Ok(interfaces)
}

impl Interface<'_> {
    /// Bytes, packets, errors and drops that were received, by index.
    pub fn received(&self, index: usize) -> Result<u64, ReadError> {
        number(PATH, self.counters.split_ascii_whitespace().nth(index))
    }

    /// The same that were sent.
    pub fn sent(&self, index: usize) -> Result<u64, ReadError> {
        self.received(COLUMNS + index)
    }

    /// Whether it is up; one that has gone meanwhile is not.
    pub fn is_up(&self, machine: &Machine) -> Result<bool, ReadError> {
        let path = format!("/sys/class/net/{}/flags", self.name);
        let text = match machine.read_shared(&path) {
            Err(error) if error.is_gone() => return Ok(false),
            text => text?,
        };
        let text = text.trim();
        let flags =
            text.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or_else(
                || ReadError::content(&path, format!("{text:?} must be a hexadecimal number")),
            )?;
        Ok(flags & UP != 0)
    }

    /// Whether its name is one that container engines and hypervisors give to the host's end of a pair.
    pub fn is_guests(&self) -> bool {
        let cilium = |rest: &str| rest.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
        ["veth", "cali", "tap", "vnet"].iter().any(|prefix| self.name.starts_with(prefix))
            || self.name.strip_prefix("lxc").is_some_and(cilium)
    }
}
