//! memory: bytes of a series that waits for its next point, and of a point that waits for its write.

use crate::Result;
use crate::bench::Bench;
use crate::machine::minutes_ago;
use crate::payload::{Fleet, Mix, STEP, Shift};
use crate::redis_server::{Journal, RedisServer};
use crate::rrd_files::{Layout, RrdFiles};
use crate::rrdcached::{self, Rrdcached};
use crate::table::{Table, number};

/// Pending points of each series.
const PENDING: usize = 60;

/// Bytes of a server at three moments.
struct Bytes {
    empty: u64,
    /// All series are known, and no point is pending.
    idle: u64,
    /// Each series has [`PENDING`] points.
    pending: u64,
}

impl Bytes {
    fn a_series(&self, series: usize) -> f64 {
        (self.idle as f64 - self.empty as f64) / series as f64
    }

    fn a_point(&self, series: usize) -> f64 {
        (self.pending as f64 - self.idle as f64) / (series * PENDING) as f64
    }
}

/// Measures.
///
/// # Errors
/// Where the files can't be made; a server that fails is reported as such.
pub fn run(bench: &Bench) -> Result<String> {
    let hosts = bench.scale.pick(1000, 100);
    let mixes = [
        (Mix::Counters, "growing counters"),
        (Mix::Decimals, "gauges of two decimals"),
        (Mix::Floats, "random doubles"),
    ];
    let mut table =
        Table::new(&["points", "server", "measured by", "bytes a series", "bytes a pending point"]);
    let mut series = 0;
    for (mix, name) in mixes {
        eprintln!("  {name}");
        let start = minutes_ago(PENDING as u32 + 5);
        let fleet = || Fleet::new(hosts, mix, start);
        series = fleet().series_count();
        let files = RrdFiles::make(bench, &fleet(), Layout::Tiny, start - STEP, Shift::None)?;
        let mut add = |server: &str, by: &str, bytes: std::result::Result<&Bytes, String>| {
            let (a_series, a_point) = match bytes {
                Ok(bytes) => (number(bytes.a_series(series)), number(bytes.a_point(series))),
                Err(error) => (format!("failed: {error}"), "–".to_owned()),
            };
            table.row(vec![name.to_owned(), server.to_owned(), by.to_owned(), a_series, a_point]);
        };
        let measures = ["`used_memory`", "`MEMORY USAGE` of all keys", "RSS"];
        match kurado(bench, &files, fleet()) {
            Ok(bytes) => {
                measures.iter().zip(&bytes).for_each(|(by, bytes)| add("Kurado", by, Ok(bytes)));
            }
            Err(error) => add("Kurado", "–", Err(error.to_string())),
        }
        files.reset()?;
        match rrdcached(bench, &files, fleet()) {
            Ok(bytes) => add("rrdcached", "RSS", Ok(&bytes)),
            Err(error) => add("rrdcached", "RSS", Err(error.to_string())),
        }
    }
    Ok(format!(
        "{series} series, 100 a host; a series counts with its share of the host's key. First each has one point, which is written; then {PENDING} pending points. \
         Counted once, since nothing here is left to chance.\n\n{table}\n"
    ))
}

/// `used_memory`, the sum of MEMORY USAGE, and RSS.
fn kurado(bench: &Bench, files: &RrdFiles, mut fleet: Fleet) -> Result<[Bytes; 3]> {
    let data = files.path().display().to_string();
    let options = ["--kurado.data-dir", &data, "--kurado.write-delay", "86400"];
    let server = RedisServer::with_module(bench, Journal::EverySecond, &options)?;
    let empty = sizes(&server)?;
    server.push(&mut fleet, 1)?;
    server.flush()?;
    let idle = sizes(&server)?;
    server.push(&mut fleet, PENDING)?;
    let pending = sizes(&server)?;
    let of = |n: usize| Bytes { empty: empty[n], idle: idle[n], pending: pending[n] };
    Ok([of(0), of(1), of(2)])
}

fn sizes(server: &RedisServer) -> Result<[u64; 3]> {
    // Buffers of the clients that have just gone are given back once a second.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let used = server.number("used_memory")?;
    let keys: Vec<String> = server.run(&["KEYS", "*"])?;
    let mut sum = 0;
    for key in keys {
        sum += server.run::<u64>(&["MEMORY", "USAGE", &key])?;
    }
    Ok([used, sum, server.process.resident()?])
}

fn rrdcached(bench: &Bench, files: &RrdFiles, mut fleet: Fleet) -> Result<Bytes> {
    let server = Rrdcached::start(bench, files.path(), 4, rrdcached::Journal::None)?;
    let empty = server.process.resident()?;
    server.push(&mut fleet, 1)?;
    server.flush_all(fleet.series_count() as u64)?;
    let idle = server.process.resident()?;
    server.push(&mut fleet, PENDING)?;
    Ok(Bytes { empty, idle, pending: server.process.resident()? })
}
