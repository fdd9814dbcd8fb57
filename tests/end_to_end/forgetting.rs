//! Hosts are forgotten in every way there is while others push, flush and read the same ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use redis::{Connection, Value};
use test_redis::eventually;

use crate::rrdtool::{last_update, rrdtool};
use crate::sample;
use crate::server::{Server, pairs};

const HOSTS: u32 = 3;
const SERIES: u32 = 60;

/// Each way.
const WAYS: [&str; 9] = [
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "FLUSHDB",
    "FLUSHDB ASYNC",
    "DEL kurado:{h0} kurado:{h1}",
    "UNLINK kurado:{h1} kurado:{h2}",
    "PEXPIRE kurado:{h0} 1",
    "KURADO.DEL h1",
    "KURADO.DEL h2 base k7.gauge",
];

fn payload(time: u32) -> String {
    let series = (0..HOSTS).flat_map(|host| (0..SERIES).map(move |key| (host, key)));
    series.map(|(host, key)| format!("h{host}\tbase.metrics.k{key}\t1\t{time}\n")).collect()
}

fn run(connection: &mut Connection, words: &str) -> Result<Value, String> {
    let words: Vec<&str> = words.split(' ').collect();
    let mut command = redis::Cmd::new();
    command.arg(&words).query(connection).map_err(|error| error.to_string())
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn forgetting_while_others_push_and_flush_leaves_nothing_behind_and_stops_nobody() {
    for options in [&[][..], &["--appendonly", "yes", "--lazyfree-lazy-user-del", "yes"]] {
        let server = Server::start(&[options, &["--kurado.write-delay", "1"]].concat());
        let (ended, minute) = (AtomicBool::new(false), AtomicU32::new(0));
        let until_the_end = |work: &dyn Fn(&mut Connection)| {
            let mut connection = server.connect();
            while !ended.load(Ordering::Relaxed) {
                work(&mut connection);
            }
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    until_the_end(&|connection| {
                        let time = sample::TIME + 60 * minute.fetch_add(1, Ordering::Relaxed);
                        let mut push = redis::cmd("KURADO.PUSH");
                        // One that another's later points outran is told so.
                        push.arg(payload(time)).query::<Value>(connection).unwrap();
                    });
                });
            }
            for words in ["KURADO.FLUSH", "KURADO.FLUSH h1", "KURADO.HOST h1"] {
                scope.spawn(move || {
                    until_the_end(&|connection| {
                        // A file whose directory is deleted at this moment can't be made.
                        if let Err(error) = run(connection, words) {
                            assert!(error.contains("could not be written"), "{words}: {error}");
                        }
                    });
                });
            }
            scope.spawn(|| {
                until_the_end(&|connection| {
                    let words =
                        format!("KURADO.FETCH h2 base k7.gauge MAX {} 1404880000", sample::TIME);
                    if let Err(error) = run(connection, &words) {
                        assert!(error.contains("no series 'k7.gauge'"), "{error}");
                    }
                });
            });
            let mut operator = server.connect();
            for way in WAYS.iter().cycle().take(WAYS.len() * 8) {
                let pushed = minute.load(Ordering::Relaxed);
                run(&mut operator, way).unwrap_or_else(|error| panic!("{way}: {error}"));
                // The pushers and whoever else waits go on.
                eventually(&format!("a push after {way}"), || {
                    (minute.load(Ordering::Relaxed) > pushed + 4).then_some(())
                });
            }
            ended.store(true, Ordering::Relaxed);
        });

        // Nobody asks for the writes.
        for gauge in ["pending_points", "pending_bytes", "batches_in_flight", "clients_waiting"] {
            server.is_empty_at_last(gauge);
        }
        let time = sample::TIME + 60 * (minute.load(Ordering::Relaxed) + 1);
        let pushed = server.push(&payload(time));
        assert_eq!((pushed.accepted, pushed.rejected), ((HOSTS * SERIES) as usize, 0));
        assert_eq!(server.flush(), (HOSTS * SERIES) as usize);
        assert_eq!(server.info("series"), u64::from(HOSTS * SERIES));
        assert_eq!(pairs(&server.run("KURADO.HOSTS")).len(), HOSTS as usize);
        let files = files(&server.path().join("data"));
        let files: Vec<_> = files.iter().filter(|file| !file.ends_with(".kurado.lock")).collect();
        assert_eq!(files.len(), (HOSTS * SERIES) as usize, "{files:?}");
        for file in files {
            assert_eq!(last_update(file), (time, "1".to_owned()), "{}", file.display());
            assert!(rrdtool(&["info", file.to_str().unwrap()]).contains("rra[11].rows = 1100"));
        }
        server.run::<Value>("FLUSHALL");
        for gauge in ["hosts", "series"] {
            server.is_empty_at_last(gauge);
        }
        let log = server.log();
        assert!(!log.contains("a bug in Kurado"), "{log}");
    }
}
