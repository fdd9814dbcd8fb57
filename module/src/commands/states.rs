//! `KURADO.STATES address [address …]` → for each address null where the host is not known, else a
//! flat array of plugin, when it was last received, and how many live warnings it has.

use redis_module::{Context, RedisError, RedisResult, RedisString, RedisValue};
use rrd_store::host::Host;

use super::{count, text, texts, time};
use crate::clock;
use crate::host_key::{checked_key_name, with_host_of};
use crate::ingest::check_database;
use crate::origin::Origin;
use crate::permission::{Rights, Wish};

/// Most addresses of one command: the main thread serves nobody else meanwhile.
const MAX_ADDRESSES: usize = 1000;

/// What the statuses of many hosts stand on, in the order of the addresses.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let arguments = texts(&arguments)?;
    let addresses = match &*arguments {
        [_, addresses @ ..] if !addresses.is_empty() => addresses,
        _ => return Err(RedisError::WrongArity),
    };
    if addresses.len() > MAX_ADDRESSES {
        return Err(RedisError::String(format!(
            "ERR {} addresses in one command, and at most {MAX_ADDRESSES} are taken",
            addresses.len()
        )));
    }
    check_database(ctx)?;
    let rights = Rights::new(ctx, Origin::of(ctx));
    let now = clock::now();
    let states = addresses.iter().map(|address| {
        let name = checked_key_name(ctx, address)?;
        rights.check_key(&name, Wish::Read)?;
        with_host_of(ctx, &name, |stored| {
            stored.map_or(RedisValue::Null, |stored| stored.read(|host| told(host, now)))
        })
    });
    Ok(RedisValue::Array(states.collect::<Result<_, _>>()?))
}

fn told(host: &Host, now: u32) -> RedisValue {
    let mut state = Vec::new();
    for (name, plugin) in host.plugins() {
        let warnings = plugin.live_warnings(now).count();
        state.extend([text(name), time(plugin.last_received()), count(warnings)]);
    }
    RedisValue::Array(state)
}
