//! `kill -9` at any moment: with `appendfsync always` each acknowledged point reaches its file,
//! once.

use std::thread;
use std::time::Duration;

use redis::{Connection, Value};

use crate::ledger::{ARCHIVES, Ledger};
use crate::random::Random;
use crate::server::Server;

const ROUNDS: u32 = 50;

/// Pushes until the server is killed.
fn push(client: &mut Ledger, mut connection: Connection) {
    while client.push(&mut connection).is_ok() {
        client.keep();
    }
}

/// Writes files, and at times the AOF anew, until the server is killed.
fn disturb(mut random: Random, mut connection: Connection) {
    loop {
        let (command, pause) = match random.below(30) {
            0 => ("BGREWRITEAOF", 0),
            n => ("KURADO.FLUSH", n % 4),
        };
        match redis::cmd(command).query::<Value>(&mut connection) {
            Err(error) if error.is_io_error() || error.is_connection_dropped() => return,
            // That a rewrite is under way already is no concern of ours.
            _ => thread::sleep(Duration::from_millis(pause)),
        }
    }
}

#[test]
fn what_was_acknowledged_is_in_its_file_once_after_fifty_kills_at_any_moment() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut server = Server::start(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--kurado.write-delay",
        "1",
        "--kurado.rra",
        ARCHIVES,
    ]);
    let mut clients: Vec<Ledger> = (0..3).map(|number| Ledger::new(number, seed)).collect();
    for round in 0..ROUNDS {
        // At times nobody asks for writes, and those that are due are under way.
        let is_long = round % 10 == 9;
        let most = if is_long { 1500 } else { 60 };
        let (delay, choices) = (random.below(most), Random::new(seed ^ u64::from(round)));
        let connections: Vec<Connection> = clients.iter().map(|_| server.connect()).collect();
        let other = (!is_long).then(|| server.connect());
        thread::scope(|scope| {
            for (client, connection) in clients.iter_mut().zip(connections) {
                scope.spawn(move || push(client, connection));
            }
            if let Some(connection) = other {
                scope.spawn(move || disturb(choices, connection));
            }
            thread::sleep(Duration::from_millis(delay));
            server.kill();
        });
        server.start_again();
        for client in &mut clients {
            client.settle(&server);
        }
    }
    server.flush();
    println!("{} points", clients.iter().map(Ledger::count).sum::<usize>());
    for client in &clients {
        assert!(client.count() > 0);
        client.check(&server);
    }
}
