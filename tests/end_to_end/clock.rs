//! Times: what is refused, and what happens while the server's clock steps.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use redis::Value;
use tempfile::TempDir;
use test_redis::eventually;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::{Server, field, now, pairs, text};

const TWO_DAYS: i64 = 2 * 86400;

/// A server whose time of day the test steps.
struct Stepped {
    server: Server,
    ahead: File,
    _directory: TempDir,
}

impl Stepped {
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (library, ahead) = (directory.path().join("clock.so"), directory.path().join("ahead"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/end_to_end/stepped_clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library);
        assert!(compiler.arg(source).status().expect("cc is installed").success());
        fs::write(&ahead, 0i64.to_ne_bytes()).unwrap();
        let preload = format!("LD_PRELOAD={}", library.display());
        let file = format!("STEPPED_CLOCK={}", ahead.display());
        let server = Server::start_under(&["env", &preload, &file], options);
        let ahead = File::options().write(true).open(ahead).unwrap();
        Self { server, ahead, _directory: directory }
    }

    /// Makes the server's clock differ from the true one by so many seconds.
    fn step(&self, ahead: i64) {
        // In place: a file that is cut, if only for a moment, is a signal to who has it mapped.
        self.ahead.write_all_at(&ahead.to_ne_bytes(), 0).unwrap();
        let told: (i64, i64) = self.server.run("TIME");
        assert!((told.0 - i64::from(now()) - ahead).abs() < 60, "{told:?}: the clock is not ours");
    }
}

fn written(server: &Server, key: &str) -> u32 {
    last_update(&server.file("10.0.0.1", "base", key)).0
}

/// Meta and warnings that a host tells of.
fn texts(server: &Server) -> (usize, usize) {
    let host: Value = server.run("KURADO.HOST 10.0.0.1");
    let base = field(&field(&host, "plugins"), "base");
    (pairs(&field(&base, "meta")).len(), pairs(&field(&base, "warnings")).len())
}

#[test]
fn ten_minutes_in_the_future_are_taken_and_no_second_more() {
    // A clock that stands still for the moment of a push: its second must not change in between.
    let server = Server::start(&[]);
    let told = eventually("two pushes within a second", || {
        let before = now();
        let lines = format!(
            "10.0.0.1\tbase.metrics.a{before}\t1\t{}\n10.0.0.1\tbase.metrics.b\t1\t{}",
            before + 600,
            before + 601
        );
        let pushed = server.push(&lines);
        (now() == before).then_some((before, pushed))
    });
    let (before, pushed) = told;
    assert_eq!((pushed.accepted, pushed.rejected), (1, 1), "{:?}", pushed.reasons);
    let rule = "is 601 s in the future; at most 600 s are taken";
    assert_eq!(pushed.reasons, [format!("line 2: time {} {rule}", before + 601)]);
    assert!(server.info("rejected_future") >= 1);
}

#[test]
fn of_two_points_of_one_time_the_last_wins_while_it_waits_and_none_later() {
    let server = Server::start(&[]);
    let push =
        |value: u32, time: u32| server.push(&format!("10.0.0.1\tbase.metrics.a\t{value}\t{time}"));
    let value = || last_update(&server.file("10.0.0.1", "base", "a.gauge")).1;
    for n in 1..=3 {
        assert_eq!(push(n, sample::TIME).accepted, 1);
    }
    assert_eq!(server.info("pending_points"), 1);
    assert_eq!(server.flush(), 1);
    assert_eq!(value(), "3");
    // As a sender does that got no reply.
    assert_eq!(push(3, sample::TIME).accepted, 1);
    assert_eq!(server.info("pending_points"), 0);
    let reason =
        format!("line 1: time {0} is not after {0}, the last update of this series", sample::TIME);
    assert_eq!(push(4, sample::TIME).reasons, [reason]);
    assert_eq!(server.info("rejected_too_old"), 1);
    assert_eq!(server.flush(), 0);
    assert_eq!(value(), "3");
}

/// A series that memory knows refuses what is not after its last update ("too old"). Of one that it
/// does not know, as after a restart without AOF, the points are taken, and those that its file has
/// or that are older are skipped when it is written, and counted.
#[test]
fn points_older_than_a_file_that_memory_does_not_know_are_skipped_and_counted() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    server.flush();
    server.run::<usize>("DEL kurado:{10.0.0.1}");
    for (n, seconds) in [(2, -60), (3, 0), (4, 60)] {
        server.push_point("10.0.0.1", "a", n, sample::TIME.checked_add_signed(seconds).unwrap());
    }
    assert_eq!(server.flush(), 3);
    assert_eq!((server.info("points_skipped"), server.info("points_written")), (2, 2));
    let file = server.file("10.0.0.1", "base", "a.gauge");
    assert_eq!(last_update(&file), (sample::TIME + 60, "4".to_owned()));
    // From now on it is known.
    let pushed = server.push(&format!("10.0.0.1\tbase.metrics.a\t5\t{}", sample::TIME));
    assert!(pushed.reasons[0].contains("is not after"), "{:?}", pushed.reasons);
}

