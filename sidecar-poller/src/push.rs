//! The way of lines to Redis: a bounded buffer, and one task that empties it by `KURADO.PUSH`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

use crate::connection::{Credentials, Limits, connect, reason};

/// Most bytes that wait while Redis is away: minutes of the largest site, days of a small one.
const MAX_WAITING: usize = 64 * 1024 * 1024;
/// About how many bytes one push carries.
const PUSH_SIZE: usize = 256 * 1024;
const LIMITS: Limits = Limits { connect: Duration::from_secs(4), reply: Duration::from_secs(10) };
/// Between two tries while Redis is away.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the last push may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// Lines that wait for Redis. Each report holds the lines of one fetch.
pub struct Buffer {
    queue: Mutex<Queue>,
    added: Notify,
    max_bytes: usize,
}

#[derive(Default)]
struct Queue {
    reports: VecDeque<Report>,
    bytes: usize,
    /// Of what was taken and is on its way: its bytes, and since when its oldest report waits.
    taken: Option<(usize, Instant)>,
    /// Lines that Redis has accepted, and lines that were dropped, since the start.
    pushed: u64,
    lost: u64,
}

/// The lines of one fetch.
#[derive(Debug)]
pub struct Report {
    lines: String,
    since: Instant,
}

impl Report {
    fn count(&self) -> u64 {
        self.lines.lines().count() as u64
    }
}

/// How much waits, and what became of the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Bytes that wait.
    pub bytes: usize,
    /// For how long the oldest line waits.
    pub lag: Duration,
    /// Lines that Redis has accepted since the start.
    pub pushed: u64,
    /// Lines that it has refused, or that were dropped while it was away.
    pub lost: u64,
}

impl Default for Buffer {
    fn default() -> Self {
        Self::with_max_bytes(MAX_WAITING)
    }
}

impl Buffer {
    fn with_max_bytes(max_bytes: usize) -> Self {
        Self { queue: Mutex::default(), added: Notify::new(), max_bytes }
    }

    /// Adds the lines of a fetch. Past the bound the oldest go.
    pub fn add(&self, lines: String) {
        if lines.is_empty() {
            return;
        }
        let mut queue = self.lock();
        queue.bytes += lines.len();
        queue.reports.push_back(Report { lines, since: Instant::now() });
        queue.drop_oldest(self.max_bytes);
        self.added.notify_one();
    }

    /// Takes the oldest reports, about a push's size of them. They count as waiting until
    /// [`Self::put_back`] or [`Self::done`].
    pub fn take(&self) -> Vec<Report> {
        let mut queue = self.lock();
        let mut taken: Vec<Report> = Vec::new();
        let mut size = 0;
        while size < PUSH_SIZE
            && let Some(report) = queue.reports.pop_front()
        {
            queue.bytes -= report.lines.len();
            size += report.lines.len();
            taken.push(report);
        }
        queue.taken = taken.first().map(|oldest| (size, oldest.since));
        taken
    }

    /// Puts back what could not be pushed; it is the oldest again.
    fn put_back(&self, reports: Vec<Report>) {
        let mut queue = self.lock();
        queue.taken = None;
        for report in reports.into_iter().rev() {
            queue.bytes += report.lines.len();
            queue.reports.push_front(report);
        }
        queue.drop_oldest(self.max_bytes);
    }

    /// What was taken needs no more care.
    fn done(&self) {
        self.lock().taken = None;
    }

    fn count_pushed(&self, lines: u64) {
        self.lock().pushed += lines;
    }

    fn count_lost(&self, lines: u64) {
        self.lock().lost += lines;
    }

