//! What a careless operator, a hostile client or a broken disk may do to a server.

use std::fs;
use std::io::Write;

use redis::Value;
use test_redis::eventually;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::{Pushed, Server, pairs};

const ALWAYS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

#[test]
fn hosts_that_expire_while_their_points_are_with_a_writer_do_no_harm() {
    let server = Server::start(&["--appendonly", "yes"]);
    for round in 0..150u32 {
        let payload: String = (0..50)
            .map(|n| format!("e{round}\tbase.metrics.k{n}\t1\t{}\n", sample::TIME))
            .collect();
        server.push(&payload);
        server.run::<()>(&format!("PEXPIRE kurado:{{e{round}}} {}", 1 + round % 5));
        // Its reply is of no interest: the point is that results come back after the end.
        let mut raw = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        let flush = format!("KURADO.FLUSH e{round}\r\n");
        raw.write_all(flush.as_bytes()).unwrap();
    }
    eventually("the end of all hosts", || {
        server.run::<Value>("KURADO.HOSTS");
        (server.info("hosts") == 0).then_some(())
    });
    eventually("the last write", || (server.info("batches_in_flight") == 0).then_some(()));
}

#[test]
fn a_file_that_would_kill_librrd_is_a_write_error() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    server.flush();
    let file = server.file("10.0.0.1", "base", "a.gauge");
    let whole = fs::read(&file).unwrap();
    // Of the first archive: steps a row, rows, name; and its current row.
    for (at, byte) in [(280, 0), (286, 1), (272, 0), (279, 1), (248, b'X'), (2776 + 6, 1)] {
        let mut damaged = whole.clone();
        damaged[at] = byte;
        if at == 272 {
            damaged[272..280].fill(0);
        }
        fs::write(&file, damaged).unwrap();
        server.push_point("10.0.0.1", "a", 2, sample::TIME + 60);
        let error = server.try_run::<Value>("KURADO.FLUSH").unwrap_err();
        assert!(error.contains("a.gauge.rrd: "), "{at}: {error}");
        let words = format!("KURADO.FETCH 10.0.0.1 base a.gauge MAX {} now", sample::TIME);
        assert!(server.try_run::<Value>(&words).is_err());
    }
    assert_eq!(server.info("write_errors_damaged_file") + server.info("write_errors_other"), 12);
    fs::write(&file, whole).unwrap();
    assert_eq!(server.flush(), 1);
}

#[test]
fn a_snapshot_that_was_tampered_with_is_refused_and_the_server_lives() {
    let server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    let mut connection = server.connect();
    let dump: Vec<u8> = redis::cmd("DUMP").arg("kurado:{10.0.0.1}").query(&mut connection).unwrap();
    let mut restore = |bytes: &[u8]| {
        redis::cmd("RESTORE")
            .arg(&["kurado:{10.0.0.2}", "0"])
            .arg(with_checksum(bytes))
            .arg("REPLACE")
            .query::<()>(&mut connection)
    };
    let body = &dump[..dump.len() - 8];
    restore(body).unwrap();
    let mut refused = 0;
    for at in (0..body.len() - 2).step_by(7) {
        let mut changed = body.to_vec();
        changed[at] ^= 0x81;
        refused += usize::from(restore(&changed).is_err());
        refused += usize::from(restore(&body[..at]).is_err());
    }
    assert!(refused > 100, "{refused}");
    // A plugin's name becomes a directory.
    let place = body.windows(4).position(|four| four == b"base").unwrap();
    let mut evil = body.to_vec();
    evil[place..place + 4].copy_from_slice(b"../x");
    restore(&evil).unwrap_err();
    server.push_point("10.0.0.1", "alive", 1, sample::TIME);
}

/// The payload of a DUMP with the checksum that Redis wants behind it.
fn with_checksum(body: &[u8]) -> Vec<u8> {
    // CRC-64/Jones, reflected, as Redis computes it.
    let mut crc = 0u64;
    for byte in body {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 };
        }
    }
    [body, &crc.to_le_bytes()].concat()
}

