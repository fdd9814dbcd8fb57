//! `kurado-poller` without a command: fetches until it is told to end, and follows its files.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use line_protocol::Identifier;
use site::{Configuration, Fault, Follower, Watcher};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::connection::Credentials;
use crate::fetch::Report;
use crate::metrics::{Metrics, Snapshot};
use crate::poll::{Plan, Poller, since_1970};
use crate::push::{Buffer, Pusher};
use crate::schedule::{MINUTE, Spread};
use crate::{Failure, check, metrics_page, targets};

/// The plugin of the poller's own numbers.
pub const OWN_PLUGIN: &str = "kurado";

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Where the configuration has a fault, or `metrics_listen` can't be had.
pub async fn run(
    config: &Path,
    spread: Spread,
    metrics_listen: Option<SocketAddr>,
    credentials: Option<Credentials>,
) -> Result<(), Failure> {
    let hangup = signal(SignalKind::hangup())?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);

    let mut watcher = Watcher::new(config);
    let configuration = watcher.read().and_then(Configuration::with_secrets)?;
    let (buffer, metrics) = (Arc::new(Buffer::default()), Arc::new(Metrics::default()));
    if let Some(address) = metrics_listen {
        serve_metrics(address, &buffer, &metrics).await?;
    }

    let mut known_warnings = HashSet::new();
    warn_of(&configuration, &mut known_warnings);
    let plan = plan(&configuration);
    info!("{}", summary(&configuration, &plan));
    let (plans, followed) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel();
    let poller = Poller::new(plan, spread, Arc::clone(&buffer), Arc::clone(&metrics));
    let polling = tokio::spawn(poller.run(followed, async {
        // An error means that the sender is gone, which ends the program too.
        let _ = stopped.await;
    }));
    let mut pushing = Pushing::start(&configuration, credentials.clone(), &buffer);
    let mut own = OwnReport::new(&configuration, buffer, metrics);

    let (found, mut changes) = mpsc::channel(1);
    tokio::spawn(follow(Follower::new(watcher, hangup), found));
    let mut minutes = tokio::time::interval(MINUTE);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = minutes.tick() => own.end_minute(),
            Some(change) = changes.recv() => match change {
                Err(fault) => own.note_fault(&fault),
                Ok(configuration) => {
                    warn_of(&configuration, &mut known_warnings);
                    let plan = self::plan(&configuration);
                    info!("configuration read anew: {}", summary(&configuration, &plan));
                    // An error means that the poller is gone, which the end of the program tells.
                    let _ = plans.send(plan).await;
                    own.note_reload(&configuration);
                    if pushing.redis != configuration.site.config().redis {
                        pushing.end().await?;
                        pushing = Pushing::start(&configuration, credentials.clone(), &own.buffer);
                    }
                }
            },
        }
    }
    info!("stopping");
    let _ = stop.send(());
    polling.await?;
    pushing.end().await
}

/// Passes on what is read when files have changed.
async fn follow(mut follower: Follower, found: mpsc::Sender<Result<Configuration, Fault>>) {
    while let Some(read) = follower.next().await {
        if found.send(read.and_then(Configuration::with_secrets)).await.is_err() {
            return;
        }
    }
    warn!("the configuration is not followed any more: reading it panicked");
}

fn plan(configuration: &Configuration) -> Plan {
    let Configuration { site, definitions } = configuration;
    Plan { targets: targets::targets(site, definitions), fetch_workers: site.config().fetch_worker }
}

fn summary(configuration: &Configuration, plan: &Plan) -> String {
    let site = &configuration.site;
    format!(
        "fetching {} targets of {} hosts each minute, for Redis at {}",
        plan.targets.len(),
        site.hosts().count(),
        site.config().redis
    )
}

/// Tells the log what is odd, each once.
fn warn_of(configuration: &Configuration, known: &mut HashSet<String>) {
    let warnings = check::Findings::of(configuration).into_texts();
    known.retain(|warning| warnings.contains(warning));
    for warning in warnings {
        if known.insert(warning.clone()) {
            warn!("{warning}");
        }
    }
}

