//! Writer threads beside their owner: what it hands out and takes back while they work.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use line_protocol::{DataSourceType, Value};
use rrd_store::data_dir::DataDir;
use rrd_store::deletion::{Scope, SeriesNames};
use rrd_store::file::{Consolidation, Range};
use rrd_store::layout::Layout;
use rrd_store::point::Point;
use rrd_store::writers::{Done, Job, Priority, Target, Writers};
use tempfile::TempDir;

const START: u32 = 1_404_873_300;
const THREADS: usize = 4;
const SERIES: usize = 24;
const ROUNDS: u32 = 12;
const BATCH: u32 = 5;

/// Threads that work in a directory of their own, and what they wake.
struct Started {
    directory: TempDir,
    writers: Writers,
    woken: Receiver<()>,
    targets: Vec<Target>,
    layout: Arc<Layout>,
}

impl Started {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        let (wake, woken) = mpsc::channel();
        let writers = Writers::start(data, THREADS, move || wake.send(()).unwrap()).unwrap();
        let targets = (0..SERIES).map(|number| Target {
            address: "10.0.0.1".into(),
            generation: 1,
            plugin: ["app", "base"][number % 2].into(),
            key: format!("series-{number}.gauge").into(),
        });
        let layout = Arc::new("AVERAGE:1:100".parse().unwrap());
        Self { directory, writers, woken, targets: targets.collect(), layout }
    }

    /// Hands out the batch of a round for each series.
    fn write(&self, round: u32) {
        for (number, target) in self.targets.iter().enumerate() {
            let first = round * BATCH;
            let points = (first..first + BATCH)
                .map(|n| Point::new(START + 60 * n, Value::Float(f64::from(n))))
                .collect();
            let job = Job::Write {
                target: target.clone(),
                data_source_type: DataSourceType::Gauge,
                layout: Arc::clone(&self.layout),
                points,
            };
            // A series' batches stay in order.
            let urgency = [Priority::Urgent, Priority::Normal][number % 3 / 2];
            self.writers.submit(job, urgency);
        }
    }

    /// Waits for a wake, and takes what is there.
    fn take(&self) -> Vec<Done> {
        self.woken.recv().unwrap();
        self.writers.take_results()
    }
}

#[test]
fn each_batch_has_one_result_and_each_point_goes_in_once() {
    let started = Started::new();
    let mut points: HashMap<Arc<str>, (usize, usize)> = HashMap::new();
    let mut results = 0;
    let mut count = |done: Vec<Done>| {
        for done in done {
            if let Done::Written { target, result } = done {
                let written = result.unwrap();
                assert_eq!(written.skipped, 0, "{target:?}");
                let (points, created) = points.entry(target.key).or_default();
                *points += written.points;
                *created += usize::from(written.created);
                results += 1;
            }
        }
        results
    };
    for round in 0..ROUNDS {
        started.write(round);
        started.writers.look_for_stop_file();
        count(started.writers.take_results());
    }
    let wanted = SERIES * ROUNDS as usize;
    while count(Vec::new()) < wanted {
        count(started.take());
    }
    assert!(points.values().all(|of| *of == ((ROUNDS * BATCH) as usize, 1)), "{points:?}");
    assert_eq!(points.len(), SERIES);
    // What they wrote is what they read.
    let end = START + 60 * (ROUNDS * BATCH - 1);
    let range =
        Range { consolidation: Consolidation::Average, start: START, end: end - 1, step: 60 };
    for (token, target) in (0..).zip(&started.targets) {
        let job = Job::Fetch { token, target: target.clone(), range };
        started.writers.submit(job, Priority::Urgent);
    }
    let mut fetched = 0;
    while fetched < SERIES {
        for done in started.take() {
            if let Done::Fetched { result, .. } = done {
                let known = result.unwrap().iter().filter(|(_, value)| value.is_some()).count();
                assert_eq!(known, (ROUNDS * BATCH - 1) as usize);
                fetched += 1;
            }
        }
    }
}

#[test]
fn a_deletion_beside_writes_ends_once_and_leaves_what_came_after() {
    let started = Started::new();
    for round in 0..ROUNDS {
        started.write(round);
    }
    let scope = Scope { address: "10.0.0.1".into(), plugin: None, key: None };
    let mut dropped = 0;
    for token in 0..3 {
        dropped += started.writers.delete(token, &scope, SeriesNames::new()).len();
        started.write(ROUNDS);
    }
    let (mut written, mut deleted) = (0, 0);
    while written + dropped < SERIES * (ROUNDS as usize + 3) || deleted < 3 {
        for done in started.take() {
            match done {
                Done::Written { result, .. } => {
                    result.unwrap();
                    written += 1;
                }
                Done::Deleted { deleted: outcome, .. } => {
                    assert_eq!((outcome.failed, outcome.first_error), (0, None));
                    deleted += 1;
                }
                Done::Fetched { .. } | Done::Renamed { .. } | Done::Looked { .. } => {}
            }
        }
    }
    assert_eq!((written + dropped, deleted), (SERIES * (ROUNDS as usize + 3), 3));
    for target in &started.targets {
        let path = started.writers.data().file(&target.address, &target.plugin, &target.key);
        assert!(path.starts_with(started.directory.path()) && path.exists(), "{target:?}");
    }
}
