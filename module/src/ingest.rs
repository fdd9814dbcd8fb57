//! Takes lines: checks bounds, applies line by line, replicates what was accepted.

use std::fmt::Write;

use line_protocol::expected::{Before, Beginning, parse_expected};
use line_protocol::{Line, Record, parse_canonical_line, parse_line};
use redis_module::{Context, NotifyEvent, RedisError, RedisResult, RedisString, raw};
use rrd_store::host::{Full, Host};
use rrd_store::point::Point;
use rrd_store::series::Accepted;

use crate::host_key::{key_name, with_host_to_write};
use crate::origin::Origin;
use crate::outcome::{Outcome, Rejection};
use crate::payload::Payload;
use crate::permission::{Rights, Wish};
use crate::sender::Sender;
use crate::stats::STATS;
use crate::{bounds, clock, settings, state};

/// About how many bytes are replicated as one command.
const REPLICATED_CHUNK: usize = 1024 * 1024;
/// Points later than this many seconds from now are refused: once in a file, such a point would
/// keep all points before it out.
const MAX_FUTURE: u32 = 600;
/// Begins the replicated line that says when the lines below it came.
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

/// Takes payloads of lines and replies with accepted, rejected, and the reasons; to a queue's
/// sender with accepted alone.
///
/// # Errors
/// In a database other than 0, and past a bound; then no line is accepted.
pub fn ingest(ctx: &Context, payloads: &[RedisString], takes: Takes) -> RedisResult {
    check_database(ctx)?;
    let origin = Origin::of(ctx);
    let sender = Sender::new(ctx);
    if origin == Origin::Client {
        bounds::check(ctx, payloads, &sender).inspect_err(|_| STATS.pushes_refused.add(1))?;
    }
    let now = clock::now();
    let mut push = Push {
        ctx,
        sender: &sender,
        rights: Rights::new(ctx, origin),
        takes,
        origin,
        now,
        received: now,
        outcome: Outcome::default(),
    };
    for (index, payload) in payloads.iter().enumerate() {
        push.take(index, payload);
    }
    if origin == Origin::Replay {
        ctx.replicate_verbatim();
    }
    let outcome = push.outcome;
    STATS.lines_accepted.add(outcome.accepted);
    match takes {
        Takes::Queued => Ok(outcome.accepted.into()),
        Takes::Everything | Takes::Meta => outcome.reply(ctx),
    }
}

/// A command that brings lines.
struct Push<'a> {
    ctx: &'a Context,
    sender: &'a Sender<'a>,
    rights: Rights<'a>,
    takes: Takes,
    origin: Origin,
    now: u32,
    /// When the lines came: now, or as a replicated line says.
    received: u32,
    outcome: Outcome,
}

/// A line that was understood.
struct Known<'a> {
    line: Line<'a>,
    /// Its own, or the sender's.
    address: &'a str,
}

impl<'a> Push<'a> {
    fn take(&mut self, index: usize, payload: &'a RedisString) {
        let before = self.outcome.accepted;
        let mut lines = Payload::new(index, payload.as_slice());
        let mut next = self.next_known(&mut lines);
        while let Some(first) = next {
            next = self.take_of_host(first, &mut lines);
        }
        if self.origin == Origin::Client && self.outcome.accepted > before {
            match lines.into_canonical() {
                None => self.replicate_whole(payload),
                Some(lines) => self.replicate(&lines),
            }
        }
    }

