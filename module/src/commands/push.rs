//! `KURADO.PUSH payload [payload …]` → accepted, rejected, reasons.

use redis_module::{Context, RedisError, RedisResult, RedisString};

use crate::ingest::{Takes, ingest};

/// Parses and accepts lines of all types.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    match arguments.get(1..) {
        Some(payloads) if !payloads.is_empty() => ingest(ctx, payloads, Takes::Everything),
        _ => Err(RedisError::WrongArity),
    }
}
