//! Hands out batches that are due and takes back what became of them. Main thread only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_module::{Context, ContextFlags};
use rrd_store::file::{FileError, Written};
use rrd_store::host::DueSeries;
use rrd_store::point::Point;
use rrd_store::selection::Selection;
use rrd_store::writers::{Done, Job, Priority, Target};

use crate::guard::caught;
use crate::host_key::{StoredHost, with_host};
use crate::state::{self, State};
use crate::stats::STATS;
use crate::{clock, flush, settings};

/// Batches that writers have at most, so that one that somebody waits for comes soon.
pub const MOST_IN_FLIGHT: usize = 2048;
/// Seconds between two lines of log about failed writes.
const LOG_EVERY: u32 = 10;

/// Longest time that the main thread spends on results and batches before it serves clients again.
const STEP: Duration = Duration::from_micros(500);

/// Whether the next step will come without being asked for.
static STEP_COMES: AtomicBool = AtomicBool::new(false);

/// Takes results and hands out batches as soon as the clients that wait now are served.
pub fn step_soon(ctx: &Context) {
    if !STEP_COMES.swap(true, Ordering::AcqRel) {
        ctx.create_timer(Duration::ZERO, come_to_step, ());
    }
}

/// The next step may not come for long: its timer is one that the clock was set back under.
pub fn forget_timer() {
    STEP_COMES.store(false, Ordering::Release);
}

fn come_to_step(ctx: &Context, (): ()) {
    STEP_COMES.store(false, Ordering::Release);
    let _ = caught(|| state::with(|state| step(state, ctx)));
}

/// Takes results and hands out what is due, for [`STEP`] at most; the rest follows soon.
pub fn step(state: &mut State, ctx: &Context) {
    let end = Instant::now() + STEP;
    take_results(state, ctx, end);
    submit_due(state, ctx, end);
    if Instant::now() >= end {
        step_soon(ctx);
    }
}

/// Hands out what somebody waits for, and what is due.
fn submit_due(state: &mut State, ctx: &Context, end: Instant) {
    if ctx.get_flags().contains(ContextFlags::LOADING) {
        return;
    }
    let now = clock::monotonic();
    while state.in_flight < MOST_IN_FLIGHT && Instant::now() < end {
        if flush::hand_out_next(state, ctx) {
            continue;
        }
        if state.paused {
            return;
        }
        let Some(address) = state.schedule.pop(now) else {
            return;
        };
        submit(state, ctx, &address, Priority::Normal, Selection::All);
    }
}

/// Batches of one host for the writers.
pub struct Taken {
    generation: u64,
    due: Vec<DueSeries>,
    /// When a series of it may be tried again whose write failed.
    next_retry: Option<u32>,
}

/// Takes the waiting points of those selected series of a host that no writer has. Where somebody
/// waits for them they are tried even where a failure asks for patience.
pub fn take(stored: &StoredHost, priority: Priority, selection: Selection<'_>) -> Taken {
    let now = clock::monotonic();
    let ready_by = match priority {
        Priority::Urgent => u32::MAX,
        Priority::Normal => now,
    };
    let mut host = stored.change();
    let due = host.take_due(ready_by, selection);
    // Single series are found without a walk over all.
    let next_retry = match selection {
        Selection::Keys(..) => None,
        _ => {
            host.expire(clock::now());
            host.next_retry(now)
        }
    };
    let generation = host.generation();
    drop(host);
    stored.note_taken(due.iter().map(|series| series.points.len()).sum());
    Taken { generation, due, next_retry }
}

/// Gives a host's batches to the writers.
pub fn hand_out(state: &mut State, address: &Arc<str>, taken: Taken, priority: Priority) {
    if let Some(when) = taken.next_retry {
        state.schedule.add_at(address, when);
    }
    for series in taken.due {
        let target = Target {
            address: Arc::clone(address),
            generation: taken.generation,
            plugin: series.plugin,
            key: series.key,
        };
        let (data_source_type, points) = (series.data_source_type, series.points);
        let layout = Arc::clone(&state.layout);
        state.writers.submit(Job::Write { target, data_source_type, layout, points }, priority);
        state.in_flight += 1;
    }
    note_in_flight(state);
}

