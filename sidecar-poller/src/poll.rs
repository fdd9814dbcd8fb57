//! Fetches what is due, a bounded number at once, and one at a time a target.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::fetch::{FAILURE, ODD_LINES, one_column};
use crate::fetch_log::FetchLog;
use crate::metrics::Metrics;
use crate::push::Buffer;
use crate::schedule::{MINUTE, Schedule, Spread, SteadyClock};
use crate::targets::{State, Target, keep_states};

/// How many fetches one fetch worker carries at once. A fetch mostly waits, so a worker is no
/// process: the setting `fetch_worker` of existing files goes on to mean more or less at once.
const FETCHES_PER_WORKER: usize = 128;
/// How long fetches may go on when the program ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a configuration wants fetched.
#[derive(Default)]
pub struct Plan {
    /// What is fetched.
    pub targets: Vec<Arc<Target>>,
    /// How many fetch workers there are.
    pub fetch_workers: usize,
}

/// Fetches all targets, minute by minute.
pub struct Poller {
    plan: Plan,
    schedule: Schedule,
    clock: SteadyClock,
    turns: Arc<Semaphore>,
    buffer: Arc<Buffer>,
    metrics: Arc<Metrics>,
    log: Arc<FetchLog>,
    running: JoinSet<()>,
    overruns: Overruns,
}

/// Overruns that the log has not told yet.
struct Overruns {
    count: u64,
    told: Option<Instant>,
}

impl Poller {
    /// A poller of these targets, whose lines go to the buffer.
    #[must_use]
    pub fn new(
        plan: Plan,
        spread: Spread,
        buffer: Arc<Buffer>,
        metrics: Arc<Metrics>,
        log: Arc<FetchLog>,
    ) -> Self {
        let clock = SteadyClock::new(since_1970());
        metrics.targets.set(plan.targets.len() as u64);
        Self {
            schedule: Schedule::new(&plan.targets, spread, clock.now()),
            clock,
            turns: turns(plan.fetch_workers),
            plan,
            buffer,
            metrics,
            log,
            running: JoinSet::new(),
            overruns: Overruns { count: 0, told: None },
        }
    }

    /// Fetches what is due, and follows other plans, until `stop` is ready; then gives what is
    /// under way a moment to end.
    pub async fn run(mut self, mut plans: mpsc::Receiver<Plan>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            self.fetch_due();
            self.metrics.looked();
            let next = self.schedule.next().map(|next| self.clock.when(next));
            // At the latest after a minute, to show that it goes on.
            let wake = next.into_iter().chain([Instant::now() + MINUTE]).min();
            tokio::select! {
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)) => {}
                Some(plan) = plans.recv() => self.follow(plan),
                () = &mut stop => break,
            }
        }
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, ended).await.is_err() {
            info!("{} fetches are cut off", self.running.len());
        }
    }

    /// Goes over to another plan. Targets that stay keep their times and states.
    fn follow(&mut self, mut plan: Plan) {
        self.fetch_due();
        keep_states(&self.plan.targets, &mut plan.targets);
        self.schedule.replace(&plan.targets, self.clock.now());
        self.metrics.targets.set(plan.targets.len() as u64);
        if plan.fetch_workers != self.plan.fetch_workers {
            // Those under way end by the turns of before.
            self.turns = turns(plan.fetch_workers);
        }
        self.plan = plan;
    }

    /// Starts a fetch of each target that is due and whose last one has ended; the others are
    /// overruns.
    fn fetch_due(&mut self) {
        while self.running.try_join_next().is_some() {}
        let due = self.schedule.due(self.clock.now());
        let mut overruns = due.missed;
        for target in due.targets {
            let Some(busy) = Busy::begin(&target.state) else {
                overruns += 1;
                continue;
            };
            let turns = Arc::clone(&self.turns);
            let (buffer, metrics) = (Arc::clone(&self.buffer), Arc::clone(&self.metrics));
            let log = Arc::clone(&self.log);
            self.running.spawn(async move {
                // Never closed, so always a turn.
                let _turn = turns.acquire().await;
                buffer.add(fetch(&target, &metrics, &log).await);
                drop(busy);
            });
        }
        self.metrics.overruns.add(overruns);
        self.overruns.add(overruns, self.plan.fetch_workers);
    }
}

impl Overruns {
    /// Adds some, and tells the log once a minute.
    fn add(&mut self, count: u64, fetch_workers: usize) {
        self.count += count;
        if self.count > 0 && self.told.is_none_or(|told| told.elapsed() >= MINUTE) {
            warn!(
                "{} fetches were left out, as those of the minute before had not ended or the machine stood still; \
                 fetch_worker, which is {fetch_workers}, says how many may go on at once ({FETCHES_PER_WORKER} each)",
                self.count
            );
            self.count = 0;
            self.told = Some(Instant::now());
        }
    }
}

/// A fetch of a target is under way until this is dropped.
struct Busy(Arc<State>);