#[test]
fn a_large_push_is_replayed_whole_and_one_past_the_bound_is_refused_whole() {
    let mut server = Server::start(&ALWAYS);
    let text = "x".repeat(900);
    let lines = |address: &str, count: usize| -> String {
        (0..count).map(|n| format!("{address}\tp{n}.meta.k\t{text}\t{}\n", sample::TIME)).collect()
    };
    let (first, second) = (lines("10.0.0.1", 900), lines("10.0.0.2", 900));
    let many = [first.as_str(); 4].concat();
    let reply: (usize, usize, Vec<String>) =
        server.try_run_words(&["KURADO.PUSH", &many, &second]).unwrap();
    assert_eq!(Pushed::from_reply(reply).accepted, 4500);
    let error = server.try_push(&[many.as_str(); 3].concat()).unwrap_err();
    assert!(error.contains("bytes in one command, and at most 8388608 are taken"), "{error}");
    server.kill();
    server.start_again();
    for address in ["10.0.0.1", "10.0.0.2"] {
        let meta: Value = server.run(&format!("KURADO.META GET {address}"));
        assert_eq!(pairs(&meta).len(), 900, "{address}");
    }
}

#[test]
fn a_line_of_the_greatest_length_survives_a_restart() {
    for preamble in ["yes", "no"] {
        let options = [&ALWAYS[..], &["--aof-use-rdb-preamble", preamble]].concat();
        let mut server = Server::start(&options);
        let text = "x".repeat(8192 - "base.meta.long\t\t1".len());
        assert_eq!(server.push(&format!("base.meta.long\t{text}\t1")).accepted, 1);
        if preamble == "no" {
            server.run::<Value>("BGREWRITEAOF");
            eventually("the rewrite", || {
                let info: String = server.run("INFO persistence");
                info.contains("aof_rewrite_in_progress:0").then_some(())
            });
        }
        server.kill();
        server.start_again();
        let meta: Vec<String> = server.run("KURADO.META GET 127.0.0.1 base long");
        assert_eq!(meta.get(1), Some(&text), "preamble {preamble}");
    }
}

#[test]
fn a_stop_writes_what_came_while_batches_were_under_way() {
    let mut server = Server::start(&["--kurado.writer-threads", "1"]);
    let payload = |time: u32| -> String {
        (0..1500).map(|n| format!("10.0.0.1\tbase.metrics.k{n}\t1\t{time}\n")).collect()
    };
    server.push(&payload(sample::TIME));
    let mut raw = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    raw.write_all(b"KURADO.FLUSH\r\n").unwrap();
    eventually("the flush", || (server.info("flushes") == 1).then_some(()));
    server.push(&payload(sample::TIME + 60));
    server.shutdown("NOSAVE");
    assert!(server.log().contains("all points are written"), "{}", server.log());
    for n in [0, 700, 1499] {
        let file = server.file("10.0.0.1", "base", &format!("k{n}.gauge"));
        assert_eq!(last_update(&file).0, sample::TIME + 60);
    }
}

#[test]
fn a_flush_of_another_database_leaves_hosts_alone() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    let mut connection = server.connect();
    redis::cmd("SELECT").arg(3).query::<()>(&mut connection).unwrap();
    redis::cmd("SET").arg("x").arg(1).query::<()>(&mut connection).unwrap();
    redis::cmd("FLUSHDB").query::<()>(&mut connection).unwrap();
    assert_eq!(pairs(&server.run("KURADO.HOSTS")).len(), 1);
    assert_eq!(server.flush(), 1);
}

#[test]
fn no_host_can_be_named_as_the_stop_file_is() {
    let server = Server::start(&[]);
    let pushed = server.push("stop\tbase.metrics.a\t1\t1404873350");
    assert_eq!(pushed.reasons, ["line 1: address 'stop' must be an IP address or a host name"]);
    fs::create_dir(server.path().join("data/stop")).unwrap();
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
    assert_eq!(server.flush(), 1);
}

