//! `libkurado.so`: the Redis module. Glue between Redis and `rrd-store`; see ARCHITECTURE.md.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
// The only public items are those that the macro makes for Redis.
#![allow(missing_docs)]

mod allocator;
mod bounds;
mod clock;
mod commands;
mod deletion;
mod docs;
mod durability;
mod events;
mod eviction;
mod flush;
mod full_sync;
mod guard;
mod host_key;
mod info;
mod ingest;
mod keyspace;
mod origin;
mod outcome;
mod payload;
mod permission;
mod queue;
mod renaming;
mod sender;
mod settings;
mod state;
mod stats;
mod subcommands;
mod writing;

use redis_module::{Context, ModuleOptions, RedisString, Status, redis_module};

use commands::{
    del, fetch, flush as flush_command, host, hosts, push, queue as queue_command, rename, series,
    states,
};
use guard::guarded;
use host_key::HOST_TYPE;

#[cfg(not(test))]
use allocator::Allocator;
#[cfg(not(test))]
const ALLOCATOR: Allocator = Allocator;
// Outside Redis its allocator is not there.
#[cfg(test)]
type Allocator = std::alloc::System;
#[cfg(test)]
const ALLOCATOR: Allocator = std::alloc::System;

// Keys stand inside payloads, so but for the queue no command declares a key position. Writes refuse past
// `maxmemory`; waiting commands are no writes, since they change nothing that is replicated.
redis_module! {
    name: "kurado",
    version: 1,
    allocator: (Allocator, ALLOCATOR),
    data_types: [HOST_TYPE],
    init: init,
    deinit: deinit,
    commands: [
        ["kurado.push", |c: &_, a| guarded(c, a, push::run), "write deny-oom", 0, 0, 0, ""],
        ["kurado.queue", |c: &_, a| guarded(c, a, queue_command::run), "write deny-oom", 1, 1, 1, ""],
        ["kurado.del", |c: &_, a| guarded(c, a, del::run), "write", 0, 0, 0, ""],
        ["kurado.rename", |c: &_, a| guarded(c, a, rename::run), "write", 0, 0, 0, ""],
        ["kurado.host", |c: &_, a| guarded(c, a, host::run), "readonly", 0, 0, 0, ""],
        ["kurado.hosts", |c: &_, a| guarded(c, a, hosts::run), "readonly", 0, 0, 0, ""],
        ["kurado.states", |c: &_, a| guarded(c, a, states::run), "readonly", 0, 0, 0, ""],
        ["kurado.series", |c: &_, a| guarded(c, a, series::run), "readonly", 0, 0, 0, ""],
        ["kurado.fetch", |c: &_, a| guarded(c, a, fetch::run), "readonly", 0, 0, 0, ""],
        ["kurado.flush", |c: &_, a| guarded(c, a, flush_command::run), "readonly", 0, 0, 0, ""],
    ],
}

fn init(ctx: &Context, arguments: &[RedisString]) -> Status {
    guard::log_panics();
    match guard::caught(|| start(ctx, arguments)) {
        Some(Ok(())) => Status::Ok,
        Some(Err(reason)) => {
            ctx.log_warning(&format!("not loaded: {reason}"));
            Status::Err
        }
        None => Status::Err,
    }
}

/// What may fail comes before the threads: a failed load unmaps this library under them.
fn start(ctx: &Context, arguments: &[RedisString]) -> Result<(), String> {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "it takes no argument, but was given '{argument}'; write settings as kurado.NAME VALUE"
        ));
    }
    // A faulty snapshot then costs its RESTORE or its sync, and not the server.
    ctx.set_module_options(ModuleOptions::HANDLE_IO_ERRORS);
    settings::register(ctx)?;
    subcommands::register(ctx)?;
    docs::register(ctx)?;
    info::register(ctx)?;
    let data = settings::open_data_dir()?;
    info::set_data_dir(data.path());
    events::find_calls(ctx)?;
    state::start(data, settings::writer_threads())?;
    queue::register(ctx).inspect_err(|_| state::stop(ctx))?;
    // Redis 7.0 goes on telling a module of events whose load has failed, so this comes last.
    events::subscribe(ctx).inspect_err(|_| state::stop(ctx))?;
    keyspace::subscribe(ctx).inspect_err(|_| state::stop(ctx))?;
    events::start_ticking(ctx);
    settings::log_durability(ctx);
    eviction::look(ctx);
    Ok(())
}

fn deinit(ctx: &Context) -> Status {
    let _ = guard::caught(|| state::stop(ctx));
    Status::Ok
}
