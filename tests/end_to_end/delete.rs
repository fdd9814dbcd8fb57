//! `KURADO.DEL` forgets and deletes files, whatever goes on at the same moment.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use redis::Value;
use test_redis::eventually;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::{Server, pairs};

const ALWAYS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn hosts(server: &Server) -> Vec<String> {
    pairs(&server.run("KURADO.HOSTS")).into_iter().map(|(name, _)| name).collect()
}

/// Lines of so many series of plugin base at one time.
fn lines(series: u32, time: u32) -> String {
    (0..series).map(|n| format!("10.0.0.1\tbase.metrics.k{n}\t1\t{time}\n")).collect()
}

/// Sends a command and reads no reply.
fn send(server: &Server, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn a_host_goes_with_its_files_and_directories_and_no_other() {
    let server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    server.push("10.0.0.1\thttp%3A80.metrics.a/b\t1\t1404873350");
    server.push(&sample::with_address("10.0.0.11"));
    server.flush();
    server.push_point("10.0.0.1", "never-written", 1, sample::TIME);
    let directory = server.path().join("data/10.0.0.1");
    assert!(directory.join("http%3A80/a%2Fb.gauge.rrd").exists());
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1"), 42);
    assert!(!directory.exists());
    assert_eq!(hosts(&server), ["10.0.0.11"]);
    assert_eq!(server.run::<usize>("EXISTS kurado:{10.0.0.1}"), 0);
    assert_eq!((server.info("series"), server.info("pending_points")), (40, 0));
    assert!(server.file("10.0.0.11", "base", "memory-free.gauge").exists());
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1"), 0);
    // It may come again, from the past too.
    server.push_point("10.0.0.1", "memory-free", 7, sample::TIME - 600);
    assert_eq!(server.flush(), 1);
    let file = server.file("10.0.0.1", "base", "memory-free.gauge");
    assert_eq!(last_update(&file), (sample::TIME - 600, "7".to_owned()));
}

#[test]
fn a_plugin_or_a_series_goes_alone() {
    let server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    server.push("10.0.0.1\thttp.metrics.a\t1\t1404873350\n10.0.0.1\thttp.meta.m\tx\t1404873350");
    server.flush();
    let file = server.file("10.0.0.1", "base", "loadavg-1.gauge");
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1 base loadavg-1.gauge"), 1);
    assert!(!file.exists());
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1 base loadavg-1.gauge"), 0);
    assert_eq!(server.info("series"), 40);
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1 base"), 39);
    assert!(!server.path().join("data/10.0.0.1/base").exists());
    assert!(server.file("10.0.0.1", "http", "a.gauge").exists());
    assert_eq!(pairs(&server.run("KURADO.META GET 10.0.0.1")).len(), 1);
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1 http"), 1);
    assert!(hosts(&server).is_empty());
    assert!(!server.path().join("data/10.0.0.1").exists());
}

#[test]
fn files_that_memory_no_longer_knows_go_and_count() {
    let server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    server.flush();
    server.run::<usize>("DEL kurado:{10.0.0.1}");
    server.push_point("10.0.0.1", "loadavg-1", 1, sample::TIME + 60);
    server.push_point("10.0.0.1", "only-in-memory", 1, sample::TIME + 60);
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1 base loadavg-5.gauge"), 1);
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1"), 40);
    assert!(!server.path().join("data/10.0.0.1").exists());
}

#[test]
fn names_that_are_none_are_refused_and_nothing_outside_is_touched() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    server.flush();
    let outside = server.path().join("data/10.0.0.2");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("x.gauge.rrd"), "").unwrap();
    for (words, expected) in [
        (&[""][..], "address '' must be an IP address or a host name"),
        (&["."], "address '.' must be"),
        (&[".."], "address '..' must be"),
        (&["../data/10.0.0.1"], "address '../data/10.0.0.1' must be"),
        (&["10.0.0.1/base"], "must be an IP address"),
        (&["*"], "address '*' must be"),
        (&["10.0.0.1", ""], "plugin '' must be an escaped identifier"),
        (&["10.0.0.1", ".."], "plugin '..' must be"),
        (&["10.0.0.1", "a:/../../10.0.0.2"], "must be an escaped identifier, such as http%3A80"),
        (&["10.0.0.1", "base", ""], "key '' must be a key with its type, such as load.gauge"),
        (&["10.0.0.1", "base", "a"], "key 'a' must be a key with its type"),
        (&["10.0.0.1", "base", "a\0.gauge"], "must be a key with its type"),
    ] {
        let words = [&["KURADO.DEL"], words].concat();
        let error = server.try_run_words::<Value>(&words).unwrap_err();
        assert!(error.contains(expected), "{words:?}: {error}");
    }
    let traversal = ["KURADO.DEL", "10.0.0.1", "base", "../../10.0.0.2/x.gauge"];
    assert_eq!(server.try_run_words::<usize>(&traversal).unwrap(), 0);
    let fetch = ["KURADO.FETCH", "10.0.0.1", "a:/../../10.0.0.2", "x.gauge", "MAX", "-60", "now"];
    let error = server.try_run_words::<Value>(&fetch).unwrap_err();
    assert!(error.contains("must be an escaped identifier"), "{error}");
    assert!(outside.join("x.gauge.rrd").exists());
    assert!(server.file("10.0.0.1", "base", "a.gauge").exists());
}

