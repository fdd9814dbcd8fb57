//! `KURADO.HOST address` → map, or null where the host is not known.

use redis_module::{Context, RedisError, RedisResult, RedisString, RedisValue};
use rrd_store::host::{Host, Plugin};

use super::{count, map, text, texts, time};
use crate::clock;
use crate::host_key::with_host;
use crate::ingest::check_database;
use crate::permission::{self, Wish};

/// Plugins, when they were last received, meta, live warnings, series, pending points.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let [_, address] = *texts(&arguments)? else {
        return Err(RedisError::WrongArity);
    };
    check_database(ctx)?;
    permission::check(ctx, address, Wish::Read)?;
    with_host(ctx, address, |stored| {
        stored.map_or(RedisValue::Null, |stored| stored.read(|host| told(host, address)))
    })
}

fn told(host: &Host, address: &str) -> RedisValue {
    let now = clock::now();
    map([
        ("address", text(address)),
        ("last-received", time(host.last_received())),
        ("series", count(host.series_count())),
        ("pending", count(host.pending_points())),
        ("plugins", map(host.plugins().map(|(name, plugin)| (&**name, plugin_told(plugin, now))))),
    ])
}

fn plugin_told(plugin: &Plugin, now: u32) -> RedisValue {
    let warning = |(key, warning): (_, &rrd_store::host::Text)| {
        (key, RedisValue::Array(vec![time(warning.received), text(&warning.text)]))
    };
    map([
        ("last-received", time(plugin.last_received())),
        ("series", count(plugin.series_count())),
        ("pending", count(plugin.pending_points())),
        ("meta", map(plugin.live_meta(now).map(|(key, meta)| (key, text(&meta.text))))),
        ("warnings", map(plugin.live_warnings(now).map(warning))),
    ])
}
