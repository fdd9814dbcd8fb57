//! Takes lines: parse and check all, then change state, then replicate what was accepted.

use std::cell::LazyCell;
use std::ffi::CStr;

use line_protocol::{Line, Record, parse_canonical_line, parse_line, payload_lines};
use redis_module::{
    Context, ContextFlags, NotifyEvent, RedisError, RedisResult, RedisString, RedisValue, raw,
};
use rrd_store::host::Host;
use rrd_store::point::{POINT_SIZE, Point};
use rrd_store::series::Accepted;

use crate::host_key::{key_name, with_host, with_host_to_write};
use crate::permission::{self, Wish};
use crate::stats::STATS;
use crate::{clock, settings, state};

/// Most bytes of the payloads of one command: the main thread serves nobody else meanwhile.
const MAX_PAYLOAD: usize = 8 * 1024 * 1024;
/// About how many bytes are replicated as one command.
const REPLICATED_CHUNK: usize = 1024 * 1024;
/// Points later than this many seconds from now are refused: once in a file, such a point would
/// keep all points before it out.
const MAX_FUTURE: u32 = 600;
/// Most reasons in one reply.
const MAX_REASONS: usize = 20;
/// Begins the line of a replicated payload that says when the lines below it came.
const RECEIVED: &str = "# received ";

/// Which types of lines a command takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// All.
    Everything,
    /// `meta` alone.
    Meta,
    /// All, of whoever may write the queue of the earlier system: no rule for single hosts holds.
    Queued,
}

/// Where lines come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A client. Bounds hold, and lines get the time of now as when they came.
    Client,
    /// The AOF or the master: they were accepted once, so no bound refuses them now.
    Replay,
}

struct Parsed<'a> {
    place: (usize, usize),
    line: Line<'a>,
    bytes: &'a [u8],
    /// When it came.
    received: u32,
}

#[derive(Default)]
struct Outcome {
    accepted: usize,
    rejected: usize,
    /// With the places of their lines.
    reasons: Vec<((usize, usize), String)>,
    /// Accepted lines in their canonical form.
    canonical: Vec<u8>,
}

impl Outcome {
    /// `kind` is one of those that INFO counts.
    fn reject(&mut self, place: (usize, usize), kind: &str, reason: &impl std::fmt::Display) {
        STATS.count_rejected(kind);
        self.rejected += 1;
        if self.reasons.len() < MAX_REASONS {
            let (payload, line) = place;
            let text = if payload == 0 {
                format!("line {line}: {reason}")
            } else {
                format!("payload {}, line {line}: {reason}", payload + 1)
            };
            self.reasons.push((place, text));
        }
    }

    fn into_reply(mut self) -> RedisValue {
        let untold = self.rejected.saturating_sub(self.reasons.len());
        // Faults of form are found before all others.
        self.reasons.sort();
        let mut reasons: Vec<RedisValue> =
            self.reasons.into_iter().map(|(_, text)| RedisValue::BulkString(text)).collect();
        if untold > 0 {
            reasons.push(RedisValue::BulkString(format!("and {untold} more lines")));
        }
        RedisValue::Array(vec![
            self.accepted.into(),
            self.rejected.into(),
            RedisValue::Array(reasons),
        ])
    }
}

/// Takes payloads of lines and replies with accepted, rejected, and the reasons; to a queue's
/// sender with accepted alone.
///
/// # Errors
/// In a database other than 0, and past a bound; then no line is accepted.
pub fn ingest(ctx: &Context, payloads: &[RedisString], takes: Takes) -> RedisResult {
    check_database(ctx)?;
    let replayed = ContextFlags::LOADING | ContextFlags::REPLICATED;
    let origin = if ctx.get_flags().intersects(replayed) { Origin::Replay } else { Origin::Client };
    let bytes = payloads.iter().map(|payload| payload.as_slice().len()).sum::<usize>();
    if origin == Origin::Client && bytes > MAX_PAYLOAD {
        STATS.pushes_refused.add(1);
        return Err(RedisError::String(format!(
            "ERR no line was accepted: {bytes} bytes in one command, and at most {MAX_PAYLOAD} are \
             taken"
        )));
    }
    let now = clock::now();
    let mut outcome = Outcome::default();
    // Most lines name their host: the sender is asked for where one does not.
    let sender = LazyCell::new(|| sender_address(ctx));
    let mut parsed = Vec::new();
    for (payload_index, payload) in payloads.iter().enumerate() {
        let payload = payload.as_slice();
        let mut received = now;
        for (number, bytes) in payload_lines(payload) {
            let place = (payload_index, number);
            let line = match origin {
                Origin::Client => parse_line(bytes),
                Origin::Replay => parse_canonical_line(bytes),
            };
            match line {
                Ok(Some(line)) if takes == Takes::Meta && !matches!(line.record, Record::Meta { .. }) => {
                    outcome.reject(place, "type", &"only lines of type meta are taken here");
                }
                Ok(Some(line)) => match line.address.or_else(|| sender.as_deref()) {
                    Some(address) => {
                        let line = Line { address: Some(address), ..line };
                        parsed.push(Parsed { place, line, bytes, received });
                    }
                    None => outcome.reject(
                        place,
                        "address",
                        &"three columns, but the sender has no IP address here; put the address in front",
                    ),
                },
                Ok(None) if origin == Origin::Replay => {
                    received = received_line(bytes).unwrap_or(received);
                }
                Ok(None) => {}
                Err(error) => outcome.reject(place, error.kind(), &error),
            }
        }
    }
    if origin == Origin::Client {
        check_bounds(ctx, &parsed).inspect_err(|_| STATS.pushes_refused.add(1))?;
    }
    apply(ctx, &parsed, takes, origin, now, &mut outcome);
    STATS.lines_accepted.add(outcome.accepted);
    match origin {
        Origin::Replay => ctx.replicate_verbatim(),
        Origin::Client => replicate(ctx, &outcome.canonical, now),
    }
    Ok(if takes == Takes::Queued { outcome.accepted.into() } else { outcome.into_reply() })
}

