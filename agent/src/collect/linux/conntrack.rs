//! Connections that the firewall keeps track of, and how many it may: past that it drops packets.

use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const DIRECTORY: &str = "/proc/sys/net/netfilter";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let read = |file: &str| {
        let path = format!("{DIRECTORY}/{file}");
        machine.read(&path).and_then(|text| number(&path, Some(text.trim())))
    };
    let count = match read("nf_conntrack_count") {
        // No firewall that keeps track.
        Err(error) if error.is_unsupported() => return Ok(()),
        count => count?,
    };
    let max = read("nf_conntrack_max")?;
    sample.gauge("conntrack", count);
    sample.gauge("conntrack-max", max);
    sample.meta("has-conntrack", "1");
    Ok(())
}
