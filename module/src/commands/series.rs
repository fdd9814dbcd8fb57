//! `KURADO.SERIES address [plugin]` → array of (plugin, key, type, last value, its time).

use redis_module::{Context, RedisError, RedisResult, RedisString, RedisValue};

use super::{text, texts, time};
use crate::host_key::with_host;
use crate::ingest::check_database;
use crate::permission::{self, Wish};

/// Keys with type and last value; value and time are null where none is known.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let (address, wanted) = match *texts(&arguments)? {
        [_, address] => (address, None),
        [_, address, plugin] => (address, Some(plugin)),
        _ => return Err(RedisError::WrongArity),
    };
    check_database(ctx)?;
    permission::check(ctx, address, Wish::Read)?;
    with_host(ctx, address, |stored| {
        let mut rows = Vec::new();
        if let Some(stored) = stored {
            stored.read(|host| {
                for (name, plugin) in host.plugins() {
                    if wanted.is_some_and(|wanted| wanted != &**name) {
                        continue;
                    }
                    for (key, series) in plugin.series() {
                        let last = series.last();
                        rows.push(RedisValue::Array(vec![
                            text(name),
                            text(key),
                            text(series.data_source_type().suffix()),
                            last.map_or(RedisValue::Null, |p| text(&p.value().to_string())),
                            last.map_or(RedisValue::Null, |p| time(p.time())),
                        ]));
                    }
                }
            });
        }
        RedisValue::Array(rows)
    })
}
