//! Clients that wait: for points to be in their files (FLUSH), then for rows (FETCH); for files to
//! be gone (DEL) or elsewhere (RENAME).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use redis_module::{
    BlockedClient, Context, ContextFlags, RedisError, RedisResult, RedisValue, ThreadSafeContext,
};
use rrd_store::deletion::Deleted;
use rrd_store::file::{FailureKind, FileError, Range, Row, Written};
use rrd_store::host::Host;
use rrd_store::selection::Selection;
use rrd_store::writers::{Job, Priority, Target};

use crate::deletion;
use crate::host_key::with_host;
use crate::renaming;
use crate::state::State;
use crate::stats::STATS;
use crate::writing;

/// All clients that wait.
#[derive(Default)]
pub struct Waiting {
    next_id: u64,
    flushes: HashMap<u64, Flush>,
    /// Clients of these beyond the first of each.
    joined: usize,
    /// Those whose hosts are still to be handed out, one after the other.
    handing_out: VecDeque<u64>,
    /// By series: who waits for it, and for its points up to which time.
    by_series: HashMap<Target, Vec<(u64, u32)>>,
    fetches: HashMap<u64, (BlockedClient, Target)>,
    /// With how many series memory knew.
    deletions: HashMap<u64, (BlockedClient, usize)>,
    renamings: HashMap<u64, BlockedClient>,
}

struct Flush {
    /// Who waits for it; one, but for flushes of all hosts.
    clients: Vec<BlockedClient>,
    then: Then,
    /// Hosts whose points are still to be handed out.
    addresses: VecDeque<Arc<str>>,
    /// Series whose batches are to come back.
    series_left: usize,
    points: usize,
    failed: usize,
    first_error: Option<String>,
}

/// What follows when the points are in their files.
pub enum Then {
    /// The client is told how many they were.
    Count,
    /// Rows of this series are read.
    Fetch(Target, Range),
}

/// Whether a client can be made to wait: not in MULTI, not in a script, and not where another module
/// calls.
pub fn may_wait(ctx: &Context) -> bool {
    let refusing = ContextFlags::MULTI | ContextFlags::LUA | ContextFlags::DENY_BLOCKING;
    !ctx.get_flags().intersects(refusing)
}

/// Refuses where a client can't be made to wait.
///
/// # Errors
/// Where [`may_wait`] says so.
pub fn check_may_wait(ctx: &Context, command: &str) -> Result<(), RedisError> {
    if !may_wait(ctx) {
        return Err(RedisError::String(format!(
            "ERR {command} waits for the disk, so it can't run in MULTI or a script"
        )));
    }
    Ok(())
}

/// Refuses while an operator has paused writing.
///
/// # Errors
/// While the stop file is there.
pub fn check_not_paused(state: &State) -> Result<(), RedisError> {
    if state.paused {
        return Err(RedisError::String(format!(
            "ERR writing is paused by the file {}; points are kept",
            state.writers.data().path().join("stop").display()
        )));
    }
    Ok(())
}

/// Writes the waiting points of the selected series of a host, if one is given; the client gets its
/// reply when they are in their files.
pub fn start(
    state: &mut State,
    ctx: &Context,
    address: Option<&Arc<str>>,
    selection: Selection<'_>,
    then: Then,
) -> RedisResult {
    STATS.flushes.add(1);
    let id = state.waiting.next_id();
    let series_left = address.map_or(0, |address| hand_out(state, ctx, id, address, selection));
    if series_left == 0 && matches!(then, Then::Count) {
        return Ok(RedisValue::Integer(0));
    }
    let flush = Flush { series_left, ..Flush::new(ctx.block_client(), then) };
    if series_left == 0 {
        finish(state, flush);
    } else {
        state.waiting.flushes.insert(id, flush);
    }
    STATS.flushes_waiting.set(state.waiting.count());
    Ok(RedisValue::NoReply)
}

/// Writes the waiting points of these hosts, some at a time, so that other clients are served in
/// between; the client gets its reply when they are in their files.
pub fn start_all(state: &mut State, ctx: &Context, addresses: VecDeque<Arc<str>>) -> RedisResult {
    STATS.flushes.add(1);
    let waiting = &mut state.waiting;
    // One that has just these hosts still before it does for this client too, so that clients that
    // ask again and again, or ask and go, cost no more than one.
    let last = waiting.handing_out.back().and_then(|id| waiting.flushes.get_mut(id));
    if let Some(flush) = last.filter(|flush| flush.addresses == addresses) {
        flush.clients.push(ctx.block_client());
        waiting.joined += 1;
    } else {
        let id = waiting.next_id();
        let flush = Flush { addresses, ..Flush::new(ctx.block_client(), Then::Count) };
        waiting.flushes.insert(id, flush);
        waiting.handing_out.push_back(id);
    }
    STATS.flushes_waiting.set(state.waiting.count());
    writing::step_soon(ctx);
    Ok(RedisValue::NoReply)
}

