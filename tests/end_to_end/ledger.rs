//! What clients sent and were told, held against files that the stock rrdtool makes of the same
//! points.

use std::path::Path;

use redis::{Connection, RedisError, Value};

use crate::random::Random;
use crate::rrdtool::{last_update, rrdtool};
use crate::server::{Pushed, Server};

/// The archives of the ledger's files: one by the minute, and ones that add rows up.
pub const ARCHIVES: &str = "AVERAGE:1:3000,AVERAGE:5:700,MAX:60:60";
/// Seconds of points in a file: no archive loses a row.
const MOST: u32 = 2900 * 60;
const START: u32 = 1_404_873_360;
const KINDS: [&str; 4] = ["gauge", "counter", "derive", "absolute"];
/// Seconds to the next point: whole minutes mostly, else parts of a row and a gap.
const STEPS: [u32; 8] = [60, 60, 60, 60, 7, 30, 90, 300];

/// The points of one series.
struct Series {
    key: String,
    kind: usize,
    /// Times of all points that were sent and not lost since.
    times: Vec<u32>,
    /// How many of them, from the first, must be in the file at the end.
    kept: usize,
    /// The latest that was lost. A writer that is killed between a point's rows and the header leaves
    /// these rows where the oldest ones were, until a later point comes.
    lost: u32,
}

/// One client's hosts. Each push brings one point of each series of a host, or a few.
pub struct Ledger {
    number: u8,
    /// The last two still get points.
    hosts: Vec<(String, Vec<Series>)>,
    /// When the first point of these two is.
    since: u32,
    next: u32,
    random: Random,
}

impl Ledger {
    /// A client with hosts that no client of another number has, of four series each.
    pub fn new(number: u8, seed: u64) -> Self {
        let random = Random::new(seed ^ (u64::from(number) << 32));
        let mut ledger = Self { number, hosts: Vec::new(), since: START, next: START, random };
        ledger.add_hosts();
        ledger
    }

    fn add_hosts(&mut self) {
        let series = |kind| Series {
            key: format!("s{kind}.{}", KINDS[kind]),
            kind,
            times: Vec::new(),
            kept: 0,
            lost: 0,
        };
        for _ in 0..2 {
            let address = format!("10.0.{}.{}", self.number, self.hosts.len());
            self.hosts.push((address, (0..KINDS.len()).map(series).collect()));
        }
        self.since = self.next;
    }

    /// Sends the next points of a host. They are acknowledged, or after an error they are not, and
    /// then the server may have them all the same.
    pub fn push(&mut self, connection: &mut Connection) -> Result<(), RedisError> {
        if self.next - self.since > MOST {
            self.add_hosts();
        }
        let host = self.hosts.len() - 1 - usize::from(self.random.below(2) == 0);
        let (address, all) = &mut self.hosts[host];
        let (mut payload, mut lines) = (String::new(), 0);
        for _ in 0..=self.random.below(3) {
            for series in all.iter_mut() {
                payload.push_str(&series.line(address, self.next));
                series.times.push(self.next);
                lines += 1;
            }
            let step = usize::try_from(self.random.below(STEPS.len() as u64)).expect("small");
            self.next += STEPS[step];
        }
        let reply = redis::cmd("KURADO.PUSH").arg(payload).query(connection)?;
        let pushed = Pushed::from_reply(reply);
        assert_eq!((pushed.accepted, pushed.rejected), (lines, 0), "{:?}", pushed.reasons);
        Ok(())
    }

    /// Sends all points again that need not be kept, as an agent does that got no reply. Gives how
    /// many series have such points, and the reply.
    pub fn push_again(&self, connection: &mut Connection) -> Result<(usize, Pushed), RedisError> {
        let (mut payload, mut series_count) = (String::new(), 0);
        for (address, all) in &self.hosts {
            for series in all {
                let again = &series.times[series.kept..];
                series_count += usize::from(!again.is_empty());
                payload.extend(again.iter().map(|time| series.line(address, *time)));
            }
        }
        let reply = redis::cmd("KURADO.PUSH").arg(payload).query(connection)?;
        Ok((series_count, Pushed::from_reply(reply)))
    }

    /// All that was sent so far must be kept.
    pub fn keep(&mut self) {
        for series in self.hosts.iter_mut().flat_map(|(_, all)| all) {
            series.kept = series.times.len();
        }
    }

    /// How many points were sent, and not lost, that need not be kept.
    pub fn count_not_kept(&self) -> usize {
        let all = self.hosts.iter().flat_map(|(_, all)| all);
        all.map(|series| series.times.len() - series.kept).sum()
    }

