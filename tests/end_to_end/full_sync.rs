//! A replica takes its master's keys anew, again and again, and its own files get each point all
//! the same.
//!
//! What a master has written into its own files is in no sync any more. So the master here writes
//! only what the replica has received already; what it has received must reach its files.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use redis::{Connection, Value};
use test_redis::eventually;

use crate::ledger::{ARCHIVES, Ledger};
use crate::obstacle::Lock;
use crate::random::Random;
use crate::rrdtool::{self, last_update};
use crate::server::Server;

/// So long a delay that only FLUSH writes files.
const OPTIONS: [&str; 8] = [
    "--appendonly",
    "yes",
    "--kurado.write-delay",
    "86400",
    "--kurado.rra",
    ARCHIVES,
    "--repl-diskless-sync-delay",
    "0",
];

/// Writes files until it is told to end.
fn flush(mut connection: Connection, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        // A server that loads refuses.
        let _ = redis::cmd("KURADO.FLUSH").query::<Value>(&mut connection);
        thread::sleep(Duration::from_millis(1));
    }
}

/// A number of `INFO replication`.
fn offset(server: &Server, field: &str) -> u64 {
    let info: String = server.run("INFO replication");
    let found = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    found.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Waits until the replica has all that the master has taken by now.
fn wait_for_stream(master: &Server, replica: &Server) {
    let wanted = offset(master, "master_repl_offset");
    eventually("the stream", || {
        (is_attached(replica) && offset(replica, "slave_repl_offset") >= wanted).then_some(())
    });
}

fn is_attached(replica: &Server) -> bool {
    replica.run::<String>("INFO replication").contains("master_link_status:up")
}

fn attach(master: &Server, replica: &Server) {
    replica.run::<()>(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
}

#[test]
fn a_replica_that_attaches_again_and_again_gets_each_point_into_its_files_once() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for diskless in ["yes", "no"] {
        let master = Server::start(&[&OPTIONS[..], &["--repl-diskless-sync", diskless]].concat());
        let replica = Server::start(&OPTIONS);
        attach(&master, &replica);
        let mut clients: Vec<Ledger> = (0..2).map(|number| Ledger::new(number, seed)).collect();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in &mut clients {
                let (mut connection, over) = (master.connect(), &over);
                scope.spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        client.push(&mut connection).unwrap();
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            }
            let (connection, is_over) = (replica.connect(), &over);
            scope.spawn(move || flush(connection, is_over));
            for _ in 0..10 {
                wait_for_stream(&master, &replica);
                // Its own thread, so that it ends while those of the others go on.
                let quiet = AtomicBool::new(false);
                thread::scope(|scope| {
                    scope.spawn(|| flush(master.connect(), &quiet));
                    thread::sleep(Duration::from_millis(random.below(60)));
                    quiet.store(true, Ordering::SeqCst);
                });
                wait_for_stream(&master, &replica);
                replica.run::<()>("REPLICAOF NO ONE");
                thread::sleep(Duration::from_millis(random.below(60)));
                attach(&master, &replica);
            }
            wait_for_stream(&master, &replica);
            over.store(true, Ordering::SeqCst);
        });
        wait_for_stream(&master, &replica);
        let syncs: String = master.run("INFO stats");
        let syncs = syncs.lines().find_map(|line| line.strip_prefix("sync_full:")).unwrap();
        assert_eq!(syncs, "11", "each attaching is a full sync");
        for server in [&replica, &master] {
            server.flush();
            for client in &clients {
                assert!(client.count() > 0);
                client.check(server);
            }
        }
    }
}

/// Whole minutes, so that a row is one point and nothing else.
const START: u32 = 1_404_873_360;

/// The values of the first minutes.
fn rows(file: &Path) -> Vec<f64> {
    rrdtool::rows(file, START, START + 240).into_iter().filter_map(|(_, value)| value).collect()
}

#[test]
fn what_a_replica_could_not_write_yet_outlives_a_full_sync() {
    let master = Server::start(&OPTIONS);
    let replica = Server::start(&OPTIONS);
    attach(&master, &replica);
    for host in ["locked", "gone"] {
        master.push_point(host, "a", 1, START);
    }
    wait_for_stream(&master, &replica);
    assert_eq!(replica.flush(), 2);
    let file = |host| replica.file(host, "base", "a.gauge");
    let locks = ["locked", "gone"].map(|host| Lock::take(&file(host)));
    for host in ["locked", "gone"] {
        master.push_point(host, "a", 2, START + 60);
        master.push_point(host, "a", 3, START + 120);
    }
    wait_for_stream(&master, &replica);
    replica.try_run::<Value>("KURADO.FLUSH").unwrap_err();
    // No sync brings these to the replica.
    assert_eq!(master.flush(), 6);
    replica.run::<()>("REPLICAOF NO ONE");
    master.run::<Value>("KURADO.DEL gone");
    master.push_point("locked", "a", 4, START + 180);
    attach(&master, &replica);
    wait_for_stream(&master, &replica);
    assert_eq!(replica.run::<Vec<String>>("KURADO.HOSTS")[0], "locked");
    assert_eq!(replica.info("pending_points"), 3);
    drop(locks);
    assert_eq!(replica.flush(), 3);
    assert_eq!(rows(&file("locked")), [2.0, 3.0, 4.0]);
    assert_eq!(last_update(&file("gone")).0, START);
}

#[test]
fn what_a_stop_file_keeps_a_replica_from_writing_outlives_full_syncs() {
    let master = Server::start(&OPTIONS);
    let replica = Server::start(&OPTIONS);
    attach(&master, &replica);
    let stop = replica.path().join("data/stop");
    fs::write(&stop, "").unwrap();
    eventually("the pause", || (replica.info("writing_paused") == 1).then_some(()));
    for minute in 0..4 {
        master.push_point("host", "a", minute, START + 60 * minute);
        wait_for_stream(&master, &replica);
        master.flush();
        replica.run::<()>("REPLICAOF NO ONE");
        attach(&master, &replica);
    }
    wait_for_stream(&master, &replica);
    fs::remove_file(&stop).unwrap();
    eventually("its end", || (replica.info("writing_paused") == 0).then_some(()));
    assert_eq!(replica.flush(), 4);
    assert_eq!(rows(&replica.file("host", "base", "a.gauge")), [1.0, 2.0, 3.0]);
}

#[test]
fn a_flush_of_its_master_makes_a_replica_forget_what_waits() {
    let master = Server::start(&OPTIONS);
    let replica = Server::start(&OPTIONS);
    attach(&master, &replica);
    wait_for_stream(&master, &replica);
    master.push_point("host", "a", 1, START);
    master.run::<()>("FLUSHALL");
    master.push_point("host", "b", 1, START);
    wait_for_stream(&master, &replica);
    assert_eq!(replica.flush(), 1);
    assert!(!replica.file("host", "base", "a.gauge").exists());
}
