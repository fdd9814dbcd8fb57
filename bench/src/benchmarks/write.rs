//! write: points a second from memory into RRD files of the standard layout.

use std::time::Instant;

use crate::Result;
use crate::bench::Bench;
use crate::contest::{self, Contender, Sample};
use crate::machine::{disk_written, drop_page_cache, minutes_ago, sync};
use crate::payload::{Fleet, Mix, SERIES_A_HOST, STEP, Shift};
use crate::redis_server::{Journal, RedisServer};
use crate::rrd_files::{Layout, RrdFiles};
use crate::rrdcached::{self, Rrdcached};
use crate::table::{Table, number, ratio};

/// Points a file with which the best number of threads is looked for.
const POINTS_OF_SEARCH: usize = 20;
/// Rounds of that search, where there are no fewer; what is found is measured again, in all rounds.
const ROUNDS_OF_SEARCH: usize = 1;
const MOST_POINTS: usize = 120;
const SHIFT: Shift = Shift::WithinTheHour;

/// What of the files is in memory before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageCache {
    Warm,
    Dropped,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Kurado,
    Rrdcached,
}

/// The files, and the time of the first points.
struct Task<'a> {
    bench: &'a Bench,
    files: RrdFiles,
    hosts: usize,
    start: u32,
}

/// Measures.
///
/// # Errors
/// Where the files can't be made; a server that fails is reported as such.
pub fn run(bench: &Bench) -> Result<String> {
    let hosts = bench.scale.pick(300, 30);
    // All times are in the past, those of files that are an hour ahead too.
    let start = minutes_ago(MOST_POINTS as u32 + 70);
    let fleet = fleet(hosts, start);
    eprintln!(" making {} files", fleet.series_count());
    let files = RrdFiles::make(bench, &fleet, Layout::Standard, start - STEP, SHIFT)?;
    let task = Task { bench, files, hosts, start };
    let mut text = format!(
        "{} files of 190,552 bytes, last updated a minute before the first pending point and spread evenly over an hour. \
         Each measurement begins with the same files, on the disk, and ends when all points are in the files (not: on the disk); then each file's last update is checked. \
         \"Dirtied\" is what the process hands to the kernel to write, in whole pages; \"disk\" is what the disk has written when all is synced, whoever wrote.\n\n",
        fleet.series_count()
    );
    for page_cache in [PageCache::Warm, PageCache::Dropped] {
        text += match page_cache {
            PageCache::Warm => "### Page cache warm\n\n",
            PageCache::Dropped => "### Page cache dropped before\n\n",
        };
        // Dirty pages can't be dropped.
        sync()?;
        match (page_cache, drop_page_cache()) {
            (PageCache::Warm, dropped) => {
                if let Err(error) = dropped {
                    text += &format!(
                        "With all of the files in it as they were made, since {error}.\n\n"
                    );
                }
                task.warm_up()?;
            }
            (PageCache::Dropped, Err(error)) => {
                text += &format!("Not measured: {error}\n\n");
                continue;
            }
            (PageCache::Dropped, Ok(())) => {}
        }
        let (table, best) = search_threads(&task, page_cache);
        text += &format!(
            "Which number of writing threads is best, at {POINTS_OF_SEARCH} points a file ({} rounds):\n\n{table}\n",
            bench.rounds.min(ROUNDS_OF_SEARCH)
        );
        let table = curve(&task, page_cache, best);
        text +=
            &format!("Points a file, each server with the threads that were best:\n\n{table}\n");
    }
    Ok(text)
}

fn fleet(hosts: usize, start: u32) -> Fleet {
    Fleet::new(hosts, Mix::Agents, start).shifted(SHIFT)
}

/// Tries numbers of threads; gives the table and the best of each writer.
fn search_threads(task: &Task<'_>, page_cache: PageCache) -> (Table, [usize; 2]) {
    let threads: &[usize] = task.bench.scale.pick(&[1, 2, 4, 16, 32], &[1, 4, 16]);
    let entries: Vec<(Writer, usize)> = [Writer::Kurado, Writer::Rrdcached]
        .into_iter()
        .flat_map(|writer| threads.iter().map(move |count| (writer, *count)))
        .collect();
    let mut contenders: Vec<Contender<'_>> = entries
        .iter()
        .map(|&(writer, count)| {
            Contender::new(format!("{page_cache:?} {writer:?} {count} threads"), move || {
                task.measure(writer, page_cache, count, POINTS_OF_SEARCH)
            })
        })
        .collect();
    let rounds = task.bench.rounds.min(ROUNDS_OF_SEARCH);
    (0..rounds).for_each(|_| contest::round(&mut contenders));
    let (kurado, rrdcached) = contenders.split_at(threads.len());
    let mut table = Table::new(&["threads", "Kurado, points/s", "rrdcached, points/s", "ratio"]);
    for (count, (kurado, rrdcached)) in threads.iter().zip(kurado.iter().zip(rrdcached)) {
        let rates = [kurado.rate().unwrap_or(f64::NAN), rrdcached.rate().unwrap_or(f64::NAN)];
        table.row(vec![
            count.to_string(),
            rate_or_failure(kurado),
            rate_or_failure(rrdcached),
            ratio(rates[0], rates[1]),
        ]);
    }
    let best = |contenders: &[Contender<'_>]| {
        let rates = contenders.iter().map(|contender| contender.rate().unwrap_or(0.0));
        let best = rates.zip(threads).max_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(1, |(_, count)| *count)
    };
    (table, [best(kurado), best(rrdcached)])
}

