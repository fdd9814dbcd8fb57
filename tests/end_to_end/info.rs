//! `INFO kurado` tells how the server does.

use redis::Value;
use test_redis::eventually;

use crate::sample;
use crate::server::{Server, now};

#[test]
fn rejected_lines_are_counted_by_reason_and_refused_pushes_apart() {
    let server = Server::start(&["--kurado.max-hosts", "2"]);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    server.flush();
    server.run::<()>("SET kurado:{10.0.0.2} text");
    let later = now() + 3600;
    let long = "x".repeat(9000);
    let payload = format!(
        "nonsense\n{long}\na/b\tbase.metrics.a\t1\t5\n10.0.0.1\tbase.what.a\t1\t5\n\
         10.0.0.1\tbase.metrics.a\tx\t5\n10.0.0.1\tbase.metrics.a\ty\t5\n\
         10.0.0.1\tbase.metrics.a\t1\tnow\n10.0.0.1\tbase.metrics.a\t1\t{later}\n\
         10.0.0.1\tbase.metrics.a\t1\t5\n10.0.0.2\tbase.metrics.a\t1\t5\n"
    );
    assert_eq!(server.push(&payload).rejected, 10);
    let texts: String =
        (0..1001).map(|n| format!("10.0.0.1\tmany.meta.{n}\tx\t{}\n", sample::TIME)).collect();
    assert_eq!(server.push(&texts).rejected, 1);
    server.run::<()>("ACL SETUSER agent on >pass +kurado.push ~kurado:{10.0.0.1}");
    let url = format!("redis://agent:pass@127.0.0.1:{}", server.port());
    let mut agent = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd("KURADO.PUSH").arg("10.0.0.3\tbase.metrics.a\t1\t5").exec(&mut agent).unwrap();
    for (reason, count) in [
        ("columns", 1),
        ("length", 1),
        ("address", 1),
        ("type", 1),
        ("value", 2),
        ("time", 1),
        ("future", 1),
        ("too_old", 1),
        ("key_type", 1),
        ("bound", 1),
        ("permission", 1),
        ("utf8", 0),
    ] {
        assert_eq!(server.info(&format!("rejected_{reason}")), count, "{reason}");
    }
    assert_eq!(server.info("lines_rejected"), 12);
    assert_eq!(server.info("lines_accepted"), 1001);
    let hosts: String = (4..9).map(|n| format!("10.0.0.{n}\tbase.metrics.a\t1\t5\n")).collect();
    assert!(server.try_push(&hosts).unwrap_err().contains("no line was accepted"));
    assert_eq!((server.info("pushes_refused"), server.info("lines_rejected")), (1, 12));
}

#[test]
fn durability_is_told_in_words_that_follow_the_settings() {
    let server = Server::start(&["--kurado.write-delay", "7"]);
    assert_eq!(server.info_text("durability"), "write delay 7 s, no aof");
    server.run::<()>("CONFIG SET kurado.write-delay 300");
    assert_eq!(server.info_text("durability"), "write delay 60 s, no aof");
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let told = |expected: &str| {
        eventually(expected, || (server.info_text("durability") == expected).then_some(()));
    };
    told("aof always");
    server.run::<()>("CONFIG SET appendfsync everysec");
    told("aof everysec");
    server.run::<()>("CONFIG SET appendfsync no");
    told("aof no");
    server.run::<()>("CONFIG SET appendonly no");
    told("write delay 60 s, no aof");
}

