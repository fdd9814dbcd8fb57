//! `KURADO.META SET payload …` → as PUSH; `GET address [plugin [key]]` → map;
//! `DEL address plugin [key]` → how many went.

use redis_module::{Context, RedisError, RedisResult, RedisString};
use rrd_store::host::Plugin;

use super::{count, map, text, texts};
use crate::clock;
use crate::host_key::with_host;
use crate::ingest::{Takes, check_database, ingest};
use crate::permission::{self, Wish};

/// Information without history; it expires an hour after it was last set.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let subcommand = arguments.get(1).map(|name| name.to_string_lossy().to_ascii_lowercase());
    let rest = arguments.get(2..).unwrap_or_default();
    match (subcommand.as_deref(), rest) {
        (Some("set"), [_, ..]) => ingest(ctx, rest, Takes::Meta),
        (Some("get"), [_] | [_, _] | [_, _, _]) => get(ctx, &texts(rest)?),
        (Some("del"), [_, _] | [_, _, _]) => {
            let gone = delete(ctx, &texts(rest)?)?;
            if gone > 0 {
                ctx.replicate_verbatim();
            }
            Ok(count(gone))
        }
        (Some("set" | "get" | "del") | None, _) => Err(RedisError::WrongArity),
        (Some(other), _) => Err(RedisError::String(format!(
            "ERR unknown subcommand '{other}'; KURADO.META takes SET, GET or DEL"
        ))),
    }
}

fn get(ctx: &Context, names: &[&str]) -> RedisResult {
    check_database(ctx)?;
    let now = clock::now();
    let [address, names @ ..] = names else {
        return Err(RedisError::WrongArity);
    };
    permission::check(ctx, address, Wish::Read)?;
    let of_plugin = |plugin: &Plugin, wanted: Option<&str>| {
        map(plugin
            .live_meta(now)
            .filter(|(key, _)| wanted.is_none_or(|wanted| wanted == *key))
            .map(|(key, value)| (key, text(&value.text))))
    };
    with_host(ctx, address, |stored| {
        let Some(stored) = stored else {
            return map([]);
        };
        stored.read(|host| match names {
            [] => map(host.plugins().map(|(name, plugin)| (&**name, of_plugin(plugin, None)))),
            [plugin, rest @ ..] => host
                .plugin(plugin)
                .map_or_else(|| map([]), |found| of_plugin(found, rest.first().copied())),
        })
    })
}

fn delete(ctx: &Context, names: &[&str]) -> Result<usize, RedisError> {
    check_database(ctx)?;
    let [address, plugin, rest @ ..] = names else {
        return Err(RedisError::WrongArity);
    };
    permission::check(ctx, address, Wish::Write)?;
    with_host(ctx, address, |stored| {
        let Some(stored) = stored else {
            return 0;
        };
        let mut host = stored.change();
        match rest.first() {
            Some(key) => usize::from(host.remove_meta(plugin, key)),
            None => host.remove_all_meta(plugin),
        }
    })
}
