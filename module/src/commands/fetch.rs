//! `KURADO.FETCH address plugin key cf start end [step]` → rows of (time, value or null).

use std::sync::Arc;

use redis_module::{Context, RedisError, RedisResult, RedisString};
use rrd_store::STEP;
use rrd_store::file::{Consolidation, Range};
use rrd_store::selection::Selection;
use rrd_store::writers::Target;

use super::{check_key, check_plugin, refuse, texts};
use crate::clock;
use crate::flush::{self, Then, check_may_wait};
use crate::ingest::check_database;
use crate::permission::{self, Wish};
use crate::state;

/// Consolidated rows, pending points included. Times are seconds since 1970, or relative to now
/// where they begin with `-`, or `now`.
pub fn run(ctx: &Context, arguments: Vec<RedisString>) -> RedisResult {
    let arguments = texts(&arguments)?;
    let (host, plugin, key, consolidation, start, end, step) = match *arguments {
        [_, host, plugin, key, cf, start, end] => (host, plugin, key, cf, start, end, None),
        [_, host, plugin, key, cf, start, end, step] => {
            (host, plugin, key, cf, start, end, Some(step))
        }
        _ => return Err(RedisError::WrongArity),
    };
    check_database(ctx)?;
    check_may_wait(ctx, "KURADO.FETCH")?;
    // They become a path.
    permission::check(ctx, host, Wish::Read)?;
    check_plugin(plugin)?;
    check_key(key)?;
    let range = range(consolidation, start, end, step)?;
    state::with(|state| {
        let target = Target {
            address: Arc::from(host),
            generation: 0,
            plugin: Arc::from(plugin),
            key: Arc::from(key),
        };
        // While writing is paused, what the file has must do.
        let address = (!state.paused).then(|| Arc::clone(&target.address));
        let selection = Selection::Keys(plugin, &[key]);
        flush::start(state, ctx, address.as_ref(), selection, Then::Fetch(target, range))
    })?
}

fn range(
    consolidation: &str,
    start: &str,
    end: &str,
    step: Option<&str>,
) -> Result<Range, RedisError> {
    let consolidation = match consolidation.to_ascii_uppercase().as_str() {
        "AVERAGE" => Consolidation::Average,
        "MIN" => Consolidation::Min,
        "MAX" => Consolidation::Max,
        _ => return Err(refuse("cf", consolidation, "must be AVERAGE, MIN or MAX")),
    };
    let now = clock::now();
    let start = time(start, now).ok_or_else(|| refuse("start", start, TIME_RULE))?;
    let end_text = end;
    let end = time(end, now).ok_or_else(|| refuse("end", end, TIME_RULE))?;
    // Nothing lies behind now, and librrd takes memory for each row asked for.
    let end = end.min(now.saturating_add(STEP));
    if start >= end {
        return Err(refuse("end", end_text, "must be after start, and start before now"));
    }
    let step = match step {
        None => STEP,
        Some(step) => step
            .parse()
            .ok()
            .filter(|step| (1..=86_400 * 366).contains(step))
            .ok_or_else(|| refuse("step", step, "must be seconds, 1 to 31622400"))?,
    };
    Ok(Range { consolidation, start, end, step })
}

const TIME_RULE: &str = "must be seconds since 1970, 'now', or seconds before now such as -3600";

fn time(text: &str, now: u32) -> Option<u32> {
    if text == "now" {
        return Some(now);
    }
    let number: i64 = text.parse().ok()?;
    let seconds = if number < 0 { i64::from(now).checked_add(number)? } else { number };
    u32::try_from(seconds).ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_absolute_or_relative_to_now() {
        assert_eq!(time("1404873350", 2_000_000_000), Some(1_404_873_350));
        assert_eq!(time("-3600", 10_000), Some(6400));
        assert_eq!(time("now", 10_000), Some(10_000));
        for bad in ["", "0", "-10000", "-10001", "x", "99999999999", "1.5"] {
            assert_eq!(time(bad, 10_000), None, "{bad}");
        }
    }
}