#[test]
fn a_clock_that_steps_stops_no_writing_and_loses_no_point() {
    let stepped = Stepped::start(&["--kurado.write-delay", "3"]);
    let server = &stepped.server;
    let mut time = now() - 3600;
    let mut push = |value: u32| {
        time += 60;
        server.push_point("10.0.0.1", "a", value, time);
        time
    };
    for ahead in [TWO_DAYS, 0, -TWO_DAYS] {
        let mut last = push(1);
        stepped.step(ahead);
        if ahead < 0 {
            // By this clock.
            let pushed = server.push(&format!("10.0.0.1\tbase.metrics.a\t1\t{}", last + 60));
            assert!(pushed.reasons[0].contains(" s in the future"), "{:?}", pushed.reasons);
        } else {
            last = push(2);
        }
        // By itself: nobody asks for a flush.
        eventually(&format!("the write with a clock that is {ahead} s ahead"), || {
            (server.info("pending_points") == 0).then_some(())
        });
        assert_eq!(written(server, "a.gauge"), last);
    }
    stepped.step(0);
    let last = push(3);
    eventually("the last write", || (server.info("pending_points") == 0).then_some(()));
    assert_eq!(written(server, "a.gauge"), last);
    assert_eq!((server.info("points_written"), server.info("points_skipped")), (6, 0));
}

/// A point from the future that waits is in nobody's way: those of right times take their places
/// before it. Once it is in its file, that series takes nothing before it, as an RRD takes none from
/// the past; all other series go on, and `KURADO.DEL` of the series lets it begin anew.
#[test]
fn points_of_a_clock_that_was_ahead_are_in_the_way_of_their_written_series_alone() {
    let stepped = Stepped::start(&["--appendonly", "yes", "--kurado.write-delay", "80000"]);
    let (server, time) = (&stepped.server, now() - 600);
    let future = time + u32::try_from(TWO_DAYS).unwrap();
    stepped.step(TWO_DAYS);
    for key in ["written", "waits"] {
        server.push_point("10.0.0.1", key, 1, future);
    }
    assert_eq!(server.run::<usize>("KURADO.FLUSH 10.0.0.1 base written.gauge"), 1);
    stepped.step(0);
    for key in ["waits", "other"] {
        server.push_point("10.0.0.1", key, 2, time);
        server.push_point("10.0.0.1", key, 3, time + 60);
    }
    let line = format!("10.0.0.1\tbase.metrics.written\t2\t{time}");
    let pushed = server.push(&line);
    assert_eq!(
        pushed.reasons,
        [format!("line 1: time {time} is not after {future}, the last update of this series")]
    );
    assert_eq!(server.flush(), 5);
    assert_eq!(server.info("points_skipped"), 0);
    assert_eq!(written(server, "waits.gauge"), future);
    assert_eq!(written(server, "other.gauge"), time + 60);
    let words = format!("KURADO.FETCH 10.0.0.1 base waits.gauge MAX {} {}", time, time + 60);
    let rows: Vec<(u32, Option<f64>)> = server.run(&words);
    assert!(rows.iter().any(|(_, value)| *value == Some(3.0)), "{rows:?}");
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1 base written.gauge"), 1);
    assert_eq!(server.push(&line).accepted, 1);
    assert_eq!(server.flush(), 1);
    assert_eq!(written(server, "written.gauge"), time);
}

#[test]
fn meta_warnings_and_last_received_of_a_clock_that_was_ahead_go_when_it_is_set_back() {
    let stepped = Stepped::start(&[]);
    let server = &stepped.server;
    let lines = "10.0.0.1\tbase.meta.uptime\t1\t5\n10.0.0.1\tbase.warn.command\ttimeout\t5";
    assert_eq!(server.push(lines).accepted, 2);
    assert_eq!(texts(server), (1, 1));
    // An hour is over by this clock.
    stepped.step(TWO_DAYS);
    assert_eq!(texts(server), (0, 0));
    assert_eq!(server.push(lines).accepted, 2);
    assert_eq!(texts(server), (1, 1));
    stepped.step(0);
    assert_eq!(texts(server), (0, 0));
    assert_eq!(server.push(lines).accepted, 2);
    assert_eq!(texts(server), (1, 1));
    let host: Value = server.run("KURADO.HOST 10.0.0.1");
    let received: u32 = text(&field(&host, "last-received")).parse().unwrap();
    assert!(received <= now(), "{received}");
}