/// Replicates accepted lines in commands of a bearable size.
fn replicate(ctx: &Context, canonical: &[u8], now: u32) {
    let mut rest = canonical;
    while !rest.is_empty() {
        let after = rest.get(REPLICATED_CHUNK..).unwrap_or_default();
        let line_end = after.iter().position(|byte| *byte == b'\n');
        let length = line_end.map_or(rest.len(), |end| REPLICATED_CHUNK + end + 1);
        let (chunk, others) = rest.split_at(length.min(rest.len()));
        let payload = [format!("{RECEIVED}{now}\n").as_bytes(), chunk].concat();
        ctx.replicate("KURADO.PUSH", &[payload.as_slice()][..]);
        rest = others;
    }
}

/// Refuses in a database other than 0: a host has one set of files, whatever the database.
///
/// # Errors
/// In a database other than 0.
pub fn check_database(ctx: &Context) -> Result<(), RedisError> {
    // SAFETY: `ctx` is the context of the running command.
    let database = unsafe { raw::RedisModule_GetSelectedDb.map(|get| get(ctx.get_raw())) };
    match database {
        Some(number) if number != 0 => Err(RedisError::String(format!(
            "ERR Kurado keeps its hosts in database 0, and {number} is selected"
        ))),
        _ => Ok(()),
    }
}

fn received_line(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.strip_prefix(RECEIVED)?.parse().ok()
}

/// The address of the client that sent the command, where it has one.
fn sender_address(ctx: &Context) -> Option<String> {
    // SAFETY: `ctx` is the context of the running command; `info` is a whole structure of the
    // version that it says, and its address ends with NUL.
    let (flags, text) = unsafe {
        let mut info: raw::RedisModuleClientInfoV1 = std::mem::zeroed();
        info.version = 1;
        let id = raw::RedisModule_GetClientId?(ctx.get_raw());
        let into = std::ptr::from_mut(&mut info).cast();
        if raw::RedisModule_GetClientInfoById?(into, id) != raw::REDISMODULE_OK as i32 {
            return None;
        }
        (info.flags, CStr::from_ptr(info.addr.as_ptr()).to_str().ok()?.to_owned())
    };
    if flags & u64::from(raw::REDISMODULE_CLIENTINFO_FLAG_UNIXSOCKET) != 0 {
        return Some("127.0.0.1".to_owned());
    }
    let text = text.strip_prefix("::ffff:").unwrap_or(&text);
    line_protocol::address::is_valid(text).then(|| text.to_owned())
}

