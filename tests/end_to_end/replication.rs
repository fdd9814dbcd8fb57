//! A replica keeps RRD files of its own: a hot standby.

use redis::Value;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::Server;
use test_redis::eventually;

#[test]
fn a_replica_has_the_points_writes_its_own_files_and_serves_when_promoted() {
    let master = Server::start(&[]);
    master.push(&sample::with_address("10.0.0.1"));
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    eventually("the full sync", || (replica.info("pending_points") == 40).then_some(()));
    // Three columns: the sender's address goes along.
    master.push(&sample::LINES.replace("1404873350", "1404873410"));
    eventually("the stream", || (replica.info("series") == 80).then_some(()));
    let error = replica.try_push("10.0.0.1\tbase.metrics.a\t1\t5").unwrap_err();
    assert!(error.contains("read only replica"), "{error}");
    assert_eq!(replica.flush(), 80);
    let file = replica.file("127.0.0.1", "base", "memory-free.gauge");
    assert_eq!(last_update(&file).0, 1_404_873_410);
    assert_eq!(
        replica.run::<Value>("KURADO.HOST 127.0.0.1"),
        replica.run::<Value>("KURADO.HOST 127.0.0.1")
    );
    assert_eq!(
        replica.run::<Value>("KURADO.SERIES 127.0.0.1"),
        master.run::<Value>("KURADO.SERIES 127.0.0.1")
    );
    drop(master);
    replica.run::<()>("REPLICAOF NO ONE");
    replica.push_point("10.0.0.1", "loadavg-1.gauge", 5, 1_404_873_470);
    assert_eq!(replica.flush(), 1);
}