async fn serve_metrics(
    address: SocketAddr,
    buffer: &Arc<Buffer>,
    metrics: &Arc<Metrics>,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("can't listen on {address} for metrics: {error}"))?;
    info!("metrics on http://{}/metrics", listener.local_addr()?);
    let (buffer, metrics) = (Arc::clone(buffer), Arc::clone(metrics));
    tokio::spawn(metrics_page::serve(listener, move || {
        metrics.snapshot(buffer.waiting()).prometheus()
    }));
    Ok(())
}

/// The task that pushes to one Redis.
struct Pushing {
    redis: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Pushing {
    fn start(
        configuration: &Configuration,
        credentials: Option<Credentials>,
        buffer: &Arc<Buffer>,
    ) -> Self {
        let config = configuration.site.config();
        let pusher = Pusher::new(config.redis_address(), credentials);
        let (stop, stopped) = watch::channel(false);
        let filled = Arc::clone(buffer);
        let task = tokio::spawn(async move { pusher.run(&filled, stopped).await });
        Self { redis: config.redis.clone(), stop, task }
    }

    /// Ends when what waits is pushed, as far as a few seconds allow.
    async fn end(self) -> Result<(), Failure> {
        let _ = self.stop.send(true);
        Ok(self.task.await?)
    }
}

/// The plugin `kurado` of the host on which the poller's own numbers are shown.
struct OwnReport {
    /// The host's address, where there is one.
    address: Option<String>,
    buffer: Arc<Buffer>,
    metrics: Arc<Metrics>,
    before: Option<Snapshot>,
    started: Duration,
    /// What is wrong with the files, where the configuration of before holds.
    fault: Option<String>,
}

impl OwnReport {
    fn new(configuration: &Configuration, buffer: Arc<Buffer>, metrics: Arc<Metrics>) -> Self {
        let address = own_address(configuration);
        Self { address, buffer, metrics, before: None, started: since_1970(), fault: None }
    }

    /// Tells what the minute brought.
    fn end_minute(&mut self) {
        self.metrics.end_minute();
        let now = self.metrics.snapshot(self.buffer.waiting());
        let mut report = now.report(self.before.as_ref());
        self.before = Some(now);
        report.meta("version", env!("CARGO_PKG_VERSION"));
        let uptime = since_1970().saturating_sub(self.started);
        report.meta("uptime", &uptime.as_secs().to_string());
        self.add_fault(&mut report);
        self.push(&report);
    }

    /// Notes that the configuration was taken.
    fn note_reload(&mut self, configuration: &Configuration) {
        self.metrics.reloads.add(1);
        self.metrics.is_faulty.set(0);
        self.fault = None;
        self.address = own_address(configuration);
    }

    /// Notes that its files have a fault; tells of it where it is a new one.
    fn note_fault(&mut self, fault: &Fault) {
        let text = fault.to_string();
        if self.fault.as_ref() == Some(&text) {
            return;
        }
        warn!("{text}; the configuration of before holds until that is mended");
        self.metrics.reload_faults.add(1);
        self.metrics.is_faulty.set(1);
        self.fault = Some(text);
        let mut report = Report::default();
        self.add_fault(&mut report);
        self.push(&report);
    }

    fn add_fault(&self, report: &mut Report) {
        if let Some(fault) = &self.fault {
            let text = format!("{fault}; the configuration of before holds");
            report.warning("configuration", &text);
        }
    }

    fn push(&self, report: &Report) {
        if let Some(address) = &self.address
            && let Ok(plugin) = Identifier::parse(OWN_PLUGIN)
        {
            self.buffer.add(report.lines(address, &plugin, since_1970().as_secs()));
        }
    }
}

fn own_address(configuration: &Configuration) -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    configuration.site.poller_address(OWN_PLUGIN, name.trim()).map(str::to_owned)
}