    /// The next line that says something and is understood.
    fn next_known(&mut self, lines: &mut Payload<'a>) -> Option<Known<'a>> {
        loop {
            let bytes = lines.next_line()?;
            let line = match self.origin {
                Origin::Client => parse_line(bytes),
                Origin::Replay => parse_canonical_line(bytes),
            };
            let rejection = match line {
                Ok(None) if bytes.is_empty() => continue,
                Ok(None) => {
                    if self.origin == Origin::Replay {
                        self.received = received_line(bytes).unwrap_or(self.received);
                    }
                    lines.leave_out();
                    continue;
                }
                Ok(Some(line))
                    if self.takes == Takes::Meta && !matches!(line.record, Record::Meta { .. }) =>
                {
                    Rejection::new("type", "only lines of type meta are taken here")
                }
                Ok(Some(line)) => match line.address.or_else(|| self.sender.address()) {
                    Some(address) => return Some(Known { line, address }),
                    None => Rejection::new(
                        "address",
                        "three columns, but the sender has no IP address here; put the address in \
                         front",
                    ),
                },
                Err(error) => Rejection::new(error.kind(), error.to_string()),
            };
            self.reject(lines, &rejection);
        }
    }

    fn reject(&mut self, lines: &mut Payload<'a>, rejection: &Rejection) {
        lines.leave_out();
        self.outcome.reject(lines.place(), rejection);
    }

    /// Takes a line and those behind it that are of the same host; gives the first of another one.
    fn take_of_host(&mut self, first: Known<'a>, lines: &mut Payload<'a>) -> Option<Known<'a>> {
        let (ctx, address) = (self.ctx, first.address);
        let name = key_name(ctx, address);
        if self.origin == Origin::Client
            && self.takes != Takes::Queued
            && let Err(error) = self.rights.check_key(&name, Wish::Write)
        {
            let rejection = Rejection::new("permission", error.to_string());
            return self.reject_of_host(address, lines, &rejection);
        }
        let before = self.outcome.accepted;
        let taken = with_host_to_write(ctx, &name, |stored| {
            let mut host = stored.change();
            let next = self.apply_lines(&mut host, first, lines);
            (next, host.pending_points() > 0)
        });
        let (next, waits) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                let text = match error {
                    RedisError::WrongType => {
                        format!("key 'kurado:{{{address}}}' holds another type")
                    }
                    other => other.to_string(),
                };
                return self.reject_of_host(address, lines, &Rejection::new("key type", text));
            }
        };
        let _ = state::with(|state| {
            // One that is due already is among the known.
            let is_due = state.schedule.contains(address);
            if !is_due && !state.hosts.contains(address) {
                state.hosts.insert(address.into());
            }
            if waits && !is_due {
                state.schedule.add(address, clock::monotonic(), settings::write_delay(ctx));
            }
        });
        if self.outcome.accepted > before {
            ctx.notify_keyspace_event(NotifyEvent::MODULE, "kurado.push", &name);
        }
        next
    }

    /// Rejects the line that was read last, and those behind it that are of the same host.
    fn reject_of_host(
        &mut self,
        address: &str,
        lines: &mut Payload<'a>,
        rejection: &Rejection,
    ) -> Option<Known<'a>> {
        loop {
            self.reject(lines, rejection);
            let next = self.next_known(lines)?;
            if next.address != address {
                return Some(next);
            }
        }
    }

    fn apply_lines(
        &mut self,
        host: &mut Host,
        first: Known<'a>,
        lines: &mut Payload<'a>,
    ) -> Option<Known<'a>> {
        let address = first.address;
        let mut before = Before::default();
        let mut known = first;
        loop {
            match self.apply(host, &known.line) {
                Ok(()) => {
                    self.outcome.accepted += 1;
                    match known.line.address {
                        Some(_) => lines.accept_as_is(),
                        None => lines.accept_as(&known.line, address),
                    }
                }
                Err(rejection) => self.reject(lines, &rejection),
            }
            self.apply_expected(host, address, lines, &mut before);
            known = self.next_known(lines)?;
            if known.address != address {
                return Some(known);
            }
        }
    }

    /// Takes the lines that are as expected, up to the first that is not.
    fn apply_expected(
        &mut self,
        host: &mut Host,
        address: &str,
        lines: &mut Payload<'a>,
        before: &mut Before<'a>,
    ) {
        if self.takes == Takes::Meta {
            return;
        }
        loop {
            let mut read = None;
            let accepted = host.accept_expected(self.received, |expected| {
                let beginning = Beginning {
                    address,
                    plugin: expected.plugin,
                    plugin_number: expected.plugin_number,
                    key: expected.key,
                    data_source_type: expected.data_source_type,
                };
                let (value, time, rest) = parse_expected(lines.rest(), &beginning, before)?;
                // One of the future is rejected as any other line.
                self.check_time(time).ok()?;
                read = Some((time, rest));
                Some(Point::new(time, value))
            });
            let Some((accepted, (time, rest))) = accepted.zip(read) else {
                return;
            };
            lines.read_to(rest);
            match self.check_accepted(accepted, time) {
                Ok(()) => {
                    self.outcome.accepted += 1;
                    lines.accept_as_is();
                }
                Err(rejection) => self.reject(lines, &rejection),
            }
        }
    }

    fn apply(&self, host: &mut Host, line: &Line<'_>) -> Result<(), Rejection> {
        let full = |full: Full| Rejection::new("bound", full.to_string());
        let (plugin, received) = (line.plugin, self.received);
        match &line.record {
            Record::Metric { key, data_source_type, value } => {
                self.check_time(line.time)?;
                let point = Point::new(line.time, *value);
                let accepted = host.accept(plugin, key, *data_source_type, point, received);
                self.check_accepted(accepted.map_err(full)?, line.time)
            }
            Record::Meta { key, value } => {
                host.set_meta(plugin, key, value, received).map_err(full)
            }
            Record::Warning { key, text } => {
                host.set_warning(plugin, key, text, received).map_err(full)
            }
        }
    }

    fn check_time(&self, time: u32) -> Result<(), Rejection> {
        if self.origin == Origin::Client && time > self.now.saturating_add(MAX_FUTURE) {
            let ahead = time - self.now;
            return Err(Rejection::new(
                "future",
                format!("time {time} is {ahead} s in the future; at most {MAX_FUTURE} s are taken"),
            ));
        }
        Ok(())
    }

    fn check_accepted(&self, accepted: Accepted, time: u32) -> Result<(), Rejection> {
        match accepted {
            Accepted::TooOld(floor) if self.origin == Origin::Client => Err(Rejection::new(
                "too old",
                format!("time {time} is not after {floor}, the last update of this series"),
            )),
            _ => Ok(()),
        }
    }

    /// Replicates a payload as it came, without a copy of it.
    fn replicate_whole(&self, payload: &RedisString) {
        let received = received_now(self.now);
        // SAFETY: "b" takes a pointer and a length, "s" a string of Redis; all outlive the call,
        // which copies the first and counts a reference to the second.
        unsafe {
            if let Some(replicate) = raw::RedisModule_Replicate {
                replicate(
                    self.ctx.get_raw(),
                    c"KURADO.PUSH".as_ptr(),
                    c"bs".as_ptr(),
                    received.as_ptr(),
                    received.len(),
                    payload.inner,
                );
            }
        }
    }

    /// Replicates lines in commands of a bearable size.
    fn replicate(&self, lines: &[u8]) {
        let received = received_now(self.now);
        let mut rest = lines;
        while !rest.is_empty() {
            let after = rest.get(REPLICATED_CHUNK..).unwrap_or_default();
            let line_end = memchr::memchr(b'\n', after);
            let length = line_end.map_or(rest.len(), |end| REPLICATED_CHUNK + end + 1);
            let (chunk, others) = rest.split_at(length.min(rest.len()));
            self.ctx.replicate("KURADO.PUSH", &[received.as_bytes(), chunk][..]);
            rest = others;
        }
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

/// The line that says that others came now.
fn received_now(now: u32) -> String {
    let mut line = String::with_capacity(RECEIVED.len() + 10);
    // Writing to a String can't fail.
    let _ = write!(line, "{RECEIVED}{now}");
    line
}

/// When the lines below this one came, if it says so.
fn received_line(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.strip_prefix(RECEIVED)?.parse().ok()
}