/// Refuses the whole push where a bound would be passed.
fn check_bounds(ctx: &Context, parsed: &[Parsed<'_>]) -> Result<(), RedisError> {
    let points = parsed.iter().filter(|p| matches!(p.line.record, Record::Metric { .. })).count();
    let bytes = STATS.pending_points.get().saturating_add(points as u64) * POINT_SIZE as u64;
    if bytes > settings::max_pending_bytes() {
        return Err(over(
            "pending points would take",
            bytes,
            "bytes",
            "max-pending-bytes",
            settings::max_pending_bytes(),
        ));
    }
    // Counting what is new costs a look-up a line, so only where it could matter.
    let room = settings::max_series().saturating_sub(STATS.series.get());
    if points as u64 > room {
        let new = new_series(ctx, parsed);
        if new > room {
            let series = STATS.series.get() + new;
            return Err(over(
                "there would be",
                series,
                "series",
                "max-series",
                settings::max_series(),
            ));
        }
    }
    let room = settings::max_hosts().saturating_sub(STATS.hosts.get());
    if parsed.len() as u64 > room {
        let new = new_hosts(ctx, parsed);
        if new > room {
            let hosts = STATS.hosts.get() + new;
            return Err(over("there would be", hosts, "hosts", "max-hosts", settings::max_hosts()));
        }
    }
    Ok(())
}

fn over(what: &str, count: u64, unit: &str, setting: &str, bound: u64) -> RedisError {
    RedisError::String(format!(
        "ERR no line was accepted: {what} {count} {unit}, and kurado.{setting} is {bound}"
    ))
}

fn new_series(ctx: &Context, parsed: &[Parsed<'_>]) -> u64 {
    let mut new = std::collections::HashSet::new();
    for Parsed { line, .. } in parsed {
        let (Record::Metric { key, .. }, Some(address)) = (&line.record, line.address) else {
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

fn new_hosts(ctx: &Context, parsed: &[Parsed<'_>]) -> u64 {
    let mut addresses: Vec<&str> = parsed.iter().filter_map(|p| p.line.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let known = |address: &&str| with_host(ctx, address, |stored| stored.is_some()).unwrap_or(true);
    addresses.iter().filter(|address| !known(address)).count() as u64
}

/// Applies the lines, host by host as they come.
fn apply(
    ctx: &Context,
    parsed: &[Parsed<'_>],
    takes: Takes,
    origin: Origin,
    now: u32,
    outcome: &mut Outcome,
) {
    let mut rest = parsed;
    while let Some(first) = rest.first() {
        let Some(address) = first.line.address else {
            return;
        };
        let count = rest.iter().take_while(|p| p.line.address == Some(address)).count();
        let (of_host, others) = rest.split_at(count);
        rest = others;
        if origin == Origin::Client
            && takes != Takes::Queued
            && let Err(error) = permission::check(ctx, address, Wish::Write)
        {
            of_host.iter().for_each(|parsed| outcome.reject(parsed.place, "permission", &error));
            continue;
        }
        let before = outcome.accepted;
        let pending = with_host_to_write(ctx, address, |stored| {
            let mut host = stored.change();
            for parsed in of_host {
                match apply_line(&mut host, parsed, origin, now) {
                    Ok(()) => {
                        outcome.accepted += 1;
                        append_canonical(&mut outcome.canonical, parsed, address);
                    }
                    Err((kind, reason)) => outcome.reject(parsed.place, kind, &reason),
                }
            }
            host.pending_points()
        });
        match pending {
            Ok(pending) => {
                let _ = state::with(|state| {
                    if !state.hosts.contains(address) {
                        state.hosts.insert(address.into());
                    }
                    if pending > 0 {
                        let delay = settings::write_delay(ctx);
                        state.schedule.add(address, clock::monotonic(), delay);
                    }
                });
            }
            Err(error) => {
                let reason = match error {
                    RedisError::WrongType => {
                        format!("key 'kurado:{{{address}}}' holds another type")
                    }
                    other => other.to_string(),
                };
                of_host.iter().for_each(|parsed| outcome.reject(parsed.place, "key type", &reason));
            }
        }
        if outcome.accepted > before {
            let name = key_name(ctx, address);
            ctx.notify_keyspace_event(NotifyEvent::MODULE, "kurado.push", &name);
        }
    }
}

fn apply_line(
    host: &mut Host,
    Parsed { line, received, .. }: &Parsed<'_>,
    origin: Origin,
    now: u32,
) -> Result<(), (&'static str, String)> {
    let full = |full: rrd_store::host::Full| ("bound", full.to_string());
    match &line.record {
        Record::Metric { key, data_source_type, value } => {
            if origin == Origin::Client && line.time > now.saturating_add(MAX_FUTURE) {
                let reason = format!(
                    "time {} is {} s in the future; at most {MAX_FUTURE} s are taken",
                    line.time,
                    line.time - now
                );
                return Err(("future", reason));
            }
            let point = Point::new(line.time, *value);
            let accepted =
                host.accept(line.plugin, key, *data_source_type, point, *received).map_err(full)?;
            match accepted {
                Accepted::TooOld(floor) if origin == Origin::Client => {
                    let time = line.time;
                    let reason =
                        format!("time {time} is not after {floor}, the last update of this series");
                    Err(("too old", reason))
                }
                _ => Ok(()),
            }
        }
        Record::Meta { key, value } => {
            host.set_meta(line.plugin, key, value, *received).map_err(full)
        }
        Record::Warning { key, text } => {
            host.set_warning(line.plugin, key, text, *received).map_err(full)
        }
    }
}

/// Most lines are in their canonical form as they came.
fn append_canonical(out: &mut Vec<u8>, parsed: &Parsed<'_>, address: &str) {
    let whole_key =
        !matches!(&parsed.line.record, Record::Metric { key: std::borrow::Cow::Owned(_), .. });
    if whole_key && parsed.bytes.iter().filter(|byte| **byte == b'\t').count() == 3 {
        out.extend_from_slice(parsed.bytes);
        out.push(b'\n');
    } else {
        let mut text = String::new();
        parsed.line.write_to(&mut text, address);
        out.extend_from_slice(text.as_bytes());
    }
}