/// [`take`] and [`hand_out`]. Whether there is such a host.
pub fn submit(
    state: &mut State,
    ctx: &Context,
    address: &Arc<str>,
    priority: Priority,
    selection: Selection<'_>,
) -> bool {
    let taken = with_host(ctx, address, |stored| Some(take(stored?, priority, selection)));
    let Ok(Some(taken)) = taken else {
        // Its key is gone.
        state.forget(address);
        return false;
    };
    hand_out(state, address, taken, priority);
    true
}

/// A batch has come back, or was dropped.
pub fn note_done(state: &mut State) {
    state.in_flight = state.in_flight.saturating_sub(1);
    note_in_flight(state);
}

fn note_in_flight(state: &State) {
    STATS.batches_in_flight.set(i64::try_from(state.in_flight).unwrap_or(i64::MAX));
}

/// Takes what the writers have done, until `end`.
pub fn take_results(state: &mut State, ctx: &Context, end: Instant) {
    if ctx.get_flags().contains(ContextFlags::LOADING) {
        return;
    }
    state.results.extend(state.writers.take_results());
    while let Some(done) = state.results.pop_front() {
        match done {
            Done::Written { target, result } => {
                note_done(state);
                // A fault with one must not lose the results behind it.
                let _ = caught(|| written(state, ctx, &target, &result));
            }
            Done::Fetched { token, result } => flush::fetched(state, token, result),
            Done::Deleted { token, deleted } => flush::deleted(state, ctx, token, deleted),
            Done::Renamed { token, result } => flush::renamed(state, ctx, token, result),
            Done::Looked { stopped } => note_stop_file(state, ctx, stopped),
        }
        if Instant::now() >= end {
            break;
        }
    }
    note_in_flight(state);
}

fn note_stop_file(state: &mut State, ctx: &Context, stopped: bool) {
    if stopped != state.paused {
        state.paused = stopped;
        STATS.paused.set(i64::from(stopped));
        ctx.log_notice(if stopped {
            "writing is paused by the file 'stop' in the data directory"
        } else {
            "writing goes on"
        });
    }
}

fn written(state: &mut State, ctx: &Context, target: &Target, result: &Result<Written, FileError>) {
    let now = clock::monotonic();
    count(state, ctx, result);
    let is_forgotten = take_forgotten(state, target);
    // A host of another generation is a new one at the same address: its points are not these.
    let left = with_host(ctx, &target.address, |stored| {
        let mut host = stored?.change();
        if host.generation() != target.generation {
            return None;
        }
        match result {
            _ if is_forgotten => {}
            Ok(written) => {
                host.written(&target.plugin, &target.key, written.last_update);
            }
            Err(error) => {
                host.failed(&target.plugin, &target.key, &error.to_string(), now, clock::now())
            }
        }
        let series = host.plugin(&target.plugin).and_then(|plugin| plugin.get(&target.key));
        let next = series.and_then(|s| s.pending().next().map(Point::time));
        Some((host.pending_points(), host.next_retry_of(&target.plugin, &target.key, now), next))
    });
    let (pending, retry, next) = left.ok().flatten().unwrap_or_default();
    if let Some(when) = retry {
        state.schedule.add_at(&target.address, when);
    } else if pending > 0 {
        state.schedule.add(&target.address, now, settings::write_delay(ctx));
    }
    flush::settle(state, ctx, target, result, next);
}

/// Whether the series was deleted while a writer had these points.
fn take_forgotten(state: &mut State, target: &Target) -> bool {
    let Some(results) = state.forgotten.get_mut(target) else {
        return false;
    };
    *results -= 1;
    if *results == 0 {
        state.forgotten.remove(target);
    }
    true
}

fn count(state: &mut State, ctx: &Context, result: &Result<Written, FileError>) {
    match result {
        Ok(written) => {
            STATS.points_written.add(written.points);
            STATS.points_skipped.add(written.skipped);
            STATS.files_created.add(usize::from(written.created));
            STATS.files_updated.add(usize::from(written.points > 0));
            STATS.last_write.set(i64::from(clock::now()));
        }
        Err(error) => {
            STATS.count_failure(error.kind);
            let now = clock::monotonic();
            if state.failure_logged.is_none_or(|last| now.saturating_sub(last) >= LOG_EVERY) {
                state.failure_logged = Some(now);
                ctx.log_warning(&format!("{error}; the points wait in memory and are tried again"));
            }
        }
    }
}
