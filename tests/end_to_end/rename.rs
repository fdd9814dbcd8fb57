//! `KURADO.RENAME`: a host goes on at another address with its points, its files and all that is
//! known of it, whatever happens at the same moment.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use redis::Value;
use test_redis::eventually;

use crate::obstacle::hang_writer;
use crate::random::Random;
use crate::rrdtool::{last_update, rows};
use crate::server::{Server, field, now, pairs, text};

const ALWAYS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
/// A full minute.
const START: u32 = 1_404_873_360;

fn hosts(server: &Server) -> Vec<String> {
    pairs(&server.run("KURADO.HOSTS")).into_iter().map(|(name, _)| name).collect()
}

/// Pushes one point a minute, of the minutes given, whose value is its minute.
fn push_minutes(server: &Server, address: &str, minutes: std::ops::Range<u32>) {
    for minute in minutes {
        server.push_point(address, "a", minute, START + 60 * minute);
    }
}

/// That a host's file has the points of these minutes, each once and none missing.
#[track_caller]
fn check_minutes(server: &Server, address: &str, minutes: std::ops::Range<u32>) {
    let file = server.file(address, "base", "a.gauge");
    let (first, last) = (minutes.start, minutes.end - 1);
    assert_eq!(last_update(&file), (START + 60 * last, last.to_string()));
    let found = rows(&file, START + 60 * first, START + 60 * (last - 1));
    // The row of a minute needs the point before it.
    for minute in first + 1..=last {
        let expected = (START + 60 * minute, Some(f64::from(minute)));
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
}

fn directory_exists(server: &Server, address: &str) -> bool {
    server.path().join("data").join(address).exists()
}

/// Sends a command and reads no reply.
fn send(server: &Server, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn a_host_goes_on_in_one_file_with_all_that_is_known_of_it() {
    let server = Server::start(&[]);
    push_minutes(&server, "10.0.0.1", 0..5);
    server.flush();
    push_minutes(&server, "10.0.0.1", 5..10);
    let now = now();
    server.push(&format!(
        "10.0.0.1\tbase.meta.version\t2\t{now}\n10.0.0.1\tbase.warn.disk\tfull\t{now}"
    ));
    server.push_point("10.0.0.11", "a", 1, START);
    assert_eq!(server.run::<String>("KURADO.RENAME 10.0.0.1 web-1"), "OK");
    assert_eq!(hosts(&server), ["10.0.0.11", "web-1"]);
    assert_eq!(server.run::<Value>("KURADO.HOST 10.0.0.1"), Value::Nil);
    assert!(!directory_exists(&server, "10.0.0.1"));
    push_minutes(&server, "web-1", 10..15);
    assert_eq!(server.run::<usize>("KURADO.FLUSH web-1"), 10);
    check_minutes(&server, "web-1", 0..15);
    let base = field(&field(&server.run("KURADO.HOST web-1"), "plugins"), "base");
    assert_eq!(text(&field(&field(&base, "meta"), "version")), "2");
    assert_eq!(pairs(&field(&base, "warnings")).len(), 1);
    // What still comes to the address of before is a new host's.
    push_minutes(&server, "10.0.0.1", 20..22);
    server.flush();
    check_minutes(&server, "10.0.0.1", 20..22);
    check_minutes(&server, "web-1", 0..15);
    assert_eq!(hosts(&server), ["10.0.0.1", "10.0.0.11", "web-1"]);
}

#[test]
fn what_can_not_be_renamed_is_refused_with_the_reason_and_stays_as_it_is() {
    let server = Server::start(&[]);
    push_minutes(&server, "10.0.0.1", 0..3);
    server.flush();
    push_minutes(&server, "10.0.0.2", 0..3);
    fs::create_dir_all(server.path().join("data/10.0.0.3/base")).unwrap();
    server.run::<()>("SET kurado:{10.0.0.4} text");
    let long = "a".repeat(254);
    for (words, expected) in [
        (&["10.0.0.9", "10.0.0.8"][..], "no host '10.0.0.9' is known"),
        (&["10.0.0.1", "10.0.0.1"], "new address '10.0.0.1' must be another one"),
        (
            &["10.0.0.1", "10.0.0.2"],
            "host '10.0.0.2' already has data (1 series): delete it first, or say REPLACE",
        ),
        (&["10.0.0.1", "10.0.0.3"], "host '10.0.0.3' already has data (files)"),
        (&["10.0.0.1", "10.0.0.4"], "wrong kind of value"),
        (&["10.0.0.4", "10.0.0.5"], "wrong kind of value"),
        (&["10.0.0.1", ""], "address '' must be an IP address or a host name"),
        (&["10.0.0.1", ".."], "address '..' must be"),
        (&["..", "10.0.0.5"], "address '..' must be"),
        (&["10.0.0.1", "../x"], "address '../x' must be"),
        (&["10.0.0.1", "stop"], "address 'stop' must be"),
        (&["10.0.0.1", ".kurado.lock"], "address '.kurado.lock' must be"),
        (&["10.0.0.1", "a\0b"], "must be an IP address"),
        (&["10.0.0.1", &long], "must be an IP address"),
        (&["10.0.0.1", "10.0.0.5", "REPLACED"], "syntax error"),
        (&["10.0.0.1", "10.0.0.5", "REPLACE", "x"], "syntax error"),
        (&["10.0.0.1", "10.0.0.5", "NUMBER", "7"], "syntax error"),
    ] {
        let words = [&["KURADO.RENAME"], words].concat();
        let error = server.try_run_words::<Value>(&words).unwrap_err();
        assert!(error.contains(expected), "{words:?}: {error}");
    }
    assert_eq!(hosts(&server), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(server.info("pending_points"), 3);
    check_minutes(&server, "10.0.0.1", 0..3);
}

#[test]
fn what_the_new_address_has_is_lost_by_replace_and_by_nothing_else() {
    let server = Server::start(&[]);
    push_minutes(&server, "10.0.0.1", 0..5);
    server.flush();
    push_minutes(&server, "10.0.0.1", 5..7);
    // It has begun to push: some of that is written, some waits.
    for key in ["a", "b"] {
        server.push_point("web-1", key, 100, START + 7 * 60);
    }
    server.flush();
    server.push_point("web-1", "b", 100, START + 8 * 60);
    assert_eq!(server.run::<String>("KURADO.RENAME 10.0.0.1 web-1 replace"), "OK");
    assert_eq!(server.info("series"), 1);
    assert!(!server.file("web-1", "base", "b.gauge").exists());
    push_minutes(&server, "web-1", 7..10);
    server.flush();
    check_minutes(&server, "web-1", 0..10);
    // Of one that has no files yet too.
    push_minutes(&server, "10.0.0.2", 0..3);
    assert_eq!(server.run::<String>("KURADO.RENAME 10.0.0.2 web-1 REPLACE"), "OK");
    server.flush();
    check_minutes(&server, "web-1", 0..3);
    let names = fs::read_dir(server.path().join("data")).unwrap();
    let mut names: Vec<_> = names.map(|name| name.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, [".kurado.lock", ".kurado.renamed", "web-1"]);
}

#[test]
fn files_that_memory_no_longer_knows_move_too() {
    let server = Server::start(&[]);
    push_minutes(&server, "10.0.0.1", 0..5);
    server.flush();
    server.run::<usize>("DEL kurado:{10.0.0.1}");
    assert_eq!(server.run::<String>("KURADO.RENAME 10.0.0.1 web-1"), "OK");
    assert!(hosts(&server).is_empty());
    push_minutes(&server, "web-1", 5..10);
    server.flush();
    check_minutes(&server, "web-1", 0..10);
}

#[test]
fn clients_that_wait_for_points_of_a_host_get_them_in_its_new_files() {
    let server = Server::start(&[]);
    let series = 200;
    for round in 0..15u32 {
        let (from, to) = (format!("h{round}"), format!("h{}", round + 1));
        let payload: String = (0..series)
            .map(|n| format!("{from}\tbase.metrics.k{n}\t1\t{}\n", START + 60 * round))
            .collect();
        assert_eq!(server.push(&payload).accepted, series);
        let flushed = thread::scope(|scope| {
            let all = scope.spawn(|| server.run::<usize>("KURADO.FLUSH"));
            let one = scope.spawn(|| server.run::<usize>(&format!("KURADO.FLUSH {from}")));
            let renamed =
                scope.spawn(|| server.run::<String>(&format!("KURADO.RENAME {from} {to}")));
            assert_eq!(renamed.join().unwrap(), "OK");
            [all.join().unwrap(), one.join().unwrap()]
        });
        assert!(flushed.iter().all(|points| *points <= series), "{flushed:?}");
        server.flush();
        assert_eq!(hosts(&server), std::slice::from_ref(&to));
        assert!(!directory_exists(&server, &from));
        for n in 0..series {
            let file = server.file(&to, "base", &format!("k{n}.gauge"));
            assert!(file.exists(), "{}", file.display());
        }
        let file = server.file(&to, "base", "k7.gauge");
        assert_eq!(last_update(&file).0, START + 60 * round);
    }
    for gauge in ["pending_points", "batches_in_flight", "clients_waiting"] {
        assert_eq!(server.info(gauge), 0, "{gauge}");
    }
}

#[test]
fn a_flush_that_was_under_way_ends_when_the_points_are_in_the_new_file() {
    let server = Server::start(&["--kurado.writer-threads", "1"]);
    push_minutes(&server, "10.0.0.1", 0..3);
    server.flush();
    push_minutes(&server, "10.0.0.1", 3..6);
    let (flushed, renamed) = thread::scope(|scope| {
        // librrd's lock keeps the batch from being written meanwhile.
        let lock = crate::obstacle::Lock::take(&server.file("10.0.0.1", "base", "a.gauge"));
        let flush = scope.spawn(|| server.try_run::<usize>("KURADO.FLUSH 10.0.0.1"));
        let rename = scope.spawn(|| server.run::<String>("KURADO.RENAME 10.0.0.1 web-1"));
        eventually("the new name", || (hosts(&server) == ["web-1"]).then_some(()));
        drop(lock);
        (flush.join().unwrap(), rename.join().unwrap())
    });
    assert_eq!(renamed, "OK");
    // Where the writer met the lock, that is told as of any other file.
    if let Err(error) = &flushed {
        assert!(error.contains("could not be written"), "{error}");
    }
    server.flush();
    check_minutes(&server, "web-1", 0..6);
}

#[test]
fn who_pushes_to_either_address_meanwhile_loses_nothing() {
    let server = Server::start(&["--kurado.write-delay", "1"]);
    push_minutes(&server, "10.0.0.1", 0..2);
    server.flush();
    for round in 0..10u32 {
        let to = format!("web-{round}");
        let (before, after) = (2 + 40 * round, 22 + 40 * round);
        push_minutes(&server, "10.0.0.1", before..before + 10);
        thread::scope(|scope| {
            // What comes to the address of before goes either with the host or to a new one there.
            let old = scope.spawn(|| push_minutes(&server, "10.0.0.1", before + 10..before + 20));
            assert_eq!(server.run::<String>(&format!("KURADO.RENAME 10.0.0.1 {to}")), "OK");
            // What comes to the new one goes on where the host is.
            let new = scope.spawn(|| push_minutes(&server, &to, after..after + 20));
            old.join().unwrap();
            new.join().unwrap();
        });
        server.flush();
        let moved = last_of(&server, &to);
        assert_eq!(moved, Some(START + 60 * (after + 19)));
        check_rows(&server, &to, before, before + 10);
        check_rows(&server, &to, after, after + 20);
        // Of the minutes in between each is at one of the two, in one piece each.
        let at_new = minutes_in(&server, &to, before + 10, before + 20);
        let at_old = minutes_in(&server, "10.0.0.1", before + 10, before + 20);
        assert!(at_new + at_old >= 9, "round {round}: {at_new} and {at_old} of 10 minutes");
        if at_old == 0 && last_of(&server, "10.0.0.1").is_none() {
            push_minutes(&server, "10.0.0.1", after + 19..after + 20);
        }
    }
}

fn last_of(server: &Server, address: &str) -> Option<u32> {
    let file = server.file(address, "base", "a.gauge");
    file.exists().then(|| last_update(&file).0)
}

/// How many rows of a host's file have the values of these minutes.
fn minutes_in(server: &Server, address: &str, first: u32, end: u32) -> usize {
    let file = server.file(address, "base", "a.gauge");
    if !file.exists() {
        return 0;
    }
    let found = rows(&file, START + 60 * (first - 1), START + 60 * end);
    let wanted = (first..end).map(|minute| (START + 60 * minute, Some(f64::from(minute))));
    wanted.filter(|row| found.contains(row)).count()
}

/// That the file has all minutes behind the first.
#[track_caller]
fn check_rows(server: &Server, address: &str, first: u32, end: u32) {
    assert_eq!(minutes_in(server, address, first + 1, end), (end - first - 1) as usize);
}

#[test]
fn in_multi_and_scripts_it_replies_at_once_and_files_move_a_little_later() {
    let server = Server::start(&[]);
    push_minutes(&server, "10.0.0.1", 0..3);
    server.flush();
    let mut connection = server.connect();
    let replies: Vec<String> = redis::pipe()
        .atomic()
        .cmd("KURADO.RENAME")
        .arg(&["10.0.0.1", "web-1"])
        .query(&mut connection)
        .unwrap();
    assert_eq!(replies, ["OK"]);
    let script = "return redis.call('KURADO.RENAME', 'web-1', 'web-2')";
    assert_eq!(server.try_run_words::<String>(&["EVAL", script, "0"]).unwrap(), "OK");
    push_minutes(&server, "web-2", 3..6);
    server.flush();
    check_minutes(&server, "web-2", 0..6);
    assert!(!directory_exists(&server, "web-1"));
}

#[test]
fn a_replica_moves_its_own_files() {
    let master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    push_minutes(&master, "10.0.0.1", 0..5);
    push_minutes(&master, "10.0.0.2", 0..1);
    eventually("the points", || (replica.info("pending_points") == 6).then_some(()));
    assert_eq!(replica.flush(), 6);
    let error = replica.try_run::<Value>("KURADO.RENAME 10.0.0.1 web-1").unwrap_err();
    assert!(error.contains("read only replica"), "{error}");
    push_minutes(&master, "10.0.0.1", 5..8);
    assert_eq!(master.run::<String>("KURADO.RENAME 10.0.0.1 web-1"), "OK");
    assert_eq!(master.run::<String>("KURADO.RENAME web-1 10.0.0.2 REPLACE"), "OK");
    push_minutes(&master, "10.0.0.2", 8..10);
    eventually("the stream", || (replica.info("pending_points") == 5).then_some(()));
    for server in [&master, &replica] {
        assert_eq!(hosts(server), ["10.0.0.2"]);
        server.flush();
        check_minutes(server, "10.0.0.2", 0..10);
        assert!(!directory_exists(server, "10.0.0.1") && !directory_exists(server, "web-1"));
    }
}

#[test]
fn a_replay_does_not_move_files_again_that_are_of_another_host_by_now() {
    let mut server = Server::start(&ALWAYS);
    push_minutes(&server, "10.0.0.1", 0..5);
    server.flush();
    server.run::<String>("KURADO.RENAME 10.0.0.1 web-1");
    server.run::<String>("KURADO.RENAME web-1 web-2");
    push_minutes(&server, "web-2", 5..8);
    // Two others, whose files are where those of the first have been.
    push_minutes(&server, "10.0.0.1", 20..25);
    push_minutes(&server, "web-1", 40..45);
    server.flush();
    push_minutes(&server, "10.0.0.1", 25..27);
    for _ in 0..2 {
        server.kill();
        server.start_again();
        assert_eq!(hosts(&server), ["10.0.0.1", "web-1", "web-2"]);
    }
    server.flush();
    check_minutes(&server, "web-2", 0..8);
    check_minutes(&server, "10.0.0.1", 20..27);
    check_minutes(&server, "web-1", 40..45);
    // And of one that was deleted since.
    server.run::<usize>("KURADO.DEL web-2");
    server.kill();
    server.start_again();
    server.flush();
    check_minutes(&server, "10.0.0.1", 20..27);
    assert!(!directory_exists(&server, "web-2"));
}

#[test]
fn a_server_killed_before_the_files_have_moved_moves_them_when_it_starts() {
    for replace in ["", " REPLACE"] {
        let mut server = Server::start(&ALWAYS);
        push_minutes(&server, "10.0.0.1", 0..5);
        push_minutes(&server, "web-1", 50..52);
        server.flush();
        if replace.is_empty() {
            server.run::<usize>("KURADO.DEL web-1");
        }
        push_minutes(&server, "10.0.0.1", 5..8);
        let hanging = hang_writer(&server);
        let client = send(&server, &format!("KURADO.RENAME 10.0.0.1 web-1{replace}"));
        eventually("the new name", || (hosts(&server) == ["web-1"]).then_some(()));
        push_minutes(&server, "web-1", 8..10);
        // A new host at the address of before, whose points came after.
        push_minutes(&server, "10.0.0.1", 20..23);
        assert!(directory_exists(&server, "10.0.0.1"));
        server.kill();
        hanging.join().unwrap();
        drop(client);
        server.start_again();
        assert_eq!(hosts(&server), ["10.0.0.1", "web-1"]);
        server.flush();
        check_minutes(&server, "web-1", 0..10);
        check_minutes(&server, "10.0.0.1", 20..23);
    }
}

/// Copies a directory's files.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn files_move_back_where_the_journal_has_lost_the_command() {
    let mut server = Server::start(&ALWAYS);
    push_minutes(&server, "10.0.0.1", 0..5);
    server.flush();
    push_minutes(&server, "10.0.0.1", 5..8);
    let [journal, kept] = ["appendonlydir", "kept"].map(|name| server.path().join(name));
    copy(&journal, &kept);
    server.run::<String>("KURADO.RENAME 10.0.0.1 web-1");
    push_minutes(&server, "web-1", 8..10);
    server.kill();
    copy(&kept, &journal);
    server.start_again();
    assert!(server.log().contains("host '10.0.0.1' became 'web-1' is not in what was loaded"));
    assert_eq!(hosts(&server), ["10.0.0.1"]);
    server.flush();
    check_minutes(&server, "10.0.0.1", 0..8);
    assert!(!directory_exists(&server, "web-1"));
    // It can be done again.
    assert_eq!(server.run::<String>("KURADO.RENAME 10.0.0.1 web-1"), "OK");
    push_minutes(&server, "web-1", 8..10);
    server.kill();
    server.start_again();
    server.flush();
    check_minutes(&server, "web-1", 0..10);
    assert!(!directory_exists(&server, "10.0.0.1"));
}

#[test]
fn killed_at_any_moment_either_the_old_or_the_new_address_has_everything() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut server = Server::start(&[&ALWAYS[..], &["--kurado.write-delay", "1"]].concat());
    let (mut name, mut minute) = ("h".to_owned(), 0);
    for round in 0..25 {
        push_minutes(&server, &name, minute..minute + 3);
        if random.below(2) == 0 {
            server.flush();
        }
        push_minutes(&server, &name, minute + 3..minute + 6);
        minute += 6;
        let new = format!("h{round}");
        let client = send(&server, &format!("KURADO.RENAME {name} {new}"));
        // The threads go on between one tick and two.
        thread::sleep(Duration::from_millis(random.below(250)));
        server.kill();
        drop(client);
        server.start_again();
        let [found] = <[String; 1]>::try_from(hosts(&server)).unwrap();
        assert!([&name, &new].contains(&&found), "{found}");
        server.flush();
        check_minutes(&server, &found, 0..minute);
        let other = if found == new { &name } else { &new };
        assert!(!directory_exists(&server, other), "round {round}: {other} beside {found}");
        name = found;
    }
    assert_ne!(name, "h");
}

#[test]
fn it_needs_the_right_to_write_both_keys_and_an_operator_can_pause_it() {
    let server = Server::start(&[]);
    push_minutes(&server, "10.0.0.1", 0..3);
    server.run::<()>(
        "ACL SETUSER some on >pass +kurado.rename ~kurado:{10.0.0.1} %R~kurado:{10.0.0.2} \
         ~kurado:{10.0.0.3}"
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .as_str(),
    );
    let url = format!("redis://some:pass@127.0.0.1:{}", server.port());
    let mut some = redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut rename = |from: &str, to: &str| {
        let mut command = redis::cmd("KURADO.RENAME");
        command.arg(&[from, to]).query::<String>(&mut some).map_err(|error| error.to_string())
    };
    for (from, to) in [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")] {
        let error = rename(from, to).unwrap_err();
        assert!(error.contains("no permission for key 'kurado:{10.0.0.2}'"), "{error}");
    }
    assert_eq!(rename("10.0.0.1", "10.0.0.3"), Ok("OK".to_owned()));
    let stop = server.path().join("data/stop");
    fs::write(&stop, "").unwrap();
    eventually("the pause", || (server.info("writing_paused") == 1).then_some(()));
    let error = server.try_run::<Value>("KURADO.RENAME 10.0.0.3 10.0.0.4").unwrap_err();
    assert!(error.contains("writing is paused by the file "), "{error}");
    assert_eq!(hosts(&server), ["10.0.0.3"]);
}

#[test]
fn what_goes_wrong_with_the_files_is_told() {
    let server = Server::start(&[]);
    push_minutes(&server, "10.0.0.1", 0..3);
    server.flush();
    fs::create_dir(server.path().join("data/.kurado.renamed.new")).unwrap();
    let error = server.try_run::<Value>("KURADO.RENAME 10.0.0.1 web-1").unwrap_err();
    assert!(error.contains("the host has its new address, but not all its files"), "{error}");
    assert!(error.contains(".kurado.renamed can't be written: Is a directory"), "{error}");
    assert!(server.log().contains("Is a directory"));
    // Others go on.
    push_minutes(&server, "web-1", 3..5);
    assert_eq!(server.flush(), 2);
    check_minutes(&server, "web-1", 0..5);
}

#[test]
fn a_server_that_ends_at_that_moment_moves_the_files_first() {
    let mut server = Server::start(&ALWAYS);
    push_minutes(&server, "10.0.0.1", 0..3);
    server.flush();
    push_minutes(&server, "10.0.0.1", 3..6);
    let client = send(&server, "KURADO.RENAME 10.0.0.1 web-1");
    eventually("the new name", || (hosts(&server) == ["web-1"]).then_some(()));
    server.shutdown("NOSAVE");
    drop(client);
    check_minutes(&server, "web-1", 0..6);
    assert!(!directory_exists(&server, "10.0.0.1"));
    server.start_again();
    assert_eq!(hosts(&server), ["web-1"]);
}