/// Hands out the points of the next host that a client waits for. Whether there was one.
pub fn hand_out_next(state: &mut State, ctx: &Context) -> bool {
    let Some(&id) = state.waiting.handing_out.front() else {
        return false;
    };
    let flush = state.waiting.flushes.get_mut(&id);
    let address = flush.and_then(|flush| flush.addresses.pop_front());
    let count = address.map_or(0, |address| hand_out(state, ctx, id, &address, Selection::All));
    let was_last = state.waiting.flushes.get_mut(&id).is_none_or(|flush| {
        flush.series_left += count;
        flush.addresses.is_empty()
    });
    if was_last {
        state.waiting.handing_out.pop_front();
        finish_if_done(state, id);
    }
    STATS.flushes_waiting.set(state.waiting.count());
    true
}

/// Hands out the waiting points of the selected series of a host. Gives how many series the client
/// waits for.
fn hand_out(
    state: &mut State,
    ctx: &Context,
    id: u64,
    address: &Arc<str>,
    selection: Selection<'_>,
) -> usize {
    // Opened once: the key may expire at any moment.
    let taken = with_host(ctx, address, |stored| {
        let stored = stored.filter(|stored| stored.read(Host::pending_points) > 0)?;
        let waits = stored.read(|host| waits(host, address, selection));
        Some((waits, writing::take(stored, Priority::Urgent, selection)))
    });
    // A key of another type has no points.
    let Ok(Some((waits, taken))) = taken else {
        return 0;
    };
    let count = waits.len();
    for (target, newest) in waits {
        state.waiting.by_series.entry(target).or_default().push((id, newest));
    }
    writing::hand_out(state, address, taken, Priority::Urgent);
    count
}

/// The selected series that have points waiting, and the times of the newest.
fn waits(host: &Host, address: &Arc<str>, selection: Selection<'_>) -> Vec<(Target, u32)> {
    let mut waits = Vec::new();
    host.each_series(selection, |plugin, key, series| {
        if let Some(newest) = series.newest_pending() {
            let target = Target {
                address: Arc::clone(address),
                generation: host.generation(),
                plugin: Arc::clone(plugin),
                key: Arc::from(key),
            };
            waits.push((target, newest.time()));
        }
    });
    waits
}

impl Flush {
    fn new(client: BlockedClient, then: Then) -> Self {
        Self {
            clients: vec![client],
            then,
            addresses: VecDeque::new(),
            series_left: 0,
            points: 0,
            failed: 0,
            first_error: None,
        }
    }
}

