//! `INFO kurado`. Also asked in crash reports: atomics and plain reads only.

use std::ffi::{CStr, CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use redis_module::{Context, ContextFlags, raw};

use crate::guard::caught;
use crate::stats::STATS;
use crate::{clock, durability, settings};

static DATA_DIR: OnceLock<CString> = OnceLock::new();

/// Registers the section.
///
/// # Errors
/// Where Redis refuses.
pub fn register(ctx: &Context) -> Result<(), String> {
    // SAFETY: `ctx` is valid during load, and the callback is a function of this library.
    let done = unsafe {
        raw::RedisModule_RegisterInfoFunc.map(|register| register(ctx.get_raw(), Some(on_info)))
    };
    match done {
        Some(status) if status == raw::REDISMODULE_OK as c_int => Ok(()),
        _ => Err("the server refuses an INFO section".to_owned()),
    }
}

/// Notes the data directory to show.
pub fn set_data_dir(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    let _ = DATA_DIR.set(path);
}

unsafe extern "C" fn on_info(ctx: *mut raw::RedisModuleInfoCtx, _for_crash_report: c_int) {
    caught(|| write(ctx));
}

fn write(ctx: *mut raw::RedisModuleInfoCtx) {
    let number = |name: &CStr, number: u64| {
        // SAFETY: `ctx` is valid during the callback, and the name ends with NUL.
        unsafe {
            raw::RedisModule_InfoAddFieldULongLong.map(|add| add(ctx, name.as_ptr(), number))
        };
    };
    let text = |name: &CStr, text: &CStr| {
        // SAFETY: as above, for both texts.
        unsafe {
            raw::RedisModule_InfoAddFieldCString.map(|add| add(ctx, name.as_ptr(), text.as_ptr()))
        };
    };
    // SAFETY: as above; an empty name makes the section the module's own.
    let wanted = unsafe { raw::RedisModule_InfoAddSection.map(|add| add(ctx, c"".as_ptr())) };
    if wanted != Some(raw::REDISMODULE_OK as c_int) {
        return;
    }
    text(c"data_dir", DATA_DIR.get().map_or(c"", CString::as_c_str));
    // SAFETY: without a context Redis tells of the server alone.
    let flags =
        unsafe { raw::RedisModule_GetContextFlags.map(|flags| flags(std::ptr::null_mut())) };
    let has_aof = flags.is_some_and(|flags| flags & ContextFlags::AOF.bits() != 0);
    let write_delay = settings::delay_in_force(has_aof);
    text(c"durability", durability::words(has_aof, write_delay, &mut [0; _]));
    number(c"write_delay_seconds", u64::from(write_delay));
    number(c"writing_paused", STATS.paused.get());
    number(c"hosts", STATS.hosts.get());
    number(c"series", STATS.series.get());
    number(c"lines_accepted", STATS.lines_accepted.get());
    number(c"lines_rejected", STATS.lines_rejected.get());
    for (reason, counter) in STATS.rejections() {
        number(reason, counter.get());
    }
    number(c"pushes_refused", STATS.pushes_refused.get());
    number(c"pending_points", STATS.pending_points.get());
    number(c"pending_bytes", STATS.pending_bytes.get());
    number(c"oldest_pending_age_seconds", oldest_pending_age());
    number(c"batches_in_flight", STATS.batches_in_flight.get());
    number(c"points_written", STATS.points_written.get());
    number(c"points_written_per_second", STATS.points_written_per_second.get());
    number(c"points_skipped", STATS.points_skipped.get());
    number(c"files_created", STATS.files_created.get());
    number(c"files_updated", STATS.files_updated.get());
    number(c"last_write", STATS.last_write.get());
    number(c"write_errors_no_space", STATS.errors_no_space.get());
    number(c"write_errors_permission", STATS.errors_permission.get());
    number(c"write_errors_damaged_file", STATS.errors_damaged.get());
    number(c"write_errors_other_layout", STATS.errors_layout.get());
    number(c"write_errors_locked", STATS.errors_locked.get());
    number(c"write_errors_other", STATS.errors_other.get());
    number(c"flushes", STATS.flushes.get());
    number(c"clients_waiting", STATS.flushes_waiting.get());
}

/// Seconds that the oldest point has waited, as of the last look at all hosts.
fn oldest_pending_age() -> u64 {
    if STATS.pending_points.get() == 0 {
        return 0;
    }
    match STATS.oldest_pending_since.get() {
        0 => 0,
        since => u64::from(clock::monotonic()).saturating_sub(since - 1),
    }
}
