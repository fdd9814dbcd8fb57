//! Bytes that each interface has received and sent since boot: those that are up, without `lo`.

use super::device::key_safe;
use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const PATH: &str = "/proc/net/dev";

/// `IFF_UP` of the kernel's interface flags.
const UP: u64 = 1;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    // Without sysfs nothing says which are up; with it, an interface that is missing there has gone.
    machine.names("/sys/class/net")?;
    let mut interfaces: Vec<String> = Vec::new();
    let mut fault = None;
    for line in text.lines() {
        // A counter may follow the colon at once; an alias has a colon in its name.
        let Some((name, counters)) = line.rsplit_once(':') else {
            continue;
        };
        let name = name.trim();
        if name == "lo" {
            continue;
        }
        match read_interface(machine, name, counters) {
            Ok(Some((received, sent))) => {
                let interface = key_safe(name);
                sample.derive(&format!("traffic-{interface}-rxbytes"), received);
                sample.derive(&format!("traffic-{interface}-txbytes"), sent);
                interfaces.push(interface);
            }
            Ok(None) => {}
            Err(error) if error.is_gone() => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    sample.meta_list("traffic-interfaces", &interfaces);
    fault.map_or(Ok(()), Err)
}

/// Bytes received and sent; `None` where the interface is down.
fn read_interface(
    machine: &Machine,
    name: &str,
    counters: &str,
) -> Result<Option<(u64, u64)>, ReadError> {
    if !is_up(machine, name)? {
        return Ok(None);
    }
    let mut columns = counters.split_ascii_whitespace();
    let received = number(PATH, columns.next())?;
    // Eight columns of receiving, then those of sending.
    let sent = number(PATH, columns.nth(7))?;
    Ok(Some((received, sent)))
}

fn is_up(machine: &Machine, name: &str) -> Result<bool, ReadError> {
    let path = format!("/sys/class/net/{name}/flags");
    let text = machine.read(&path)?;
    let text = text.trim();
    let flags =
        text.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or_else(
            || ReadError::content(&path, format!("{text:?} must be a hexadecimal number")),
        )?;
    Ok(flags & UP != 0)
}
