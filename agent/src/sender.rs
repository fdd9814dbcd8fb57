//! Sending one payload, and what the server's answer means for it.

use std::time::{Duration, Instant};

use line_protocol::parse_line;
use tracing::warn;

use crate::payload::count;
use crate::redis::{Connection, Receipt, SendError, Server};

/// Most refused lines of a payload that the log names.
const MAX_REASONS_LOGGED: usize = 10;

/// How long a server that refuses what others may be allowed to send is taken at its word that this
/// is for now: time for an operator, or for a clock to be set.
const PATIENCE: Duration = Duration::from_secs(600);

/// Most pushes of parts of a payload that find out which of its lines are refused.
const MAX_PARTS: usize = 500;
/// The same while no part was taken: perhaps the server takes nothing at all.
const MAX_VAIN_PARTS: usize = 16;

/// How long nothing more is waited for after something was given up: the others that the server refuses
/// for the same reason must not hold up what it takes.
const NO_PATIENCE: Duration = Duration::from_secs(3600);

/// What every agent sends, with a time at which no server takes it any more.
const KNOWN: &str = "base.metrics.memory-total.gauge\t0\t1\n";

/// Sends payloads, over one connection while one follows another.
pub struct Sender {
    server: Server,
    connection: Option<Connection>,
    told_of_list: bool,
    /// Since when each payload was refused in a way that may be its own fault.
    refused_since: Option<Instant>,
    /// When lines were given up last.
    gave_up: Option<Instant>,
    patience: Duration,
}

/// Why a payload has to wait; the text is for a person.
#[derive(Debug)]
pub struct NotNow(pub String);

/// What an answer means for the payload.
enum Verdict {
    /// The server has it, but for the lines that it named.
    Taken(Receipt),
    /// It will take it some day.
    NotNow(String),
    /// It may never take this one.
    Refused(String, Option<Receipt>),
}

impl Sender {
    /// Sends to a server.
    pub fn new(server: Server) -> Self {
        Self {
            server,
            connection: None,
            told_of_list: false,
            refused_since: None,
            gave_up: None,
            patience: PATIENCE,
        }
    }

    /// What the server is called in the log.
    pub fn server(&self) -> String {
        self.server.address.clone()
    }

    /// Sends these lines. Where this returns `Ok`, they need not be sent again: the server has them,
    /// or has refused them for good, which the log says.
    pub fn send(&mut self, lines: &str) -> Result<(), NotNow> {
        match self.push(lines) {
            Verdict::Taken(receipt) => {
                if self.gave_up.is_none_or(|at| at.elapsed() >= NO_PATIENCE) {
                    self.refused_since = None;
                }
                log_rejected(&receipt);
                Ok(())
            }
            Verdict::NotNow(why) => Err(NotNow(why)),
            Verdict::Refused(why, receipt) => {
                let since = *self.refused_since.get_or_insert_with(Instant::now);
                if since.elapsed() < self.patience {
                    return Err(NotNow(why));
                }
                match receipt {
                    Some(receipt) => log_rejected(&receipt),
                    None => self.send_parts(lines, &why)?,
                }
                self.gave_up = Some(Instant::now());
                Ok(())
            }
        }
    }

    /// Ends the connection, as nothing is to be sent for now.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends the lines in ever smaller parts. Those that are refused while others of the same
    /// payload are taken have themselves to blame; where nothing is taken, so has the payload if the
    /// server goes on with series that it has of this host. Else it refuses all.
    fn send_parts(&mut self, lines: &str, why: &str) -> Result<(), NotNow> {
        let mut parts = halves(lines);
        let (mut any_taken, mut pushes, mut refused) = (false, 0usize, Vec::new());
        while let Some(part) = parts.pop() {
            let limit = if any_taken { MAX_PARTS } else { MAX_VAIN_PARTS };
            if pushes >= limit {
                refused.push((part.to_owned(), "one of too many".to_owned()));
                continue;
            }
            pushes += 1;
            match self.push(part) {
                Verdict::Taken(receipt) | Verdict::Refused(_, Some(receipt)) => {
                    any_taken = true;
                    log_rejected(&receipt);
                }
                Verdict::NotNow(why) => return Err(NotNow(why)),
                Verdict::Refused(why, None) => match halves(part).as_slice() {
                    [second, first] => parts.extend([second, first]),
                    _ => refused.push((part.to_owned(), why)),
                },
            }
        }
        if !any_taken && !self.goes_on(lines)? {
            return Err(NotNow(why.to_owned()));
        }
        if !refused.is_empty() {
            let count: usize = refused.iter().map(|(part, _)| part.lines().count()).sum();
            warn!("lines given up, as the server refuses them and takes others: {count}");
        }
        for (part, why) in refused.iter().take(MAX_REASONS_LOGGED) {
            let line = part.lines().next().unwrap_or_default();
            warn!("given up '{}': {why}", line.escape_debug());
        }
        Ok(())
    }

