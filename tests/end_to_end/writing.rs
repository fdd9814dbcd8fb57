//! Points reach their files by themselves, and a fault of one file is that file's alone.

use std::fs;

use redis::Value;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::{Server, field, pairs, text};
use test_redis::eventually;

#[test]
fn points_are_written_when_their_delay_has_passed() {
    let server = Server::start(&["--kurado.write-delay", "1"]);
    server.push(&sample::with_address("10.0.0.1"));
    eventually("the writes", || (server.info("points_written") == 40).then_some(()));
    assert_eq!(server.info("pending_points"), 0);
    assert_eq!(server.info("files_created"), 40);
    let file = server.file("10.0.0.1", "base", "loadavg-1.gauge");
    assert_eq!(last_update(&file).0, sample::TIME);
}

#[test]
fn a_shorter_delay_holds_for_what_waits_already() {
    let server = Server::start(&["--kurado.write-delay", "80000", "--appendonly", "yes"]);
    server.push(&sample::with_address("10.0.0.1"));
    server.run::<()>("CONFIG SET kurado.write-delay 1");
    eventually("the writes", || (server.info("points_written") == 40).then_some(()));
}

#[test]
fn all_points_of_a_series_go_into_its_file_in_one_update() {
    let server = Server::start(&[]);
    for n in 0..50 {
        server.push_point("10.0.0.1", "a", n, 1_404_873_350 + n * 60);
    }
    assert_eq!(server.flush(), 50);
    assert_eq!((server.info("files_updated"), server.info("points_written")), (1, 50));
}

#[test]
fn a_damaged_file_keeps_its_points_waiting_warns_and_is_written_when_mended() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "good", 1, 1_404_873_350);
    server.push_point("10.0.0.1", "bad", 1, 1_404_873_350);
    server.flush();
    let bad = server.file("10.0.0.1", "base", "bad.gauge");
    let whole = fs::read(&bad).unwrap();
    fs::write(&bad, &whole[..1000]).unwrap();
    server.push_point("10.0.0.1", "good", 2, 1_404_873_410);
    server.push_point("10.0.0.1", "bad", 2, 1_404_873_410);
    let error = server.try_run::<Value>("KURADO.FLUSH").unwrap_err();
    assert!(error.contains("1 files could not be written"), "{error}");
    assert!(error.contains("bad.gauge.rrd: is truncated: 1000 bytes"), "{error}");
    let good = server.file("10.0.0.1", "base", "good.gauge");
    assert_eq!(last_update(&good), (1_404_873_410, "2".to_owned()));
    assert_eq!(server.info("pending_points"), 1);
    assert_eq!(server.info("write_errors_damaged_file"), 1);
    let host: Value = server.run("KURADO.HOST 10.0.0.1");
    let warnings = field(&field(&field(&host, "plugins"), "base"), "warnings");
    let (name, warning) = pairs(&warnings).remove(0);
    assert_eq!(name, "rrd");
    let Value::Array(warning) = warning else { panic!("{warning:?}") };
    assert!(text(&warning[1]).contains("is truncated"));
    // The cause is gone: what waited is written without a restart, by itself.
    fs::write(&bad, &whole).unwrap();
    eventually("the retry", || (server.info("pending_points") == 0).then_some(()));
    assert_eq!(last_update(&bad), (1_404_873_410, "2".to_owned()));
}

#[test]
fn a_directory_that_can_not_be_made_is_a_warning_and_other_hosts_go_on() {
    let server = Server::start(&[]);
    fs::write(server.path().join("data/10.0.0.1"), "in the way").unwrap();
    server.push_point("10.0.0.1", "a", 1, 1_404_873_350);
    server.push_point("10.0.0.2", "a", 1, 1_404_873_350);
    let error = server.try_run::<Value>("KURADO.FLUSH").unwrap_err();
    assert!(error.contains("a.gauge.rrd: can't read: Not a directory"), "{error}");
    assert!(server.file("10.0.0.2", "base", "a.gauge").exists());
    fs::remove_file(server.path().join("data/10.0.0.1")).unwrap();
    assert_eq!(server.flush(), 1);
}

#[test]
fn a_stop_file_pauses_writing_and_pushes_go_on() {
    let server = Server::start(&["--kurado.write-delay", "1"]);
    let stop = server.path().join("data/stop");
    fs::write(&stop, "").unwrap();
    eventually("the pause", || (server.info("writing_paused") == 1).then_some(()));
    server.push(&sample::with_address("10.0.0.1"));
    let error = server.try_run::<Value>("KURADO.FLUSH").unwrap_err();
    assert!(error.contains("writing is paused by the file "), "{error}");
    assert!(error.contains("data/stop; points are kept"), "{error}");
    assert_eq!(server.info("pending_points"), 40);
    fs::remove_file(&stop).unwrap();
    eventually("the writes", || (server.info("points_written") == 40).then_some(()));
}

#[test]
fn keys_deleted_while_their_points_are_with_a_writer_do_no_harm() {
    let server = Server::start(&[]);
    for round in 0..20 {
        let time = sample::TIME + round * 60;
        let payload: String =
            (0..300).map(|n| format!("10.0.0.1\tbase.metrics.k{n}\t{round}\t{time}\n")).collect();
        server.push(&payload);
        // Both connections' commands are under way at once.
        std::thread::scope(|scope| {
            scope.spawn(|| server.try_run::<Value>("KURADO.FLUSH"));
            let forget = if round % 2 == 0 { "FLUSHALL" } else { "UNLINK kurado:{10.0.0.1}" };
            server.run::<Value>(forget);
        });
        server.push(&payload.replace(&time.to_string(), &(time + 30).to_string()));
        server.flush();
        // What was forgotten is freed by and by, in the background.
        eventually("no pending point", || (server.info("pending_points") == 0).then_some(()));
        let file = server.file("10.0.0.1", "base", "k7.gauge");
        assert_eq!(last_update(&file), (time + 30, round.to_string()));
    }
    assert_eq!(server.info("batches_in_flight"), 0);
    assert_eq!(server.info("clients_waiting"), 0);
}

#[test]
fn a_client_that_goes_while_it_waits_does_no_harm() {
    let server = Server::start(&[]);
    for round in 0..20 {
        server.push(
            &sample::with_address("10.0.0.1")
                .replace("1404873350", &(sample::TIME + round).to_string()),
        );
        let connection = server.connect();
        let mut packed = redis::cmd("KURADO.FLUSH").get_packed_command();
        packed.extend_from_slice(&redis::cmd("KURADO.FLUSH").get_packed_command());
        let mut raw = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        std::io::Write::write_all(&mut raw, &packed).unwrap();
        drop(raw);
        drop(connection);
    }
    server.flush();
    eventually("the end of all waits", || (server.info("clients_waiting") == 0).then_some(()));
    assert_eq!(server.info("pending_points"), 0);
}
