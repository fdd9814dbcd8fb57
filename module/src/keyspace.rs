//! Hosts as keys of Redis: what RENAME, MOVE, RESTORE and SWAPDB do with them.
//!
//! A host is written from `kurado:{address}` in database 0 alone. One that comes there goes on, with
//! a generation of its own, since batches that are under way go to the files of where it was. One
//! that comes to another place keeps its points.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};

use redis_module::{Context, KeysCursor, RedisString, raw};

use crate::guard::caught;
use crate::host_key::{self, address_of};
use crate::state;

/// After which events a key holds a value that was elsewhere before.
const ARRIVALS: [&[u8]; 3] = [b"rename_to", b"move_to", b"restore"];

/// Asks Redis to tell of keys that come and of databases that change places.
///
/// # Errors
/// Where it refuses.
pub fn subscribe(ctx: &Context) -> Result<(), String> {
    let event = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_SWAPDB, dataver: 1 };
    // SAFETY: `ctx` is valid during load, and the callbacks are functions of this library.
    let (keys, databases) = unsafe {
        (
            raw::RedisModule_SubscribeToKeyspaceEvents.map(|subscribe| {
                subscribe(ctx.get_raw(), raw::REDISMODULE_NOTIFY_GENERIC, Some(on_key))
            }),
            raw::RedisModule_SubscribeToServerEvent
                .map(|subscribe| subscribe(ctx.get_raw(), event, Some(on_swap))),
        )
    };
    let ok = Some(raw::REDISMODULE_OK as c_int);
    if keys != ok || databases != ok {
        return Err("the server refuses to tell of keys".to_owned());
    }
    Ok(())
}

unsafe extern "C" fn on_key(
    ctx: *mut raw::RedisModuleCtx,
    _kind: c_int,
    event: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: Redis passes a text that ends with NUL.
    let event = unsafe { CStr::from_ptr(event) }.to_bytes();
    if ARRIVALS.contains(&event) {
        caught(|| arrived(&Context::new(ctx), RedisString::string_as_slice(key)));
    }
    raw::REDISMODULE_OK as c_int
}

/// A key has come to the selected database.
fn arrived(ctx: &Context, name: &[u8]) {
    // SAFETY: `ctx` is valid during the callback.
    let database = unsafe { raw::RedisModule_GetSelectedDb.map(|get| get(ctx.get_raw())) };
    let database = database.unwrap_or(0);
    match address_of(name).filter(|_| database == 0) {
        Some(address) => adopt(ctx, address),
        None => {
            let key = ctx.open_key(&ctx.create_string(name));
            if let Ok(Some(host)) = host_key::value(&key) {
                let wants = if database == 0 {
                    "has a name such as kurado:{address}"
                } else {
                    "is kurado:{address} in database 0"
                };
                ctx.log_warning(&format!(
                    "key '{}' of database {database} holds a host with {} points that wait; they \
                     are written when it {wants} again",
                    name.escape_ascii(),
                    host.read(|host| host.pending_points())
                ));
            }
        }
    }
}

/// Goes on with the host at an address, if there is one.
fn adopt(ctx: &Context, address: &str) {
    let pending = host_key::with_host(ctx, address, |stored| {
        let mut host = stored?.change();
        host.renew(host_key::next_generation());
        Some(host.pending_points())
    });
    if let Ok(Some(pending)) = pending {
        state::host_came(address, pending > 0);
    }
}

unsafe extern "C" fn on_swap(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    data: *mut c_void,
) {
    // SAFETY: for this event Redis passes the structure.
    let databases = unsafe { data.cast::<raw::RedisModuleSwapDbInfo>().as_ref() };
    if databases.is_none_or(|swap| swap.dbnum_first == 0 || swap.dbnum_second == 0) {
        caught(|| swapped(&Context::new(ctx)));
    }
}

/// Database 0 has other keys than before.
fn swapped(ctx: &Context) {
    let _ = state::with(state::State::forget_hosts);
    // SAFETY: `ctx` is valid during the callback.
    unsafe { raw::RedisModule_SelectDb.map(|select| select(ctx.get_raw(), 0)) };
    let addresses = RefCell::new(Vec::new());
    let cursor = KeysCursor::new();
    let note = |_: &Context, name: &RedisString, _: Option<&redis_module::key::RedisKey>| {
        addresses.borrow_mut().extend(address_of(name.as_slice()).map(str::to_owned));
    };
    while cursor.scan(ctx, &note) {}
    for address in addresses.into_inner() {
        adopt(ctx, &address);
    }
}
