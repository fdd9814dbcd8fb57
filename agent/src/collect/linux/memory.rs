//! What `/proc/meminfo` says beyond base, in bytes.

use crate::collect::memory::{PATH, bytes};
use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

/// Metrics, and their lines.
const KEYS: [(&str, &str); 10] = [
    ("memory-anonymous", "AnonPages"),
    ("memory-shared", "Shmem"),
    ("memory-mapped", "Mapped"),
    ("memory-slab", "Slab"),
    ("memory-slab-reclaimable", "SReclaimable"),
    ("memory-page-tables", "PageTables"),
    ("memory-dirty", "Dirty"),
    ("memory-writeback", "Writeback"),
    ("memory-committed", "Committed_AS"),
    ("memory-commit-limit", "CommitLimit"),
];

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let text = machine.read_shared(PATH)?;
    for (key, name) in KEYS {
        if let Some(value) = bytes(&text, name)? {
            sample.gauge(key, value);
        }
    }
    if let Some(value) = available(machine, &text)? {
        sample.gauge("memory-available", value);
    }
    huge_pages(&text, sample)
}

/// What programs may still take without swapping. Kernels before 3.14 do not say it; then it is calculated as
/// those since do: free memory, the file cache and what the slab gives back, without what the kernel keeps.
fn available(machine: &Machine, text: &str) -> Result<Option<u64>, ReadError> {
    if let Some(available) = bytes(text, "MemAvailable")? {
        return Ok(Some(available));
    }
    let (Some(free), Some(active), Some(inactive)) =
        (bytes(text, "MemFree")?, bytes(text, "Active(file)")?, bytes(text, "Inactive(file)")?)
    else {
        return Ok(None);
    };
    let path = "/proc/sys/vm/min_free_kbytes";
    let kept = match machine.read(path) {
        Err(error) if error.is_unsupported() => return Ok(None),
        // The kernel's low mark: five quarters of these kibibytes.
        text => number(path, Some(text?.trim()))?.saturating_mul(1280),
    };
    let reclaimable = |part: u64| part.saturating_sub(kept.min(part / 2));
    let cache = reclaimable(active.saturating_add(inactive));
    let slab = reclaimable(bytes(text, "SReclaimable")?.unwrap_or(0));
    Ok(Some(free.saturating_sub(kept).saturating_add(cache).saturating_add(slab)))
}

/// Pages that were set aside, where there are any.
fn huge_pages(text: &str, sample: &mut Sample) -> Result<(), ReadError> {
    let total = bytes(text, "HugePages_Total")?.unwrap_or(0);
    let free = bytes(text, "HugePages_Free")?.unwrap_or(0);
    let size = bytes(text, "Hugepagesize")?.unwrap_or(0);
    if total > 0 {
        sample.gauge("memory-hugepages", total.saturating_mul(size));
        sample.meta("has-hugepages", "1");
        sample.gauge("memory-hugepages-used", total.saturating_sub(free).saturating_mul(size));
    }
    Ok(())
}
