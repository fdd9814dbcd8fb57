//! `KURADO.QUEUE key payload [payload …]` → accepted: what `RPUSH kurado-update` becomes.

use redis_module::{Context, RedisError, RedisResult, RedisString};

use crate::ingest::{Takes, ingest};

/// Accepts lines as PUSH does. The key is there for ACL rules alone: who may write it may push for
/// any host, as in the earlier system.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    match arguments.get(2..) {
        Some(payloads) if !payloads.is_empty() => ingest(ctx, payloads, Takes::Queued),
        _ => Err(RedisError::WrongArity),
    }
}
