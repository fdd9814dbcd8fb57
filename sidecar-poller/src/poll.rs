//! The minute tick: starts the fetches, a bounded number at once, and one at a time a target.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::push::Buffer;
use crate::targets::Target;

/// How many fetches one fetch worker carries at once. A fetch mostly waits, so a worker is no
/// process: the setting `fetch_worker` of existing files goes on to mean more or less at once.
const FETCHES_PER_WORKER: usize = 128;
const MINUTE: Duration = Duration::from_secs(60);
/// How long fetches may go on when the program ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Fetches all targets, minute by minute.
pub struct Poller {
    targets: Vec<Arc<Target>>,
    turns: Arc<Semaphore>,
    buffer: Arc<Buffer>,
    running: JoinSet<()>,
}

impl Poller {
    /// A poller of these targets, whose lines go to the buffer.
    #[must_use]
    pub fn new(targets: Vec<Arc<Target>>, fetch_workers: usize, buffer: Arc<Buffer>) -> Self {
        let at_once = fetch_workers.saturating_mul(FETCHES_PER_WORKER).min(Semaphore::MAX_PERMITS);
        Self { targets, turns: Arc::new(Semaphore::new(at_once)), buffer, running: JoinSet::new() }
    }

    /// Ticks now and at each whole minute, until `stop` is ready; then gives what is under way a
    /// moment to end.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            self.tick();
            let pause = until_next_minute(since_1970());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut stop => break,
            }
        }
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, ended).await.is_err() {
            info!("{} fetches are cut off", self.running.len());
        }
    }

    /// Starts a fetch of each target whose last one has ended; gives the number of the others.
    fn tick(&mut self) -> usize {
        while self.running.try_join_next().is_some() {}
        let mut skipped = 0;
        for target in &self.targets {
            if target.busy.swap(true, Ordering::AcqRel) {
                skipped += 1;
                debug!("{} {} is still being fetched", target.host.address, target.identifier);
                continue;
            }
            let (target, turns) = (Arc::clone(target), Arc::clone(&self.turns));
            let buffer = Arc::clone(&self.buffer);
            self.running.spawn(async move {
                // Never closed, so always a turn.
                let _turn = turns.acquire().await;
                buffer.add(fetch(&target).await);
                target.busy.store(false, Ordering::Release);
            });
        }
        if skipped > 0 {
            warn!(
                "{skipped} of {} targets are still being fetched since the minute before; this minute is left out for them",
                self.targets.len()
            );
        }
        skipped
    }
}

/// Fetches once; gives the lines, or the warning's line. The log says when a target begins to fail
/// and when it is well again; each failure is on the host's page.
async fn fetch(target: &Target) -> String {
    let time = since_1970().as_secs();
    let (address, identifier) = (&target.host.address, &target.identifier);
    match target.fetcher.fetch(target.request()).await {
        Ok(report) => {
            if target.failing.swap(false, Ordering::Relaxed) {
                info!("{address} {identifier} is fetched again");
            }
            report.lines(address, identifier, time)
        }
        Err(error) => {
            if !target.failing.swap(true, Ordering::Relaxed) {
                warn!("{address} {identifier} can not be fetched: {error}");
            }
            error.line(address, identifier, time)
        }
    }
}

/// The time of now.
#[must_use]
pub fn since_1970() -> Duration {
    // A clock before 1970 makes lines that are refused, which says enough.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn until_next_minute(now: Duration) -> Duration {
    let gone = Duration::new(now.as_secs() % 60, now.subsec_nanos());
    MINUTE - gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Fetcher;
    use line_protocol::Identifier;
    use serde_json::Map;
    use site::{Host, Roll};
    use std::net::TcpListener;
    use std::sync::atomic::AtomicBool;
    use test_redis::{RedisServer, free_port};

    fn target(port: u16) -> Arc<Target> {
        let roll =
            Roll { file: "x.yml".to_owned(), metrics_config: Map::new(), plugins: Vec::new() };
        Arc::new(Target {
            host: Arc::new(Host {
                address: "127.0.0.1".to_owned(),
                hostname: "h".to_owned(),
                comments: String::new(),
                service: "x".to_owned(),
                label: None,
                roll: Arc::new(roll),
            }),
            identifier: Identifier::parse(&format!("redis:{port}")).unwrap(),
            fetcher: Fetcher::Redis,
            busy: AtomicBool::new(false),
            failing: AtomicBool::new(false),
        })
    }

    #[test]
    fn ticks_are_at_whole_minutes() {
        let until = |now: f64| until_next_minute(Duration::from_secs_f64(now)).as_secs_f64();
        assert!((until(1_700_000_040.0) - 60.0).abs() < 1e-6);
        assert!((until(1_700_000_099.75) - 0.25).abs() < 1e-6);
        assert!((until(1_700_000_041.5) - 58.5).abs() < 1e-6);
    }

    #[tokio::test]
    async fn a_tick_brings_lines_and_warnings() {
        let server = RedisServer::start(&[]);
        let buffer = Arc::new(Buffer::default());
        let dead = free_port();
        let targets = vec![target(server.port()), target(dead)];
        let mut poller = Poller::new(targets, 1, Arc::clone(&buffer));
        assert_eq!(poller.tick(), 0);
        while poller.running.join_next().await.is_some() {}
        let lines = buffer.take().concat();
        for line in lines.lines() {
            line_protocol::parse_line(line.as_bytes()).unwrap();
        }
        assert!(
            lines
                .contains(&format!("127.0.0.1\tredis%3A{}.metrics.keys.gauge\t0\t", server.port()))
        );
        assert!(lines.contains(&format!(
            "127.0.0.1\tredis%3A{dead}.warn.command\tport {dead}: connection refused\t"
        )));
    }

    #[tokio::test]
    async fn a_target_that_is_still_busy_is_left_out() {
        // Takes the connection, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = target(silent.local_addr().unwrap().port());
        let mut poller = Poller::new(vec![Arc::clone(&target)], 1, Arc::default());
        assert_eq!(poller.tick(), 0);
        assert_eq!(poller.tick(), 1);
        assert_eq!(poller.running.len(), 1);
        poller.running.shutdown().await;
    }
}
