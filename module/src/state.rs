//! What the main thread owns: the threads, the schedule, who waits for what.
//!
//! It lives in a variable of the main thread's own, so that no other thread can reach it, and a
//! forked child finds no lock in it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_module::{Context, ContextFlags, RedisError};
use rrd_store::data_dir::DataDir;
use rrd_store::host::Host;
use rrd_store::layout::Layout;
use rrd_store::renaming::Renaming;
use rrd_store::schedule::Schedule;
use rrd_store::selection::Selection;
use rrd_store::writers::{Done, Priority, Target, Writers};

use crate::flush::Waiting;
use crate::renaming::Permits;
use crate::stats::STATS;
use crate::{clock, events, full_sync, settings, writing};

/// How long SHUTDOWN waits for results between two looks.
const DRAIN_PAUSE: Duration = Duration::from_millis(5);

/// The state of the module.
pub struct State {
    pub writers: Writers,
    /// Of new files.
    pub layout: Arc<Layout>,
    /// Hosts that have points to write, by when they are due.
    pub schedule: Schedule,
    /// Addresses of known hosts; may hold some whose key is gone.
    pub hosts: BTreeSet<Arc<str>>,
    /// Clients that wait for writes or rows.
    pub waiting: Waiting,
    /// Batches that writers have, or whose results are still to be taken.
    pub in_flight: usize,
    /// What the writers have done, and the main thread has not looked at yet.
    pub results: VecDeque<Done>,
    /// Series that were deleted while a writer had points of them, and how often: so many results
    /// of theirs are still to come, which a new series of the same name must not take for its own.
    pub forgotten: HashMap<Target, u32>,
    /// Of a replica that takes its master's keys: what waited before.
    pub put_aside: BTreeMap<Arc<str>, Host>,
    /// Threads that wait to move files.
    pub permits: Permits,
    /// The highest number of a renaming so far.
    pub last_renaming: u64,
    /// The last one that was done before this start, until it is loaded.
    pub unseen_renaming: Option<Renaming>,
    /// An operator's stop file is there.
    pub paused: bool,
    /// Where the sweep over all hosts goes on.
    pub swept: Option<Arc<str>>,
    /// When the oldest waiting point came that the sweep has found so far.
    pub oldest_swept: Option<u32>,
    /// When the rate of writing was last measured, and how many points were written by then.
    pub rate_from: (u32, u64),
    /// When a failed write was last logged, by the clock that never steps.
    pub failure_logged: Option<u32>,
}

impl State {
    /// The key of a host is gone.
    pub fn forget(&mut self, address: &Arc<str>) {
        self.hosts.remove(address);
        // One that is due is taken for known.
        self.schedule.remove(address);
    }
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Starts the threads.
///
/// # Errors
/// Where the system gives no thread.
pub fn start(data: DataDir, threads: usize) -> Result<(), String> {
    let paused = data.is_stopped();
    let unseen_renaming = Renaming::last_done(&data);
    let writers = Writers::start(data, threads, events::wake_main_thread)
        .map_err(|error| format!("can't start writer threads: {error}"))?;
    STATS.paused.set(i64::from(paused));
    STATE.set(Some(State {
        writers,
        layout: Arc::new(settings::layout()),
        schedule: Schedule::default(),
        hosts: BTreeSet::new(),
        waiting: Waiting::default(),
        in_flight: 0,
        results: VecDeque::new(),
        forgotten: HashMap::new(),
        put_aside: BTreeMap::new(),
        permits: Permits::default(),
        last_renaming: unseen_renaming.as_ref().map_or(0, |renaming| renaming.number),
        unseen_renaming,
        paused,
        swept: None,
        oldest_swept: None,
        rate_from: (clock::monotonic(), 0),
        failure_logged: None,
    }));
    Ok(())
}

/// Runs `work` with the state.
///
/// # Errors
/// Off the main thread, or after [`stop`].
pub fn with<T>(work: impl FnOnce(&mut State) -> T) -> Result<T, RedisError> {
    STATE
        .with(|state| match state.try_borrow_mut() {
            Ok(mut state) => state.as_mut().map(work),
            Err(_) => None,
        })
        .ok_or(RedisError::Str("ERR Kurado is shutting down"))
}

impl State {
    /// Forgets which hosts there are, and when they are due.
    pub fn forget_hosts(&mut self) {
        self.schedule.clear();
        self.hosts.clear();
    }
}

/// A host came from an RDB file, or to its address from another key.
pub fn host_came(address: &str, has_pending: bool) {
    let _ = with(|state| {
        state.hosts.insert(address.into());
        if has_pending {
            // Due at its own second of a short delay: what was left elsewhere goes out soon, but
            // not all at once.
            state.schedule.add(address, clock::monotonic(), settings::delay_in_force(false));
        }
    });
}

/// All keys are about to go.
pub fn all_forgotten(ctx: &Context) {
    let _ = with(|state| {
        full_sync::put_aside(state, ctx);
        state.forget_hosts();
    });
}

/// Writes what waits, as far as the limit allows, and ends the threads. What is left is in AOF or
/// RDB, if the server keeps one.
pub fn stop(ctx: &Context) {
    let Some(mut state) = STATE.take() else {
        return;
    };
    state.permits.give_all();
    let (started, limit) = (Instant::now(), settings::shutdown_timeout());
    // The stop file may have come or gone since the last look.
    if !ctx.get_flags().contains(ContextFlags::LOADING) && !state.writers.data().is_stopped() {
        write_all(&mut state, ctx, started + limit);
    }
    let left = STATS.pending_points.get();
    if left == 0 {
        ctx.log_notice("all points are written to their files");
    } else {
        ctx.log_warning(&format!(
            "{left} points are not written to their files after {:.1} s; they are safe only as \
             far as AOF or RDB keep them",
            started.elapsed().as_secs_f32()
        ));
    }
    if !state.writers.drain(limit.saturating_sub(started.elapsed())) {
        // Waiting on for a thread that hangs in a write would keep the server from ending.
        std::mem::forget(state);
    }
}

/// Hands out all that waits and takes the results, until `end`. Each file is tried, also one whose
/// last write failed; what came while a batch of its series was under way goes out when that has
/// come back.
fn write_all(state: &mut State, ctx: &Context, end: Instant) {
    let addresses: Vec<_> = state.hosts.iter().cloned().collect();
    for priority in [Priority::Urgent, Priority::Normal] {
        for address in &addresses {
            if !wait_for_writers(state, ctx, writing::MOST_IN_FLIGHT, end) {
                return;
            }
            writing::submit(state, ctx, address, priority, Selection::All);
        }
        if !wait_for_writers(state, ctx, 1, end) {
            return;
        }
    }
}

/// Takes results until the writers have fewer batches than `most`. Whether that was before `end`.
fn wait_for_writers(state: &mut State, ctx: &Context, most: usize, end: Instant) -> bool {
    loop {
        writing::take_results(state, ctx, end);
        if Instant::now() >= end {
            return false;
        }
        if state.in_flight < most {
            return true;
        }
        std::thread::sleep(DRAIN_PAUSE);
    }
}
