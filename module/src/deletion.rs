//! `KURADO.DEL`: memory forgets at once, writer threads delete the files.

use std::sync::Arc;

use redis_module::{Context, ContextFlags, NotifyEvent, RedisError, RedisResult, RedisValue};
use rrd_store::deletion::{Deleted, Scope, SeriesNames};
use rrd_store::file::Written;
use rrd_store::host::{Host, Removed};
use rrd_store::writers::Target;

use crate::flush;
use crate::host_key::{key_name, with_host};
use crate::state::State;
use crate::writing;

/// What memory knew of a scope, which it has forgotten.
#[derive(Default)]
struct Forgotten {
    names: SeriesNames,
    /// Series whose points a writer has.
    in_flight: Vec<Target>,
}

impl Forgotten {
    fn add(&mut self, host: &Host, address: &Arc<str>, plugin: &Arc<str>, removed: Removed) {
        if removed.is_in_flight {
            self.in_flight.push(Target {
                address: Arc::clone(address),
                generation: host.generation(),
                plugin: Arc::clone(plugin),
                key: Arc::clone(&removed.key),
            });
        }
        self.names.entry(Arc::clone(plugin)).or_default().insert(removed.key);
    }
}

/// Forgets what is in the scope, and has its files deleted; the client gets how many series went
/// when they are gone. Where it can't wait it gets how many memory knew.
///
/// # Errors
/// Where the key holds another type.
pub fn start(state: &mut State, ctx: &Context, scope: &Scope) -> RedisResult {
    let forgotten = forget(state, ctx, scope)?;
    ctx.replicate_verbatim();
    let known: usize = forgotten.names.values().map(|keys| keys.len()).sum();
    let flags = ctx.get_flags();
    if flags.contains(ContextFlags::LOADING) {
        // Files may have points of pushes that are still to be loaded.
        return Ok(reply(known));
    }
    let token = state.waiting.next_id();
    let dropped = state.writers.delete(token, scope, forgotten.names);
    for target in forgotten.in_flight {
        if !dropped.contains(&target) {
            // A result is still to come, and a new series of this name may be there by then.
            *state.forgotten.entry(target).or_default() += 1;
        }
    }
    let nothing = Ok(Written { last_update: 0, points: 0, skipped: 0, created: false });
    for target in dropped {
        writing::note_done(state);
        flush::settle(state, ctx, &target, &nothing, None);
    }
    // A master's stream must not wait either.
    if flags.contains(ContextFlags::REPLICATED) || !flush::may_wait(ctx) {
        return Ok(reply(known));
    }
    state.waiting.add_deletion(token, ctx.block_client(), known);
    Ok(RedisValue::NoReply)
}

fn forget(state: &mut State, ctx: &Context, scope: &Scope) -> Result<Forgotten, RedisError> {
    let address = &scope.address;
    let mut forgotten = Forgotten::default();
    let known = with_host(ctx, address, |stored| {
        let mut host = stored?.change();
        let plugins: Vec<Arc<str>> = match &scope.plugin {
            Some(plugin) => vec![Arc::clone(plugin)],
            None => host.plugins().map(|(name, _)| Arc::clone(name)).collect(),
        };
        for plugin in &plugins {
            let removed = match &scope.key {
                Some(key) => host.remove_series(plugin, key).into_iter().collect(),
                None => host.remove_plugin(plugin),
            };
            for removed in removed {
                forgotten.add(&host, address, plugin, removed);
            }
        }
        Some(host.is_empty())
    })?;
    let name = key_name(ctx, address);
    match known {
        Some(true) => {
            ctx.open_key_writable(&name).delete()?;
            ctx.notify_keyspace_event(NotifyEvent::GENERIC, "del", &name);
            state.forget(address);
        }
        Some(false) => {
            ctx.notify_keyspace_event(NotifyEvent::MODULE, "kurado.del", &name);
        }
        None => {}
    }
    Ok(forgotten)
}

/// What the client is told of the files.
pub fn outcome(known: usize, deleted: Deleted) -> RedisResult {
    match deleted.first_error {
        Some(error) => Err(RedisError::String(format!(
            "ERR {} files could not be deleted, what memory knew is forgotten: {error}",
            deleted.failed
        ))),
        None => Ok(reply(known + deleted.unknown)),
    }
}

fn reply(count: usize) -> RedisValue {
    RedisValue::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}