/// Waits until all points are written, and nobody waits. A file that could not be made, as its
/// directory went at this moment, is tried again.
fn until_written(server: &Server) {
    eventually("the writes", || {
        let _ = server.try_run::<Value>("KURADO.FLUSH");
        (server.info("pending_points") == 0).then_some(())
    });
    eventually("the replies", || (server.info("clients_waiting") == 0).then_some(()));
}

#[test]
fn a_host_that_pushes_at_the_same_moment_loses_nothing_that_came_after() {
    let server = Server::start(&[]);
    let series = 300;
    for round in 0..10 {
        let time = sample::TIME + round * 120;
        server.push(&lines(series, time));
        // Writes are under way, and some files are there.
        let flush = send(&server, "KURADO.FLUSH");
        let delete = send(&server, "KURADO.DEL 10.0.0.1");
        eventually("the end of the host", || {
            (server.run::<Value>("KURADO.HOST 10.0.0.1") == Value::Nil).then_some(())
        });
        // Its files are still being deleted.
        server.push(&lines(series, time + 60));
        until_written(&server);
        drop((flush, delete));
        for n in 0..series {
            let file = server.file("10.0.0.1", "base", &format!("k{n}.gauge"));
            assert!(file.exists(), "{}", file.display());
            if n % 50 == 0 {
                assert_eq!(last_update(&file).0, time + 60);
                // No row of what came before.
                let words =
                    format!("KURADO.FETCH 10.0.0.1 base k{n}.gauge MAX {} {time}", time - 90);
                let rows: Vec<(u32, Option<f64>)> = server.run(&words);
                assert!(rows.iter().all(|(_, value)| value.is_none()), "{rows:?}");
            }
        }
    }
    assert_eq!(server.info("batches_in_flight"), 0);
}

#[test]
fn results_of_a_deleted_series_are_not_those_of_the_next_of_its_name() {
    let server = Server::start(&[]);
    let series = 300;
    for round in 0..20 {
        let time = sample::TIME + round * 120;
        server.push(&lines(series, time));
        server.push("10.0.0.1\tother.metrics.a\tU\t1404873350");
        let flush = send(&server, "KURADO.FLUSH");
        let delete = send(&server, "KURADO.DEL 10.0.0.1 base");
        eventually("the end of the plugin", || (server.info("series") == 1).then_some(()));
        server.push(&lines(series, time + 60));
        until_written(&server);
        drop((flush, delete));
        for n in [0, 7, series - 1] {
            let file = server.file("10.0.0.1", "base", &format!("k{n}.gauge"));
            assert_eq!(last_update(&file).0, time + 60);
        }
    }
    assert_eq!(server.info("batches_in_flight"), 0);
}

#[test]
fn in_multi_and_scripts_it_replies_at_once_and_files_go_a_little_later() {
    let server = Server::start(&[]);
    for address in ["10.0.0.1", "10.0.0.2"] {
        server.push(&sample::with_address(address));
    }
    server.flush();
    let mut connection = server.connect();
    let replies: Vec<usize> =
        redis::pipe().atomic().cmd("KURADO.DEL").arg("10.0.0.1").query(&mut connection).unwrap();
    assert_eq!(replies, [40]);
    let script = "return redis.call('KURADO.DEL', ARGV[1])";
    assert_eq!(server.try_run_words::<usize>(&["EVAL", script, "0", "10.0.0.2"]).unwrap(), 40);
    assert!(hosts(&server).is_empty());
    for address in ["10.0.0.1", "10.0.0.2"] {
        let directory = server.path().join("data").join(address);
        eventually("the end of the files", || (!directory.exists()).then_some(()));
    }
}