    /// Whether the server has series of the host that these lines are of, and takes points of them: asked
    /// by one that is too old to be kept.
    fn goes_on(&mut self, lines: &str) -> Result<bool, NotNow> {
        let address = lines.lines().find_map(|line| parse_line(line.as_bytes()).ok()??.address);
        let point =
            address.map_or_else(|| KNOWN.to_owned(), |address| format!("{address}\t{KNOWN}"));
        match self.push(&point) {
            // What had no such series would take the point, or refuse a new one.
            Verdict::Taken(receipt) => Ok(receipt.rejected > 0),
            Verdict::Refused(..) => Ok(false),
            Verdict::NotNow(why) => Err(NotNow(why)),
        }
    }

    fn push(&mut self, lines: &str) -> Verdict {
        let mut connection = match self.connection.take().map_or_else(|| self.server.connect(), Ok)
        {
            Ok(connection) => connection,
            Err(error) => return Verdict::NotNow(error.to_string()),
        };
        let answer = connection.push(lines);
        if connection.uses_list() && !self.told_of_list {
            // Where no worker reads it, that list grows without end: a person should look.
            warn!(
                "{} does not know KURADO.PUSH: lines go to its list kurado-update",
                self.server.address
            );
            self.told_of_list = true;
        }
        if matches!(answer, Ok(_) | Err(SendError::Refused { .. })) {
            // Else what comes next on it may be the answer to this.
            self.connection = Some(connection);
        }
        match answer {
            Ok(receipt) => verdict(lines, receipt),
            Err(error) if may_be_the_payload(&error) => Verdict::Refused(error.to_string(), None),
            Err(error) => Verdict::NotNow(error.to_string()),
        }
    }
}

fn verdict(lines: &str, receipt: Receipt) -> Verdict {
    let refused = usize::try_from(receipt.rejected).unwrap_or(0);
    if refused == 0 {
        return Verdict::Taken(receipt);
    }
    let (all, metrics) = count(lines);
    let named = |text: &str| receipt.reasons.iter().find(|reason| reason.contains(text)).cloned();
    if let Some(reason) = named("NOPERM ").filter(|_| refused >= all) {
        // The server's rules for this host are wrong: a person will mend them.
        Verdict::NotNow(reason)
    } else if let Some(reason) = named(" s in the future").filter(|_| refused >= metrics) {
        // One of two clocks is wrong, and it may be the server's.
        Verdict::Refused(reason, Some(receipt))
    } else {
        Verdict::Taken(receipt)
    }
}

/// Whether an error may be about this payload rather than about the server. All that Redis says of
/// itself begins with a word of its own: LOADING, OOM, READONLY, MISCONF, NOAUTH, NOPERM and others.
fn may_be_the_payload(error: &SendError) -> bool {
    let SendError::Refused { error, .. } = error else {
        return false;
    };
    let of_server = ["kurado.max-pending-bytes", "kurado.max-hosts", "max number of clients"];
    error.starts_with("ERR ") && !of_server.iter().any(|text| error.contains(text))
}

