//! What memory management has moved since boot.

use crate::collect::named;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

const PATH: &str = "/proc/vmstat";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read(PATH)?;
    let required = |name| named::required(PATH, &text, name);
    // The kernel counts these in KiB, and those below in pages.
    sample.derive("paging-in", required("pgpgin")?.saturating_mul(1024));
    sample.derive("paging-out", required("pgpgout")?.saturating_mul(1024));
    sample.derive("swap-in", required("pswpin")?.saturating_mul(machine.page_size()));
    sample.derive("swap-out", required("pswpout")?.saturating_mul(machine.page_size()));
    sample.derive("page-faults", required("pgfault")?);
    sample.derive("page-faults-major", required("pgmajfault")?);
    // Since 4.13.
    if let Some(kills) = named::get(PATH, &text, "oom_kill")? {
        sample.derive("oom-kills", kills);
        sample.meta("has-oom-kills", "1");
    }
    Ok(())
}
