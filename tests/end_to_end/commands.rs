//! What each command takes and replies.

use redis::Value;

use crate::rrdtool::{last_update, rrdtool};
use crate::sample;
use crate::server::{Pushed, Server, field, now, pairs, text};

#[test]
fn the_sample_of_2014_is_taken_whole_and_stored_at_its_own_time() {
    let server = Server::start(&[]);
    let all = Pushed { accepted: 46, rejected: 0, reasons: vec![] };
    assert_eq!(server.push(&sample::with_address("10.0.0.1")), all);
    // Three columns mean the sender's own address.
    assert_eq!(server.push(sample::LINES), all);
    assert_eq!(server.flush(), 80);
    let metrics = sample::metrics();
    assert_eq!(metrics.len(), 40);
    for (key, value) in metrics {
        for address in ["10.0.0.1", "127.0.0.1"] {
            let (time, stored) = last_update(&server.file(address, "base", &key));
            assert_eq!(time, sample::TIME);
            let number = |text: &str| text.parse::<f64>().unwrap();
            assert_eq!(number(&stored), number(&value), "{key}");
        }
    }
    let file = server.file("10.0.0.1", "base", "cpu-user.derive");
    let info = rrdtool(&["info", file.to_str().unwrap()]);
    for expected in [
        "step = 60",
        "ds[n].type = \"DERIVE\"",
        "ds[n].minimal_heartbeat = 120",
        "ds[n].min = NaN",
        "rra[0].cf = \"AVERAGE\"",
        "rra[11].cf = \"MAX\"",
        "rra[11].rows = 1100",
        "rra[11].pdp_per_row = 1440",
    ] {
        assert!(info.contains(expected), "{expected} in {info}");
    }
}

#[test]
fn a_faulty_line_costs_that_line_and_the_reply_names_it() {
    let server = Server::start(&[]);
    let later = now() + 3600;
    let payload = format!(
        "# a comment\n\
         10.0.0.1\tbase.metrics.a\t1\t1404873350\n\
         10.0.0.1\tbase.metrics.b\tabc\t1404873350\n\
         nonsense\n\
         \n\
         10.0.0.1\tbase.metrics.c.counter\t-1\t1404873350\r\n\
         10.0.0.1\tbase.metrics.d\t1\t{later}\n\
         10.0.0.1\tbase.metrics.e\t5\t1404873350\n\
         nonsense at the end"
    );
    let pushed = server.push(&payload);
    assert_eq!((pushed.accepted, pushed.rejected), (2, 5));
    assert_eq!(
        pushed.reasons[..3],
        [
            "line 3: value 'abc' must be a decimal number or U",
            "line 4: 1 columns; a line is [address TAB] plugin.type.key TAB value TAB unixtime",
            "line 6: value '-1' must be a whole number from 0 to 18446744073709551615 or U, as its key ends in .counter",
        ]
    );
    assert!(pushed.reasons[3].starts_with(&format!("line 7: time {later} is 3")));
    assert!(pushed.reasons[4].starts_with("line 9: 1 columns"), "{:?}", pushed.reasons);
    assert!(pushed.reasons[3].ends_with(" s in the future; at most 600 s are taken"));
    let reply: (usize, usize, Vec<String>) =
        server.try_run_words(&["KURADO.PUSH", "a\tb.metrics.c\t1\t5", "x"]).unwrap();
    assert_eq!((reply.0, reply.1), (1, 1));
    assert!(reply.2[0].starts_with("payload 2, line 1: 1 columns"), "{:?}", reply.2);
    assert_eq!(server.info("lines_rejected"), 6);
}

#[test]
fn a_host_of_which_nothing_was_accepted_is_not_known() {
    let server = Server::start(&[]);
    assert_eq!(server.push(&format!("10.0.0.1\tbase.metrics.a\t1\t{}", now() + 3600)).rejected, 1);
    assert_eq!(server.run::<Value>("KURADO.HOST 10.0.0.1"), Value::Nil);
    assert_eq!(server.run::<usize>("DBSIZE"), 0);
    server.is_empty_at_last("hosts");
}

