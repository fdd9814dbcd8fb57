//! steady: a fleet whose hosts push each minute, at a second of their own.

use std::time::{Duration, Instant};

use crate::Result;
use crate::bench::{Bench, Scale};
use crate::client::{self, Connection};
use crate::machine::{free_bytes, minutes_ago};
use crate::payload::{Fleet, Mix, SERIES_A_HOST};
use crate::redis_server::{Journal, RedisServer, pushes};
use crate::statistics::percentile;
use crate::table::{Table, number};

const MINUTE: Duration = Duration::from_secs(60);
/// Bytes on the disk of a file of the standard layout.
const FILE: u64 = 192 * 1024;
/// The standard archives with a tenth of their rows.
const SHORT_ARCHIVES: &str = "AVERAGE:1:288,AVERAGE:5:288,AVERAGE:60:96,AVERAGE:1440:110,\
                              MIN:1:288,MIN:5:288,MIN:60:96,MIN:1440:110,\
                              MAX:1:288,MAX:5:288,MAX:60:96,MAX:1440:110";

/// Measures.
///
/// # Errors
/// Where the server fails or refuses a point.
pub fn run(bench: &Bench) -> Result<String> {
    let minutes = bench.scale.pick(10, 2);
    let delay = bench.scale.pick("300", "60");
    let options = ["--kurado.write-delay", delay];
    let server = RedisServer::with_module(bench, Journal::EverySecond, &options)?;
    let (hosts, note) = fit_disk(bench, &server)?;
    let series = hosts * SERIES_A_HOST;
    eprintln!("  making {series} files");
    let mut fleet = Fleet::new(hosts, Mix::Agents, minutes_ago(1));
    server.push(&mut fleet, 1)?;
    server.flush()?;
    crate::machine::sync()?;

    let before = Moment::of(&server)?;
    let start = Instant::now();
    let mut connection = Connection::open(&server.unix())?;
    let mut waits = Vec::new();
    let mut table = Table::new(&[
        "minute",
        "CPU, % of one core",
        "RSS, MB",
        "points written/s",
        "pending points",
        "oldest pending, s",
    ]);
    let mut last = before;
    for minute in 0..minutes {
        eprintln!("  minute {}", minute + 1);
        push_minute(&mut connection, &mut fleet, start + MINUTE * minute, &mut waits)?;
        let now = Moment::of(&server)?;
        let oldest = server.info_beginning("kurado_oldest_pending")?;
        table.row(vec![
            (minute + 1).to_string(),
            number(100.0 * (now.cpu - last.cpu) / (now.at - last.at).as_secs_f64()),
            number(server.process.resident()? as f64 / 1e6),
            number((now.written - last.written) as f64 / (now.at - last.at).as_secs_f64()),
            number(now.pending as f64),
            oldest.map_or_else(|| "not told".to_owned(), |age| age.to_string()),
        ]);
        last = now;
    }
    let seconds = (last.at - before.at).as_secs_f64();
    let written = last.written - before.written;
    let dirtied = (last.dirtied - before.dirtied) as f64;
    // Each point waits for one delay at most, and then for its turn.
    let bound = series as f64 * (delay.parse::<f64>()? / 60.0 + 1.0);
    Ok(format!(
        "{series} series of {hosts} hosts, each host pushing once a minute over one connection, for {minutes} minutes; write delay {delay} s, `appendfsync everysec`, files made beforehand. {note}\n\n\
         {table}\n\
         | over all | |\n|---|---:|\n\
         | CPU, % of one core | {} |\n\
         | points accepted/s | {} |\n\
         | points a file written | {} |\n\
         | bytes dirtied a point written, the AOF's included | {} |\n\
         | push of {SERIES_A_HOST} lines, p50 / p99 / longest, ms | {} / {} / {} |\n\
         | pending points stay below one delay and a minute of all series | {} |\n",
        number(100.0 * (last.cpu - before.cpu) / seconds),
        number((series as u64 * u64::from(minutes)) as f64 / seconds),
        number(written as f64 / (last.updated - before.updated) as f64),
        number(dirtied / written as f64),
        number(percentile(&waits, 50.0)),
        number(percentile(&waits, 99.0)),
        number(percentile(&waits, 100.0)),
        if (last.pending as f64) <= bound { "yes" } else { "no" },
    ))
}

/// What the server tells of itself at one time.
#[derive(Clone, Copy)]
struct Moment {
    at: Instant,
    cpu: f64,
    dirtied: u64,
    pending: u64,
    written: u64,
    updated: u64,
}

impl Moment {
    fn of(server: &RedisServer) -> Result<Self> {
        let usage = server.process.usage()?;
        Ok(Self {
            at: Instant::now(),
            cpu: usage.cpu,
            dirtied: usage.written,
            pending: server.number("kurado_pending_points")?,
            written: server.number("kurado_points_written")?,
            updated: server.number("kurado_files_updated")?,
        })
    }
}

/// How many hosts the disk has room for, and what was done about it.
fn fit_disk(bench: &Bench, server: &RedisServer) -> Result<(usize, String)> {
    if bench.scale == Scale::Quick {
        return Ok((100, String::new()));
    }
    let settings: Vec<String> = server.run(&["CONFIG", "GET", "kurado.rra"])?;
    if !settings.is_empty() {
        server.run::<()>(&["CONFIG", "SET", "kurado.rra", SHORT_ARCHIVES])?;
        let note = "For want of disk the files have a tenth of the standard rows (`kurado.rra`).";
        return Ok((3000, note.to_owned()));
    }
    // Half of what is free stays so.
    let most = free_bytes(bench.path())? / 2 / FILE / SERIES_A_HOST as u64;
    match usize::try_from(most)? {
        0 => Err("the disk is full".into()),
        enough if enough >= 3000 => Ok((3000, String::new())),
        hosts => Ok((
            hosts,
            "The disk has no room for 300,000 series of the standard layout.".to_owned(),
        )),
    }
}

/// Pushes one minute, spread evenly; appends how long each push took, in milliseconds. A push that
/// could not be sent in time because the one before took so long counts from when it was due.
fn push_minute(
    connection: &mut Connection,
    fleet: &mut Fleet,
    begin: Instant,
    waits: &mut Vec<f64>,
) -> Result<()> {
    let commands = pushes(&fleet.payloads());
    let interval = MINUTE / u32::try_from(commands.len())?;
    for (n, command) in (0..).zip(commands.each()) {
        let due = begin + interval * n;
        let now = Instant::now();
        std::thread::sleep(due.saturating_duration_since(now));
        let sent = if now > due { due } else { Instant::now() };
        let replies = client::ask(connection, command)?;
        waits.push(sent.elapsed().as_secs_f64() * 1000.0);
        if replies.rejected > 0 {
            return Err(format!("{} lines rejected", replies.rejected).into());
        }
    }
    std::thread::sleep((begin + MINUTE).saturating_duration_since(Instant::now()));
    Ok(())
}