    /// How much waits, and what became of the rest.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        let queue = self.lock();
        let first = queue.reports.front().map(|report| report.since);
        let oldest = queue.taken.map(|(_, since)| since).into_iter().chain(first).min();
        Waiting {
            bytes: queue.bytes + queue.taken.map_or(0, |(bytes, _)| bytes),
            lag: oldest.map_or(Duration::ZERO, |since| since.elapsed()),
            pushed: queue.pushed,
            lost: queue.lost,
        }
    }

    /// All that waits.
    #[cfg(test)]
    pub fn text(&self) -> String {
        self.lock().reports.iter().map(|report| report.lines.as_str()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn drop_oldest(&mut self, max_bytes: usize) {
        while self.bytes > max_bytes
            && let Some(oldest) = self.reports.pop_front()
        {
            self.bytes -= oldest.lines.len();
            self.lost += oldest.count();
        }
    }
}

/// Empties a buffer into Redis.
pub struct Pusher {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    connection: Option<MultiplexedConnection>,
    away: Option<Away>,
}

struct Away {
    since: Instant,
    why: String,
    /// How many lines were lost before.
    lost: u64,
}

/// What became of a push.
enum Pushed {
    Taken,
    /// Redis can't take anything now: keep it and try again.
    Away,
    /// Redis can't take just this: a bound of its own.
    Refused(String),
}

impl Pusher {
    /// A pusher to the Redis of that address; it connects when there is something to push.
    #[must_use]
    pub fn new((host, port): (&str, u16), credentials: Option<Credentials>) -> Self {
        Self { host: host.to_owned(), port, credentials, connection: None, away: None }
    }

    /// Pushes until `stop` turns true, and then what is left, as far as a few seconds allow.
    pub async fn run(mut self, buffer: &Buffer, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let reports = buffer.take();
            let is_idle = reports.is_empty();
            if !is_idle && self.push_batch(buffer, reports).await {
                continue;
            }
            let pause = async {
                if is_idle {
                    buffer.added.notified().await;
                } else {
                    tokio::time::sleep(PAUSE).await;
                }
            };
            tokio::select! {
                () = pause => {}
                // An error means that the sender is gone, which ends the program too.
                _ = stop.changed() => break,
            }
        }
        let rest = self.push_the_rest(buffer);
        if tokio::time::timeout(FAREWELL, rest).await.is_err() {
            warn!("Redis is too slow: some lines could not be pushed before the end");
        }
    }

    async fn push_the_rest(&mut self, buffer: &Buffer) {
        loop {
            let reports = buffer.take();
            if reports.is_empty() {
                return;
            }
            if !self.push_batch(buffer, reports).await {
                warn!("some lines could not be pushed before the end");
                return;
            }
        }
    }

    /// Pushes reports together; false where Redis is away and they went back to the buffer.
    async fn push_batch(&mut self, buffer: &Buffer, reports: Vec<Report>) -> bool {
        let payload: String = reports.iter().map(|report| report.lines.as_str()).collect();
        match self.push(buffer, &payload).await {
            Pushed::Taken => {
                buffer.done();
                self.is_back(buffer);
                true
            }
            Pushed::Away => {
                buffer.put_back(reports);
                false
            }
            // One report is too much for Redis; the others shall not suffer for it.
            Pushed::Refused(_) => self.push_singly(buffer, reports).await,
        }
    }

    async fn push_singly(&mut self, buffer: &Buffer, reports: Vec<Report>) -> bool {
        let mut reports = reports.into_iter();
        while let Some(report) = reports.next() {
            match self.push(buffer, &report.lines).await {
                Pushed::Taken => {}
                Pushed::Refused(why) => {
                    buffer.count_lost(report.count());
                    error!(
                        "the lines of {} are dropped: {why}",
                        name(report.lines.lines().next().unwrap_or_default())
                    );
                }
                Pushed::Away => {
                    buffer.put_back([report].into_iter().chain(reports).collect());
                    return false;
                }
            }
        }
        buffer.done();
        self.is_back(buffer);
        true
    }

    async fn push(&mut self, buffer: &Buffer, payload: &str) -> Pushed {
        let result = self.send(payload).await;
        match result {
            Ok((accepted, rejected, reasons)) => {
                buffer.count_pushed(accepted);
                buffer.count_lost(rejected);
                if rejected > 0 {
                    let reasons = explained(payload, &reasons);
                    warn!(accepted, "{rejected} lines were rejected: {reasons}");
                }
                Pushed::Taken
            }
            Err(error) if is_refusal(&error) => Pushed::Refused(reason(&error, LIMITS)),
            Err(error) => {
                self.is_away(buffer, &error);
                Pushed::Away
            }
        }
    }

    async fn send(&mut self, payload: &str) -> Result<(u64, u64, Vec<String>), RedisError> {
        let mut connection = match &self.connection {
            Some(connection) => connection.clone(),
            None => {
                let address = (self.host.as_str(), self.port);
                connect(address, self.credentials.as_ref(), LIMITS).await?
            }
        };
        // Kept only while all is well: after any error the next try begins anew.
        self.connection = None;
        let reply = redis::cmd("KURADO.PUSH").arg(payload).query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(reply)
    }

    fn is_away(&mut self, buffer: &Buffer, error: &RedisError) {
        let why = reason(error, LIMITS);
        let (since, lost) = match &self.away {
            // Said once, not at each try.
            Some(away) if away.why == why => return,
            Some(away) => (away.since, away.lost),
            None => (Instant::now(), buffer.waiting().lost),
        };
        let hint = match error.code() {
            Some("ERR") if is_unknown_command(error) => {
                "; is the module libkurado.so loaded there?"
            }
            Some("NOAUTH" | "WRONGPASS") => "; its password is read from KURADO_PASSWORD",
            _ => "",
        };
        warn!(
            "Redis at {}:{} takes no lines: {why}{hint}; up to {} MiB of them are kept",
            self.host,
            self.port,
            MAX_WAITING / 1024 / 1024
        );
        self.away = Some(Away { since, why, lost });
    }

    fn is_back(&mut self, buffer: &Buffer) {
        if let Some(away) = self.away.take() {
            info!(
                "Redis at {}:{} takes lines again after {} s; {} lines were lost in between",
                self.host,
                self.port,
                away.since.elapsed().as_secs(),
                buffer.waiting().lost - away.lost
            );
        }
    }
}

