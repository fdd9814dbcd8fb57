//! The agent's round: read the machine, send what was read, wait for the next tick.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{debug, error, info, warn};

use crate::backlog::Backlog;
use crate::collect;
use crate::machine::Machine;
use crate::plugin::{self, ConfD};
use crate::redis::{Receipt, SendError, Server};
use crate::schedule::Schedule;
use crate::stop::Stop;

/// Most refused lines of a payload that the log names.
const MAX_REASONS_LOGGED: usize = 10;

/// What is read, and as which host.
pub struct Reader {
    machine: Machine,
    conf_d: ConfD,
    /// Stands in front of each line; without it the server takes the sender's address.
    address: Option<String>,
}

impl Reader {
    /// Reads this machine, and the plugins of a directory where one is given.
    pub fn new(address: Option<String>, conf_d: Option<&Path>) -> Self {
        let conf_d = conf_d.map(ConfD::read).unwrap_or_default();
        for fault in &conf_d.faults {
            error!("{fault}");
        }
        Self { machine: Machine::this(), conf_d, address }
    }

    /// Reads everything; the lines as they are sent.
    pub fn read(&self, stop: &Stop) -> String {
        let time = now().as_secs();
        let mut base = collect::base(&self.machine, time);
        // Told on the host's page too: few people read an agent's log.
        if !self.conf_d.faults.is_empty() {
            base.warn("conf_d", &self.conf_d.faults.join("; "));
        }
        let mut payload = String::new();
        base.write_to(&mut payload, self.address.as_deref());
        for sample in plugin::run_all(&self.conf_d.plugins, time, stop) {
            sample.write_to(&mut payload, self.address.as_deref());
        }
        payload
    }
}

/// Reads and sends at each tick, until it is time to stop.
pub fn run(reader: &Reader, sender: &mut Sender, interval: Duration, delay: Duration, stop: &Stop) {
    let mut schedule = Schedule::new(interval, delay, now());
    loop {
        let wait = schedule.wait(now());
        if stop.wait(wait) {
            return;
        }
        if wait.is_zero() {
            let payload = reader.read(stop);
            // What was read while stopping lacks the plugins that were ended for it.
            if !stop.is_set() {
                sender.send(payload);
            }
        }
    }
}

/// Sends payloads in order; keeps those that the server has not taken.
pub struct Sender {
    server: Server,
    backlog: Backlog,
    told_of_list: bool,
}

impl Sender {
    /// Sends to a server.
    pub fn new(server: Server) -> Self {
        Self { server, backlog: Backlog::default(), told_of_list: false }
    }

    /// Sends what waits, then this payload. What can't be sent waits for the next time.
    pub fn send(&mut self, payload: String) {
        let waiting = self.backlog.len();
        let dropped = self.backlog.push(payload);
        if dropped > 0 {
            warn!("the oldest of the payloads that wait for the server were dropped: {dropped}");
        }
        match self.send_backlog() {
            Ok(()) if waiting > 0 => {
                info!("{} is back: all that waited was sent", self.server.address)
            }
            Ok(()) => debug!("sent to {}", self.server.address),
            Err(error) => error!(
                "cannot send to {}: {error}; payloads that wait for the next tick: {}",
                self.server.address,
                self.backlog.len()
            ),
        }
    }

    fn send_backlog(&mut self) -> Result<(), SendError> {
        let mut connection = self.server.connect()?;
        while let Some(payload) = self.backlog.oldest() {
            log_rejected(&connection.push(payload)?);
            self.backlog.remove_oldest();
        }
        if connection.uses_list() && !self.told_of_list {
            // Where no worker reads it, that list grows without end: a person should look.
            warn!(
                "{} does not know KURADO.PUSH: lines go to its list kurado-update",
                self.server.address
            );
            self.told_of_list = true;
        }
        Ok(())
    }
}

fn log_rejected(receipt: &Receipt) {
    if receipt.rejected > 0 {
        warn!("lines that the server refused: {}", receipt.rejected);
        for reason in receipt.reasons.iter().take(MAX_REASONS_LOGGED) {
            warn!("refused {reason}");
        }
    }
}

/// Time since 1970 by the wall clock; zero where that is set before it.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that gives its answers in turn, connection by connection; it hands back what it read.
    fn server(
        connections: &'static [&'static [&'static str]],
    ) -> (Sender, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let mut seen = String::new();
            let mut buffer = [0; 4096];
            for answers in connections {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in *answers {
                    let len = stream.read(&mut buffer).unwrap();
                    seen.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
            seen
        });
        let sender = Sender::new(Server { address, password: None });
        (sender, thread)
    }

    #[test]
    fn what_a_server_did_not_take_is_sent_first_and_in_order_when_it_is_back() {
        const TAKEN: &str = "*3\r\n:1\r\n:0\r\n*0\r\n";
        let (mut sender, thread) = server(&[&["-LOADING soon\r\n"], &[TAKEN, TAKEN, TAKEN, ""]]);
        sender.send("first".to_owned());
        assert_eq!(sender.backlog.len(), 1);
        sender.backlog.push("second".to_owned());
        sender.send("third".to_owned());
        assert_eq!(sender.backlog.len(), 0);
        drop(sender);
        let seen = thread.join().unwrap();
        let words: Vec<_> =
            seen.split("\r\n").filter(|word| ["first", "second", "third"].contains(word)).collect();
        assert_eq!(words, ["first", "first", "second", "third"]);
    }

    #[test]
    fn lines_that_the_server_refuses_are_not_sent_again() {
        let (mut sender, thread) = server(&[&["*3\r\n:0\r\n:1\r\n*1\r\n+line 1: 1 columns\r\n"]]);
        sender.send("nonsense".to_owned());
        assert_eq!(sender.backlog.len(), 0);
        thread.join().unwrap();
    }
}
