//! A point leaves memory only when it is in its file; until then AOF and RDB have it.

use redis::Value;

use crate::rrdtool::{last_update, rrdtool};
use crate::sample;
use crate::server::Server;

const ALWAYS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// Each row that the stock rrdtool finds in a file, by its time. The first point gives none: its
/// file begins 10 s before it, which is too little of a minute.
fn stored(server: &Server, key: &str, from: u32, to: u32) -> Vec<(u32, f64)> {
    let file = server.file("10.0.0.1", "base", key);
    let (from, to) = (from.to_string(), to.to_string());
    let printed = rrdtool(&["fetch", file.to_str().unwrap(), "AVERAGE", "-s", &from, "-e", &to]);
    let rows = printed.lines().filter_map(|line| {
        let (time, value) = line.split_once(": ")?;
        let value = value.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
        Some((time.parse().ok()?, value))
    });
    rows.collect()
}

#[test]
fn acknowledged_points_survive_kill_9_at_any_moment_each_once() {
    let mut server = Server::start(&[&ALWAYS[..], &["--kurado.write-delay", "1"]].concat());
    // Whole minutes, so that a row is one point and nothing else.
    let start = 1_404_873_360;
    let mut acknowledged = Vec::new();
    let mut next = 0u32;
    for round in 0..8u32 {
        for _ in 0..=round * 7 {
            let (time, value) = (start + next * 60, next * 3 + 1);
            server.push_point("10.0.0.1", "a", value, time);
            acknowledged.push((time, f64::from(value)));
            next += 1;
        }
        if round % 3 == 1 {
            // Some points are in files, and the AOF still has them: they must not count twice.
            server.flush();
        }
        server.kill();
        server.start_again();
    }
    server.flush();
    let rows = stored(&server, "a.gauge", start - 60, start + next * 60);
    assert_eq!(rows, acknowledged[1..]);
}

#[test]
fn pending_points_meta_and_series_survive_each_way_of_saving() {
    for (options, save) in [
        (&["--save", "900 1"][..], "SHUTDOWN-RDB"),
        (&["--appendonly", "yes"][..], "BGREWRITEAOF"),
        (&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"][..], "BGREWRITEAOF"),
        (&[][..], "DEBUG RELOAD"),
    ] {
        let mut server = Server::start(options);
        server.push(&sample::with_address("10.0.0.1"));
        server.flush();
        let later = sample::with_address("10.0.0.1").replace("1404873350", "1404873410");
        server.push(&later);
        let hosts: Value = server.run("KURADO.HOSTS");
        let series: Value = server.run("KURADO.SERIES 10.0.0.1");
        // Writing is kept from taking the points by an operator's stop file.
        std::fs::write(server.path().join("data/stop"), "").unwrap();
        test_redis::eventually("the pause", || (server.info("writing_paused") == 1).then_some(()));
        match save {
            "SHUTDOWN-RDB" => {
                server.shutdown("SAVE");
                server.start_again();
            }
            "BGREWRITEAOF" => {
                server.run::<Value>("BGREWRITEAOF");
                test_redis::eventually("the rewrite", || {
                    let info: String = server.run("INFO persistence");
                    let ended = info.contains("aof_rewrite_in_progress:0")
                        && info.contains("aof_rewrite_scheduled:0")
                        && info.contains("aof_last_bgrewrite_status:ok");
                    ended.then_some(())
                });
                server.kill();
                server.start_again();
            }
            other => server.run::<()>(other),
        }
        assert_eq!(server.run::<Value>("KURADO.HOSTS"), hosts, "{options:?} {save}");
        assert_eq!(server.run::<Value>("KURADO.SERIES 10.0.0.1"), series, "{options:?} {save}");
        let meta: Vec<String> = server.run("KURADO.META GET 10.0.0.1 base traffic-interfaces");
        assert_eq!(meta, ["traffic-interfaces", "eth0"], "{options:?} {save}");
        std::fs::remove_file(server.path().join("data/stop")).unwrap();
        test_redis::eventually("the end of the pause", || {
            (server.info("writing_paused") == 0).then_some(())
        });
        server.flush();
        let file = server.file("10.0.0.1", "base", "memory-free.gauge");
        assert_eq!(last_update(&file).0, 1_404_873_410, "{options:?} {save}");
        assert_eq!(server.info("pending_points"), 0);
    }
}

#[test]
fn shutdown_writes_what_waits_even_where_nothing_is_saved() {
    let mut server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    server.shutdown("NOSAVE");
    let file = server.file("10.0.0.1", "base", "memory-free.gauge");
    assert_eq!(last_update(&file).0, sample::TIME);
    assert!(server.log().contains("all points are written to their files"), "{}", server.log());
}

#[test]
fn a_save_while_writers_are_busy_loses_nothing() {
    let mut server = Server::start(&["--appendonly", "yes", "--kurado.write-delay", "1"]);
    let keys = 400;
    let rounds = 12;
    let start = 1_404_873_360;
    for round in 0..rounds {
        let payload: String = (0..keys)
            .map(|n| format!("10.0.0.1\tbase.metrics.k{n}\t{round}\t{}\n", start + round * 60))
            .collect();
        assert_eq!(server.push(&payload).accepted, keys);
        // One at a time is enough; a refusal because one runs is none of our concern.
        let _ = server.try_run::<Value>("BGREWRITEAOF");
    }
    // A replay needs the AOF on disk; `everysec` writes it when asked so.
    server.run::<()>("CONFIG SET appendfsync always");
    server.push_point("10.0.0.2", "last", 1, start);
    server.kill();
    server.start_again();
    server.flush();
    for key in [0, 7, keys - 1] {
        let rows = stored(&server, &format!("k{key}.gauge"), start - 60, start + rounds * 60);
        let values: Vec<f64> = rows.iter().map(|(_, value)| *value).collect();
        let expected: Vec<f64> = (1..rounds).map(f64::from).collect();
        assert_eq!(values, expected, "k{key}");
    }
}
