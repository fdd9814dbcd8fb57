//! `KURADO.DEL address [plugin [key]]` → how many series went.

use std::sync::Arc;

use redis_module::{Context, RedisError, RedisResult, RedisString};
use rrd_store::deletion::Scope;

use super::{check_key, check_plugin, texts};
use crate::deletion;
use crate::flush::check_not_paused;
use crate::ingest::check_database;
use crate::origin::Origin;
use crate::permission::{self, Wish};
use crate::state;

/// Forgets a host, a plugin or a series, and deletes its files. Where its client can wait, it does
/// so until they are gone; in MULTI and scripts they go a little later.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let names = texts(arguments.get(1..).unwrap_or_default())?;
    let [address, ref names @ ..] = *names else {
        return Err(RedisError::WrongArity);
    };
    if names.len() > 2 {
        return Err(RedisError::WrongArity);
    }
    check_database(ctx)?;
    permission::check(ctx, address, Wish::Write)?;
    let (plugin, key) = (names.first().copied(), names.get(1).copied());
    // They become a path.
    plugin.map_or(Ok(()), check_plugin)?;
    key.map_or(Ok(()), check_key)?;
    let scope =
        Scope { address: address.into(), plugin: plugin.map(Arc::from), key: key.map(Arc::from) };
    state::with(|state| {
        if Origin::of(ctx) == Origin::Client {
            check_not_paused(state)?;
        }
        deletion::start(state, ctx, &scope)
    })?
}
