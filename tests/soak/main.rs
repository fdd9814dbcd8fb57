//! A real server under a random mix, killed again and again: at the end every acknowledged point is
//! in its file, once, as the stock rrdtool reads it, and memory has not grown without reason.
//!
//! `KURADO_SOAK_SECONDS` (default 20) and `KURADO_SOAK_SEED` (default 1): `scripts/soak`.

mod pusher;
mod random;
#[path = "../end_to_end/rrdtool.rs"]
mod rrdtool;
mod series;

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use test_redis::{RedisServer, eventually};

use pusher::Pusher;
use random::Random;

const CLIENTS: u8 = 3;
const OPTIONS: [&str; 6] =
    ["--appendonly", "yes", "--appendfsync", "always", "--kurado.write-delay", "2"];
/// Bytes that a series may cost when nothing waits.
const MOST_A_SERIES: u64 = 2048;
/// Bytes that buffers and the allocator's habits may cost.
const SLACK: u64 = 32 << 20;

#[test]
fn under_a_random_mix_and_kills_each_acknowledged_point_is_in_its_file_once() {
    let seconds = number("KURADO_SOAK_SECONDS", 20);
    let seed = number("KURADO_SOAK_SEED", 1);
    let mut server = RedisServer::start_with_module(&OPTIONS);
    let port = AtomicU16::new(server.port());
    let is_over = AtomicBool::new(false);
    let (is_over, port) = (&is_over, &port);
    let all = std::thread::scope(|scope| {
        // The clients end when this thread does, be it by a failure.
        let ending = Ending(is_over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn(move || {
                    let mut pusher = Pusher::new(number, port, seed);
                    while !is_over.load(Ordering::Relaxed) {
                        pusher.step();
                    }
                    pusher.into_series()
                })
            })
            .collect();
        let mut random = Random::new(seed);
        let half = Duration::from_secs(seconds).div_f64(2.0);
        let kills = disturb(&mut server, port, &mut random, Disturbance::Kills, half);
        let before = memory(&server);
        disturb(&mut server, port, &mut random, Disturbance::Settings, half);
        let after = memory(&server);
        drop(ending);
        println!("{kills} kills; then, without: {before:?} to {after:?}");
        let new = MOST_A_SERIES * (after.series - before.series);
        assert!(after.used <= before.used + new + SLACK, "{before:?} to {after:?}");
        assert!(after.resident <= before.resident + new + 4 * SLACK, "{before:?} to {after:?}");
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect::<Vec<_>>()
    });
    flush(&server);
    let data = server.path().join("data");
    for series in &all {
        series.check(&data);
    }
    println!("{} series, {} points", all.len(), all.iter().map(|s| s.count()).sum::<usize>());
    assert!(all.iter().map(|series| series.count()).sum::<usize>() > 0);
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    /// Saves, rewrites, other write delays, and the server killed and started again.
    Kills,
    /// The same without kills.
    Settings,
}

/// Does what an operator or a failing machine does; gives how often the server was killed.
fn disturb(
    server: &mut RedisServer,
    port: &AtomicU16,
    random: &mut Random,
    how: Disturbance,
    time: Duration,
) -> u32 {
    let end = Instant::now() + time;
    let mut kills = 0;
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(random.below(1000)));
        match random.below(6) {
            // That one runs already is no concern of ours.
            0 => drop(server.cli(&["BGSAVE"])),
            1 => drop(server.cli(&["BGREWRITEAOF"])),
            2 => {
                let delay = ["1", "2", "10", "300"][usize::try_from(random.below(4)).expect("4")];
                let reply = server.cli(&["CONFIG", "SET", "kurado.write-delay", delay]);
                assert_eq!(reply, "OK\n");
            }
            3 => {
                let host = ["10.0.0.0", "10.0.1.1"][usize::from(random.below(2) == 0)];
                let words = ["KURADO.FETCH", host, "base", "s0.gauge", "MAX", "0", "now", "86400"];
                drop(server.cli(&words));
            }
            4 => flush(server),
            _ if how == Disturbance::Kills => {
                server.kill();
                kills += 1;
                server.start_again();
                port.store(server.port(), Ordering::Relaxed);
            }
            _ => {}
        }
    }
    kills
}

fn flush(server: &RedisServer) {
    let reply = server.cli(&["KURADO.FLUSH"]);
    assert!(reply.trim().parse::<u64>().is_ok(), "FLUSH: {reply}\n{}", server.log());
}

#[derive(Debug)]
struct Memory {
    used: u64,
    resident: u64,
    series: u64,
}

/// While nothing waits in it: clients that go on pushing are held for the moment.
fn memory(server: &RedisServer) -> Memory {
    assert_eq!(server.cli(&["CLIENT", "PAUSE", "100000", "WRITE"]), "OK\n");
    eventually("no child", || {
        let info = server.cli(&["INFO", "persistence"]);
        (info.contains("rdb_bgsave_in_progress:0") && info.contains("aof_rewrite_in_progress:0"))
            .then_some(())
    });
    flush(server);
    let info = server.cli(&["INFO", "everything"]);
    let of = |name: &str| {
        let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
    };
    let memory = Memory {
        used: of("used_memory"),
        resident: of("used_memory_rss"),
        series: of("kurado_series"),
    };
    assert_eq!(of("kurado_pending_points"), 0);
    assert_eq!(server.cli(&["CLIENT", "UNPAUSE"]), "OK\n");
    memory
}

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is '{text}', not a number")),
        Err(_) => otherwise,
    }
}