#[test]
fn a_reply_names_at_most_twenty_reasons() {
    let server = Server::start(&[]);
    let pushed = server.push(&"x\n".repeat(100));
    assert_eq!((pushed.accepted, pushed.rejected, pushed.reasons.len()), (0, 100, 21));
    assert_eq!(pushed.reasons[20], "and 80 more lines");
}

#[test]
fn no_bytes_of_a_payload_do_harm() {
    let server = Server::start(&[]);
    let mut payload: Vec<u8> = (0..=255).collect();
    payload.extend_from_slice(b"\n10.0.0.1\tbase.metrics.a\t1\t1404873350\n\xff\xfe\t\x00");
    let reply: (usize, usize, Vec<String>) =
        redis::cmd("KURADO.PUSH").arg(payload).query(&mut server.connect()).unwrap();
    assert_eq!((reply.0, reply.1), (1, 3));
    let long = format!("10.0.0.1\tbase.meta.a\t{}\t5", "x".repeat(9000));
    assert_eq!(server.run::<Vec<String>>("KURADO.HOSTS").len(), 2);
    assert!(server.push(&long).reasons[0].starts_with("line 1: line of 9"));
    let traversal = server.push("../../etc\tbase.metrics.a\t1\t5\n10.0.0.1\t...metrics.a\t1\t5");
    assert_eq!(traversal.accepted, 0);
}

#[test]
fn a_point_from_the_past_of_its_file_is_refused_with_the_reason() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "a", 1, 1_404_873_350);
    server.flush();
    // The same again, as a sender does that got no reply, is harmless.
    server.push_point("10.0.0.1", "a", 1, 1_404_873_350);
    let pushed = server.push("10.0.0.1\tbase.metrics.a\t1\t1404873300");
    assert_eq!(
        pushed.reasons,
        ["line 1: time 1404873300 is not after 1404873350, the last update of this series"]
    );
}

#[test]
fn meta_is_set_read_and_deleted() {
    let server = Server::start(&[]);
    let payload = "10.0.0.1\tbase.meta.uptime\t57649\t1404873350\n\
                   10.0.0.1\tbase.meta.version\tLinux 6.1\t1404873350\n\
                   10.0.0.1\thttp%3A80.meta.server\tApache\t1404873350\n\
                   10.0.0.1\tbase.metrics.a\t1\t1404873350";
    let reply: (usize, usize, Vec<String>) =
        server.try_run_words(&["KURADO.META", "SET", payload]).unwrap();
    assert_eq!((reply.0, reply.1), (3, 1));
    assert_eq!(reply.2, ["line 4: only lines of type meta are taken here"]);
    let all: Value = server.run("KURADO.META GET 10.0.0.1");
    assert_eq!(pairs(&all).len(), 2);
    assert_eq!(text(&field(&field(&all, "http%3A80"), "server")), "Apache");
    let base: Value = server.run("KURADO.META GET 10.0.0.1 base");
    assert_eq!(pairs(&base).len(), 2);
    assert_eq!(text(&field(&base, "version")), "Linux 6.1");
    let one: Value = server.run("KURADO.META GET 10.0.0.1 base uptime");
    assert_eq!(pairs(&one).len(), 1);
    assert_eq!(server.run::<usize>("KURADO.META DEL 10.0.0.1 base uptime"), 1);
    assert_eq!(server.run::<usize>("KURADO.META DEL 10.0.0.1 base uptime"), 0);
    assert!(pairs(&server.run("KURADO.META GET 10.0.0.1 base uptime")).is_empty());
    assert!(pairs(&server.run("KURADO.META GET 10.0.0.9")).is_empty());
}