#[test]
fn the_oldest_pending_point_and_the_rate_of_writing_are_told() {
    let server = Server::start(&["--kurado.write-delay", "80000", "--appendonly", "yes"]);
    assert_eq!(server.info("oldest_pending_age_seconds"), 0);
    for host in 1..=20 {
        server.push(&sample::with_address(&format!("10.0.0.{host}")));
    }
    eventually("an age", || (server.info("oldest_pending_age_seconds") >= 2).then_some(()));
    // At most 14 bytes a point: the first of a series takes the most.
    let bytes = server.info("pending_bytes");
    assert_eq!(server.info("pending_points"), 800);
    assert!((800 * 6..800 * 14).contains(&bytes), "{bytes}");
    // One host alone: the others wait on.
    assert_eq!(server.run::<usize>("KURADO.FLUSH 10.0.0.1"), 40);
    assert!(server.info("oldest_pending_age_seconds") >= 2);
    assert_eq!(server.flush(), 760);
    assert_eq!(server.info("oldest_pending_age_seconds"), 0);
    eventually("the rate", || (server.info("points_written_per_second") > 0).then_some(()));
    eventually("its end", || (server.info("points_written_per_second") == 0).then_some(()));
    assert_eq!((server.info("flushes"), server.info("clients_waiting")), (2, 0));
}

#[test]
fn a_point_that_can_not_be_written_is_the_oldest_however_many_are() {
    let server = Server::start(&["--kurado.write-delay", "1"]);
    std::fs::create_dir_all(server.file("10.0.0.1", "base", "bad.gauge")).unwrap();
    server.push_point("10.0.0.1", "bad", 1, sample::TIME);
    let mut minute = 0;
    eventually("its age", || {
        minute += 1;
        server.push_point("10.0.0.1", "good", 1, sample::TIME + minute * 60);
        (server.info("oldest_pending_age_seconds") >= 5).then_some(())
    });
    assert!(server.info("points_written") >= 1);
    let _ = server.try_run::<Value>("KURADO.DEL 10.0.0.1");
    assert_eq!(server.info("oldest_pending_age_seconds"), 0);
}

/// What the server has allocated once the buffers of clients that have gone are given back.
fn memory_at_rest(server: &Server) -> u64 {
    let mut before = server.used_memory();
    eventually("memory at rest", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let now = server.used_memory();
        let rests = now.abs_diff(before) < 20_000;
        before = now;
        rests.then_some(now)
    })
}

#[test]
fn memory_usage_of_the_keys_is_what_the_server_took_for_them() {
    // The stop file keeps all points waiting.
    let server = Server::start(&[]);
    std::fs::write(server.path().join("data/stop"), "").unwrap();
    eventually("the pause", || (server.info("writing_paused") == 1).then_some(()));
    let lines_of_series = |host: u32, minute: u32| -> String {
        let line = |n: u32| {
            let (value, time) = (f64::from(host * 100 + n).sqrt(), sample::TIME + 60 * minute);
            format!("10.0.0.{host}\tbase.metrics.some-name-{n}.gauge\t{value}\t{time}\n")
        };
        (0..100).map(line).collect()
    };
    let lines_of_texts = |host: u32, minute: u32| -> String {
        let line = |n: u32| {
            let time = sample::TIME + 60 * minute;
            format!("10.0.0.{host}\tapp.meta.key-{n}\tsome text of some length\t{time}\n")
        };
        (0..100).map(line).collect()
    };
    for (lines, minutes) in [
        (&lines_of_series as &dyn Fn(u32, u32) -> String, 1),
        (&lines_of_series, 12),
        (&lines_of_texts, 1),
    ] {
        let before = memory_at_rest(&server);
        for minute in 0..minutes {
            for host in 0..100 {
                assert_eq!(server.push(&lines(host, minute)).accepted, 100);
            }
        }
        let taken = memory_at_rest(&server) - before;
        let keys: Vec<String> = server.run("KEYS kurado:*");
        assert_eq!(keys.len(), 100);
        let told: u64 =
            keys.iter().map(|key| server.run::<u64>(&format!("MEMORY USAGE {key}"))).sum();
        assert!(told.abs_diff(taken) < taken / 10, "{told} told, {taken} taken");
        server.run::<()>("FLUSHALL SYNC");
        let left = memory_at_rest(&server).saturating_sub(before);
        assert!(left < 200_000, "{left} of {taken} bytes are left");
    }
}
