//! BGSAVE, AOF rewrites and DEBUG RELOAD, while pushes and writes go on: no point lost, none doubled.

use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use redis::{Connection, Value};
use test_redis::eventually;

use crate::ledger::{ARCHIVES, Ledger};
use crate::obstacle::hang_writer;
use crate::random::Random;
use crate::rrdtool::last_update;
use crate::sample;
use crate::server::Server;

#[test]
fn pending_points_meta_and_series_survive_each_way_of_saving() {
    for (options, save) in [
        (&["--save", "900 1"][..], "SHUTDOWN-RDB"),
        (&["--appendonly", "yes"][..], "BGREWRITEAOF"),
        (&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"][..], "BGREWRITEAOF"),
        (&[][..], "DEBUG RELOAD"),
    ] {
        let mut server = Server::start(options);
        server.push(&sample::with_address("10.0.0.1"));
        server.flush();
        let later = sample::with_address("10.0.0.1").replace("1404873350", "1404873410");
        server.push(&later);
        let hosts: Value = server.run("KURADO.HOSTS");
        let series: Value = server.run("KURADO.SERIES 10.0.0.1");
        // Writing is kept from taking the points by an operator's stop file.
        std::fs::write(server.path().join("data/stop"), "").unwrap();
        eventually("the pause", || (server.info("writing_paused") == 1).then_some(()));
        match save {
            "SHUTDOWN-RDB" => {
                server.shutdown("SAVE");
                server.start_again();
            }
            "BGREWRITEAOF" => {
                rewrite(&server);
                // The points of the first push are in files alone from now on.
                let synced = "RRD files are on the disk; the AOF may forget their points";
                assert!(server.log().contains(synced), "{}", server.log());
                server.kill();
                server.start_again();
            }
            other => server.run::<()>(other),
        }
        assert_eq!(server.run::<Value>("KURADO.HOSTS"), hosts, "{options:?} {save}");
        assert_eq!(server.run::<Value>("KURADO.SERIES 10.0.0.1"), series, "{options:?} {save}");
        let meta: Vec<String> = server.run("KURADO.META GET 10.0.0.1 base traffic-interfaces");
        assert_eq!(meta, ["traffic-interfaces", "eth0"], "{options:?} {save}");
        std::fs::remove_file(server.path().join("data/stop")).unwrap();
        eventually("the end of the pause", || (server.info("writing_paused") == 0).then_some(()));
        server.flush();
        let file = server.file("10.0.0.1", "base", "memory-free.gauge");
        assert_eq!(last_update(&file).0, 1_404_873_410, "{options:?} {save}");
        assert_eq!(server.info("pending_points"), 0);
    }
}

/// Saves in the background and waits for the child's end.
fn save(server: &Server) {
    server.run::<Value>("BGSAVE");
    wait_for_child(server, ["rdb_bgsave_in_progress:0", "rdb_last_bgsave_status:ok"]);
}

/// Rewrites the AOF in the background and waits for the child's end.
fn rewrite(server: &Server) {
    server.run::<Value>("BGREWRITEAOF");
    wait_for_child(server, ["aof_rewrite_in_progress:0", "aof_last_bgrewrite_status:ok"]);
}

fn wait_for_child(server: &Server, signs: [&str; 2]) {
    eventually("the child's end", || {
        let info: String = server.run("INFO persistence");
        let waits = info.contains("aof_rewrite_scheduled:1");
        (!waits && signs.iter().all(|sign| info.contains(sign))).then_some(())
    });
}

/// What the clients of a busy server do.
struct Phase(AtomicU8);

impl Phase {
    /// They push, and what is acknowledged must be kept.
    const KEPT: u8 = 0;
    /// They push on, and a kill may lose that.
    const LOST: u8 = 1;
    /// They end.
    const OVER: u8 = 2;

    fn is(&self, phase: u8) -> bool {
        self.0.load(Ordering::SeqCst) == phase
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::SeqCst);
    }
}