#[test]
fn a_host_tells_its_plugins_meta_and_warnings() {
    let server = Server::start(&[]);
    let before = now();
    server.push(&sample::with_address("10.0.0.1"));
    server.push("10.0.0.1\thttp.warn.command\tconnection refused\t1404873350");
    let host: Value = server.run("KURADO.HOST 10.0.0.1");
    assert_eq!(text(&field(&host, "address")), "10.0.0.1");
    let number = |value: &Value| text(value).parse::<u32>().unwrap();
    assert!(number(&field(&host, "last-received")) >= before);
    assert_eq!(number(&field(&host, "series")), 40);
    assert_eq!(number(&field(&host, "pending")), 40);
    let plugins = field(&host, "plugins");
    let base = field(&plugins, "base");
    assert_eq!(text(&field(&field(&base, "meta"), "traffic-interfaces")), "eth0");
    assert!(pairs(&field(&base, "warnings")).is_empty());
    let http = field(&plugins, "http");
    assert_eq!(number(&field(&http, "last-received")), 0);
    let Value::Array(warning) = field(&field(&http, "warnings"), "command") else {
        panic!("{http:?}");
    };
    assert!(number(&warning[0]) >= before);
    assert_eq!(text(&warning[1]), "connection refused");
    assert_eq!(server.run::<Value>("KURADO.HOST 10.0.0.9"), Value::Nil);
}

#[test]
fn states_tell_of_each_host_when_plugins_were_received_and_how_many_warnings_live() {
    let server = Server::start(&[]);
    let before = i64::from(now());
    server.push(&sample::with_address("10.0.0.1"));
    server.push(
        "10.0.0.1\thttp%3A80.warn.command\tconnection refused\t1404873350\n\
         10.0.0.1\thttp%3A80.warn.other\tslow\t1404873350",
    );
    let states: Vec<Option<Vec<Value>>> =
        server.run("KURADO.STATES 10.0.0.1 10.0.0.9 10.0.0.1 web-1.example");
    let [Some(known), None, Some(again), None] = &*states else { panic!("{states:?}") };
    assert_eq!(known, again);
    let name = |text: &str| Value::BulkString(text.into());
    let [base, Value::Int(received), Value::Int(0), http, Value::Int(0), Value::Int(2)] = &**known
    else {
        panic!("{known:?}")
    };
    assert_eq!((base, http), (&name("base"), &name("http%3A80")));
    assert!(*received >= before);
}

#[test]
fn states_are_of_a_thousand_hosts_at_most_and_of_addresses_alone() {
    let server = Server::start(&[]);
    let words = |count: usize| [vec!["KURADO.STATES"], vec!["10.0.0.1"; count]].concat();
    let states: Vec<Value> = server.try_run_words(&words(1000)).unwrap();
    assert_eq!(states, vec![Value::Nil; 1000]);
    let error = server.try_run_words::<Value>(&words(1001)).unwrap_err();
    assert!(error.contains("1001 addresses in one command, and at most 1000 are taken"), "{error}");
    let error = server.try_run::<Value>("KURADO.STATES 10.0.0.1 ../..").unwrap_err();
    assert!(error.contains("address '../..' must be an IP address"), "{error}");
    server.run::<()>("SET kurado:{10.0.0.2} x");
    let error = server.try_run::<Value>("KURADO.STATES 10.0.0.1 10.0.0.2").unwrap_err();
    assert!(error.contains("WRONGTYPE") || error.contains("wrong kind of value"), "{error}");
}

