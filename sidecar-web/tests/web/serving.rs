//! Connections: two versions of HTTP on one port, clients that are slow, silent, huge or gone, and
//! texts that are compressed.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};

use crate::process::{HOST, Web};

/// What curl prints of an answer.
fn curl(arguments: &[&str]) -> String {
    let ran = Command::new("curl").args(["--silent", "--show-error"]).args(arguments).output();
    let ran = ran.expect("curl is needed for this test");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn both_versions_of_http_are_served_in_clear_on_one_port() {
    let web = Web::start();
    let url = format!("http://{}/healthz", web.address());
    for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let answer = curl(&[option, "--write-out", "%{http_version} %{http_code}", &url]);
        assert_eq!(answer, format!("ok\n{version} 200"));
    }
}

#[test]
fn a_preface_in_pieces_is_http_2_and_what_only_begins_like_it_is_http_1() {
    let web = Web::start();
    let mut stream = web.connect();
    stream.set_nodelay(true).unwrap();
    // The preface, then a frame of settings without any.
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "its settings come first: {frame:?}");
    let other = web.ask("PRINT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(other.status, 405);
}

/// Reads a frame of HTTP/2: its type, its stream, and what it brings.
fn frame(stream: &mut impl Read) -> (u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).unwrap();
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

#[test]
fn one_stream_more_than_a_connection_may_have_is_refused_and_the_others_are_answered() {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const MOST: u32 = 100;
    let web = Web::start();
    let mut stream = web.connect();
    let send = |stream: &mut std::net::TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &id.to_be_bytes()].concat();
        stream.write_all(&[&head, payload].concat()).unwrap();
    };
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    send(&mut stream, SETTINGS, 0, 0, &[]);
    let (kind, _, settings) = frame(&mut stream);
    assert_eq!(kind, SETTINGS);
    // SETTINGS_MAX_CONCURRENT_STREAMS.
    let most = [&[0, 3][..], &MOST.to_be_bytes()].concat();
    assert!(settings.chunks(6).any(|setting| setting == most), "{settings:?}");

    // Forms whose bytes do not come yet: method POST, scheme http, path, authority.
    let path = b"/api/host-status";
    let head = [&[0x83, 0x86, 0x04, path.len() as u8], &path[..], &[0x01, 1, b'x']].concat();
    let ids = (0..=MOST).map(|n| 2 * n + 1);
    let refused = 2 * MOST + 1;
    for id in ids.clone() {
        // END_HEADERS alone.
        send(&mut stream, HEADERS, 4, id, &head);
    }
    let reset = loop {
        let (kind, id, payload) = frame(&mut stream);
        assert_ne!(kind, HEADERS, "stream {id} is answered before its form has come");
        if kind == RST_STREAM {
            break (id, payload);
        }
    };
    // REFUSED_STREAM: it may be tried again.
    assert_eq!(reset, (refused, vec![0, 0, 0, 7]));
    for id in ids.filter(|id| *id != refused) {
        // END_STREAM: an empty form, which is refused with a text.
        send(&mut stream, DATA, 1, id, &[]);
    }
    let mut answered = std::collections::BTreeSet::new();
    while answered.len() < MOST as usize {
        if let (HEADERS, id, _) = frame(&mut stream) {
            answered.insert(id);
        }
    }
    assert!(!answered.contains(&refused));
}

#[test]
fn a_client_that_is_silent_slow_or_gone_is_let_go() {
    let web = Web::start();
    let begun: [&[u8]; 5] = [
        b"",
        b"PRI * HTTP",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /api/host-status HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nadd",
    ];
    let streams: Vec<_> = begun
        .iter()
        .map(|begun| {
            let mut stream = web.connect();
            stream.write_all(begun).unwrap();
            stream
        })
        .collect();
    let mut half_closed = web.connect();
    half_closed.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").unwrap();
    half_closed.shutdown(Shutdown::Write).unwrap();
    for (mut stream, begun) in streams.into_iter().zip(begun).chain([(half_closed, &b""[..])]) {
        let mut answer = String::new();
        // Ends when the server closes the connection.
        stream.read_to_string(&mut answer).unwrap();
        let begun = String::from_utf8_lossy(begun);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let expected: &[&str] = match begun.split(' ').next() {
            Some("POST") => &["408"],
            _ if begun.contains("/healthz") => &["200"],
            _ => &["", "400", "408"],
        };
        assert!(expected.contains(&status), "{begun}: {answer}");
    }
}

