//! What Redis tells: time has passed, results wait, settings change, keys are flushed, the server
//! ends.

use std::ffi::c_void;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use redis_module::{Context, ContextFlags, raw};

use crate::guard::caught;
use crate::host_key::with_host;
use crate::state::{self, State};
use crate::stats::STATS;
use crate::{clock, durability, eviction, full_sync, renaming, writing};

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Ticks between two looks for the stop file.
const TICKS_A_LOOK: u32 = 10;
/// Ticks in which all hosts are looked at once, however many they are.
const TICKS_A_SWEEP: usize = 100;
/// Ticks over which the rate of writing is measured.
const TICKS_A_RATE: u32 = 100;
/// Seconds without a tick after which another one is made; the clock counts whole ones.
const LATE: u32 = 2;

/// The number of the tick that comes next; one of another number is left over.
static NEXT_TICK: AtomicU32 = AtomicU32::new(0);
/// When the last tick came, by the clock that never steps.
static LAST_TICK: AtomicU32 = AtomicU32::new(0);

/// A context of the module's own for calls that bring none; used on the main thread only, which
/// holds the lock of the server whenever it runs callbacks.
static CONTEXT: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(std::ptr::null_mut());

/// Checks that this server has the calls that the module can't do without.
///
/// # Errors
/// Where it has not.
pub fn find_calls(ctx: &Context) -> Result<(), String> {
    // SAFETY: Redis fills in these pointers before it calls the module, and never again.
    let calls = unsafe {
        (
            raw::RedisModule_GetDetachedThreadSafeContext,
            raw::RedisModule_EventLoopAddOneShot,
            raw::RedisModule_SubscribeToServerEvent,
        )
    };
    let (Some(detached), Some(_), Some(_)) = calls else {
        return Err("this server is too old; Redis 7.0 or later is needed".to_owned());
    };
    // SAFETY: `ctx` is the module's own context, valid during load.
    CONTEXT.store(unsafe { detached(ctx.get_raw()) }, Ordering::Release);
    Ok(())
}

/// Asks Redis to tell of changed settings, of flushes, of the end of loading, of time that passes,
/// and of its own end.
///
/// # Errors
/// Where it refuses.
pub fn subscribe(ctx: &Context) -> Result<(), String> {
    let wishes: [(u64, raw::RedisModuleEventCallback); 6] = [
        (raw::REDISMODULE_EVENT_CONFIG, Some(on_config)),
        (raw::REDISMODULE_EVENT_FLUSHDB, Some(on_flush)),
        (raw::REDISMODULE_EVENT_LOADING, Some(on_loading)),
        (raw::REDISMODULE_EVENT_CRON_LOOP, Some(on_cron)),
        (raw::REDISMODULE_EVENT_PERSISTENCE, Some(on_persistence)),
        (raw::REDISMODULE_EVENT_SHUTDOWN, Some(on_shutdown)),
    ];
    for (id, callback) in wishes {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: `ctx` is valid during load, and the callbacks are functions of this library.
        let done = unsafe {
            raw::RedisModule_SubscribeToServerEvent
                .map(|subscribe| subscribe(ctx.get_raw(), event, callback))
        };
        if done != Some(raw::REDISMODULE_OK as i32) {
            return Err(format!("the server refuses to tell of event {id}"));
        }
    }
    Ok(())
}

/// Starts the tick.
pub fn start_ticking(ctx: &Context) {
    let next = NEXT_TICK.load(Ordering::Relaxed).wrapping_add(1);
    NEXT_TICK.store(next, Ordering::Relaxed);
    LAST_TICK.store(clock::monotonic(), Ordering::Relaxed);
    ctx.create_timer(TICK, tick, next);
}

fn tick(ctx: &Context, count: u32) {
    if count != NEXT_TICK.load(Ordering::Relaxed) {
        return;
    }
    let _ = caught(|| durability::refresh(ctx));
    let _ = caught(|| eviction::look(ctx));
    let _ = caught(|| {
        state::with(|state| {
            state.permits.tick();
            writing::step(state, ctx);
            sweep(state, ctx);
            if count.is_multiple_of(TICKS_A_LOOK) {
                state.writers.look_for_stop_file();
            }
            if count.is_multiple_of(TICKS_A_RATE) {
                measure_rate(state);
            }
        })
    });
    start_ticking(ctx);
}

