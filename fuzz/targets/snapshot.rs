//! A host as RDB files and RESTORE bring it.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libfuzzer_sys::fuzz_target;
use line_protocol::{DataSourceType, Value};
use rrd_store::host::Host;
use rrd_store::snapshot;

/// Bytes of memory that a byte of a snapshot may cost at most: a map's first entry takes room for
/// several.
const MOST_A_BYTE: usize = 64;
/// And whatever its length.
const MOST_AT_ALL: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    let decoded = snapshot::decode(snapshot::VERSION, bytes, 1);
    let taken = MOST.load(Relaxed) - before;
    assert!(
        taken <= MOST_A_BYTE * bytes.len() + MOST_AT_ALL,
        "{} bytes of snapshot took {taken} bytes of memory",
        bytes.len()
    );
    let Ok(host) = decoded else { return };
    let again = snapshot::decode(snapshot::VERSION, &snapshot::encode(&host), 2);
    let again = again.expect("what was encoded");
    assert_eq!(described(&again), described(&host));
    values_are_of_their_type(&host);
});

/// All that is known of a host, in order.
fn described(host: &Host) -> String {
    let mut out = format!("{} {}\n", host.series_count(), host.pending_points());
    for (name, plugin) in host.plugins() {
        let _ = writeln!(out, "{name} {}", plugin.last_received());
        for (key, series) in plugin.series() {
            let pending: Vec<_> = series.pending().collect();
            let _ = writeln!(out, "{key} {:?} {pending:?}", series.last());
        }
        for (key, text) in plugin.meta().chain(plugin.warnings()) {
            let _ = writeln!(out, "{key:?} {text:?}");
        }
    }
    out
}

/// A file takes no other, and the series would be stuck.
fn values_are_of_their_type(host: &Host) {
    for (key, series) in host.plugins().flat_map(|(_, plugin)| plugin.series()) {
        let points = series.pending().chain(series.last());
        for point in points {
            let fits = matches!(
                (series.data_source_type(), point.value()),
                (_, Value::Unknown)
                    | (DataSourceType::Gauge | DataSourceType::Absolute, Value::Float(_))
                    | (DataSourceType::Derive, Value::Signed(_))
                    | (DataSourceType::Counter, Value::Unsigned(_))
            );
            assert!(fits, "{key} has {point:?}");
        }
    }
}

/// Bytes held now, and the most held since it was last set.
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(held, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