    /// How many points were sent and not lost.
    pub fn count(&self) -> usize {
        self.hosts.iter().flat_map(|(_, all)| all).map(|series| series.times.len()).sum()
    }

    /// The server has been started again and lost what it could lose: checks that this is no point
    /// that must be kept and that a push is there whole or not at all, and strikes it off. What it
    /// has now must be kept.
    pub fn settle(&mut self, server: &Server) {
        for (address, all) in &mut self.hosts {
            let known = known(server, address);
            assert!(known.is_empty() || known.len() == all.len(), "{address} has {known:?}");
            // A host's series have their points by the same pushes.
            assert!(known.windows(2).all(|pair| pair[0].1 == pair[1].1), "{address}: {known:?}");
            for series in all {
                let in_memory = known.first().map_or(0, |(_, time)| *time);
                let file = server.file(address, "base", &series.key);
                // It is ahead where a writer was faster than the journal.
                let is_whole = series.times.last() == Some(&in_memory);
                let in_file = if is_whole || !file.exists() { 0 } else { last_update(&file).0 };
                let until = in_memory.max(in_file);
                let lost = series.times.iter().rev().find(|time| **time > until);
                series.lost = lost.copied().unwrap_or(series.lost);
                series.times.retain(|time| *time <= until);
                let (key, sent, kept) = (&series.key, series.times.len(), series.kept);
                assert!(sent >= kept, "{address} {key}: {kept} must be kept, {sent} are");
                series.kept = sent;
            }
        }
    }

    /// Holds each file against one that the stock rrdtool makes of the points that were not lost.
    pub fn check(&self, server: &Server) {
        for (address, all) in &self.hosts {
            for series in all.iter().filter(|series| !series.times.is_empty()) {
                let file = server.file(address, "base", &series.key);
                let model = server.path().join("model.rrd");
                series.write_model(&model);
                let (found, expected) = (dump(&file), dump(&model));
                let last = series.times.last().copied().unwrap_or_default();
                let left_behind = (series.lost / 60).saturating_sub(last / 60);
                // Of the archive that the line is in.
                let mut row = 0;
                for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
                    row = if found.contains("<row>") { row + 1 } else { 0 };
                    if (1..=left_behind).contains(&row) {
                        continue;
                    }
                    assert_eq!(found, expected, "{} at line {line} of its dump", file.display());
                }
                assert_eq!(found.lines().count(), expected.lines().count(), "{}", file.display());
            }
        }
    }
}

impl Series {
    fn line(&self, address: &str, time: u32) -> String {
        let value = self.value(time);
        format!("{address}\tbase.metrics.{}\t{value}\t{time}\n", self.key)
    }

    /// Of each time another value, and another rate to each time before.
    fn value(&self, time: u32) -> String {
        let since = i64::from(time - START);
        match (self.kind, time % 19) {
            (_, 0) => "U".to_owned(),
            (2, _) => (-since * since).to_string(),
            _ => (since * since + 1).to_string(),
        }
    }

    fn write_model(&self, path: &Path) {
        // It may be the last series' one.
        let _ = std::fs::remove_file(path);
        let path = path.to_str().expect("the path is text");
        let start = (self.times[0] - 10).to_string();
        let source = format!("DS:n:{}:120:U:U", KINDS[self.kind].to_uppercase());
        let archives = ARCHIVES.split(',').map(|archive| format!("RRA:{}", with_xff(archive)));
        let words = ["create", path, "--start", &start, "--step", "60", &source];
        let words = words.into_iter().map(str::to_owned).chain(archives).collect::<Vec<_>>();
        rrdtool(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let points = self.times.iter().map(|time| format!("{time}:{}", self.value(*time)));
        let points: Vec<String> = points.collect();
        for points in points.chunks(1000) {
            let points = points.iter().map(String::as_str);
            rrdtool(&["update", path].into_iter().chain(points).collect::<Vec<_>>());
        }
    }
}

/// `AVERAGE:1:60` as `AVERAGE:0.5:1:60`.
fn with_xff(archive: &str) -> String {
    archive.replacen(':', ":0.5:", 1)
}

/// Key and time of the last point of each series that memory has.
fn known(server: &Server, address: &str) -> Vec<(String, u32)> {
    let all: Vec<(String, String, String, Value, u32)> =
        server.run(&format!("KURADO.SERIES {address}"));
    all.into_iter().map(|(_, key, _, _, time)| (key, time)).collect()
}

fn dump(file: &Path) -> String {
    rrdtool(&["dump", file.to_str().expect("the path is text")])
}