#[test]
fn silent_clients_that_take_all_places_give_them_back() {
    let web = Web::start();
    let silent: Vec<_> = (0..513).map(|_| web.connect()).collect();
    assert_eq!(web.get("/healthz").text(), "ok\n");
    drop(silent);
}

#[test]
fn a_header_beyond_the_limit_is_refused_and_one_below_is_read() {
    let web = Web::start();
    assert_eq!(web.get_with("/healthz", &format!("x: {}", "y".repeat(100_000))).status, 200);
    let mut stream = web.connect();
    // It may close before it has taken all.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx: ");
    let _ = stream.write_all(&[b'y'; 200_000]);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
    assert_eq!(web.get("/healthz").status, 200);
}

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let web = Web::start();
    let form = format!("address={HOST}");
    let length = form.len();
    for headers in [
        format!("content-length: {length}\r\ncontent-length: {}", length + 1),
        format!("content-length: +{length}"),
        format!("content-length: {length}, {}", length + 1),
        "transfer-encoding: chunked\r\ncontent-length: 3".to_owned(),
        "transfer-encoding: gzip".to_owned(),
        "transfer-encoding: chunked, gzip".to_owned(),
        format!("content-length : {length}"),
        format!("x: y\r\n folded: z\r\ncontent-length: {length}"),
    ] {
        let answer = web.ask(&format!(
            "POST /api/host-status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n{form}"
        ));
        assert_eq!(answer.status, 400, "{headers}: {}", answer.text());
    }
    for request in ["\0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "x\r\n\r\n"]
    {
        assert_eq!(web.ask(request).status, 400, "{request:?}");
    }
}

#[test]
fn a_stop_does_not_wait_for_clients_that_ask_for_nothing() {
    let mut web = Web::start();
    let _silent = web.connect();
    let mut kept = web.connect();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(kept.read(&mut [0; 4096]).unwrap() > 0);
    let sent = Command::new("kill").arg(web.id().to_string()).status().unwrap();
    assert!(sent.success() && web.ended_well());
    assert!(!web.log().contains("did not end"), "{}", web.log());
}

#[test]
fn texts_are_compressed_where_the_client_takes_it_and_pictures_never() {
    let web = Web::start();
    web.record("base", &["loadavg-1"]);
    let graph = format!("/graph?address={HOST}&plugin_identifier=base&graph=loadavg-1");
    let csv = format!("{graph}&format=csv&term=custom&from=1000000000&to=1000086400");
    for target in ["/", "/assets/1/kurado.css", "/assets/1/hover.js", csv.as_str()] {
        let plain = web.get(target);
        let small = web.get_with(target, "accept-encoding: gzip, deflate, br");
        assert_eq!(small.headers["content-encoding"], "gzip", "{target}");
        assert!(small.body.len() < plain.body.len() * 2 / 3, "{target}");
        assert_eq!(gunzipped(&small.body), plain.body, "{target}");
        for answer in [&plain, &small] {
            assert!(answer.headers["vary"].contains("accept-encoding"), "{target}");
        }
    }
    let small = web.get_with(&csv, "accept-encoding: gzip");
    let tag = &small.headers["etag"];
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(web.get_with(&csv, &format!("if-none-match: {tag}")).status, 304);
    for format in ["png", "svg"] {
        let picture = web.get_with(&format!("{graph}&format={format}"), "accept-encoding: gzip");
        assert_eq!(picture.status, 200);
        assert!(!picture.headers.contains_key("content-encoding"), "{format}");
    }
}

fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is needed for this test");
    let (mut stdin, bytes) = (gzip.stdin.take().unwrap(), bytes.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let out = gzip.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(out.status.success());
    out.stdout
}
