//! Agents of the earlier system send `RPUSH kurado-update payload…`: a filter makes it
//! `KURADO.QUEUE kurado-update payload…`, with as many words and the key in the same place.

use redis_module::{Context, ContextFlags, RedisString, raw};

use crate::guard::caught;
use crate::settings;

/// The list that the earlier system kept what agents sent in.
const QUEUE: &[u8] = b"kurado-update";
const COMMAND: &[u8] = b"RPUSH";
const REPLACEMENT: &[u8] = b"KURADO.QUEUE";

/// Puts the filter in place.
///
/// # Errors
/// Where Redis refuses.
pub fn register(ctx: &Context) -> Result<(), String> {
    // SAFETY: `ctx` is valid during load, and the callback is a function of this library.
    let filter = unsafe {
        raw::RedisModule_RegisterCommandFilter
            .map(|register| register(ctx.get_raw(), Some(on_command), 0))
    };
    match filter {
        Some(filter) if !filter.is_null() => Ok(()),
        _ => Err("the server refuses a command filter".to_owned()),
    }
}

/// Sees every command of the server, so what is most often false is asked first.
unsafe extern "C" fn on_command(filter: *mut raw::RedisModuleCommandFilterCtx) {
    if word(filter, 0).is_some_and(|name| name.eq_ignore_ascii_case(COMMAND))
        && word(filter, 1) == Some(QUEUE)
    {
        caught(|| replace(filter));
    }
}

/// One word of a command; comparing it compares lengths first.
fn word<'a>(
    filter: *mut raw::RedisModuleCommandFilterCtx,
    position: std::ffi::c_int,
) -> Option<&'a [u8]> {
    // SAFETY: `filter` is valid during the callback, and gives null past the last word; words live
    // as long as the callback, in which the slice stays.
    unsafe {
        let word = raw::RedisModule_CommandFilterArgGet?(filter, position);
        (!word.is_null()).then(|| RedisString::string_as_slice(word))
    }
}

fn replace(filter: *mut raw::RedisModuleCommandFilterCtx) {
    if !settings::queue_compat() {
        return;
    }
    // SAFETY: without a context Redis tells of the server alone, and makes a string that belongs
    // to the caller, who gives it to the filter; all pointers are valid during the callback.
    unsafe {
        let (Some(flags), Some(create), Some(replace)) = (
            raw::RedisModule_GetContextFlags,
            raw::RedisModule_CreateString,
            raw::RedisModule_CommandFilterArgReplace,
        ) else {
            return;
        };
        // On a replica this is the master's own list, which has a filter of its own, or a client
        // that must be told that a replica takes no writes.
        if ContextFlags::from_bits_truncate(flags(std::ptr::null_mut()))
            .contains(ContextFlags::SLAVE)
        {
            return;
        }
        let name = create(std::ptr::null_mut(), REPLACEMENT.as_ptr().cast(), REPLACEMENT.len());
        replace(filter, 0, name);
    }
}
