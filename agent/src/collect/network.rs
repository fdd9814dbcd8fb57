//! Bytes that each interface has received and sent since boot: those that are up, without `lo`.

use super::interface::{self, Interface};
use super::listing::Listing;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut interfaces = Listing::new();
    let mut fault = None;
    let text = machine.read_shared(interface::PATH)?;
    for interface in interface::all(machine, &text)? {
        match read(machine, &interface) {
            Ok(Some((received, sent))) if interfaces.take(&interface.key) => {
                sample.derive(&format!("traffic-{}-rxbytes", interface.key), received);
                sample.derive(&format!("traffic-{}-txbytes", interface.key), sent);
            }
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    interfaces.finish(sample, "traffic-interfaces", interface::PATH, fault)
}

/// Bytes received and sent; `None` where the interface is down or gone.
fn read(machine: &Machine, interface: &Interface) -> Result<Option<(u64, u64)>, ReadError> {
    if !interface.is_up(machine)? {
        return Ok(None);
    }
    Ok(Some((interface.received(0)?, interface.sent(0)?)))
}
