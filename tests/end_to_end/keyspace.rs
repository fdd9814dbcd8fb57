//! Hosts are keys of Redis: what its own commands do with them.

use std::io::Write;

use redis::Value;
use test_redis::eventually;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::{Server, pairs};

const KEY: &str = "kurado:{10.0.0.1}";

fn hosts(server: &Server) -> Vec<String> {
    pairs(&server.run("KURADO.HOSTS")).into_iter().map(|(name, _)| name).collect()
}

/// Pushes a point, written, and one that waits.
fn push_two(server: &Server) {
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    assert_eq!(server.flush(), 1);
    server.push_point("10.0.0.1", "a", 2, sample::TIME + 60);
}

/// Time of the last point in a host's file.
fn written(server: &Server, address: &str) -> u32 {
    last_update(&server.file(address, "base", "a.gauge")).0
}

/// Runs a command in a database.
fn run_in(server: &Server, database: u32, words: &str) -> Value {
    let mut connection = server.connect();
    redis::cmd("SELECT").arg(database).query::<()>(&mut connection).unwrap();
    let words: Vec<&str> = words.split(' ').collect();
    let mut command = redis::Cmd::new();
    command.arg(&words).query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

#[test]
fn a_renamed_host_goes_on_under_its_new_address_and_its_old_files_stay() {
    let server = Server::start(&["--kurado.write-delay", "1"]);
    push_two(&server);
    server.run::<()>(&format!("RENAME {KEY} kurado:{{web-1}}"));
    assert_eq!(hosts(&server), ["web-1"]);
    eventually("the write", || (server.info("pending_points") == 0).then_some(()));
    assert_eq!(written(&server, "web-1"), sample::TIME + 60);
    server.push_point("web-1", "a", 3, sample::TIME + 120);
    server.flush();
    assert_eq!(written(&server, "web-1"), sample::TIME + 120);
    // At the old address a new host goes on with the old files.
    assert!(written(&server, "10.0.0.1") <= sample::TIME + 60);
    server.push_point("10.0.0.1", "a", 4, sample::TIME + 180);
    server.flush();
    assert_eq!(written(&server, "10.0.0.1"), sample::TIME + 180);
    assert_eq!(hosts(&server), ["10.0.0.1", "web-1"]);
}

#[test]
fn a_host_that_takes_the_key_of_another_takes_its_place() {
    let server = Server::start(&[]);
    push_two(&server);
    server.push_point("10.0.0.2", "b", 1, sample::TIME);
    assert_eq!(server.run::<usize>(&format!("RENAMENX {KEY} kurado:{{10.0.0.2}}")), 0);
    assert_eq!(server.info("series"), 2);
    server.run::<()>(&format!("RENAME {KEY} kurado:{{10.0.0.2}}"));
    assert_eq!((server.info("series"), server.info("pending_points")), (1, 1));
    assert_eq!(server.run::<usize>("RENAMENX kurado:{10.0.0.2} kurado:{10.0.0.3}"), 1);
    assert_eq!(hosts(&server), ["10.0.0.3"]);
    assert_eq!(server.flush(), 1);
    assert_eq!(written(&server, "10.0.0.3"), sample::TIME + 60);
    assert!(!server.file("10.0.0.2", "base", "b.gauge").exists());
}

#[test]
fn keys_that_move_while_their_points_are_with_a_writer_keep_nobody_waiting() {
    let server = Server::start(&[]);
    let mut name = "h0".to_owned();
    for round in 0..20u32 {
        let time = sample::TIME + round * 60;
        let payload: String =
            (0..300).map(|n| format!("{name}\tbase.metrics.k{n}\t1\t{time}\n")).collect();
        server.push(&payload);
        let mut raw = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        raw.write_all(b"KURADO.FLUSH\r\n").unwrap();
        let flushes = u64::from(round) * 2;
        eventually("the first flush", || (server.info("flushes") > flushes).then_some(()));
        let next = format!("h{}", round + 1);
        if round % 3 == 0 {
            server.run::<()>("SWAPDB 0 1");
            server.run::<()>("SWAPDB 1 0");
        }
        server.run::<()>(&format!("RENAME kurado:{{{name}}} kurado:{{{next}}}"));
        server.push_point(&next, "k7", 2, time + 30);
        server.flush();
        assert_eq!(server.info("pending_points"), 0);
        eventually("the replies", || (server.info("clients_waiting") == 0).then_some(()));
        let file = server.file(&next, "base", "k7.gauge");
        assert_eq!(last_update(&file).0, time + 30);
        name = next;
    }
    assert_eq!(server.info("batches_in_flight"), 0);
}

#[test]
fn a_host_elsewhere_keeps_its_points_and_goes_on_when_it_is_back() {
    let server = Server::start(&[]);
    push_two(&server);
    let away_and_back: [(&str, u32, &str, &str); 3] = [
        (
            "RENAME kurado:{10.0.0.1} aside",
            0,
            "'aside' of database 0",
            "RENAME aside kurado:{10.0.0.1}",
        ),
        (
            "MOVE kurado:{10.0.0.1} 3",
            3,
            "'kurado:{10.0.0.1}' of database 3",
            "MOVE kurado:{10.0.0.1} 0",
        ),
        (
            "RENAME kurado:{10.0.0.1} kurado:{a/b}",
            0,
            "'kurado:{a/b}' of database 0",
            "RENAME kurado:{a/b} kurado:{10.0.0.1}",
        ),
    ];
    for (round, (away, database, told, back)) in (1..).zip(away_and_back) {
        server.run::<Value>(away);
        assert!(hosts(&server).is_empty());
        assert_eq!(server.flush(), 0);
        assert_eq!(server.info("pending_points"), 1);
        let log = server.log();
        let told = format!("key {told} holds a host with 1 points that wait");
        assert_eq!(log.matches(&told).count(), 1, "{told} in {log}");
        run_in(&server, database, back);
        assert_eq!(hosts(&server), ["10.0.0.1"]);
        assert_eq!(server.flush(), 1);
        assert_eq!(written(&server, "10.0.0.1"), sample::TIME + round * 60);
        server.push_point("10.0.0.1", "a", 3, sample::TIME + (round + 1) * 60);
    }
}

#[test]
fn databases_that_change_places_take_their_hosts_along() {
    let server = Server::start(&["--kurado.write-delay", "1"]);
    push_two(&server);
    server.run::<()>("CONFIG SET kurado.write-delay 80000");
    server.run::<()>("SWAPDB 0 1");
    assert!(hosts(&server).is_empty());
    server.push_point("10.0.0.1", "a", 5, sample::TIME + 300);
    server.push_point("10.0.0.2", "a", 5, sample::TIME + 300);
    server.run::<()>("SWAPDB 0 1");
    assert_eq!(hosts(&server), ["10.0.0.1"]);
    server.run::<Value>("KURADO.FLUSH");
    assert_eq!(written(&server, "10.0.0.1"), sample::TIME + 60);
    server.run::<()>("SWAPDB 1 0");
    assert_eq!(hosts(&server), ["10.0.0.1", "10.0.0.2"]);
    server.run::<Value>("KURADO.FLUSH");
    assert_eq!(written(&server, "10.0.0.1"), sample::TIME + 300);
    // Others are of no concern.
    server.run::<()>("SWAPDB 2 3");
    assert_eq!(hosts(&server).len(), 2);
}

#[test]
fn a_dump_restores_a_host_with_its_points_wherever_it_is_put() {
    let server = Server::start(&[]);
    push_two(&server);
    let mut connection = server.connect();
    let dump: Vec<u8> = redis::cmd("DUMP").arg(KEY).query(&mut connection).unwrap();
    let mut restore = |key: &str, replace: &[&str]| {
        redis::cmd("RESTORE").arg(key).arg(0).arg(&dump).arg(replace).query::<()>(&mut connection)
    };
    let error = restore(KEY, &[]).unwrap_err();
    assert!(error.to_string().contains("BUSYKEY"), "{error}");
    assert_eq!(server.flush(), 1);
    // The file has the point already.
    restore(KEY, &["REPLACE"]).unwrap();
    assert_eq!(server.info("pending_points"), 1);
    assert_eq!(server.flush(), 1);
    assert_eq!(server.info("points_skipped"), 1);
    restore("kurado:{10.0.0.2}", &[]).unwrap();
    assert_eq!(hosts(&server), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(server.flush(), 1);
    assert_eq!(written(&server, "10.0.0.2"), sample::TIME + 60);
    restore("elsewhere", &[]).unwrap();
    assert_eq!(server.flush(), 0);
    assert!(
        server.log().contains("key 'elsewhere' of database 0 holds a host"),
        "{}",
        server.log()
    );
    redis::cmd("SELECT").arg(2).query::<()>(&mut connection).unwrap();
    let mut command = redis::cmd("RESTORE");
    command.arg("kurado:{10.0.0.3}").arg(0).arg(&dump).query::<()>(&mut connection).unwrap();
    assert_eq!(hosts(&server).len(), 2);
    redis::cmd("MOVE").arg("kurado:{10.0.0.3}").arg(0).query::<()>(&mut connection).unwrap();
    assert_eq!(server.flush(), 1);
    assert_eq!(written(&server, "10.0.0.3"), sample::TIME + 60);
}

#[test]
fn a_copy_is_refused() {
    let server = Server::start(&[]);
    push_two(&server);
    let error = server.try_run::<Value>(&format!("COPY {KEY} kurado:{{10.0.0.2}}")).unwrap_err();
    assert!(error.contains("not supported for this module key"), "{error}");
    assert_eq!(hosts(&server), ["10.0.0.1"]);
}

#[test]
fn what_redis_deletes_is_forgotten_with_its_points_and_leaves_its_files() {
    let server = Server::start(&[]);
    for delete in [
        "DEL kurado:{10.0.0.1}",
        "UNLINK kurado:{10.0.0.1}",
        "PEXPIRE kurado:{10.0.0.1} 1",
        "EVICTION",
    ] {
        server.push_point("10.0.0.1", "a", 1, sample::TIME);
        server.flush();
        server.push_point("10.0.0.1", "a", 2, sample::TIME + 60);
        if delete == "EVICTION" {
            server.run::<()>("CONFIG SET maxmemory-policy allkeys-random");
            server.run::<()>("CONFIG SET maxmemory 1");
            let _ = server.try_run::<Value>("SET some text");
            server.run::<()>("CONFIG SET maxmemory 0");
        } else {
            assert_eq!(server.run::<usize>(delete), 1);
        }
        eventually("the end of the host", || hosts(&server).is_empty().then_some(()));
        // The last of it may be freed by another thread.
        eventually("the end of its points", || (server.info("pending_points") == 0).then_some(()));
        assert_eq!(server.flush(), 0);
        assert_eq!(written(&server, "10.0.0.1"), sample::TIME, "{delete}");
        server.run::<usize>("KURADO.DEL 10.0.0.1");
    }
}

#[test]
fn a_host_whose_expiry_was_taken_back_goes_on() {
    let server = Server::start(&[]);
    push_two(&server);
    assert_eq!(server.run::<usize>(&format!("EXPIRE {KEY} 1000")), 1);
    server.push_point("10.0.0.1", "a", 3, sample::TIME + 120);
    assert!(server.run::<i64>(&format!("TTL {KEY}")) > 0);
    assert_eq!(server.run::<usize>(&format!("PERSIST {KEY}")), 1);
    assert_eq!(server.flush(), 2);
}

#[test]
fn redis_tells_of_a_host_what_it_tells_of_any_key() {
    let server = Server::start(&[]);
    push_two(&server);
    assert_eq!(server.run::<String>(&format!("TYPE {KEY}")), "kuradohst");
    assert_eq!(server.run::<String>(&format!("OBJECT ENCODING {KEY}")), "raw");
    assert_eq!(server.run::<usize>(&format!("OBJECT REFCOUNT {KEY}")), 1);
    let small: u64 = server.run(&format!("MEMORY USAGE {KEY}"));
    server.push(&sample::with_address("10.0.0.1"));
    assert!(server.run::<u64>(&format!("MEMORY USAGE {KEY}")) > small + 40 * 16);
}

#[test]
fn a_replica_and_a_replay_follow_keys_that_move() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", server.port())]);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    server.run::<()>(&format!("RENAME {KEY} kurado:{{web-1}}"));
    eventually("the rename", || (hosts(&replica) == ["web-1"]).then_some(()));
    assert_eq!(replica.flush(), 1);
    assert_eq!(written(&replica, "web-1"), sample::TIME);
    drop(replica);
    server.kill();
    server.start_again();
    assert_eq!(hosts(&server), ["web-1"]);
    assert_eq!(server.flush(), 1);
    assert_eq!(written(&server, "web-1"), sample::TIME);
}