#[test]
fn acl_key_patterns_hold_for_the_hosts_in_payloads() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.2", "a", 1, sample::TIME);
    server.run::<()>("ACL SETUSER web on >pass ~kurado:{10.0.0.1} +@connection +kurado.push +kurado.host +kurado.hosts +kurado.flush +kurado.fetch");
    let client = redis::Client::open(format!("redis://web:pass@127.0.0.1:{}", server.port()));
    let mut connection = client.unwrap().get_connection().unwrap();
    let mut run = |words: &[&str]| -> Result<Value, String> {
        let mut command = redis::Cmd::new();
        command.arg(words).query(&mut connection).map_err(|error| error.to_string())
    };
    let lines = "10.0.0.1\tbase.metrics.a\t1\t1404873350\n10.0.0.2\tbase.metrics.a\t2\t1404873410";
    let reply = run(&["KURADO.PUSH", lines]).unwrap();
    let reply: (usize, usize, Vec<String>) = redis::from_redis_value(reply).unwrap();
    assert_eq!((reply.0, reply.1), (1, 1));
    assert!(reply.2[0].contains("no permission for key 'kurado:{10.0.0.2}'"), "{:?}", reply.2);
    assert_eq!(pairs(&run(&["KURADO.HOSTS"]).unwrap()).len(), 1);
    run(&["KURADO.HOST", "10.0.0.1"]).unwrap();
    for words in [
        &["KURADO.HOST", "10.0.0.2"][..],
        &["KURADO.FLUSH", "10.0.0.2"],
        &["KURADO.FETCH", "10.0.0.2", "base", "a.gauge", "MAX", "-60", "now"],
    ] {
        let error = run(words).unwrap_err();
        assert!(error.contains("no permission for key"), "{words:?}: {error}");
    }
    // A client that has waited leaves its number behind in the server: what runs by itself later
    // has all rights all the same, and no fault.
    run(&["KURADO.FLUSH", "10.0.0.1"]).unwrap();
    server.run::<()>("CONFIG SET kurado.write-delay 1");
    server.push_point("10.0.0.2", "a", 3, sample::TIME + 60);
    server.push_point("10.0.0.3", "a", 3, sample::TIME + 60);
    eventually("the writes", || (server.info("pending_points") == 0).then_some(()));
    assert_eq!(last_update(&server.file("10.0.0.2", "base", "a.gauge")).0, sample::TIME + 60);
    let error = run(&["KURADO.META", "GET", "10.0.0.1"]).unwrap_err();
    assert!(error.contains("NOPERM") || error.contains("no permissions"), "{error}");
}

#[test]
fn odd_bytes_in_arguments_are_named_and_no_bug() {
    let server = Server::start(&[]);
    for command in ["KURADO.HOST", "KURADO.SERIES", "KURADO.FLUSH"] {
        let error = server.try_run_words::<Value>(&[command, "a\0b"]).unwrap_err();
        assert!(error.contains(r"address 'a\0b' must be an IP address"), "{command}: {error}");
    }
    let error = server.try_run_words::<Value>(&["KURADO.META", "GET", "a\r\nb"]).unwrap_err();
    assert!(error.contains(r"address 'a\r\nb' must be"), "{error}");
    let fetch = ["KURADO.FETCH", "10.0.0.1", "base", "a\0.gauge", "MAX", "-60", "now"];
    let error = server.try_run_words::<Value>(&fetch).unwrap_err();
    assert!(error.contains("must be a key with its type"), "{error}");
}

#[test]
fn the_longest_key_that_is_taken_can_be_written() {
    let server = Server::start(&[]);
    for key in ["k".repeat(239), "/".repeat(79), format!("{}.derive", "k".repeat(238))] {
        let pushed = server.push(&format!("10.0.0.1\tbase.metrics.{key}\t1\t1404873350"));
        assert_eq!(pushed.accepted, 1, "{:?}", pushed.reasons);
        let longer = server.push(&format!("10.0.0.1\tbase.metrics.xxx{key}\t1\t1404873350"));
        assert!(longer.reasons[0].contains("must be 1 to 245 bytes"), "{:?}", longer.reasons);
    }
    assert_eq!(server.flush(), 3);
}

