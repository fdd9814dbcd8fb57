//! `KURADO.HOSTS [MATCH glob]` → map of address and when it was last received.

use redis_module::{Context, RedisError, RedisResult, RedisString};
use rrd_store::host::Host;

use super::{map, texts, time};
use crate::host_key::with_host;
use crate::ingest::check_database;
use crate::origin::Origin;
use crate::permission::{Rights, Wish};
use crate::state;

/// Known hosts.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let glob = match *texts(&arguments)? {
        [_] => "*",
        [_, word, glob] if word.eq_ignore_ascii_case("match") => glob,
        [_, _, _] => {
            return Err(RedisError::Str("ERR syntax error; KURADO.HOSTS [MATCH glob]"));
        }
        _ => return Err(RedisError::WrongArity),
    };
    check_database(ctx)?;
    let hosts: Vec<_> = state::with(|state| {
        state
            .hosts
            .iter()
            .filter(|address| matches(glob.as_bytes(), address.as_bytes()))
            .cloned()
            .collect()
    })?;
    let mut known = Vec::with_capacity(hosts.len());
    let rights = Rights::new(ctx, Origin::of(ctx));
    for address in &hosts {
        if !rights.may(address, Wish::Read) {
            continue;
        }
        // One whose key is gone is left out.
        let received =
            with_host(ctx, address, |stored| stored.map(|s| s.read(Host::last_received)));
        if let Ok(Some(received)) = received {
            known.push((&**address, time(received)));
        }
    }
    Ok(map(known))
}

/// Redis's own globs for the characters of addresses: `*`, `?`, `[a-c]`, `[^a]`, `\`.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    // Where to go on when what follows the last `*` does not fit: that `*` takes one more byte.
    let (mut glob, mut text) = (glob, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let fits = match glob.split_first() {
            None if text.is_empty() => return true,
            None => None,
            Some((b'*', rest)) => {
                retry = Some((rest, text));
                glob = rest;
                continue;
            }
            Some(_) => text
                .split_first()
                .and_then(|(byte, tail)| one(glob, *byte).map(|rest| (rest, tail))),
        };
        (glob, text) = match (fits, retry) {
            (Some(next), _) => next,
            (None, Some((after, from))) => {
                let Some((_, from)) = from.split_first() else {
                    return false;
                };
                retry = Some((after, from));
                (after, from)
            }
            (None, None) => return false,
        };
    }
}

/// What is left of the glob when its first element takes the byte.
fn one(glob: &[u8], byte: u8) -> Option<&[u8]> {
    match glob {
        [b'?', rest @ ..] => Some(rest),
        [b'\\', escaped, rest @ ..] => (*escaped == byte).then_some(rest),
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|b| *b == b']')?;
            let (class, rest) = rest.split_at(end);
            let (negated, class) = match class {
                [b'^', class @ ..] => (true, class),
                class => (false, class),
            };
            let mut found = class.contains(&byte);
            for window in class.windows(3) {
                if let [from, b'-', to] = window {
                    found |= (*from..=*to).contains(&byte);
                }
            }
            (found != negated).then(|| rest.get(1..).unwrap_or_default())
        }
        [plain, rest @ ..] => (*plain == byte).then_some(rest),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_match_as_those_of_redis_do() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("*", "10.0.0.1", true),
            ("10.0.*", "10.0.0.1", true),
            ("10.0.*", "10.1.0.1", false),
            ("*.1", "10.1.0.1", true),
            ("*.1*2", "10.1.0.2", true),
            ("10.0.0.?", "10.0.0.1", true),
            ("10.0.0.?", "10.0.0.11", false),
            ("10.0.0.[1-3]", "10.0.0.2", true),
            ("10.0.0.[^1-3]", "10.0.0.2", false),
            ("10.0.0.[12]", "10.0.0.3", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "a", false),
            ("**a**", "bab", true),
            ("[", "[", false),
        ] {
            assert_eq!(matches(glob.as_bytes(), text.as_bytes()), expected, "{glob} {text}");
        }
        // Many stars cost no more than the square of the length.
        assert!(!matches("*a".repeat(40).as_bytes(), "a".repeat(39).as_bytes()));
    }
}