#[test]
fn what_can_not_be_deleted_is_named_and_memory_has_forgotten_it() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "good", 1, sample::TIME);
    server.flush();
    fs::create_dir(server.file("10.0.0.1", "base", "bad.gauge")).unwrap();
    let error = server.try_run::<Value>("KURADO.DEL 10.0.0.1").unwrap_err();
    assert!(error.contains("1 files could not be deleted"), "{error}");
    assert!(error.contains("10.0.0.1/base/bad.gauge.rrd: can't delete: Is a directory"), "{error}");
    assert!(!server.file("10.0.0.1", "base", "good.gauge").exists());
    assert!(hosts(&server).is_empty());
}

#[test]
fn a_replay_forgets_and_leaves_the_files_of_what_came_after() {
    let mut server = Server::start(&ALWAYS);
    server.push(&lines(3, sample::TIME));
    server.flush();
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1 base k1.gauge"), 1);
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1"), 2);
    server.push(&lines(1, sample::TIME + 60));
    server.flush();
    server.kill();
    server.start_again();
    assert_eq!((server.info("series"), server.info("hosts")), (1, 1));
    server.flush();
    let file = server.file("10.0.0.1", "base", "k0.gauge");
    assert_eq!(last_update(&file).0, sample::TIME + 60);
    assert!(!server.file("10.0.0.1", "base", "k1.gauge").exists());
}

#[test]
fn a_replica_deletes_its_own_files() {
    let master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    master.push(&sample::with_address("10.0.0.1"));
    eventually("the points", || (replica.info("pending_points") == 40).then_some(()));
    assert_eq!(replica.flush(), 40);
    let error = replica.try_run::<Value>("KURADO.DEL 10.0.0.1").unwrap_err();
    assert!(error.contains("read only replica"), "{error}");
    let directory = replica.path().join("data/10.0.0.1");
    assert!(directory.exists());
    assert_eq!(master.run::<usize>("KURADO.DEL 10.0.0.1"), 40);
    eventually("the end of the replica's files", || (!directory.exists()).then_some(()));
    assert!(hosts(&replica).is_empty());
    master.push_point("10.0.0.2", "a", 1, sample::TIME);
    eventually("the stream goes on", || (replica.info("series") == 1).then_some(()));
}

#[test]
fn it_needs_the_right_to_write_the_key_and_an_operator_can_pause_it() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    server.flush();
    server.run::<()>(
        "ACL SETUSER reader on >pass +kurado.del %R~kurado:{10.0.0.1} ~kurado:{10.0.0.2}",
    );
    let url = format!("redis://reader:pass@127.0.0.1:{}", server.port());
    let mut reader = redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut delete = |address: &str| {
        redis::cmd("KURADO.DEL").arg(address).query::<usize>(&mut reader).map_err(|e| e.to_string())
    };
    let error = delete("10.0.0.1").unwrap_err();
    assert!(error.contains("no permission for key 'kurado:{10.0.0.1}'"), "{error}");
    assert_eq!(delete("10.0.0.2"), Ok(0));
    let stop = server.path().join("data/stop");
    fs::write(&stop, "").unwrap();
    eventually("the pause", || (server.info("writing_paused") == 1).then_some(()));
    let error = server.try_run::<Value>("KURADO.DEL 10.0.0.1").unwrap_err();
    assert!(error.contains("writing is paused by the file "), "{error}");
    assert!(server.file("10.0.0.1", "base", "a.gauge").exists());
    assert_eq!(hosts(&server), ["10.0.0.1"]);
    server.run::<()>("SET kurado:{10.0.0.9} text");
    fs::remove_file(&stop).unwrap();
    eventually("the end of the pause", || (server.info("writing_paused") == 0).then_some(()));
    let error = server.try_run::<Value>("KURADO.DEL 10.0.0.9").unwrap_err();
    assert!(error.contains("WRONGTYPE") || error.contains("wrong kind of value"), "{error}");
}
