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