/// Looks at the next hosts, at all within ten seconds: drops what has expired, which hosts that send
/// nothing more would keep for ever, and finds the oldest point that waits.
fn sweep(state: &mut State, ctx: &Context) {
    if ctx.get_flags().contains(ContextFlags::LOADING) {
        return;
    }
    let count = state.hosts.len() / TICKS_A_SWEEP + 1;
    let after = state.swept.take().map_or(Bound::Unbounded, Bound::Excluded);
    let next: Vec<Arc<str>> =
        state.hosts.range((after, Bound::Unbounded)).take(count).cloned().collect();
    for address in &next {
        let since = with_host(ctx, address, |stored| {
            let stored = stored?;
            stored.change().expire(clock::now());
            Some(stored.pending_since())
        });
        match since {
            Ok(Some(since)) => {
                state.oldest_swept = state.oldest_swept.into_iter().chain(since).min();
            }
            _ => {
                state.forget(address);
            }
        }
    }
    if next.len() == count {
        state.swept = next.last().cloned();
    } else {
        let oldest = state.oldest_swept.take().map_or(0, |since| i64::from(since) + 1);
        STATS.oldest_pending_since.set(oldest);
    }
}

/// Notes how many points a second were written since the last time.
fn measure_rate(state: &mut State) {
    let (now, written) = (clock::monotonic(), STATS.points_written.get());
    let (last, before) = state.rate_from;
    let seconds = u64::from(now.saturating_sub(last).max(1));
    let rate = written.saturating_sub(before) / seconds;
    STATS.points_written_per_second.set(i64::try_from(rate).unwrap_or(i64::MAX));
    state.rate_from = (now, written);
}

/// Called by a writer thread when results wait: makes the main thread take them.
pub fn wake_main_thread() {
    // SAFETY: Redis filled in the pointer before the threads began; this call may come from any
    // thread, and the callback is a function of this library. Where it fails, the next tick takes
    // the results.
    unsafe {
        if let Some(add) = raw::RedisModule_EventLoopAddOneShot {
            add(Some(on_results), std::ptr::null_mut());
        }
    }
}

/// Touches no key: opening one may find it expired and delete it, and only what runs in a timer or
/// a command has its deletions replicated.
unsafe extern "C" fn on_results(_data: *mut c_void) {
    let ctx = Context::new(CONTEXT.load(Ordering::Acquire));
    caught(|| writing::step_soon(&ctx));
}

unsafe extern "C" fn on_flush(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    data: *mut c_void,
) {
    // SAFETY: for this event Redis passes the structure, or nothing.
    let database = unsafe { data.cast::<raw::RedisModuleFlushInfo>().as_ref() };
    // -1 stands for all; hosts live in database 0.
    let concerns_hosts = database.is_none_or(|info| info.dbnum <= 0);
    if subevent == raw::REDISMODULE_SUBEVENT_FLUSHDB_START && concerns_hosts {
        let ctx = Context::new(ctx);
        caught(|| state::all_forgotten(&ctx));
    }
}

/// Comes before any command is taken.
unsafe extern "C" fn on_loading(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    if subevent == raw::REDISMODULE_SUBEVENT_LOADING_ENDED {
        let ctx = Context::new(ctx);
        caught(|| full_sync::take_back(&ctx));
        caught(|| renaming::undo_lost(&ctx));
    }
}

unsafe extern "C" fn on_config(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _data: *mut c_void,
) {
    durability::settings_changed();
}

/// Redis's timers go by the time of day: where that is set back by an hour, they stop for an hour.
/// What calls this goes by a clock that never steps.
unsafe extern "C" fn on_cron(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _data: *mut c_void,
) {
    let since = clock::monotonic().saturating_sub(LAST_TICK.load(Ordering::Relaxed));
    if since >= LATE {
        caught(|| {
            writing::forget_timer();
            start_ticking(&Context::new(ctx));
        });
    }
}

/// A rewritten AOF lacks the points that are in files: so first of all, in the child that rewrites
/// it, these files go to the disk, as they else might not be there after a power cut.
unsafe extern "C" fn on_persistence(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    if subevent == raw::REDISMODULE_SUBEVENT_PERSISTENCE_AOF_START {
        let ctx = Context::new(ctx);
        caught(|| match state::with(|state| state.writers.data().sync()) {
            Ok(Ok(())) => {
                ctx.log_notice("RRD files are on the disk; the AOF may forget their points")
            }
            Ok(Err(error)) => ctx.log_warning(&format!(
                "RRD files can't be put on the disk before the AOF forgets their points: {error}"
            )),
            Err(_) => {}
        });
    }
}

/// Comes after the last write of AOF or RDB.
unsafe extern "C" fn on_shutdown(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _data: *mut c_void,
) {
    let ctx = Context::new(ctx);
    caught(|| state::stop(&ctx));
}
