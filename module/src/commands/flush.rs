//! `KURADO.FLUSH [address [plugin [key …]]]` → how many points went into files.

use std::sync::Arc;

use redis_module::{Context, RedisResult, RedisString};
use rrd_store::selection::Selection;

use super::{check_key, check_plugin, texts};
use crate::flush::{self, Then, check_may_wait, check_not_paused};
use crate::ingest::check_database;
use crate::origin::Origin;
use crate::permission::{self, Rights, Wish};
use crate::state;

/// Returns when the points that were pending are in their files.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let names = texts(arguments.get(1..).unwrap_or_default())?;
    check_database(ctx)?;
    check_may_wait(ctx, "KURADO.FLUSH")?;
    if let Some(address) = names.first() {
        permission::check(ctx, address, Wish::Read)?;
    }
    names.get(1).map_or(Ok(()), |plugin| check_plugin(plugin))?;
    names.iter().skip(2).try_for_each(|key| check_key(key))?;
    state::with(|state| {
        check_not_paused(state)?;
        let Some(address) = names.first() else {
            let rights = Rights::new(ctx, Origin::of(ctx));
            let may = |address: &&Arc<str>| rights.may(address, Wish::Read);
            let addresses = state.hosts.iter().filter(may).cloned().collect();
            return flush::start_all(state, ctx, addresses);
        };
        let mut keys = names.get(2..).unwrap_or_default().to_vec();
        keys.sort_unstable();
        keys.dedup();
        let selection = match names.get(1) {
            None => Selection::All,
            Some(plugin) if keys.is_empty() => Selection::Plugin(plugin),
            Some(plugin) => Selection::Keys(plugin, &keys),
        };
        flush::start(state, ctx, Some(&Arc::from(*address)), selection, Then::Count)
    })?
}