#[test]
fn points_that_come_newest_first_cost_no_more_than_others() {
    // One by one they would take minutes, in which the server answers nobody.
    let server = Server::start(&["--kurado.write-delay", "80000", "--appendonly", "yes"]);
    let count = 100_000u32;
    let line = |n: u32| format!("10.0.0.1\tbase.metrics.a\t{n}\t{}\n", sample::TIME + 60 * n);
    let newest_first: String = (0..count).rev().map(line).collect();
    assert_eq!(server.push(&newest_first).accepted, count as usize);
    assert_eq!(server.info("pending_points"), u64::from(count));
    // The newest again and again, with the same value and with others.
    let again: String = line(count - 1).repeat(50_000);
    assert_eq!(server.push(&again).accepted, 50_000);
    let others: String = (0..50_000)
        .map(|n| line(count - 1).replacen(&format!("\t{}\t", count - 1), &format!("\t{n}\t"), 1))
        .collect();
    assert_eq!(server.push(&others).accepted, 50_000);
    assert_eq!(server.info("pending_points"), u64::from(count));
    assert_eq!(server.flush(), count as usize);
    let last = (sample::TIME + 60 * (count - 1), "49999".to_owned());
    assert_eq!(last_update(&server.file("10.0.0.1", "base", "a.gauge")), last);
}

#[test]
fn lines_past_the_bound_of_texts_cost_no_more_than_others() {
    let server = Server::start(&[]);
    let texts = |plugin: u32, keys: std::ops::Range<u32>| -> String {
        let line = |n| format!("10.0.0.1\tp{plugin}.meta.a{n}\t1\t{}\n", sample::TIME);
        keys.map(line).collect()
    };
    for plugin in 0..100 {
        assert_eq!(server.push(&texts(plugin, 0..1000)).accepted, 1000);
    }
    let pushed = server.push(&texts(0, 1000..60_000));
    assert_eq!((pushed.accepted, pushed.rejected), (0, 59_000));
    assert!(pushed.reasons[0].contains("1000 meta or warning keys"), "{:?}", pushed.reasons);
}

#[test]
fn a_flush_gets_its_reply_also_where_its_host_expires_while_it_is_handed_out() {
    let server = Server::start(&[]);
    let lines: String =
        (0..20_000).map(|n| format!("h\tbase.metrics.k{n}\t1\t{}\n", sample::TIME)).collect();
    // Files would take long; a directory that none can be made in tells as soon as it is tried.
    fs::write(server.path().join("data/h"), "in the way").unwrap();
    for after in 1..6 {
        server.push(&lines);
        let mut connection = server.connect();
        connection.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let mut both = redis::pipe();
        both.cmd("PEXPIRE").arg("kurado:{h}").arg(after).ignore().cmd("KURADO.FLUSH");
        if let Err(error) = both.query::<Value>(&mut connection) {
            assert!(error.to_string().contains("could not be written"), "{error}");
        }
        eventually("nobody waits", || (server.info("clients_waiting") == 0).then_some(()));
    }
}

#[test]
fn clients_that_ask_for_a_flush_of_all_and_go_cost_no_memory() {
    let server = Server::start(&[]);
    let hosts: String = (0..2000)
        .map(|n| format!("host-with-a-long-name-{n}\tbase.meta.a\t1\t{}\n", sample::TIME))
        .collect();
    assert_eq!(server.push(&hosts).accepted, 2000);
    let before = server.used_memory();
    let mut most = 0;
    for round in 0..1000 {
        let mut raw = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        raw.write_all(b"KURADO.FLUSH\r\n").unwrap();
        if round % 50 == 0 {
            most = most.max(server.used_memory());
        }
    }
    // A list of all hosts for each of them would take 32 kB each.
    assert!(most < before + (12 << 20), "{before} to {most}");
    assert_eq!(server.flush(), 0);
    eventually("nobody waits", || (server.info("clients_waiting") == 0).then_some(()));
}
