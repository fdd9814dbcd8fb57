//! One file a command.

pub mod del;
pub mod fetch;
pub mod flush;
pub mod host;
pub mod hosts;
pub mod meta;
pub mod push;
pub mod queue;
pub mod rename;
pub mod series;
pub mod states;

use std::collections::BTreeMap;

use line_protocol::{DataSourceType, identifier, key as metric_key};
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

/// Checks the name of a plugin, which becomes a directory.
///
/// # Errors
/// Where it is not escaped.
fn check_plugin(plugin: &str) -> Result<(), RedisError> {
    if identifier::is_escaped(plugin) {
        return Ok(());
    }
    Err(refuse("plugin", plugin, "must be an escaped identifier, such as http%3A80"))
}

/// Checks the name of a series, which becomes a file.
///
/// # Errors
/// Where it is no key with its type.
fn check_key(key: &str) -> Result<(), RedisError> {
    if metric_key::is_valid(key) && DataSourceType::of_key(key).is_some() {
        return Ok(());
    }
    Err(refuse("key", key, "must be a key with its type, such as load.gauge"))
}

/// An error that names an argument's value and its rule.
fn refuse(what: &str, value: &str, rule: &str) -> RedisError {
    RedisError::String(format!("ERR {what} '{}' {rule}", value.escape_debug()))
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
