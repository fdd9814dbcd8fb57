//! push: points a second that servers take, written to no file.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::bench::Bench;
use crate::client::{self, Endpoint};
use crate::contest::{self, Contender, Sample};
use crate::machine::minutes_ago;
use crate::payload::{Fleet, Mix, SERIES_A_HOST, Shift};
use crate::process::Process;
use crate::redis_server::{Journal, RedisServer};
use crate::resp::{Commands, Replies};
use crate::rrd_files::{Layout, RrdFiles};
use crate::rrdcached::{self, Rrdcached};
use crate::table::{Table, number, ratio};
use crate::victoria_metrics::VictoriaMetrics;

const HOSTS: usize = 300;

/// How commands reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    PipelinedUnix,
    PipelinedTcp,
    RedisCliPipe,
    OneInTurn,
    FiftyInTurn,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::PipelinedUnix,
        Self::PipelinedTcp,
        Self::RedisCliPipe,
        Self::OneInTurn,
        Self::FiftyInTurn,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::PipelinedUnix => "1 connection, pipelined, unix socket",
            Self::PipelinedTcp => "1 connection, pipelined, TCP",
            Self::RedisCliPipe => "`redis-cli --pipe`, unix socket",
            Self::OneInTurn => "1 connection, request by request, TCP",
            Self::FiftyInTurn => "50 connections, request by request, TCP",
        }
    }
}

/// What is sent: the same points in each server's own form.
struct Load {
    /// The first minute, which creates the series and is not timed.
    first: Form,
    /// The minutes that are timed.
    rest: Form,
    /// Points of `rest`.
    points: usize,
    /// Points of both.
    all_points: usize,
}

/// Some minutes in each server's own form.
#[derive(Default)]
struct Form {
    pushes: Commands,
    list_pushes: Commands,
    /// A text a payload.
    updates: Vec<String>,
    influx: String,
}

impl Form {
    fn add(&mut self, fleet: &mut Fleet) {
        let points = fleet.minute();
        for of_host in points.chunks(SERIES_A_HOST) {
            let (mut payload, mut updates) = (String::new(), String::new());
            for point in of_host {
                point.write_line(&mut payload);
                point.write_update(&mut updates);
                point.write_influx(&mut self.influx);
            }
            self.updates.push(updates);
            self.pushes.push(&[b"KURADO.PUSH", payload.as_bytes()]);
            self.list_pushes.push(&[b"RPUSH", b"lines", payload.as_bytes()]);
        }
    }
}

