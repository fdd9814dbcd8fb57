//! Packets, errors and drops of each interface that is up, and its link. Those that lead to containers and
//! virtual machines are left out: they come and go, and each would leave files behind.

use crate::collect::interface::{self, Interface};
use crate::collect::listing::Listing;
use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

/// Metrics of a direction, and their columns.
const COLUMNS: [(&str, usize); 3] = [("packets", 1), ("errors", 2), ("drops", 3)];

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let mut interfaces = Listing::new();
    let mut fault = None;
    let text = machine.read_shared(interface::PATH)?;
    for interface in interface::all(machine, &text)? {
        if interface.is_guests() {
            continue;
        }
        match counters(machine, &interface) {
            Ok(Some(counters)) if interfaces.take(&interface.key) => {
                for (what, received, sent) in counters {
                    sample.derive(&format!("traffic-{}-rx{what}", interface.key), received);
                    sample.derive(&format!("traffic-{}-tx{what}", interface.key), sent);
                }
                link(machine, &interface, sample);
            }
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    interfaces.finish(sample, "traffic-interfaces", interface::PATH, fault)
}

/// What was received and sent of each kind.
type Counters = Vec<(&'static str, u64, u64)>;

/// `None` where the interface is down or gone.
fn counters(machine: &Machine, interface: &Interface) -> Result<Option<Counters>, ReadError> {
    if !interface.is_up(machine)? {
        return Ok(None);
    }
    let counter = |(what, index)| Ok((what, interface.received(index)?, interface.sent(index)?));
    COLUMNS.into_iter().map(counter).collect::<Result<_, _>>().map(Some)
}

/// Whether there is a link, and its Mbit/s. Drivers of virtual interfaces refuse to say, or say -1: that is no
/// fault.
fn link(machine: &Machine, interface: &Interface, sample: &mut Sample) {
    let read = |file: &str| {
        let text = machine.read(&format!("/sys/class/net/{}/{file}", interface.name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let Some(state) = read("operstate") else { return };
    let speed = read("speed").filter(|speed| number("", Some(speed)).is_ok_and(|speed| speed > 0));
    let link = match speed {
        Some(speed) => format!("{state}, {speed} Mbit/s"),
        None => state,
    };
    sample.meta(&format!("traffic-{}-link", interface.key), &link);
}