/// Whether Redis would refuse the same payload again later, but may take others: its bounds on
/// series and hosts. (Its bound on pending bytes passes when points are written.)
fn is_refusal(error: &RedisError) -> bool {
    let detail = error.detail().unwrap_or_default();
    detail.starts_with("no line was accepted") && !detail.contains("max-pending-bytes")
}

fn is_unknown_command(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}

/// Reasons `line 3: …` with the names of these lines in place of their numbers.
fn explained(payload: &str, reasons: &[String]) -> String {
    let one = |reason: &String| {
        let (number, why) = reason.strip_prefix("line ")?.split_once(": ")?;
        let line = payload.lines().nth(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        Some(format!("{}: {why}", name(line)))
    };
    let explained: Vec<String> =
        reasons.iter().map(|reason| one(reason).unwrap_or_else(|| reason.clone())).collect();
    explained.join("; ")
}

/// What a line is about: its first two columns.
fn name(line: &str) -> String {
    line.split('\t').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::Arc;
    use test_redis::{RedisServer, load_module};

    fn buffer(max_bytes: usize, reports: &[&str]) -> Buffer {
        let buffer = Buffer::with_max_bytes(max_bytes);
        for report in reports {
            buffer.add((*report).to_owned());
        }
        buffer
    }

    fn taken(buffer: &Buffer) -> Vec<String> {
        buffer.take().into_iter().map(|report| report.lines).collect()
    }

    #[test]
    fn past_its_bound_the_buffer_drops_the_oldest_and_counts_their_lines() {
        let buffer = buffer(10, &["a\nb\n", "bbbb", "cccc"]);
        assert_eq!(buffer.waiting().lost, 2);
        assert_eq!(taken(&buffer), ["bbbb", "cccc"]);
        assert!(buffer.take().is_empty());
    }

    #[test]
    fn what_is_on_its_way_waits_too() {
        let buffer = buffer(100, &["aaaa", "bb"]);
        let all = buffer.waiting();
        assert_eq!(all.bytes, 6);
        let reports = buffer.take();
        assert_eq!(buffer.waiting().bytes, 6);
        assert!(buffer.waiting().lag >= all.lag);
        buffer.put_back(reports);
        assert_eq!(buffer.waiting().bytes, 6);
        buffer.take();
        buffer.done();
        assert_eq!(buffer.waiting(), Waiting::default());
    }

    #[test]
    fn what_is_put_back_is_the_oldest_again() {
        let buffer = buffer(10, &["aa", "bb"]);
        let reports = buffer.take();
        buffer.add("cccc".to_owned());
        buffer.put_back(reports);
        assert_eq!(taken(&buffer), ["aa", "bb", "cccc"]);
        buffer.add("dddd".to_owned());
        buffer.add("eeee".to_owned());
        let reports = buffer.take();
        buffer.add("ffff".to_owned());
        buffer.put_back(reports);
        assert_eq!(taken(&buffer), ["eeee", "ffff"]);
    }

    #[test]
    fn a_push_takes_about_its_size() {
        let big = "x".repeat(PUSH_SIZE - 1);
        let buffer = buffer(usize::MAX, &[&big, "y", "z"]);
        assert_eq!(buffer.take().len(), 2);
        assert_eq!(taken(&buffer), ["z"]);
    }

    #[test]
    fn reasons_name_the_lines() {
        let payload = "h\tredis.metrics.a\tx\t5\nh\tredis.metrics.b\ty\t5\n";
        assert_eq!(
            explained(
                payload,
                &["line 2: value 'y' must be a number".to_owned(), "and 3 more lines".to_owned()]
            ),
            "h redis.metrics.b: value 'y' must be a number; and 3 more lines"
        );
    }

    /// Runs a pusher on a buffer until the condition holds, then ends it.
    async fn run_until(port: u16, buffer: Arc<Buffer>, done: impl AsyncFn() -> bool) {
        let (stop, stopped) = watch::channel(false);
        let running = Arc::clone(&buffer);
        let task = tokio::spawn(async move {
            Pusher::new(("127.0.0.1", port), None).run(&running, stopped).await;
        });
        let until = async {
            while !done().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), until).await.expect("not within 30 s");
        stop.send(true).unwrap();
        task.await.unwrap();
    }

    fn with_module(port: u16) -> RedisServer {
        let [load, module] = load_module();
        RedisServer::start_on(port, &[&load, &module])
    }

    #[tokio::test]
    async fn without_the_module_lines_are_kept() {
        let server = RedisServer::start(&[]);
        let buffer = Arc::new(buffer(usize::MAX, &["h\tredis.metrics.a\t1\t5\n"]));
        let calls = async || {
            server.cli(&["INFO", "commandstats"]).contains("rejected_calls")
                || server.cli(&["INFO", "errorstats"]).contains("errorstat_ERR")
        };
        run_until(server.port(), Arc::clone(&buffer), calls).await;
        assert_eq!(taken(&buffer), ["h\tredis.metrics.a\t1\t5\n"]);
    }

    #[tokio::test]
    async fn lines_wait_while_redis_is_away_and_arrive_when_it_comes() {
        // Hangs up on the first push.
        let dying = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = dying.local_addr().unwrap().port();
        let hung_up = tokio::task::spawn_blocking(move || drop(dying.accept().unwrap()));
        let buffer = Arc::new(buffer(
            usize::MAX,
            &["10.0.0.1\tredis.metrics.keys.gauge\t42\t1700000000\n", "not a line\n"],
        ));
        let (stop, stopped) = watch::channel(false);
        let running = Arc::clone(&buffer);
        let task = tokio::spawn(async move {
            Pusher::new(("127.0.0.1", port), None).run(&running, stopped).await;
        });
        hung_up.await.unwrap();
        let server = with_module(port);
        let arrived = async {
            while !server.cli(&["KURADO.SERIES", "10.0.0.1"]).contains("keys.gauge") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), arrived).await.expect("not within 30 s");
        stop.send(true).unwrap();
        task.await.unwrap();
        assert!(buffer.take().is_empty());
    }

    #[tokio::test]
    async fn a_report_past_a_bound_is_dropped_and_the_others_arrive() {
        let server = RedisServer::start_with_module(&[]);
        server.cli(&["CONFIG", "SET", "kurado.max-hosts", "2"]);
        let report = |host: &str| format!("{host}\tredis.metrics.keys.gauge\t1\t1700000000\n");
        let reports = ["h1", "h2", "h3"].map(report);
        let reports: Vec<&str> = reports.iter().map(String::as_str).collect();
        let buffer = Arc::new(buffer(usize::MAX, &reports));
        run_until(server.port(), Arc::clone(&buffer), async || buffer.lock().reports.is_empty())
            .await;
        let hosts = server.cli(&["KURADO.HOSTS"]);
        assert!(hosts.contains("h1") && hosts.contains("h2") && !hosts.contains("h3"), "{hosts}");
        assert!(buffer.take().is_empty());
        let waiting = buffer.waiting();
        assert_eq!((waiting.pushed, waiting.lost, waiting.bytes), (2, 1, 0));
    }
}
