//! SHUTDOWN writes what waits, within a limit; what is left is in AOF or RDB, and written later.

use std::fs;

use crate::obstacle::{Lock, hang_writer};
use crate::rrdtool::last_update;
use crate::sample;
use crate::server::Server;

/// Each way of keeping points beyond the server's end.
const KEEPING: [(&[&str], &str); 3] = [
    (&["--appendonly", "yes", "--appendfsync", "everysec"], "NOSAVE"),
    (&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"], "SAVE"),
    (&["--save", "900 1"], "SAVE"),
];
/// Longer than any test lasts: nothing waits for it.
const NO_LIMIT: [&str; 2] = ["--kurado.shutdown-timeout", "3600"];

/// Four points of each of two series.
fn push(server: &Server) {
    for minute in 1..=4 {
        for key in ["free", "kept-out"] {
            server.push_point("10.0.0.1", key, minute, sample::TIME + minute * 60);
        }
    }
}

fn newest(server: &Server, key: &str) -> (u32, String) {
    last_update(&server.file("10.0.0.1", "base", &format!("{key}.gauge")))
}

fn in_words(points: usize) -> String {
    format!("{points} points are not written to their files after")
}

#[test]
fn shutdown_writes_what_waits_even_where_nothing_is_saved() {
    let mut server = Server::start(&NO_LIMIT);
    server.push(&sample::with_address("10.0.0.1"));
    server.shutdown("NOSAVE");
    let file = server.file("10.0.0.1", "base", "memory-free.gauge");
    assert_eq!(last_update(&file).0, sample::TIME);
    assert!(server.log().contains("all points are written to their files"), "{}", server.log());
}

#[test]
fn what_a_lock_keeps_out_of_its_file_is_kept_and_written_once_after_the_start() {
    for (options, how) in KEEPING {
        let mut server = Server::start(&[options, &NO_LIMIT].concat());
        for key in ["free", "kept-out"] {
            server.push_point("10.0.0.1", key, 0, sample::TIME);
        }
        server.flush();
        let lock = Lock::take(&server.file("10.0.0.1", "base", "kept-out.gauge"));
        push(&server);
        server.shutdown(how);
        assert!(server.log().contains(&in_words(4)), "{how}: {}", server.log());
        drop(lock);
        let last = sample::TIME + 240;
        assert_eq!(newest(&server, "free"), (last, "4".to_owned()));
        assert_eq!(newest(&server, "kept-out").0, sample::TIME);
        server.start_again();
        server.flush();
        assert_eq!(newest(&server, "kept-out"), (last, "4".to_owned()));
        // Those of the other file came back as well, and were known by it.
        assert_eq!(server.info("points_written"), 4);
    }
}

#[test]
fn what_a_stop_file_keeps_out_of_all_files_is_kept_and_written_once_after_the_start() {
    for (options, how) in KEEPING {
        let mut server = Server::start(&[options, &NO_LIMIT].concat());
        push(&server);
        // The server need not have seen it.
        let stop = server.path().join("data/stop");
        fs::write(&stop, "").unwrap();
        server.shutdown(how);
        assert!(server.log().contains(&in_words(8)), "{how}: {}", server.log());
        assert!(!server.path().join("data/10.0.0.1").exists());
        fs::remove_file(stop).unwrap();
        server.start_again();
        assert_eq!(server.flush(), 8);
        assert_eq!(server.info("points_written"), 8);
    }
}

#[test]
fn a_file_that_can_be_written_again_is_tried_once_more_however_late_its_next_try() {
    let mut server = Server::start(&NO_LIMIT);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    server.flush();
    let lock = Lock::take(&server.file("10.0.0.1", "base", "a.gauge"));
    server.push_point("10.0.0.1", "a", 2, sample::TIME + 60);
    for _ in 0..10 {
        let error = server.try_run::<usize>("KURADO.FLUSH").unwrap_err();
        assert!(error.contains("is locked by process"), "{error}");
    }
    drop(lock);
    server.shutdown("NOSAVE");
    assert_eq!(newest(&server, "a"), (sample::TIME + 60, "2".to_owned()));
}

#[test]
fn a_limit_of_0_writes_nothing_more() {
    for (options, how) in KEEPING {
        let mut server = Server::start(options);
        server.run::<()>("CONFIG SET kurado.shutdown-timeout 0");
        push(&server);
        server.shutdown(how);
        assert!(server.log().contains(&in_words(8)), "{how}: {}", server.log());
        server.start_again();
        assert_eq!(server.flush(), 8);
        assert_eq!(server.info("points_written"), 8);
    }
}

#[test]
fn a_writer_that_hangs_keeps_the_server_from_its_end_no_longer_than_the_limit() {
    for (options, how) in KEEPING {
        let options = [options, &["--kurado.shutdown-timeout", "1"]].concat();
        let threads = ["--kurado.writer-threads", "1"];
        let mut server = Server::start(&[&options[..], &threads].concat());
        let thread = hang_writer(&server);
        push(&server);
        server.shutdown(how);
        thread.join().unwrap();
        assert!(server.log().contains(&in_words(8)), "{how}: {}", server.log());
        server.start_again();
        assert_eq!(server.flush(), 8);
        assert_eq!(server.info("points_written"), 8);
    }
}
