//! No panic crosses into Redis: each callback runs under one of these.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redis_module::{Context, MODULE_CONTEXT, RedisError, RedisResult, RedisString};

/// Runs a command; a panic becomes an error reply.
pub fn guarded(
    ctx: &Context,
    arguments: Vec<RedisString>,
    command: fn(&Context, Vec<RedisString>) -> RedisResult,
) -> RedisResult {
    caught(|| command(ctx, arguments)).unwrap_or(Err(RedisError::Str(
        "ERR internal error, a bug in Kurado; the server's log has the details",
    )))
}

/// Runs any other callback; `None` after a panic.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Writes panics to Redis's log instead of standard error, which a server often has not.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        MODULE_CONTEXT.log_warning(&format!("internal error, a bug in Kurado: {panic}"));
    }));
}