fn rate_or_failure(contender: &Contender<'_>) -> String {
    contender.rate().map_or_else(|failure| format!("failed: {failure}"), number)
}

/// The curve over points a file.
fn curve(task: &Task<'_>, page_cache: PageCache, threads: [usize; 2]) -> Table {
    let mut table = Table::new(&[
        "points a file",
        "server",
        "threads",
        "points/s",
        "files/s",
        "of rrdcached",
        "CPU, µs/file",
        "dirtied, bytes/point",
        "disk, bytes/point",
    ]);
    for points in [1, 5, 20, 60, MOST_POINTS] {
        let mut contenders: Vec<Contender<'_>> = [Writer::Kurado, Writer::Rrdcached]
            .into_iter()
            .zip(threads)
            .map(|(writer, count)| {
                Contender::new(format!("{page_cache:?} {writer:?} {points} points"), move || {
                    task.measure(writer, page_cache, count, points)
                })
            })
            .collect();
        (0..task.bench.rounds).for_each(|_| contest::round(&mut contenders));
        let rrdcached = contenders[1].rate().unwrap_or(f64::NAN);
        for (contender, (name, count)) in
            contenders.iter().zip(["Kurado", "rrdcached"].into_iter().zip(threads))
        {
            let median = |of: fn(&Sample) -> f64| contender.median(of).map_or(f64::NAN, |n| n);
            let rate = contender.rate().unwrap_or(f64::NAN);
            table.row(vec![
                points.to_string(),
                name.to_owned(),
                count.to_string(),
                rate_or_failure(contender),
                number(rate / points as f64),
                ratio(rate, rrdcached),
                number(median(|s| 1e6 * s.usage.cpu / s.points as f64) * points as f64),
                number(median(|s| s.usage.written as f64 / s.points as f64)),
                number(median(|s| s.disk as f64 / s.points as f64)),
            ]);
        }
    }
    table
}

impl Task<'_> {
    /// Brings the pages that updates touch into an empty page cache, one by one as updates do. Files
    /// made a moment ago are there in large folios, and then a byte makes a whole folio dirty.
    fn warm_up(&self) -> Result<()> {
        let by = |writer| self.measure(writer, PageCache::Warm, 4, MOST_POINTS);
        by(Writer::Rrdcached).or_else(|_| by(Writer::Kurado)).map(|_| ())
    }

    /// Takes back what was written, fills a new server, and has it write.
    fn measure(
        &self,
        writer: Writer,
        page_cache: PageCache,
        threads: usize,
        points: usize,
    ) -> Result<Sample> {
        self.files.reset()?;
        let sample = match writer {
            Writer::Kurado => self.measure_kurado(page_cache, threads, points),
            Writer::Rrdcached => self.measure_rrdcached(page_cache, threads, points),
        }?;
        self.files.check_updated(points)?;
        Ok(sample)
    }

    fn measure_kurado(&self, cache: PageCache, threads: usize, points: usize) -> Result<Sample> {
        let data = self.files.path().display().to_string();
        let threads = threads.to_string();
        let options = ["--kurado.data-dir", &data, "--kurado.writer-threads", &threads];
        let options = [&options[..], &["--kurado.write-delay", "86400"]].concat();
        // The longest write delay needs an AOF.
        let server = RedisServer::with_module(self.bench, Journal::EverySecond, &options)?;
        server.push(&mut fleet(self.hosts, self.start), points)?;
        self.settle(cache)?;
        // By chance a host's second within the day may have come: its points are not measured.
        let pending = server.number("kurado_pending_points")?;
        let (used, disk) = (server.process.usage()?, disk_written(self.files.path())?);
        let start = Instant::now();
        let written = server.flush()?;
        let elapsed = start.elapsed();
        let usage = server.process.usage()? - used;
        if written != pending {
            return Err(format!("{pending} points were pending, {written} written").into());
        }
        sync()?;
        let disk = disk_written(self.files.path())? - disk;
        Ok(Sample { points: written, elapsed, usage, disk })
    }

    fn measure_rrdcached(&self, cache: PageCache, threads: usize, points: usize) -> Result<Sample> {
        let journal = rrdcached::Journal::None;
        let server = Rrdcached::start(self.bench, self.files.path(), threads, journal)?;
        server.push(&mut fleet(self.hosts, self.start), points)?;
        self.settle(cache)?;
        let (used, disk) = (server.process.usage()?, disk_written(self.files.path())?);
        let written = (points * self.hosts * SERIES_A_HOST) as u64;
        let elapsed = server.flush_all(written)?;
        let usage = server.process.usage()? - used;
        sync()?;
        let disk = disk_written(self.files.path())? - disk;
        Ok(Sample { points: written, elapsed, usage, disk })
    }

    fn settle(&self, page_cache: PageCache) -> Result<()> {
        sync()?;
        match page_cache {
            PageCache::Warm => Ok(()),
            PageCache::Dropped => drop_page_cache(),
        }
    }
}
