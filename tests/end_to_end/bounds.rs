//! Past a bound a push is refused whole; with room again it works.

use crate::sample;
use crate::server::Server;

#[test]
fn past_the_bound_of_pending_bytes_no_line_is_accepted_until_there_is_room() {
    let server = Server::start(&["--kurado.max-pending-bytes", "64kb"]);
    let payload = |host: u32| -> String {
        (0..2000).map(|n| format!("10.0.0.{host}\tbase.metrics.k{n}\t1\t1404873350\n")).collect()
    };
    for host in 1..=3 {
        assert_eq!(server.push(&payload(host)).accepted, 2000);
    }
    let error = server.try_push(&payload(4)).unwrap_err();
    // Seven bytes a point so far, and fourteen at most for each that comes.
    assert!(
        error.contains(
            "no line was accepted: pending points could take 70000 bytes, and \
             kurado.max-pending-bytes is 65536"
        ),
        "{error}"
    );
    assert_eq!(server.info("hosts"), 3);
    assert_eq!(server.info("pending_bytes"), 42_000);
    assert_eq!(server.flush(), 6000);
    assert_eq!(server.info("pending_bytes"), 0);
    assert_eq!(server.push(&payload(4)).accepted, 2000);
}

#[test]
fn past_the_bound_of_series_known_ones_go_on() {
    let server = Server::start(&["--kurado.max-series", "50"]);
    assert_eq!(server.push(&sample::with_address("10.0.0.1")).accepted, 46);
    let error = server.try_push(&sample::with_address("10.0.0.2")).unwrap_err();
    assert!(error.contains("there would be 80 series, and kurado.max-series is 50"), "{error}");
    let next_minute = sample::with_address("10.0.0.1").replace("1404873350", "1404873410");
    assert_eq!(server.push(&next_minute).accepted, 46);
    server.push_point("10.0.0.2", "one-more", 1, 1_404_873_350);
    // With room again.
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1"), 40);
    assert_eq!(server.push(&sample::with_address("10.0.0.2")).accepted, 46);
}

#[test]
fn past_the_bound_of_hosts_known_ones_go_on() {
    let server = Server::start(&["--kurado.max-hosts", "2"]);
    server.push_point("10.0.0.1", "a", 1, 1_404_873_350);
    server.push_point("10.0.0.2", "a", 1, 1_404_873_350);
    let error = server.try_push("10.0.0.3\tbase.metrics.a\t1\t1404873350").unwrap_err();
    assert!(error.contains("there would be 3 hosts, and kurado.max-hosts is 2"), "{error}");
    server.push_point("10.0.0.2", "b", 1, 1_404_873_350);
    // With room again.
    assert_eq!(server.run::<usize>("KURADO.DEL 10.0.0.1"), 1);
    server.push_point("10.0.0.3", "a", 1, 1_404_873_350);
}

#[test]
fn a_bound_holds_for_every_command_that_brings_lines_and_comes_before_the_first_of_them() {
    let server = Server::start(&["--kurado.max-hosts", "1"]);
    server.push_point("10.0.0.1", "a", 1, 1_404_873_350);
    let lines = "10.0.0.1\tbase.metrics.a\t2\t1404873410\n10.0.0.2\tbase.meta.a\t1\t1404873410";
    for words in [
        &["KURADO.PUSH", lines][..],
        // The last of several payloads may be the one.
        &["KURADO.PUSH", "10.0.0.1\tbase.metrics.a\t2\t1404873410", lines],
        &["KURADO.META", "SET", lines],
        &["RPUSH", "kurado-update", lines],
        &["EVAL", "return redis.call('KURADO.PUSH', ARGV[1])", "0", lines],
    ] {
        let error = server.try_run_words::<redis::Value>(words).unwrap_err();
        assert!(
            error.contains(
                "no line was accepted: there would be 2 hosts, and kurado.max-hosts is 1"
            ),
            "{words:?}: {error}"
        );
    }
    assert_eq!((server.info("pending_points"), server.info("pushes_refused")), (1, 5));
    server.run::<()>("CONFIG SET kurado.max-hosts 2");
    assert_eq!(server.push(lines).accepted, 2);
}