/// The lines in two parts, or in one where there is but one line.
fn halves(lines: &str) -> Vec<&str> {
    let count = lines.lines().count();
    let mut ends = lines.match_indices('\n').map(|(at, _)| at + 1);
    match ends.nth((count / 2).saturating_sub(1)) {
        // The last is taken first.
        Some(middle) if count > 1 => {
            let (first, second) = lines.split_at(middle);
            vec![second, first]
        }
        _ => vec![lines],
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    const TAKEN: &str = "*3\r\n:1\r\n:0\r\n*0\r\n";
    const FULL: &str =
        "-ERR no line was accepted: there would be 51 series, and kurado.max-series is 50\r\n";

    /// A sender without patience to a server that gives its answers in turn, one after each read on
    /// one connection; it hands back the payloads that it read.
    fn sender(answers: &'static [&'static str]) -> (Sender, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let mut seen = Vec::new();
            for answer in answers {
                let len = stream.read(&mut buffer).unwrap();
                let text = std::str::from_utf8(&buffer[..len]).unwrap();
                seen.push(text.rsplit("\r\n").nth(1).unwrap().to_owned());
                stream.write_all(answer.as_bytes()).unwrap();
            }
            seen
        });
        let mut sender = Sender::new(Server::at(&address));
        sender.patience = Duration::ZERO;
        (sender, thread)
    }

    #[test]
    fn payloads_follow_each_other_on_one_connection() {
        let (mut sender, thread) = sender(&[TAKEN, TAKEN]);
        sender.send("first").unwrap();
        sender.send("second").unwrap();
        assert_eq!(thread.join().unwrap(), ["first", "second"]);
    }

    #[test]
    fn lines_that_the_server_names_need_not_be_sent_again() {
        let (mut sender, thread) = sender(&["*3\r\n:0\r\n:1\r\n*1\r\n+line 1: 1 columns\r\n"]);
        sender.send("nonsense").unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn what_a_server_says_of_itself_is_for_now_whatever_the_patience() {
        for answer in [
            "-LOADING Redis is loading the dataset in memory\r\n",
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            "-READONLY You can't write against a read only replica.\r\n",
            "-MISCONF Redis is configured to save RDB snapshots\r\n",
            "-NOPERM this user has no permissions to run the 'kurado.push' command\r\n",
            "-NOAUTH Authentication required.\r\n",
            "-ERR no line was accepted: pending points could take 9 bytes, and \
             kurado.max-pending-bytes is 8\r\n",
            "-ERR no line was accepted: there would be 3 hosts, and kurado.max-hosts is 2\r\n",
            "*3\r\n:0\r\n:2\r\n*1\r\n+line 1: NOPERM this user has no permission for key\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
        ] {
            let answers: &'static [&'static str] = Vec::leak(vec![answer]);
            let (mut sender, thread) = sender(answers);
            let NotNow(why) = sender.send("p.meta.a\t1\t5\np.meta.b\t1\t5\n").unwrap_err();
            assert!(!why.is_empty(), "{answer}");
            assert!(sender.refused_since.is_none(), "{answer}");
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_refusal_that_may_be_the_payloads_own_fault_is_for_now_while_there_is_patience() {
        let (mut sender, thread) = sender(&[FULL]);
        sender.patience = PATIENCE;
        let NotNow(why) = sender.send("p.meta.a\t1\t5\n").unwrap_err();
        assert!(why.ends_with("kurado.max-series is 50"), "{why}");
        thread.join().unwrap();
    }

    #[test]
    fn then_its_lines_are_sent_apart_and_those_are_given_up_that_alone_are_refused() {
        let (mut sender, thread) = sender(&[FULL, FULL, TAKEN]);
        sender.send("a\nb\nc\n").unwrap();
        assert_eq!(thread.join().unwrap(), ["a\nb\nc\n", "a\n", "b\nc\n"].map(str::to_owned));
    }

    #[test]
    fn where_it_takes_neither_any_of_it_nor_a_point_of_a_known_series_the_server_is_to_blame() {
        let (mut sender, thread) = sender(&[FULL; 4]);
        assert!(sender.send("a\nb\n").is_err());
        assert_eq!(thread.join().unwrap(), ["a\nb\n", "a\n", "b\n", KNOWN]);
    }

    #[test]
    fn a_payload_of_new_series_alone_does_not_hold_up_the_known_ones_for_ever() {
        const OLD: &str = "*3\r\n:0\r\n:1\r\n*1\r\n+line 1: time 1 is not after 60\r\n";
        let (mut sender, thread) = sender(&[FULL, FULL, OLD, TAKEN, FULL, FULL, OLD]);
        let new = "10.0.0.1\tp.metrics.a.gauge\t1\t60\n";
        sender.send(new).unwrap();
        // Nor do the next ones, though others were taken meanwhile.
        sender.patience = PATIENCE;
        sender.refused_since = Instant::now().checked_sub(PATIENCE);
        sender.send("known\n").unwrap();
        sender.send(new).unwrap();
        let asked = format!("10.0.0.1\t{KNOWN}");
        let expected = [new, new, &asked, "known\n", new, new, &asked];
        assert_eq!(thread.join().unwrap(), expected.map(str::to_owned));
    }

    #[test]
    fn lines_from_the_future_wait_for_a_clock_to_be_set_and_then_are_given_up() {
        const FUTURE: &str =
            "*3\r\n:1\r\n:1\r\n*1\r\n+line 1: time 9 is 700 s in the future; at most\r\n";
        let lines = "p.metrics.a.gauge\t1\t9\np.meta.a\t1\t9\n";
        let (mut first, thread) = sender(&[FUTURE]);
        first.patience = PATIENCE;
        assert!(first.send(lines).is_err());
        thread.join().unwrap();
        let (mut second, thread) = sender(&[FUTURE]);
        second.send(lines).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn one_metric_from_the_future_does_not_hold_up_the_others() {
        let (mut sender, thread) =
            sender(&["*3\r\n:1\r\n:1\r\n*1\r\n+line 1: time 9 is 700 s in the future\r\n"]);
        sender.patience = PATIENCE;
        sender.send("p.metrics.a.gauge\t1\t9\np.metrics.b.gauge\t1\t5\n").unwrap();
        thread.join().unwrap();
    }

    proptest! {
        #[test]
        fn halves_are_the_same_lines_and_smaller(lines in "([a-c]{0,3}\n){1,20}[a-c]{0,2}") {
            let halves = halves(&lines);
            prop_assert_eq!(halves.iter().rev().copied().collect::<String>(), lines.clone());
            prop_assert_eq!(halves.len() > 1, lines.lines().count() > 1);
            prop_assert!(halves.iter().all(|half| !half.is_empty()));
        }
    }
}
