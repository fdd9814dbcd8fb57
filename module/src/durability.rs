//! How safe points are until they are in their files, in words for INFO.

use std::ffi::CStr;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use redis_module::{Context, RedisValue};

/// Redis's `appendfsync`, as far as it is known: INFO must not ask.
static APPENDFSYNC: AtomicU8 = AtomicU8::new(UNKNOWN);
static IS_STALE: AtomicBool = AtomicBool::new(true);

const UNKNOWN: u8 = 0;
const ALWAYS: u8 = 1;
const EVERYSEC: u8 = 2;
const NO: u8 = 3;

/// Room for [`words`].
pub type Buffer = [u8; 64];

/// A setting of Redis was changed: it is asked again by the next [`refresh`].
pub fn settings_changed() {
    IS_STALE.store(true, Ordering::Relaxed);
}

/// Asks Redis for what INFO shows.
pub fn refresh(ctx: &Context) {
    if !IS_STALE.swap(false, Ordering::Relaxed) {
        return;
    }
    // An operator may have renamed CONFIG.
    let reply = ctx.call("CONFIG", &["GET", "appendfsync"]);
    let word = match &reply {
        Ok(RedisValue::Array(pair)) => pair.get(1),
        _ => None,
    };
    let known = match word {
        Some(RedisValue::SimpleString(word) | RedisValue::BulkString(word)) => {
            match word.as_str() {
                "always" => ALWAYS,
                "everysec" => EVERYSEC,
                "no" => NO,
                _ => UNKNOWN,
            }
        }
        _ => UNKNOWN,
    };
    APPENDFSYNC.store(known, Ordering::Relaxed);
}

/// `aof always`, `aof everysec`, `aof no`, or `write delay 60 s, no aof`. Takes no memory.
pub fn words(has_aof: bool, write_delay: u32, buffer: &mut Buffer) -> &CStr {
    if has_aof {
        return match APPENDFSYNC.load(Ordering::Relaxed) {
            ALWAYS => c"aof always",
            EVERYSEC => c"aof everysec",
            NO => c"aof no",
            _ => c"aof",
        };
    }
    // The buffer has room for any number.
    let mut room = buffer.as_mut_slice();
    let _ = write!(room, "write delay {write_delay} s, no aof\0");
    CStr::from_bytes_until_nul(buffer).unwrap_or(c"no aof")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn without_aof_the_words_name_the_write_delay() {
        for (delay, expected) in
            [(60, c"write delay 60 s, no aof"), (u32::MAX, c"write delay 4294967295 s, no aof")]
        {
            assert_eq!(words(false, delay, &mut [0; 64]), expected);
        }
    }
}
