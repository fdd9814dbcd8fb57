//! `appendfsync everysec`: what Redis has written to its AOF survives `kill -9`, what it has also
//! synchronised survives the machine, and what is lost of the AOF may be sent again.
//!
//! Redis holds a write back while it waits for the disk to synchronise the ones before, for up to
//! two seconds; INFO's `aof_buffer_length` tells of it. So the bound is no time, but that: whatever
//! was acknowledged before the buffer was seen empty is kept, and of the rest a part from its
//! beginning.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use redis::{Connection, Value};
use test_redis::eventually;

use crate::ledger::{ARCHIVES, Ledger};
use crate::random::Random;
use crate::server::Server;

/// So long a delay that only FLUSH writes files.
const OPTIONS: [&str; 8] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--kurado.write-delay",
    "86400",
    "--kurado.rra",
    ARCHIVES,
];

/// Whether Redis has written all that it has acknowledged.
fn is_written(connection: &mut Connection) -> Option<bool> {
    let info: String = redis::cmd("INFO").arg("persistence").query(connection).ok()?;
    Some(info.contains("aof_buffer_length:0\r\n"))
}

/// Pushes until the server is killed; gives how often all was known to be in the AOF.
fn push(client: &mut Ledger, mut connection: Connection) -> usize {
    let mut times = 0;
    while client.push(&mut connection).is_ok() {
        if is_written(&mut connection) == Some(true) {
            client.keep();
            times += 1;
        }
    }
    times
}

#[test]
fn what_was_acknowledged_before_the_buffer_was_empty_survives_kills_at_any_moment() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut server = Server::start(&OPTIONS);
    let mut clients: Vec<Ledger> = (0..2).map(|number| Ledger::new(number, seed)).collect();
    let mut times = 0;
    for _ in 0..15 {
        let delay = Duration::from_millis(random.below(100));
        let connections: Vec<Connection> = clients.iter().map(|_| server.connect()).collect();
        let mut other = server.connect();
        times += thread::scope(|scope| {
            let pushing: Vec<_> = (clients.iter_mut().zip(connections))
                .map(|(client, connection)| scope.spawn(move || push(client, connection)))
                .collect();
            scope.spawn(move || {
                while redis::cmd("KURADO.FLUSH").query::<Value>(&mut other).is_ok() {
                    thread::sleep(Duration::from_millis(5));
                }
            });
            thread::sleep(delay);
            server.kill();
            pushing.into_iter().map(|client| client.join().expect("a client")).sum::<usize>()
        });
        server.start_again();
        clients.iter_mut().for_each(|client| client.settle(&server));
    }
    assert!(times > 0);
    server.flush();
    clients.iter().for_each(|client| client.check(&server));
}

/// The file that Redis appends to.
fn aof(server: &Server) -> PathBuf {
    let files = fs::read_dir(server.path().join("appendonlydir")).expect("the AOF's directory");
    let mut files = files.flatten().map(|file| file.path());
    let found = files.find(|path| path.to_str().is_some_and(|path| path.ends_with(".incr.aof")));
    found.expect("an incremental file")
}

#[test]
fn what_files_have_and_a_cut_aof_does_not_may_be_sent_again_and_is_there_once() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut server = Server::start(&OPTIONS);
    let mut client = Ledger::new(0, seed);
    for round in 0..15 {
        let mut connection = server.connect();
        (0..10).for_each(|_| client.push(&mut connection).unwrap());
        if round % 3 == 0 {
            server.flush();
        }
        eventually("the write", || is_written(&mut connection).filter(|is_written| *is_written));
        client.keep();
        let kept = fs::metadata(aof(&server)).unwrap().len();
        (0..10).for_each(|_| client.push(&mut connection).unwrap());
        server.flush();
        (0..10).for_each(|_| client.push(&mut connection).unwrap());
        eventually("the write", || is_written(&mut connection).filter(|is_written| *is_written));
        server.kill();
        // The machine went down: any part may be lost that was not synchronised. At first all of it.
        let all = fs::metadata(aof(&server)).unwrap().len();
        let length = if round == 0 { kept } else { kept + random.below(all - kept) };
        OpenOptions::new().write(true).open(aof(&server)).unwrap().set_len(length).unwrap();
        server.start_again();

        // Memory does not know what the files have, and takes all.
        let mut connection = server.connect();
        let count = client.count_not_kept();
        let (series, pushed) = client.push_again(&mut connection).unwrap();
        assert_eq!((pushed.accepted, pushed.rejected), (count, 0), "{:?}", pushed.reasons);
        let pending = server.info("pending_points");
        assert_eq!(server.flush() as u64, pending);
        // Files had those of before the second half's flush: they are skipped.
        assert!(server.info("points_skipped") > 0);
        assert_eq!(server.info("points_written") + server.info("points_skipped"), pending);
        // Now it knows, and takes but the newest of a series, which does no harm.
        let (_, pushed) = client.push_again(&mut connection).unwrap();
        assert_eq!((pushed.accepted, pushed.rejected), (series, count - series));
        assert_eq!(server.info("rejected_too_old"), (count - series) as u64);
        assert_eq!(server.flush(), 0);
        client.keep();
    }
    client.check(&server);
}
