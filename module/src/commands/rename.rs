//! `KURADO.RENAME address new-address [REPLACE]` → OK.

use redis_module::{Context, RedisError, RedisResult, RedisString};

use super::{refuse, texts};
use crate::ingest::check_database;
use crate::origin::Origin;
use crate::permission::{Rights, Wish};
use crate::renaming::{self, Asked};

/// Gives all that is known of a host, and its files, to another address. Where its client can wait,
/// it does so until the files are there; in MULTI and scripts they move a little later.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let words = texts(arguments.get(1..).unwrap_or_default())?;
    let [from, to, ref options @ ..] = *words else {
        return Err(RedisError::WrongArity);
    };
    let origin = Origin::of(ctx);
    let (replaces, number) = options_of(options, origin)?;
    check_database(ctx)?;
    // They become paths.
    let rights = Rights::new(ctx, origin);
    for address in [from, to] {
        rights.check(address, Wish::Write)?;
    }
    if from == to {
        return Err(refuse("new address", to, "must be another one than the address of before"));
    }
    let asked = Asked { from: from.into(), to: to.into(), replaces, number };
    match origin {
        Origin::Client => renaming::start(ctx, &asked),
        Origin::Replay => renaming::replay(ctx, &asked),
    }
}

/// Whether it replaces, and its number, which only what is replayed has.
fn options_of(options: &[&str], origin: Origin) -> Result<(bool, Option<u64>), RedisError> {
    let (replaces, rest) = match options {
        [word, rest @ ..] if word.eq_ignore_ascii_case("replace") => (true, rest),
        rest => (false, rest),
    };
    let number = match rest {
        [] => return Ok((replaces, None)),
        [word, number] if word.eq_ignore_ascii_case("number") && origin == Origin::Replay => {
            number.parse().ok()
        }
        _ => None,
    };
    let number = number
        .ok_or(RedisError::Str("ERR syntax error; KURADO.RENAME address new-address [REPLACE]"))?;
    Ok((replaces, Some(number)))
}
