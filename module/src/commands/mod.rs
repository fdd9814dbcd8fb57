//! One file a command.

pub mod fetch;
pub mod flush;
pub mod host;
pub mod hosts;
pub mod meta;
pub mod push;
pub mod queue;
pub mod series;

use std::collections::BTreeMap;

use redis_module::redisvalue::RedisValueKey;
use redis_module::{RedisError, RedisString, RedisValue};

/// Arguments as texts.
///
/// # Errors
/// Where one is not UTF-8.
fn texts(arguments: &[RedisString]) -> Result<Vec<&str>, RedisError> {
    arguments
        .iter()
        .map(|argument| {
            argument.try_as_str().map_err(|_| {
                RedisError::String(format!("ERR argument '{argument}' is not UTF-8 text"))
            })
        })
        .collect()
}

/// A reply of names and values, in the order of the names.
fn map<'a>(entries: impl IntoIterator<Item = (&'a str, RedisValue)>) -> RedisValue {
    let entries = entries.into_iter();
    RedisValue::OrderedMap(
        entries
            .map(|(name, value)| (RedisValueKey::String(name.to_owned()), value))
            .collect::<BTreeMap<_, _>>(),
    )
}

fn count(number: usize) -> RedisValue {
    RedisValue::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn text(text: &str) -> RedisValue {
    RedisValue::BulkString(text.to_owned())
}

fn time(seconds: u32) -> RedisValue {
    RedisValue::Integer(i64::from(seconds))
}
