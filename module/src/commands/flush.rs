//! `KURADO.FLUSH [address [plugin [key …]]]` → how many points went into files.

use std::sync::Arc;

use redis_module::{Context, RedisResult, RedisString};
use rrd_store::selection::Selection;

use super::texts;
use crate::flush::{self, Then, check_may_wait, check_not_paused};
use crate::ingest::check_database;
use crate::permission::{self, Wish};
use crate::state;

/// Returns when the points that were pending are in their files.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let names = texts(arguments.get(1..).unwrap_or_default())?;
    check_database(ctx)?;
    check_may_wait(ctx, "KURADO.FLUSH")?;
    if let Some(address) = names.first() {
        permission::check(ctx, address, Wish::Read)?;
    }
    state::with(|state| {
        check_not_paused(state)?;
        let Some(address) = names.first() else {
            let may = |address: &&Arc<str>| permission::check(ctx, address, Wish::Read).is_ok();
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
