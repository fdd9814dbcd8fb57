//! `KURADO.RENAME`: a host goes on at another address, with its files.
//!
//! Memory changes at once, by Redis's own RENAME. The writer threads then move the directory, once
//! the journal has the command: a replay moves what a killed server did not get to. The other way
//! round, where a kill took the command from the journal after the files had moved, they move back.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use redis_module::{Context, ContextFlags, RedisError, RedisResult, RedisValue};
use rrd_store::file::Written;
use rrd_store::host::Host;
use rrd_store::renaming::{Existing, Permit, Renaming};

use crate::flush::{self, check_not_paused};
use crate::host_key::{key_name, with_host};
use crate::state::{self, State};
use crate::writing;

/// What a client asks for, or a replay.
pub struct Asked {
    pub from: Arc<str>,
    pub to: Arc<str>,
    /// Whether what the new address has goes.
    pub replaces: bool,
    /// Of a replay.
    pub number: Option<u64>,
}

/// Threads that wait until the journal has their command.
#[derive(Default)]
pub struct Permits {
    /// Of commands since the last tick.
    fresh: Vec<Permit>,
    /// Of those before.
    older: Vec<Permit>,
}

impl Permits {
    /// Comes with each tick. Between two of them Redis has written its journal.
    pub fn tick(&mut self) {
        self.older = std::mem::take(&mut self.fresh);
    }

    /// Lets all go on: the journal is complete.
    pub fn give_all(&mut self) {
        self.fresh.clear();
        self.older.clear();
    }
}

/// Renames for a client.
///
/// # Errors
/// Where the host is not known and has no files, where the new address has data that is not to be
/// replaced, while writing is paused, and where a key holds another type.
pub fn start(ctx: &Context, asked: &Asked) -> RedisResult {
    let Asked { from, to, .. } = asked;
    let (is_known, series) = (is_known(ctx, from)?, series_at(ctx, to)?);
    // It is asked once whether two directories are there: only commands can refuse and replicate.
    let number = state::with(|state| {
        check_not_paused(state)?;
        let data = state.writers.data();
        if !is_known && !data.has_host(from) {
            return Err(RedisError::String(format!("ERR no host '{from}' is known")));
        }
        if !asked.replaces && (series.is_some() || data.has_host(to)) {
            let series = series.map_or("files".to_owned(), |series| format!("{series} series"));
            return Err(RedisError::String(format!(
                "ERR host '{to}' already has data ({series}): delete it first, or say REPLACE to \
                 lose it"
            )));
        }
        Ok(state.last_renaming.saturating_add(1).max(now()))
    })??;
    let existing = if asked.replaces { Existing::Delete } else { Existing::Refuse };
    let renaming = Renaming { number, from: from.clone(), to: to.clone() };
    rename_key(ctx, asked, is_known)?;
    let number = number.to_string();
    let mut words = vec![&**from, to];
    words.extend(asked.replaces.then_some("REPLACE"));
    words.extend(["NUMBER", &number]);
    ctx.replicate("KURADO.RENAME", &words[..]);
    state::with(|state| {
        let token = move_files(state, ctx, &renaming, existing);
        if !flush::may_wait(ctx) {
            return done();
        }
        state.waiting.add_renaming(token, ctx.block_client());
        Ok(RedisValue::NoReply)
    })?
}

/// Renames as the AOF or a master says.
///
/// # Errors
/// Where a key holds another type.
pub fn replay(ctx: &Context, asked: &Asked) -> RedisResult {
    let is_known = is_known(ctx, &asked.from)?;
    rename_key(ctx, asked, is_known)?;
    ctx.replicate_verbatim();
    let renaming = Renaming {
        number: asked.number.unwrap_or_else(now),
        from: asked.from.clone(),
        to: asked.to.clone(),
    };
    let existing = if asked.replaces { Existing::DeleteForOthers } else { Existing::Refuse };
    state::with(|state| {
        let is_loading = ctx.get_flags().contains(ContextFlags::LOADING);
        if is_loading && renaming.number <= state.last_renaming {
            // Its files were moved when it came.
            if state.unseen_renaming.as_ref().is_some_and(|r| r.number == renaming.number) {
                state.unseen_renaming = None;
            }
            return;
        }
        move_files(state, ctx, &renaming, existing);
        if is_loading {
            state.permits.give_all();
        }
    })?;
    done()
}

/// All keys are loaded. Where the last renaming is not among what was loaded, though the files were
/// moved, they move back to the host that is still at the address of before.
pub fn undo_lost(ctx: &Context) {
    let unseen = state::with(|state| state.unseen_renaming.take());
    let Ok(Some(Renaming { number, from, to })) = unseen else {
        return;
    };
    let is_lost = is_known(ctx, &from).unwrap_or(false) && matches!(series_at(ctx, &to), Ok(None));
    let _ = state::with(|state| {
        let data = state.writers.data();
        if is_lost && data.has_host(&to) && !data.has_host(&from) {
            ctx.log_warning(&format!(
                "that host '{from}' became '{to}' is not in what was loaded: its files move back"
            ));
            let back = Renaming { number: number.saturating_add(1), from: to, to: from };
            move_files(state, ctx, &back, Existing::Refuse);
            state.permits.give_all();
        }
    });
}

/// Whether there is a host at an address.
fn is_known(ctx: &Context, address: &str) -> Result<bool, RedisError> {
    with_host(ctx, address, |stored| stored.is_some())
}

/// How many series the host at an address has, if there is one.
fn series_at(ctx: &Context, address: &str) -> Result<Option<usize>, RedisError> {
    with_host(ctx, address, |stored| stored.map(|stored| stored.read(Host::series_count)))
}

/// Gives the key of the host its new name. Redis tells of that as of any other RENAME, so the host
/// gets a new generation and is scheduled (`keyspace.rs`).
fn rename_key(ctx: &Context, asked: &Asked, is_known: bool) -> Result<(), RedisError> {
    let [from, to] = [&asked.from, &asked.to].map(|address| key_name(ctx, address));
    if is_known {
        ctx.call("RENAME", &[&from, &to])?;
    } else if asked.replaces {
        ctx.call("DEL", &[&to])?;
    }
    Ok(())
}

/// Has the threads move the files, once they are permitted to. Gives the token of the result.
fn move_files(state: &mut State, ctx: &Context, renaming: &Renaming, existing: Existing) -> u64 {
    state.forget(&renaming.from);
    state.last_renaming = state.last_renaming.max(renaming.number);
    state.unseen_renaming = None;
    let token = state.waiting.next_id();
    let (dropped, permit) = state.writers.rename(token, renaming, existing);
    state.permits.fresh.push(permit);
    let nothing = Ok(Written { last_update: 0, points: 0, skipped: 0, created: false });
    for target in dropped {
        writing::note_done(state);
        if target.address == renaming.to {
            flush::settle(state, ctx, &target, &nothing, None);
        }
    }
    flush::follow(state, ctx, &renaming.from, &renaming.to);
    token
}

/// What the client is told of the files.
pub fn outcome(result: Result<(), String>) -> RedisResult {
    result.map_err(|reason| {
        RedisError::String(format!(
            "ERR the host has its new address, but not all its files could be moved: {reason}"
        ))
    })?;
    done()
}

fn done() -> RedisResult {
    Ok(RedisValue::SimpleStringStatic("OK"))
}

/// Microseconds since 1970, as the numbers of renamings: so they go up on a server that takes the
/// place of another one too.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
