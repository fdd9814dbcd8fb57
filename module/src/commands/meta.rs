//! `KURADO.META SET payload …` → as PUSH; `GET address [plugin [key]]` → map;
//! `DEL address plugin [key]` → how many went; `HELP` → lines of text.

use redis_module::{Context, RedisError, RedisResult, RedisString, RedisValue};
use rrd_store::host::Plugin;

use super::{count, map, text, texts};
use crate::clock;
use crate::host_key::with_host;
use crate::ingest::{Takes, check_database, ingest};
use crate::permission::{self, Wish};

/// Takes information without history; it expires an hour after it was last set.
pub fn set(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    match arguments.get(2..) {
        Some(payloads) if !payloads.is_empty() => ingest(ctx, payloads, Takes::Meta),
        _ => Err(RedisError::WrongArity),
    }
}

/// Reads it.
pub fn get(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let arguments = texts(&arguments)?;
    let [_, _, address, names @ ..] = &*arguments else {
        return Err(RedisError::WrongArity);
    };
    if names.len() > 2 {
        return Err(RedisError::WrongArity);
    }
    check_database(ctx)?;
    let now = clock::now();
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

/// Deletes one text, or all of a plugin.
pub fn delete(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let arguments = texts(&arguments)?;
    let (address, plugin, key) = match *arguments {
        [_, _, address, plugin] => (address, plugin, None),
        [_, _, address, plugin, key] => (address, plugin, Some(key)),
        _ => return Err(RedisError::WrongArity),
    };
    check_database(ctx)?;
    permission::check(ctx, address, Wish::Write)?;
    let gone = with_host(ctx, address, |stored| {
        let Some(stored) = stored else {
            return 0;
        };
        let mut host = stored.change();
        match key {
            Some(key) => usize::from(host.remove_meta(plugin, key)),
            None => host.remove_all_meta(plugin),
        }
    })?;
    if gone > 0 {
        ctx.replicate_verbatim();
    }
    Ok(count(gone))
}

const HELP: [&str; 9] = [
    "KURADO.META <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "SET <payload> [<payload> ...]",
    "    Accept lines of type meta; each text is kept for an hour.",
    "GET <address> [<plugin> [<key>]]",
    "    Return the texts of a host, of its plugin, or one of them.",
    "DEL <address> <plugin> [<key>]",
    "    Delete the texts of a plugin, or one of them; return how many went.",
    "HELP",
    "    Print this help.",
];

/// Says what the subcommands do, in Redis's own form.
pub fn help(_: &Context, arguments: Vec<RedisString>) -> RedisResult {
    if arguments.len() != 2 {
        return Err(RedisError::WrongArity);
    }
    Ok(RedisValue::Array(HELP.map(RedisValue::SimpleStringStatic).to_vec()))
}
