//! The bounds that a push may run into; past one it is refused whole.

use std::collections::HashSet;

use line_protocol::{Line, Record, parse_line, payload_lines};
use redis_module::{Context, RedisError, RedisString};
use rrd_store::packed::MAX_POINT_LEN;

use crate::host_key::with_host;
use crate::sender::Sender;
use crate::settings;
use crate::stats::STATS;

/// Most bytes of the payloads of one command: the main thread serves nobody else meanwhile.
const MAX_PAYLOAD: usize = 8 * 1024 * 1024;
/// Bytes of the shortest line that says something: `p.warn.k`, two tabs, an empty text and a time.
const SHORTEST_LINE: usize = "p.warn.k\t\t1".len();
/// Most bytes of a pending point; nearly all take less.
const POINT_BYTES: u64 = MAX_POINT_LEN as u64;

/// Refuses the whole push where a bound would be passed.
///
/// # Errors
/// Names the setting and its value.
pub fn check(
    ctx: &Context,
    payloads: &[RedisString],
    sender: &Sender<'_>,
) -> Result<(), RedisError> {
    let bytes = payloads.iter().map(|payload| payload.as_slice().len()).sum::<usize>();
    if bytes > MAX_PAYLOAD {
        return Err(RedisError::String(format!(
            "ERR no line was accepted: {bytes} bytes in one command, and at most {MAX_PAYLOAD} are \
             taken"
        )));
    }
    // Counting exactly means to parse everything twice, so only where it could matter.
    let most_lines = bytes / SHORTEST_LINE + payloads.len();
    let line_feeds = |payload: &RedisString| memchr::memchr_iter(b'\n', payload.as_slice()).count();
    let lines = || payloads.iter().map(|payload| line_feeds(payload) + 1).sum();
    if fits(most_lines) || fits(lines()) { Ok(()) } else { check_exactly(ctx, payloads, sender) }
}

/// Whether so many lines fit, whatever they say.
fn fits(lines: usize) -> bool {
    let lines = lines as u64;
    lines <= room(STATS.pending_bytes.get(), settings::max_pending_bytes()) / POINT_BYTES
        && lines <= room(STATS.series.get(), settings::max_series())
        && lines <= room(STATS.hosts.get(), settings::max_hosts())
}

fn room(used: u64, bound: u64) -> u64 {
    bound.saturating_sub(used)
}

fn check_exactly(
    ctx: &Context,
    payloads: &[RedisString],
    sender: &Sender<'_>,
) -> Result<(), RedisError> {
    let lines: Vec<(&str, Line<'_>)> = payloads
        .iter()
        .flat_map(|payload| payload_lines(payload.as_slice()))
        .filter_map(|(_, bytes)| parse_line(bytes).ok().flatten())
        .filter_map(|line| Some((line.address.or_else(|| sender.address())?, line)))
        .collect();
    let points = lines.iter().filter(|(_, line)| matches!(line.record, Record::Metric { .. }));
    let new_bytes = points.count() as u64 * POINT_BYTES;
    let bytes = (STATS.pending_bytes.get(), new_bytes, settings::max_pending_bytes());
    refuse_past("pending points could take", "bytes", "max-pending-bytes", bytes)?;
    let series = (STATS.series.get(), new_series(ctx, &lines), settings::max_series());
    refuse_past("there would be", "series", "max-series", series)?;
    let hosts = (STATS.hosts.get(), new_hosts(ctx, &lines), settings::max_hosts());
    refuse_past("there would be", "hosts", "max-hosts", hosts)
}

fn refuse_past(
    what: &str,
    unit: &str,
    setting: &str,
    (used, new, bound): (u64, u64, u64),
) -> Result<(), RedisError> {
    if new <= room(used, bound) {
        return Ok(());
    }
    Err(RedisError::String(format!(
        "ERR no line was accepted: {what} {} {unit}, and kurado.{setting} is {bound}",
        used.saturating_add(new)
    )))
}

fn new_series(ctx: &Context, lines: &[(&str, Line<'_>)]) -> u64 {
    let mut new = HashSet::new();
    for (address, line) in lines {
        let Record::Metric { key, .. } = &line.record else {
            continue;
        };
        let known = with_host(ctx, address, |stored| {
            stored.is_some_and(|stored| stored.read(|host| host.has_series(line.plugin, key)))
        });
        if !known.unwrap_or(true) {
            new.insert((address, line.plugin, key));
        }
    }
    new.len() as u64
}

fn new_hosts(ctx: &Context, lines: &[(&str, Line<'_>)]) -> u64 {
    let mut addresses: Vec<&str> = lines.iter().map(|(address, _)| *address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let known = |address: &&str| with_host(ctx, address, |stored| stored.is_some()).unwrap_or(true);
    addresses.iter().filter(|address| !known(address)).count() as u64
}
