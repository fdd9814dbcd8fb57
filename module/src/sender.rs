//! Who sent a command: whose address the lines without one get.

use std::cell::OnceCell;
use std::ffi::CStr;

use redis_module::{Context, raw};

/// The client that sent a command. Most lines name their host, so it is asked for only where one
/// does not.
pub struct Sender<'a> {
    ctx: &'a Context,
    address: OnceCell<Option<String>>,
}

impl<'a> Sender<'a> {
    pub fn new(ctx: &'a Context) -> Self {
        Self { ctx, address: OnceCell::new() }
    }

    /// Its address, where it has one. A client of a Unix socket is this machine.
    pub fn address(&self) -> Option<&str> {
        self.address.get_or_init(|| ask(self.ctx)).as_deref()
    }
}

fn ask(ctx: &Context) -> Option<String> {
    // SAFETY: `ctx` is the context of the running command; `info` is a whole structure of the
    // version that it says, and its address ends with NUL.
    let (flags, text) = unsafe {
        let mut info: raw::RedisModuleClientInfoV1 = std::mem::zeroed();
        info.version = 1;
        let id = raw::RedisModule_GetClientId?(ctx.get_raw());
        let into = std::ptr::from_mut(&mut info).cast();
        if raw::RedisModule_GetClientInfoById?(into, id) != raw::REDISMODULE_OK as i32 {
            return None;
        }
        (info.flags, CStr::from_ptr(info.addr.as_ptr()).to_str().ok()?.to_owned())
    };
    if flags & u64::from(raw::REDISMODULE_CLIENTINFO_FLAG_UNIXSOCKET) != 0 {
        return Some("127.0.0.1".to_owned());
    }
    let text = text.strip_prefix("::ffff:").unwrap_or(&text);
    line_protocol::address::is_valid(text).then(|| text.to_owned())
}