/// Pushes until the phase is over or the server killed.
fn push(client: &mut Ledger, mut connection: Connection, phase: &Phase) {
    while !phase.is(Phase::OVER) && client.push(&mut connection).is_ok() {
        // Acknowledged before the phase was changed.
        if phase.is(Phase::KEPT) {
            client.keep();
        }
        // Enough to do for all, and few enough points to check.
        thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps the writers busy until the phase is over or the server killed.
fn flush(mut connection: Connection, phase: &Phase) {
    while !phase.is(Phase::OVER)
        && redis::cmd("KURADO.FLUSH").query::<Value>(&mut connection).is_ok()
    {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Clients push and files are written while `disturb` runs, which may kill the server and so end
/// them.
fn while_busy(
    server: &mut Server,
    clients: &mut [Ledger],
    disturb: impl FnOnce(&mut Server, &Phase),
) {
    let phase = &Phase(AtomicU8::new(Phase::KEPT));
    let connections: Vec<Connection> = clients.iter().map(|_| server.connect()).collect();
    let other = server.connect();
    thread::scope(|scope| {
        for (client, connection) in clients.iter_mut().zip(connections) {
            scope.spawn(move || push(client, connection, phase));
        }
        scope.spawn(move || flush(other, phase));
        disturb(server, phase);
        phase.set(Phase::OVER);
    });
}

const ROUNDS: u32 = 15;

fn start(options: &[&str]) -> (Server, Vec<Ledger>, Random) {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let always = ["--kurado.write-delay", "1", "--kurado.rra", ARCHIVES];
    let clients = (0..3).map(|number| Ledger::new(number, seed)).collect();
    (Server::start(&[options, &always].concat()), clients, Random::new(seed))
}

fn pause(random: &mut Random) {
    thread::sleep(Duration::from_millis(random.below(60)));
}

/// Round after round, a busy server saves, is killed and started again.
fn save_and_kill(
    server: &mut Server,
    clients: &mut [Ledger],
    random: &mut Random,
    save: impl Fn(&Server, &Phase),
) {
    for _ in 0..ROUNDS {
        while_busy(server, clients, |server, phase| {
            pause(random);
            save(server, phase);
            pause(random);
            server.kill();
        });
        server.start_again();
        clients.iter_mut().for_each(|client| client.settle(server));
    }
}

fn check(server: &Server, clients: &[Ledger]) {
    server.flush();
    for client in clients {
        assert!(client.count() > 0);
        client.check(server);
    }
}

#[test]
fn what_was_acknowledged_before_a_busy_server_saved_is_in_the_rdb_or_in_files_once() {
    let (mut server, mut clients, mut random) = start(&[]);
    save_and_kill(&mut server, &mut clients, &mut random, |server, phase| {
        phase.set(Phase::LOST);
        save(server);
    });
    check(&server, &clients);
}

#[test]
fn a_busy_server_that_rewrites_its_aof_loses_and_doubles_nothing() {
    for preamble in ["yes", "no"] {
        let (mut server, mut clients, mut random) = start(&[
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--aof-use-rdb-preamble",
            preamble,
        ]);
        save_and_kill(&mut server, &mut clients, &mut random, |server, _| rewrite(server));
        check(&server, &clients);
    }
}

#[test]
fn a_busy_server_that_loads_anew_what_it_saved_loses_and_doubles_nothing() {
    let (mut server, mut clients, mut random) = start(&[]);
    while_busy(&mut server, &mut clients, |server, _| {
        for _ in 0..2 * ROUNDS {
            pause(&mut random);
            server.run::<()>("DEBUG RELOAD");
        }
    });
    clients.iter_mut().for_each(|client| client.settle(&server));
    check(&server, &clients);
}

/// Options of a server, and how it saves.
type Way<'a> = (&'a [&'a str], fn(&Server));

#[test]
fn points_that_a_writer_has_and_those_behind_them_are_in_whatever_is_saved_meanwhile() {
    let aof = ["--appendonly", "yes", "--aof-use-rdb-preamble"];
    let ways: [Way; 3] = [
        (&[], save),
        (&[&aof[..], &["yes"]].concat(), rewrite),
        (&[&aof[..], &["no"]].concat(), rewrite),
    ];
    for (options, save) in ways {
        let own = ["--kurado.write-delay", "1", "--kurado.writer-threads", "1"];
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let mut server = Server::start(&[options, &own, &at_once].concat());
        let thread = hang_writer(&server);
        let push = |minutes: std::ops::Range<u32>| {
            for minute in minutes {
                for key in ["a", "b"] {
                    server.push_point("10.0.0.1", key, minute, sample::TIME + minute * 60);
                }
            }
        };
        push(0..3);
        eventually("the batches", || (server.info("batches_in_flight") == 2).then_some(()));
        push(3..5);
        save(&server);
        // A replica gets them as well.
        let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", server.port())]);
        eventually("the sync", || {
            let info: String = replica.run("INFO replication");
            info.contains("master_link_status:up").then_some(())
        });
        assert_eq!(replica.info("pending_points"), 10, "{options:?}");
        server.kill();
        thread.join().unwrap();
        server.start_again();
        for server in [&server, &replica] {
            server.flush();
            assert_eq!(server.info("points_written"), 10, "{options:?}");
        }
    }
}

/// Bytes that the last child of a kind changed, and so had copied.
fn copied(server: &Server, kind: &str) -> u64 {
    let info: String = server.run("INFO persistence");
    let field = format!("{kind}_last_cow_size:");
    let found = info.lines().find_map(|line| line.strip_prefix(&field));
    found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {field} in {info}"))
}

/// Lets 8,000 points wait in each of these hosts.
fn fill(server: &Server, hosts: std::ops::Range<u32>) {
    for host in hosts {
        for series in 0..10 {
            let line = |n: u32| {
                // All its digits are needed, so that it takes many bytes.
                let value = (f64::from(n) * 0.618_033_988_749_894_9).fract();
                let time = sample::TIME + n * 61;
                format!("host-{host}\tbase.metrics.k{series}\t{value}\t{time}\n")
            };
            let pushed = server.push(&(0..800).map(line).collect::<String>());
            assert_eq!(pushed.accepted, 800, "{:?}", pushed.reasons);
        }
    }
}

#[test]
fn a_child_copies_a_host_at_a_time_and_no_more_where_more_hosts_wait() {
    let server = Server::start(&["--appendonly", "yes"]);
    std::fs::write(server.path().join("data/stop"), "").unwrap();
    eventually("the pause", || (server.info("writing_paused") == 1).then_some(()));
    let children = || {
        save(&server);
        let saving = copied(&server, "rdb");
        let rewriting = ["yes", "no"].map(|preamble| {
            server.run::<()>(&format!("CONFIG SET aof-use-rdb-preamble {preamble}"));
            rewrite(&server);
            copied(&server, "aof")
        });
        (server.info("pending_bytes"), [saving, rewriting[0], rewriting[1]])
    };
    fill(&server, 0..12);
    let (few_bytes, few) = children();
    fill(&server, 12..60);
    let (many_bytes, many) = children();
    println!("{few:?} for {few_bytes} bytes that wait, {many:?} for {many_bytes}");
    let more = many_bytes - few_bytes;
    assert!(more > 3 << 20, "{more}");
    for (few, many) in few.into_iter().zip(many) {
        assert!(many <= few + more / 4, "{few} grew to {many} by {more} bytes that wait");
    }
}