/// Measures.
///
/// # Errors
/// Where not even the points can be made; a server that fails is reported as such.
pub fn run(bench: &Bench) -> Result<String> {
    let minutes = bench.scale.pick(20, 5);
    // Not in the future, and without a gap.
    let start = minutes_ago(minutes + 2);
    let mut fleet = Fleet::new(HOSTS, Mix::Agents, start);
    let files = RrdFiles::make(bench, &fleet, Layout::Tiny, start - 60, Shift::None);
    let (mut first, mut rest) = (Form::default(), Form::default());
    first.add(&mut fleet);
    (0..minutes).for_each(|_| rest.add(&mut fleet));
    let points = minutes as usize * fleet.series_count();
    let all_points = points + fleet.series_count();
    let load = Load { first, rest, points, all_points };

    let one_batch = vec![load.rest.updates.concat()];
    let victoria_metrics = VictoriaMetrics::start(bench);
    let mut text = format!(
        "{HOSTS} hosts with {SERIES_A_HOST} series each, {minutes} minutes: {} points as {} payloads of {SERIES_A_HOST} lines, \
         {:.0} bytes a line. The minute before them, which creates the series, is not timed. \
         \"Of rrdcached\" compares with its one BATCH. CPU is that of the server's process, all threads.\n\n",
        load.points,
        load.rest.pushes.len(),
        load.rest.pushes.bytes().len() as f64 / points as f64
    );
    for journal in [Journal::None, Journal::EverySecond] {
        let options: &[&str] = &["--kurado.write-delay", "86400"];
        let plain = RedisServer::plain(bench, journal);
        let kurado = RedisServer::with_module(bench, journal, options)
            .and_then(|server| pause_writing(&server).map(|()| server));
        let rrdcached = files.as_ref().map_err(ToString::to_string).map_err(Into::into);
        let rrdcached = rrdcached.and_then(|files| {
            let kept = match journal {
                Journal::None => rrdcached::Journal::None,
                Journal::EverySecond => rrdcached::Journal::Kept,
            };
            Rrdcached::start(bench, files.path(), 1, kept)
        });
        text += match journal {
            Journal::None => "Without AOF, rrdcached without journal:\n\n",
            Journal::EverySecond => {
                "With `appendonly yes`, `appendfsync everysec`; rrdcached with journal:\n\n"
            }
        };
        let mut table = Table::new(&[
            "how",
            "server",
            "points/s",
            "of RPUSH",
            "of rrdcached",
            "server CPU, ns/point",
        ]);
        let mut rrdcached_rate = f64::NAN;
        for way in Way::ALL {
            eprintln!(" {journal:?} {way:?}");
            let mut contenders = vec![
                Contender::of("RPUSH", &plain, |server| push_list(bench, server, &load, way)),
                Contender::of("KURADO.PUSH", &kurado, |server| {
                    push_kurado(bench, server, &load, way)
                }),
            ];
            let batches = match way {
                Way::PipelinedUnix => Some(("rrdcached, one BATCH", &one_batch)),
                Way::OneInTurn => Some(("rrdcached, a BATCH a payload, unix", &load.rest.updates)),
                _ => None,
            };
            if let Some((name, batches)) = batches {
                contenders.push(Contender::of(name, &rrdcached, |server| {
                    push_rrdcached(server, &fleet, &load, batches)
                }));
            }
            if way == Way::PipelinedTcp && journal == Journal::None {
                contenders.push(Contender::of(
                    "VictoriaMetrics, InfluxDB lines in one HTTP request",
                    &victoria_metrics,
                    |server| push_victoria_metrics(server, &load),
                ));
            }
            contest::warm_up(&mut contenders);
            (0..bench.rounds).for_each(|_| contest::round(&mut contenders));
            if let Some(rrdcached) = contenders.get(2).filter(|_| way == Way::PipelinedUnix) {
                rrdcached_rate = rrdcached.rate().unwrap_or(f64::NAN);
            }
            let list_rate = contenders[0].rate().unwrap_or(f64::NAN);
            for contender in &contenders {
                let mut cells = vec![way.name().to_owned(), contender.name.clone()];
                match contender.rate() {
                    Ok(rate) => {
                        let cpu = contender.median(|s| 1e9 * s.usage.cpu / s.points as f64)?;
                        cells.extend([number(rate), ratio(rate, list_rate)]);
                        cells.extend([ratio(rate, rrdcached_rate), number(cpu)]);
                    }
                    Err(failure) => {
                        cells.push(format!("failed: {failure}"));
                        cells.extend(["–", "–", "–"].map(str::to_owned));
                    }
                }
                table.row(cells);
            }
        }
        text += &format!("{table}\n");
    }
    Ok(text)
}