#[test]
fn hosts_are_listed_by_glob_and_forgotten_with_their_key() {
    let server = Server::start(&[]);
    for address in ["10.0.0.1", "10.0.0.2", "2001:db8::1"] {
        server.push_point(address, "a", 1, 1_404_873_350);
    }
    let names = |words: &str| -> Vec<String> {
        pairs(&server.run(words)).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names("KURADO.HOSTS"), ["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
    assert_eq!(names("KURADO.HOSTS MATCH 10.*"), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(server.run::<usize>("DEL kurado:{10.0.0.1}"), 1);
    assert_eq!(names("KURADO.HOSTS"), ["10.0.0.2", "2001:db8::1"]);
    let keys: (String, Vec<String>) = server.run("SCAN 0 TYPE kuradohst COUNT 100");
    assert_eq!(keys.1.len(), 2);
    server.run::<Value>("FLUSHALL");
    assert!(names("KURADO.HOSTS").is_empty());
    for gauge in ["hosts", "series", "pending_points"] {
        server.is_empty_at_last(gauge);
    }
}

#[test]
fn series_are_listed_with_type_and_last_value() {
    let server = Server::start(&[]);
    server.push(
        "10.0.0.1\tbase.metrics.a\t1.5\t1404873350\n\
         10.0.0.1\tbase.metrics.b.derive\tU\t1404873350\n\
         10.0.0.1\thttp%3A80.metrics.busy\t3\t1404873350",
    );
    type Row = (String, String, String, String, u32);
    let row = |plugin: &str, key: &str, kind: &str, value: &str| -> Row {
        (plugin.into(), key.into(), kind.into(), value.into(), 1_404_873_350)
    };
    let (a, b, busy) = (
        row("base", "a.gauge", "gauge", "1.5"),
        row("base", "b.derive", "derive", "U"),
        row("http%3A80", "busy.gauge", "gauge", "3"),
    );
    assert_eq!(server.run::<Vec<Row>>("KURADO.SERIES 10.0.0.1"), [a, b, busy.clone()]);
    assert_eq!(server.run::<Vec<Row>>("KURADO.SERIES 10.0.0.1 http%3A80"), [busy]);
    assert!(server.run::<Vec<Row>>("KURADO.SERIES 10.0.0.9").is_empty());
}

#[test]
fn fetch_gives_the_rows_of_rrdtool_with_pending_points_in_them() {
    let server = Server::start(&[]);
    let start = 1_404_873_360;
    for n in 0..20 {
        server.push_point("10.0.0.1", "a", n * 10, start + n * 60);
        if n == 9 {
            server.flush();
        }
    }
    let (from, to) = (start, start + 19 * 60);
    let words = format!("KURADO.FETCH 10.0.0.1 base a.gauge average {from} {to}");
    let rows: Vec<(u32, Option<f64>)> = server.run(&words);
    assert_eq!(server.info("pending_points"), 0);
    let file = server.file("10.0.0.1", "base", "a.gauge");
    let expected = crate::rrdtool::rows(&file, from, to);
    assert_eq!(rows, expected);
    assert_eq!(rows.iter().filter(|(_, value)| value.is_some()).count(), 19);
    assert_eq!(rows[18], (start + 19 * 60, Some(190.0)));
}

#[test]
fn fetch_refuses_what_makes_no_sense() {
    let server = Server::start(&[]);
    server.push_point("10.0.0.1", "a", 1, 1_404_873_350);
    for (words, expected) in [
        (
            "10.0.0.1 base b.gauge AVERAGE -60 now",
            "no series 'b.gauge' of plugin 'base' of host '10.0.0.1'",
        ),
        ("10.0.0.1 base a.gauge LAST -60 now", "cf 'LAST' must be AVERAGE, MIN or MAX"),
        ("10.0.0.1 base a.gauge MAX x now", "start 'x' must be seconds since 1970"),
        ("10.0.0.1 base a.gauge MAX now -60", "end '-60' must be after start"),
        ("10.0.0.1 base a.gauge MAX -60 now 0", "step '0' must be seconds"),
        ("../.. base a.gauge MAX -60 now", "address '../..' must be an IP address"),
        ("10.0.0.1 ../x a.gauge MAX -60 now", "plugin '../x' must be an escaped identifier"),
    ] {
        let error = server.try_run::<Value>(&format!("KURADO.FETCH {words}")).unwrap_err();
        assert!(error.contains(expected), "{words}: {error}");
    }
}

#[test]
fn flush_picks_host_plugin_and_keys() {
    let server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    server.push_point("10.0.0.2", "a", 1, 1_404_873_350);
    let flush = |words: &str| server.run::<usize>(words);
    assert_eq!(flush("KURADO.FLUSH 10.0.0.1 base loadavg-1.gauge loadavg-5.gauge"), 2);
    assert_eq!(flush("KURADO.FLUSH 10.0.0.1 base cpu-user.derive cpu-user.derive none.gauge"), 1);
    assert_eq!(flush("KURADO.FLUSH 10.0.0.1 http"), 0);
    assert_eq!(flush("KURADO.FLUSH 10.0.0.1 http loadavg-1.gauge"), 0);
    assert_eq!(flush("KURADO.FLUSH 10.0.0.1 base"), 37);
    server.push_point("10.0.0.1", "b", 1, 1_404_873_350);
    assert_eq!(flush("KURADO.FLUSH 10.0.0.1"), 1);
    assert_eq!(flush("KURADO.FLUSH"), 1);
    assert_eq!(flush("KURADO.FLUSH"), 0);
}

#[test]
fn what_waits_is_refused_in_multi_and_scripts_and_push_is_not() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let result: Vec<Value> = redis::pipe()
        .atomic()
        .cmd("KURADO.PUSH")
        .arg("base.metrics.a\t1\t1404873350")
        .ignore()
        .cmd("KURADO.HOSTS")
        .query(&mut connection)
        .unwrap();
    assert_eq!(pairs(&result[0])[0].0, "127.0.0.1");
    let error = redis::pipe()
        .atomic()
        .cmd("KURADO.FLUSH")
        .query::<Value>(&mut connection)
        .unwrap_err()
        .to_string();
    assert!(error.contains("waits for the disk, so it can't run in MULTI or a script"), "{error}");
    let script = "return redis.call('KURADO.FLUSH')";
    let error = server.try_run_words::<Value>(&["EVAL", script, "0"]).unwrap_err();
    assert!(error.contains("can't run in MULTI or a script"), "{error}");
    let script = "return redis.call('KURADO.PUSH', ARGV[1])";
    let line = "10.0.0.5\tbase.metrics.a\t1\t1404873350";
    let reply: (usize, usize, Vec<String>) =
        server.try_run_words(&["EVAL", script, "0", line]).unwrap();
    assert_eq!((reply.0, reply.1), (1, 0));
}

#[test]
fn another_database_and_a_key_of_another_type_are_refused() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    redis::cmd("SELECT").arg(3).query::<()>(&mut connection).unwrap();
    let error = redis::cmd("KURADO.PUSH")
        .arg("10.0.0.1\tbase.metrics.a\t1\t1404873350")
        .query::<Value>(&mut connection)
        .unwrap_err()
        .to_string();
    assert!(error.contains("keeps its hosts in database 0, and 3 is selected"), "{error}");
    server.run::<()>("SET kurado:{10.0.0.1} x");
    let pushed = server
        .push("10.0.0.1\tbase.metrics.a\t1\t1404873350\n10.0.0.2\tbase.metrics.a\t1\t1404873350");
    assert_eq!((pushed.accepted, pushed.rejected), (1, 1));
    assert_eq!(pushed.reasons, ["line 1: key 'kurado:{10.0.0.1}' holds another type"]);
    let error = server.try_run::<Value>("KURADO.HOST 10.0.0.1").unwrap_err();
    assert!(error.contains("WRONGTYPE") || error.contains("wrong kind of value"), "{error}");
}

#[test]
fn replies_are_maps_for_clients_of_the_newer_protocol() {
    let server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    let mut connection = server.connect();
    redis::cmd("HELLO").arg(3).query::<Value>(&mut connection).unwrap();
    let host: Value = redis::cmd("KURADO.HOST").arg("10.0.0.1").query(&mut connection).unwrap();
    assert!(matches!(host, Value::Map(_)), "{host:?}");
}
