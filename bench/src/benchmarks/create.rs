//! create: new series while others are pushed, and how long another client waits meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::bench::Bench;
use crate::client::{self, Connection, Endpoint};
use crate::machine::minutes_ago;
use crate::payload::{Fleet, Mix, SERIES_A_HOST};
use crate::ping::Pinging;
use crate::redis_server::{Journal, RedisServer, list_pushes, pushes};
use crate::resp::Commands;
use crate::statistics::{median, percentile};
use crate::table::{Table, number};

/// Time from one payload of the known series to the next: 10,000 points a second.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long a phase without an end of its own takes.
const PHASE: Duration = Duration::from_secs(3);

/// What goes on while another client waits for its PINGs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    PlainRedis,
    PushAlone,
    Create,
    Flush,
    Snapshot,
    Rewrite,
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::PlainRedis,
        Self::PushAlone,
        Self::Create,
        Self::Flush,
        Self::Snapshot,
        Self::Rewrite,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::PlainRedis => "Redis without module, `RPUSH` of the same payloads",
            Self::PushAlone => "pushes to known series alone",
            Self::Create => "new series pushed, and their files made by `KURADO.FLUSH`",
            Self::Flush => "`KURADO.FLUSH` again and again",
            Self::Snapshot => "`BGSAVE` (fork)",
            Self::Rewrite => "`BGREWRITEAOF` (fork)",
        }
    }
}

/// Measures.
///
/// # Errors
/// Where a server fails.
pub fn run(bench: &Bench) -> Result<String> {
    let hosts = bench.scale.pick(100, 20);
    let plain = RedisServer::plain(bench, Journal::EverySecond)?;
    let kurado = RedisServer::with_module(bench, Journal::EverySecond, &[])?;
    // A point of each series every second, a minute apart as they say: a week is enough.
    let mut known = Fleet::new(hosts, Mix::Agents, minutes_ago(7 * 24 * 60));
    kurado.push(&mut known, 1)?;
    kurado.flush()?;
    let mut waits = Phase::ALL.map(|_| Vec::new());
    let mut rates = Vec::new();
    for round in 1..=bench.rounds {
        eprintln!("  round {round}");
        for (phase, waits) in Phase::ALL.into_iter().zip(&mut waits) {
            let server = if phase == Phase::PlainRedis { &plain } else { &kurado };
            let fleet = Fleet::new(hosts, Mix::Agents, minutes_ago(60)).starting_at(round * hosts);
            let busy = || phase.go(server, fleet, &mut rates);
            waits.push(while_pushing(server, &mut known, phase, busy)?);
        }
        forget(&kurado, round * hosts, hosts)?;
        plain.run::<u64>(&["DEL", "lines"])?;
    }
    let mut table =
        Table::new(&["meanwhile", "p50, ms", "p99, ms", "longest, ms", "PINGs a round"]);
    for (phase, rounds) in Phase::ALL.into_iter().zip(&waits) {
        let of_rounds =
            |of: fn(&Vec<f64>) -> f64| number(median(&rounds.iter().map(of).collect::<Vec<_>>()));
        table.row(vec![
            phase.name().to_owned(),
            of_rounds(|waits| percentile(waits, 50.0)),
            of_rounds(|waits| percentile(waits, 99.0)),
            of_rounds(|waits| percentile(waits, 100.0)),
            of_rounds(|waits| waits.len() as f64),
        ]);
    }
    Ok(format!(
        "{} new series in new hosts, from the first push to the last file: {} series/s. Meanwhile {} known series are pushed at 10,000 points/s, \
         with `appendfsync everysec`; the server has {:.1} MB when it forks.\n\n\
         How long `PING` takes on a connection of its own, every 0.2 ms:\n\n{table}\n",
        hosts * SERIES_A_HOST,
        number(median(&rates)),
        hosts * SERIES_A_HOST,
        kurado.number("used_memory")? as f64 / 1e6
    ))
}

impl Phase {
    /// Keeps the server busy.
    fn go(self, server: &RedisServer, mut fleet: Fleet, rates: &mut Vec<f64>) -> Result<()> {
        match self {
            Self::PlainRedis | Self::PushAlone => std::thread::sleep(PHASE),
            Self::Create => {
                let created = server.number("kurado_files_created")?;
                let commands = pushes(&fleet.payloads());
                let start = Instant::now();
                let (_, replies) = client::pipelined(&server.unix(), &commands)?;
                server.run::<u64>(&["KURADO.FLUSH"])?;
                let elapsed = start.elapsed().as_secs_f64();
                let created = server.number("kurado_files_created")? - created;
                let wanted = fleet.series_count() as u64;
                if replies.accepted != wanted || created != wanted {
                    let accepted = replies.accepted;
                    return Err(format!("{accepted} lines accepted, {created} files made").into());
                }
                rates.push(created as f64 / elapsed);
            }
            Self::Flush => {
                let end = Instant::now() + PHASE;
                while Instant::now() < end {
                    server.run::<u64>(&["KURADO.FLUSH"])?;
                }
            }
            Self::Snapshot => {
                server.run::<String>(&["BGSAVE"])?;
                until_zero(server, "rdb_bgsave_in_progress")?;
            }
            Self::Rewrite => {
                server.run::<String>(&["BGREWRITEAOF"])?;
                until_zero(server, "aof_rewrite_in_progress")?;
            }
        }
        Ok(())
    }
}

fn until_zero(server: &RedisServer, name: &str) -> Result<()> {
    while server.number(name)? > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Keeps a server busy by `busy` while known series are pushed; gives how long PINGs took.
fn while_pushing(
    server: &RedisServer,
    known: &mut Fleet,
    phase: Phase,
    busy: impl FnOnce() -> Result<()>,
) -> Result<Vec<f64>> {
    let stop = AtomicBool::new(false);
    let endpoint = server.unix();
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push_steadily(&endpoint, known, phase, &stop));
        let pinging = Pinging::start(&endpoint)?;
        let done = busy();
        let waits = pinging.finish();
        stop.store(true, Ordering::Relaxed);
        pushing.join().map_err(|_| "the pushing thread panicked")??;
        done?;
        waits
    })
}

fn push_steadily(
    endpoint: &Endpoint,
    known: &mut Fleet,
    phase: Phase,
    stop: &AtomicBool,
) -> Result<()> {
    let mut connection = Connection::open(endpoint)?;
    let mut due = Instant::now();
    loop {
        let payloads = known.payloads();
        let commands: Commands =
            if phase == Phase::PlainRedis { list_pushes(&payloads) } else { pushes(&payloads) };
        for command in commands.each() {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += INTERVAL;
            let replies = client::ask(&mut connection, command)?;
            if replies.rejected > 0 {
                return Err(format!("{} lines rejected", replies.rejected).into());
            }
        }
    }
}

/// Removes hosts and their files, so that the disk has room for the next round's.
fn forget(server: &RedisServer, first: usize, hosts: usize) -> Result<()> {
    let fleet = Fleet::new(hosts, Mix::Agents, 0).starting_at(first);
    for n in (0..fleet.series_count()).step_by(SERIES_A_HOST) {
        let file = fleet.file(n);
        let address = file.split('/').next().unwrap_or_default();
        server.run::<u64>(&["DEL", &format!("kurado:{{{address}}}")])?;
        std::fs::remove_dir_all(server.path().join("data").join(address))?;
    }
    Ok(())
}
