//! Redis's own limit of memory: what it refuses, what goes on, and what eviction takes.

use redis::Value;
use test_redis::eventually;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::{Server, pairs};

const MAY_EVICT: &str = "the maxmemory-policy of this server may evict hosts with their points";
const LINE: &str = "10.0.0.1\tbase.metrics.a\t2\t1404873410";

#[test]
fn past_maxmemory_what_takes_memory_is_refused_and_all_else_goes_on() {
    let server = Server::start(&["--kurado.write-delay", "80000", "--appendonly", "yes"]);
    server.push(&sample::with_address("10.0.0.1"));
    server.push(&sample::with_address("10.0.0.2"));
    server.run::<()>("CONFIG SET maxmemory 1");
    for words in [
        &["KURADO.PUSH", LINE][..],
        &["KURADO.META", "SET", "10.0.0.1\tbase.meta.a\t1\t5"],
        &["RPUSH", "kurado-update", LINE],
        &["KURADO.QUEUE", "kurado-update", LINE],
        &["EVAL", "return redis.call('KURADO.PUSH', ARGV[1])", "0", LINE],
    ] {
        let error = server.try_run_words::<Value>(words).unwrap_err();
        assert!(error.contains("OOM"), "{words:?}: {error}");
    }
    assert_eq!((server.info("lines_rejected"), server.info("pending_points")), (0, 80));
    for words in ["KURADO.HOSTS", "KURADO.HOST 10.0.0.1", "KURADO.META GET 10.0.0.1"] {
        assert!(!pairs(&server.run(words)).is_empty(), "{words}");
    }
    assert_eq!(server.run::<Vec<Value>>("KURADO.SERIES 10.0.0.1").len(), 40);
    assert_eq!(server.run::<usize>("KURADO.FLUSH 10.0.0.1 base loadavg-1.gauge"), 1);
    let (from, to) = (sample::TIME - 60, sample::TIME + 60);
    let words = format!("KURADO.FETCH 10.0.0.1 base loadavg-5.gauge MAX {from} {to}");
    assert!(!server.run::<Vec<Value>>(&words).is_empty());
    assert_eq!(server.run::<usize>("KURADO.META DEL 10.0.0.1 base"), 6);
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.2"), 40);
    // Writers need nobody to ask for it.
    server.run::<()>("CONFIG SET kurado.write-delay 1");
    eventually("the writes", || (server.info("pending_points") == 0).then_some(()));
    assert_eq!(last_update(&server.file("10.0.0.1", "base", "loadavg-15.gauge")).0, sample::TIME);
    // What was accepted once is not refused when it is replayed.
    server.run::<()>("DEBUG LOADAOF");
    // Some servers free what was there before in the background.
    eventually("one host", || {
        ((server.info("hosts"), server.info("series")) == (1, 40)).then_some(())
    });
    server.run::<()>("CONFIG SET maxmemory 0");
    server.push_point("10.0.0.1", "loadavg-1", 2, sample::TIME + 60);
}

#[test]
fn points_that_are_written_make_room_for_pushes_that_maxmemory_refused() {
    let server = Server::start(&["--kurado.write-delay", "80000", "--appendonly", "yes"]);
    let minute = |n: u32| -> String {
        // Values that have little in common take the most bytes.
        let value = |k: u32| f64::from(n * 1000 + k).sqrt();
        (0..1000)
            .map(|k| {
                format!("10.0.0.1\tbase.metrics.k{k}\t{}\t{}\n", value(k), sample::TIME + n * 60)
            })
            .collect()
    };
    server.push(&minute(0));
    server.flush();
    let limit = server.used_memory() + (4 << 20);
    server.run::<()>(&format!("CONFIG SET maxmemory {limit}"));
    let mut n = 0;
    let error = loop {
        n += 1;
        assert!(n < 3000, "no limit of {limit} bytes was felt");
        if let Err(error) = server.try_push(&minute(n)) {
            break error;
        }
    };
    assert!(error.contains("OOM"), "{error}");
    assert!(n > 10, "{n}");
    let waited = usize::try_from(server.info("pending_points")).unwrap();
    assert_eq!(waited, 1000 * (n as usize - 1));
    assert_eq!(server.flush(), waited);
    assert_eq!(server.push(&minute(n)).accepted, 1000);
}

#[test]
fn a_policy_that_evicts_is_named_in_the_log_at_load_and_when_it_is_set() {
    let limit = ["--maxmemory", "100mb"];
    let evicting = Server::start(&[&limit[..], &["--maxmemory-policy", "allkeys-lru"]].concat());
    assert!(evicting.log().contains(MAY_EVICT), "{}", evicting.log());

    let server = Server::start(&limit);
    let told = || server.log().matches(MAY_EVICT).count();
    assert_eq!(told(), 0);
    for (round, policy) in (1..).zip(["allkeys-lru", "volatile-ttl"]) {
        server.run::<()>(&format!("CONFIG SET maxmemory-policy {policy}"));
        eventually("the warning", || (told() == round).then_some(()));
        server.run::<()>("CONFIG SET maxmemory-policy noeviction");
        eventually("the end", || {
            (server.log().matches("this server evicts no host any more").count() == round)
                .then_some(())
        });
    }
    assert_eq!(told(), 2);
}

#[test]
fn an_evicted_host_loses_its_waiting_points_alone_and_begins_anew() {
    let server = Server::start(&["--kurado.write-delay", "80000", "--appendonly", "yes"]);
    for round in 0..5 {
        let time = sample::TIME + round * 120;
        for host in 0..20 {
            server.push_point(&format!("h{host}"), "a", 1, time);
        }
        assert_eq!(server.flush(), 20);
        for host in 0..20 {
            server.push_point(&format!("h{host}"), "a", 2, time + 60);
        }
        server.run::<()>("CONFIG SET maxmemory-policy allkeys-lru");
        server.run::<()>("CONFIG SET maxmemory 1");
        // Any command that takes memory makes Redis evict, and is refused when nothing is left.
        let error = server.try_push(LINE).unwrap_err();
        assert!(error.contains("OOM"), "{error}");
        server.run::<()>("CONFIG SET maxmemory 0");
        for gauge in ["hosts", "series", "pending_points", "pending_bytes"] {
            server.is_empty_at_last(gauge);
        }
        assert!(pairs(&server.run("KURADO.HOSTS")).is_empty());
        assert_eq!(last_update(&server.file("h7", "base", "a.gauge")), (time, "1".to_owned()));
    }
    assert_eq!((server.info("clients_waiting"), server.info("batches_in_flight")), (0, 0));
}