impl Busy {
    /// `None` where one is already.
    fn begin(state: &Arc<State>) -> Option<Self> {
        (!state.busy.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(state)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

fn turns(fetch_workers: usize) -> Arc<Semaphore> {
    let at_once = fetch_workers.saturating_mul(FETCHES_PER_WORKER).min(Semaphore::MAX_PERMITS);
    Arc::new(Semaphore::new(at_once))
}

/// Fetches once; gives the lines, or the warning's line.
async fn fetch(target: &Target, metrics: &Metrics, log: &FetchLog) -> String {
    let time = since_1970().as_secs();
    let begun = Instant::now();
    let (address, identifier) = (&target.host.address, &target.identifier);
    let (name, health) = (format!("{address} {identifier}"), &target.state.health);
    let result = target.fetcher.fetch(target.request()).await;
    metrics.took(begun.elapsed());
    match result {
        Ok(mut report) => {
            metrics.fetched.add(1);
            let over = log.fetched(&name, health, report.odd_lines().as_deref());
            // The page shall not warn of it for the minutes that a warning lives.
            for key in [(over.failure, FAILURE), (over.odd_lines, ODD_LINES)]
                .into_iter()
                .filter_map(|(is_over, key)| is_over.then_some(key))
            {
                report.end_warning(key);
            }
            report.lines(address, identifier, time)
        }
        Err(error) => {
            metrics.failed.add(1);
            // What a program says must not look like lines of this one's.
            log.failed(&name, health, &one_column(&error.to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::tests::target;
    use std::net::TcpListener;
    use test_redis::{RedisServer, free_port};

    fn redis(port: u16) -> Arc<Target> {
        target("127.0.0.1", &format!("redis:{port}"))
    }

    fn poller(targets: Vec<Arc<Target>>) -> Poller {
        let plan = Plan { targets, fetch_workers: 1 };
        Poller::new(plan, Spread::AtOnce, Arc::default(), Arc::default(), Arc::default())
    }

    #[tokio::test]
    async fn fetches_bring_lines_and_warnings() {
        let server = RedisServer::start(&[]);
        let dead = free_port();
        let mut poller = poller(vec![redis(server.port()), redis(dead)]);
        poller.fetch_due();
        while poller.running.join_next().await.is_some() {}
        let lines = poller.buffer.text();
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
        let metrics = &poller.metrics;
        assert_eq!(
            (metrics.fetched.get(), metrics.failed.get(), metrics.overruns.get()),
            (1, 1, 0)
        );
    }

    #[tokio::test]
    async fn the_first_good_fetch_ends_the_warning_of_the_bad_ones() {
        let port = free_port();
        let target = redis(port);
        let (metrics, log) = (Metrics::default(), FetchLog::default());
        let warning = format!("redis%3A{port}.warn.command\t");
        assert!(fetch(&target, &metrics, &log).await.contains(&warning));
        let server = RedisServer::start_on(port, &[]);
        let ends = format!("127.0.0.1\t{warning}\t");
        let lines = fetch(&target, &metrics, &log).await;
        assert!(lines.contains(&ends), "{lines}");
        assert!(!fetch(&target, &metrics, &log).await.contains(&warning));
        drop(server);
    }

    #[tokio::test]
    async fn a_target_that_is_still_busy_is_left_out_and_counted() {
        let target = redis(free_port());
        let _busy = Busy::begin(&target.state).unwrap();
        let mut poller = poller(vec![Arc::clone(&target)]);
        poller.fetch_due();
        assert!(poller.running.is_empty());
        assert_eq!(poller.metrics.overruns.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_its_turn_for_a_minute_is_an_overrun_and_does_not_pile_up() {
        let target = redis(free_port());
        let mut poller = poller(vec![Arc::clone(&target)]);
        let turns = Arc::clone(&poller.turns);
        let all = turns.acquire_many(u32::try_from(FETCHES_PER_WORKER).unwrap()).await.unwrap();
        for minute in 0..5 {
            poller.fetch_due();
            assert_eq!(poller.running.len(), 1);
            assert_eq!(poller.metrics.overruns.get(), minute);
            tokio::time::advance(MINUTE).await;
        }
        tokio::time::resume();
        drop(all);
        poller.running.join_next().await.unwrap().unwrap();
        assert_eq!(poller.metrics.failed.get(), 1);
        assert!(Busy::begin(&target.state).is_some());
    }

    #[tokio::test]
    async fn a_fetch_that_panics_leaves_its_target_for_the_next_minute() {
        let target = redis(free_port());
        let state = Arc::clone(&target.state);
        let task = tokio::spawn(async move {
            let _busy = Busy::begin(&state);
            panic!("on purpose");
        });
        assert!(task.await.is_err());
        assert!(Busy::begin(&target.state).is_some());
    }

    #[tokio::test]
    async fn another_plan_leaves_what_is_under_way_alone() {
        // Takes the connection, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let mut poller = poller(vec![redis(port)]);
        poller.fetch_due();
        poller.follow(Plan { targets: vec![redis(port), redis(free_port())], fetch_workers: 2 });
        assert_eq!(poller.plan.targets.len(), 2);
        assert!(poller.plan.targets[0].state.busy.load(Ordering::Relaxed));
        assert_eq!(poller.turns.available_permits(), 2 * FETCHES_PER_WORKER);
        poller.running.shutdown().await;
    }

    #[tokio::test]
    async fn turns_are_bounded_by_the_setting() {
        assert_eq!(turns(4).available_permits(), 512);
        assert_eq!(turns(usize::MAX).available_permits(), Semaphore::MAX_PERMITS);
    }
}
