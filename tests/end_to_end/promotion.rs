//! A replica takes over from a master that was killed, and the old master comes back as its replica.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use redis::Connection;
use test_redis::eventually;

use crate::rrdtool::rows;
use crate::server::Server;

/// A whole minute, so that a row is one point and nothing else.
const START: u32 = 1_404_873_360;
const SERIES: u32 = 20;
/// Nothing acknowledged is lost, and a replica need not wait for others to join its full sync.
const ALWAYS: [&str; 6] =
    ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"];

/// A point of each series at a minute; their values differ.
fn payload(minute: u32) -> String {
    let (time, value) = (START + minute * 60, 3 * minute + 1);
    (0..SERIES).map(|n| format!("10.0.0.1\tbase.metrics.k{n}\t{}\t{time}\n", value + n)).collect()
}

/// Pushes a minute, and gives how many replicas have it.
fn push_and_wait(connection: &mut Connection, minute: u32) -> redis::RedisResult<u32> {
    let (accepted, rejected, reasons): (u32, u32, Vec<String>) =
        redis::cmd("KURADO.PUSH").arg(payload(minute)).query(connection)?;
    assert_eq!((accepted, rejected), (SERIES, 0), "{reasons:?}");
    redis::cmd("WAIT").arg(1).arg(10_000).query(connection)
}

/// Pushes these minutes to a master and sees that its replica has them.
fn push(server: &Server, minutes: std::ops::Range<u32>) {
    let mut connection = server.connect();
    for minute in minutes {
        assert_eq!(push_and_wait(&mut connection, minute).unwrap(), 1);
    }
}

fn replica_of(master: &Server, options: &[&str]) -> Server {
    let of = format!("127.0.0.1 {}", master.port());
    let replica = Server::start(&[options, &["--replicaof", &of]].concat());
    is_linked(&replica);
    replica
}

fn is_linked(replica: &Server) {
    eventually("the link", || {
        replica.run::<String>("INFO replication").contains("master_link_status:up").then_some(())
    });
}

/// The minutes of which a server's files have the rows, each with its value: the same for all series.
/// The first gives no row, as its file begins 10 s before it.
fn minutes_in_files(server: &Server, end: u32) -> Vec<u32> {
    let minutes = |n: u32| -> Vec<u32> {
        let file = server.file("10.0.0.1", "base", &format!("k{n}.gauge"));
        let rows = rows(&file, START - 60, START + end * 60).into_iter();
        rows.filter_map(|(time, value)| {
            let (value, minute) = (value?, (time - START) / 60);
            assert_eq!(value, f64::from(3 * minute + 1 + n), "k{n}, minute {minute}");
            Some(minute)
        })
        .collect()
    };
    let first = minutes(0);
    for n in 1..SERIES {
        assert_eq!(minutes(n), first, "k{n}");
    }
    first
}

#[test]
fn what_was_acknowledged_by_a_replica_too_survives_a_killed_master_each_once() {
    for acknowledged_first in [1, 12, 60] {
        let mut master = Server::start(&[&ALWAYS[..], &["--kurado.write-delay", "1"]].concat());
        let replica = replica_of(&master, &["--kurado.write-delay", "1"]);
        let acknowledged = AtomicU32::new(0);
        let mut connection = master.connect();
        thread::scope(|scope| {
            scope.spawn(|| {
                for minute in 0.. {
                    match push_and_wait(&mut connection, minute) {
                        Ok(1) => acknowledged.store(minute + 1, Ordering::Relaxed),
                        // Its end came between push and acknowledgement.
                        Ok(_) | Err(_) => return,
                    }
                }
            });
            eventually("pushes", || {
                (acknowledged.load(Ordering::Relaxed) >= acknowledged_first).then_some(())
            });
            master.kill();
        });
        replica.run::<()>("REPLICAOF NO ONE");
        // The sender goes on with what it has no answer for: it may be there already.
        let (next, end) = (acknowledged.into_inner(), acknowledged_first + 200);
        for minute in next..end {
            assert_eq!(replica.push(&payload(minute)).accepted, SERIES as usize, "{minute}");
        }
        let words = format!("KURADO.FETCH 10.0.0.1 base k7.gauge AVERAGE {START} {}", START + 60);
        let rows: Vec<(u32, Option<f64>)> = replica.run(&words);
        assert_eq!(rows[0], (START + 60, Some(11.0)));
        replica.flush();
        assert_eq!(replica.info("pending_points"), 0);
        assert_eq!(minutes_in_files(&replica, end - 1), (1..end).collect::<Vec<_>>());
    }
}

/// A server that was away takes from its new master what waits there. What that had written into its
/// own files by then is in no snapshot, but for the last point of each series: for that time the files of the one that was away have a gap,
/// unless they are copied from the master's before it starts.
#[test]
fn an_old_master_that_comes_back_has_what_its_new_one_had_not_yet_written() {
    // Written when asked for.
    let options = [&ALWAYS[..], &["--kurado.write-delay", "80000"]].concat();
    for (written_meanwhile, copied) in [(false, false), (true, false), (true, true)] {
        let mut old = Server::start(&options);
        let new = replica_of(&old, &options);
        push(&old, 0..10);
        // Some are in its files, and some in its AOF alone.
        assert_eq!(old.flush(), 10 * SERIES as usize);
        push(&old, 10..15);
        old.kill();
        new.run::<()>("REPLICAOF NO ONE");
        for minute in 15..20 {
            assert_eq!(new.push(&payload(minute)).accepted, SERIES as usize);
        }
        if written_meanwhile {
            assert_eq!(new.flush(), 20 * SERIES as usize);
        }
        if copied {
            for n in 0..SERIES {
                let key = format!("k{n}.gauge");
                let (from, to) = (&new, &old);
                fs::copy(from.file("10.0.0.1", "base", &key), to.file("10.0.0.1", "base", &key))
                    .unwrap();
            }
        }
        old.start_again();
        old.run::<()>(&format!("REPLICAOF 127.0.0.1 {}", new.port()));
        is_linked(&old);
        push(&new, 20..30);
        assert!(old.try_push(&payload(30)).unwrap_err().contains("read only replica"));
        new.flush();
        old.flush();
        assert_eq!(minutes_in_files(&new, 29), (1..30).collect::<Vec<_>>());
        let lost = if written_meanwhile && !copied { 15..20 } else { 0..0 };
        let expected: Vec<u32> = (1..30).filter(|minute| !lost.contains(minute)).collect();
        assert_eq!(minutes_in_files(&old, 29), expected, "{written_meanwhile} {copied}");
        assert_eq!((old.info("pending_points"), old.info("batches_in_flight")), (0, 0));
    }
}
