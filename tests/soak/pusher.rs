//! One client that pushes to hosts of its own until each line has its reply.

use std::sync::atomic::{AtomicU16, Ordering};

use redis::{Connection, ErrorKind, RedisError, ServerErrorKind};
use test_redis::eventually;

use crate::random::Random;
use crate::series::Series;

/// Lines of which each is rejected, whatever came before.
const BAD_LINES: [&[u8]; 6] = [
    b"x",
    b"10.0.0.1\tbase.metric.a\t1\t5",
    b"../x\tbase.metrics.a\t1\t5",
    b"10.0.0.1\tbase.metrics.a\tnan\t5",
    b"10.0.0.1\tbase.metrics.a\t1\t4294967295",
    b"\xff\xfe",
];
const SERIES_A_HOST: usize = 12;

/// The client's hosts and what they were sent.
pub struct Pusher<'a> {
    port: &'a AtomicU16,
    connection: Option<Connection>,
    random: Random,
    addresses: [String; 2],
    series: Vec<Series>,
    /// Those that are not full: two hosts' worth.
    open: Vec<usize>,
}

impl<'a> Pusher<'a> {
    /// `port` is the server's, which changes when it is started again.
    pub fn new(number: u8, port: &'a AtomicU16, seed: u64) -> Self {
        let addresses = [0, 1].map(|host| format!("10.0.{number}.{host}"));
        let series: Vec<Series> =
            (0..2 * SERIES_A_HOST).map(|n| Series::new(&addresses[n % 2], n)).collect();
        let open = (0..series.len()).collect();
        let random = Random::new(seed.wrapping_add(u64::from(number) << 32));
        Self { port, connection: None, random, addresses, series, open }
    }

    /// One command: mostly a push, at times a question.
    pub fn step(&mut self) {
        match self.random.below(20) {
            0 => self.ask(),
            _ => self.push(),
        }
    }

    /// What it sent, when it has come to its end.
    pub fn into_series(self) -> Vec<Series> {
        self.series
    }

    fn push(&mut self) {
        let (mut payload, mut good, mut bad) = (Vec::new(), 0, 0);
        for _ in 0..=self.random.below(20) {
            let line = match self.random.below(12) {
                0 => {
                    bad += 1;
                    let number = self.random.below(BAD_LINES.len() as u64);
                    BAD_LINES[usize::try_from(number).expect("small")].to_vec()
                }
                1 => b"# a comment".to_vec(),
                2 => {
                    good += 1;
                    let kind = ["meta", "warn"][usize::from(self.random.below(2) == 0)];
                    let key = self.random.below(50);
                    format!("{}\tbase.{kind}.k{key}\ttext {good}\t5", self.address()).into_bytes()
                }
                _ => {
                    good += 1;
                    self.metric().into_bytes()
                }
            };
            payload.extend_from_slice(&line);
            payload.push(b'\n');
        }
        let mut command = redis::cmd("KURADO.PUSH");
        command.arg(payload);
        let mut first = true;
        let (accepted, rejected, reasons): (usize, usize, Vec<String>) =
            self.until_answered(&command, &mut first);
        assert_eq!(accepted + rejected, good + bad, "{reasons:?}");
        // Sent again, a point may be in its file already.
        if first {
            assert_eq!((accepted, rejected), (good, bad), "{reasons:?}");
        }
    }

    /// The line of a point: mostly a new one.
    fn metric(&mut self) -> String {
        let at = usize::try_from(self.random.below(self.open.len() as u64)).expect("small");
        let number = self.open[at];
        let again = self.random.below(10) == 0;
        if let Some(line) = self.series[number].last_line().filter(|_| again) {
            return line;
        }
        let line = self.series[number].next_line(&mut self.random);
        if self.series[number].is_full() {
            self.open[at] = self.series.len();
            let address = &self.addresses[number % 2];
            // Of the same host, since both counts are even.
            let next = Series::new(address, self.series.len());
            self.series.push(next);
        }
        line
    }

    fn ask(&mut self) {
        let address = self.address().to_owned();
        let number = self.random.below(self.series.len() as u64);
        let key = self.series[usize::try_from(number).expect("small")].key().to_owned();
        let words = match self.random.below(9) {
            0 => vec!["KURADO.FLUSH"],
            1 => vec!["KURADO.FLUSH", &address],
            2 => vec!["KURADO.FLUSH", &address, "base", &key],
            3 => vec!["KURADO.HOST", &address],
            4 => vec!["KURADO.HOSTS"],
            5 => vec!["KURADO.SERIES", &address],
            6 => vec!["KURADO.META", "GET", &address],
            7 => vec!["KURADO.META", "DEL", &address, "base", "k7"],
            _ => vec!["INFO", "kurado"],
        };
        let mut command = redis::Cmd::new();
        command.arg(words);
        let _: redis::Value = self.until_answered(&command, &mut true);
    }

    fn address(&mut self) -> &str {
        &self.addresses[usize::from(self.random.below(2) == 0)]
    }

    /// Sends a command until the server, which may be killed meanwhile, has answered it. `first`
    /// becomes false where it was sent more than once.
    fn until_answered<T: redis::FromRedisValue>(
        &mut self,
        command: &redis::Cmd,
        first: &mut bool,
    ) -> T {
        eventually("an answer", || {
            if self.connection.is_none() {
                let port = self.port.load(Ordering::Relaxed);
                self.connection =
                    redis::Client::open(("127.0.0.1", port)).ok()?.get_connection().ok();
            }
            match command.query(self.connection.as_mut()?) {
                Ok(reply) => Some(reply),
                Err(error) => {
                    assert!(is_of_a_restart(&error), "{error}");
                    self.connection = None;
                    *first = false;
                    None
                }
            }
        })
    }
}

fn is_of_a_restart(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading)
}