impl Waiting {
    fn count(&self) -> i64 {
        let for_files = self.fetches.len() + self.deletions.len() + self.renamings.len();
        let count = self.flushes.len() + self.joined + for_files;
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// A number that no other client that waits has.
    pub fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// A client waits for files to be gone, of so many series that memory knew.
    pub fn add_deletion(&mut self, token: u64, client: BlockedClient, known: usize) {
        self.deletions.insert(token, (client, known));
        STATS.flushes_waiting.set(self.count());
    }

    /// A client waits for files to be at their new address.
    pub fn add_renaming(&mut self, token: u64, client: BlockedClient) {
        self.renamings.insert(token, client);
        STATS.flushes_waiting.set(self.count());
    }
}

/// A batch of a series has come back; `next` is the time of its first point that still waits.
pub fn settle(
    state: &mut State,
    ctx: &Context,
    target: &Target,
    result: &Result<Written, FileError>,
    next: Option<u32>,
) {
    let Some(waits) = state.waiting.by_series.remove(target) else {
        return;
    };
    let mut more = Vec::new();
    for (id, newest) in waits {
        let Some(flush) = state.waiting.flushes.get_mut(&id) else {
            continue;
        };
        match result {
            Ok(written) => {
                flush.points += written.points + written.skipped;
                // The batch was under way when the client came; its newest points were not in it.
                if next.is_some_and(|next| next <= newest) {
                    more.push((id, newest));
                    continue;
                }
            }
            Err(error) => {
                flush.failed += 1;
                flush.first_error.get_or_insert_with(|| error.to_string());
            }
        }
        series_done(state, id);
    }
    if !more.is_empty() {
        let selection = Selection::Keys(&target.plugin, &[&target.key]);
        if writing::submit(state, ctx, &target.address, Priority::Urgent, selection) {
            state.waiting.by_series.insert(target.clone(), more);
        } else {
            // The host has gone this very moment, and with it the points.
            more.into_iter().for_each(|(id, _)| series_done(state, id));
        }
    }
    STATS.flushes_waiting.set(state.waiting.count());
}

/// A host has gone to another address with its points, and who waits for them goes on to wait.
pub fn follow(state: &mut State, ctx: &Context, from: &Arc<str>, to: &Arc<str>) {
    let waiting = &mut state.waiting;
    for flush in waiting.flushes.values_mut() {
        for address in flush.addresses.iter_mut().filter(|address| *address == from) {
            *address = Arc::clone(to);
        }
    }
    let generation = with_host(ctx, to, |stored| stored.map(|s| s.read(Host::generation)));
    let Ok(Some(generation)) = generation else {
        return;
    };
    let moved: Vec<_> = waiting.by_series.extract_if(|target, _| target.address == *from).collect();
    if moved.is_empty() {
        return;
    }
    for (target, waits) in moved {
        let target = Target { address: Arc::clone(to), generation, ..target };
        waiting.by_series.insert(target, waits);
    }
    writing::submit(state, ctx, to, Priority::Urgent, Selection::All);
}

/// A series that a client waited for is written, or not.
fn series_done(state: &mut State, id: u64) {
    if let Some(flush) = state.waiting.flushes.get_mut(&id) {
        flush.series_left = flush.series_left.saturating_sub(1);
    }
    finish_if_done(state, id);
}

fn finish_if_done(state: &mut State, id: u64) {
    let is_done = |flush: &Flush| flush.series_left == 0 && flush.addresses.is_empty();
    if state.waiting.flushes.get(&id).is_some_and(is_done)
        && let Some(flush) = state.waiting.flushes.remove(&id)
    {
        finish(state, flush);
    }
}

fn finish(state: &mut State, mut flush: Flush) {
    state.waiting.joined -= flush.clients.len().saturating_sub(1);
    match flush.then {
        // What the file has is of use even where the newest points could not be added.
        Then::Fetch(target, range) => {
            if let Some(client) = flush.clients.pop() {
                fetch(state, client, target, range);
            }
        }
        Then::Count => {
            let failure = flush
                .first_error
                .map(|error| format!("ERR {} files could not be written: {error}", flush.failed));
            for client in flush.clients {
                let points = i64::try_from(flush.points).unwrap_or(i64::MAX);
                let failure = failure.clone().map(RedisError::String);
                reply(client, failure.map_or(Ok(RedisValue::Integer(points)), Err));
            }
        }
    }
}

/// Reads rows for a client that waits.
fn fetch(state: &mut State, client: BlockedClient, target: Target, range: Range) {
    let token = state.waiting.next_id();
    state.waiting.fetches.insert(token, (client, target.clone()));
    state.writers.submit(Job::Fetch { token, target, range }, Priority::Urgent);
}

/// Rows have come.
pub fn fetched(state: &mut State, token: u64, result: Result<Vec<Row>, FileError>) {
    let Some((client, Target { address, plugin, key, .. })) = state.waiting.fetches.remove(&token)
    else {
        return;
    };
    STATS.flushes_waiting.set(state.waiting.count());
    let rows = match result {
        Ok(rows) => rows,
        Err(error) if error.kind == FailureKind::Missing => {
            let text = format!("ERR no series '{key}' of plugin '{plugin}' of host '{address}'");
            return reply(client, Err(RedisError::String(text)));
        }
        Err(error) => return reply(client, Err(RedisError::String(format!("ERR {error}")))),
    };
    let row = |(time, value): Row| {
        let value = value.map_or(RedisValue::Null, RedisValue::Float);
        RedisValue::Array(vec![RedisValue::Integer(i64::from(time)), value])
    };
    reply(client, Ok(RedisValue::Array(rows.into_iter().map(row).collect())));
}

/// Files are gone, or not. Nobody may wait for it: then an error is logged.
pub fn deleted(state: &mut State, ctx: &Context, token: u64, deleted: Deleted) {
    if let Some((client, known)) = state.waiting.deletions.remove(&token) {
        STATS.flushes_waiting.set(state.waiting.count());
        return reply(client, deletion::outcome(known, deleted));
    }
    if let Err(error) = deletion::outcome(0, deleted) {
        ctx.log_warning(&error.to_string());
    }
}

/// Files are at their new address, or not. Nobody may wait for it: then an error is logged.
pub fn renamed(state: &mut State, ctx: &Context, token: u64, result: Result<(), String>) {
    let outcome = renaming::outcome(result);
    if let Err(error) = &outcome {
        ctx.log_warning(&error.to_string());
    }
    if let Some(client) = state.waiting.renamings.remove(&token) {
        STATS.flushes_waiting.set(state.waiting.count());
        reply(client, outcome);
    }
}

fn reply(client: BlockedClient, result: RedisResult) {
    ThreadSafeContext::with_blocked_client(client).reply(result);
}