/// Without AOF no write delay is longer than a minute, so a stop file holds back the writing too.
fn pause_writing(server: &RedisServer) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    fs::write(server.path().join("data/stop"), "")?;
    while server.info("kurado_writing_paused")? == Some(0) {
        if Instant::now() > end {
            return Err("the stop file does not pause writing".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn push_list(bench: &Bench, server: &RedisServer, load: &Load, way: Way) -> Result<Sample> {
    server.run::<u64>(&["DEL", "lines"])?;
    client::pipelined(&server.unix(), &load.first.list_pushes)?;
    let sample = measure(&server.process, load.points, || {
        send(bench, server, &load.rest.list_pushes, way).map(|(elapsed, _)| elapsed)
    })?;
    let (length, wanted): (usize, usize) = (
        server.run(&["LLEN", "lines"])?,
        load.first.list_pushes.len() + load.rest.list_pushes.len(),
    );
    if length != wanted {
        return Err(format!("the list has {length} payloads, not {wanted}").into());
    }
    Ok(sample)
}

fn push_kurado(bench: &Bench, server: &RedisServer, load: &Load, way: Way) -> Result<Sample> {
    server.run::<()>(&["FLUSHALL", "SYNC"])?;
    pause_writing(server)?;
    client::pipelined(&server.unix(), &load.first.pushes)?;
    let mut counted = None;
    let sample = measure(&server.process, load.points, || {
        let (elapsed, replies) = send(bench, server, &load.rest.pushes, way)?;
        counted = replies;
        Ok(elapsed)
    })?;
    if let Some(replies) = counted
        && (replies.accepted != load.points as u64 || replies.rejected > 0)
    {
        return Err(
            format!("{} lines accepted, {} rejected", replies.accepted, replies.rejected).into()
        );
    }
    let pending = server.number("kurado_pending_points")?;
    if pending != load.all_points as u64 {
        return Err(format!("{pending} points are pending, not {}", load.all_points).into());
    }
    Ok(sample)
}

fn push_rrdcached(
    server: &Rrdcached,
    fleet: &Fleet,
    load: &Load,
    batches: &[String],
) -> Result<Sample> {
    server.batches(&load.first.updates)?;
    let before = server.statistics()?;
    let sample = measure(&server.process, load.points, || server.batches(batches))?;
    let after = server.statistics()?;
    let received = after.received - before.received;
    if received != load.points as u64 || after.written > 0 {
        return Err(format!("{received} updates received, {} points written", after.written).into());
    }
    server.forget(fleet)?;
    Ok(sample)
}

fn push_victoria_metrics(server: &VictoriaMetrics, load: &Load) -> Result<Sample> {
    server.push(&load.first.influx, load.all_points - load.points)?;
    measure(&server.process, load.points, || server.push(&load.rest.influx, load.points))
}

/// Runs `task`, which says how long it took, and notes what the server used meanwhile.
fn measure(
    server: &Process,
    points: usize,
    task: impl FnOnce() -> Result<Duration>,
) -> Result<Sample> {
    let before = server.usage()?;
    let elapsed = task()?;
    let usage = server.usage()? - before;
    Ok(Sample { points: points as u64, elapsed, usage, disk: 0 })
}

/// Sends the commands; gives the replies where this program itself has read them.
fn send(
    bench: &Bench,
    server: &RedisServer,
    commands: &Commands,
    way: Way,
) -> Result<(Duration, Option<Replies>)> {
    let (elapsed, replies) = match way {
        Way::PipelinedUnix => client::pipelined(&server.unix(), commands)?,
        Way::PipelinedTcp => client::pipelined(&server.tcp(), commands)?,
        Way::OneInTurn => client::in_turn(&server.tcp(), commands, 1)?,
        Way::FiftyInTurn => client::in_turn(&server.tcp(), commands, 50)?,
        Way::RedisCliPipe => return Ok((redis_cli_pipe(bench, server, commands)?, None)),
    };
    match replies.error {
        Some(error) => Err(error.into()),
        None => Ok((elapsed, Some(replies))),
    }
}

fn redis_cli_pipe(bench: &Bench, server: &RedisServer, commands: &Commands) -> Result<Duration> {
    let Endpoint::Unix(socket) = server.unix() else {
        return Err("the server has no unix socket".into());
    };
    let directory = bench.directory()?;
    let path = directory.path().join("commands");
    fs::write(&path, commands.bytes())?;
    let arguments = ["-s".to_owned(), socket.display().to_string(), "--pipe".to_owned()];
    bench.note("redis-cli", &arguments);
    let input = fs::File::open(&path)?;
    let start = Instant::now();
    let output = Command::new("redis-cli").args(&arguments).stdin(Stdio::from(input)).output()?;
    let elapsed = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let wanted = format!("errors: 0, replies: {}", commands.len());
    if text.trim_end().ends_with(&wanted) {
        Ok(elapsed)
    } else {
        Err(format!("redis-cli --pipe: {}", text.trim_end()).into())
    }
}
