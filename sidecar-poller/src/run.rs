//! `kurado-poller` without a command: fetches until it is told to end, and follows its files.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use site::{Configuration, Fault, Follower, Watcher};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::changes::changes;
use crate::connection::Credentials;
use crate::fetch_log::FetchLog;
use crate::lease::{Lease, Role};
use crate::metrics::Metrics;
use crate::own_report::{OwnReport, Trouble};
use crate::poll::{Plan, Poller};
use crate::push::{Buffer, Pusher};
use crate::schedule::{MINUTE, Spread};
use crate::{Failure, check, credentials, data_dir, metrics_page, targets};

/// What the command line says beside the configuration's file.
pub struct Options {
    /// How targets lie in the minute.
    pub spread: Spread,
    /// Where to tell of itself.
    pub metrics_listen: Option<SocketAddr>,
    /// Which pollers of one Redis stand by for each other: those of one name.
    pub name: Option<String>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Where the configuration has a fault, or `metrics_listen` can't be had.
pub async fn run(config: &Path, options: Options) -> Result<(), Failure> {
    let hangup = signal(SignalKind::hangup())?;
    let mut watcher = Watcher::new(config);
    let mut configuration = watcher.read().and_then(Configuration::with_secrets)?;
    // Not before: until here there is nothing to bring to an end, and the disk may hang.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (buffer, metrics) = (Arc::new(Buffer::default()), Arc::new(Metrics::default()));
    if let Some(address) = options.metrics_listen {
        serve_metrics(address, &buffer, &metrics).await?;
    }

    let mut known_warnings = HashSet::new();
    warn_of(&configuration, &mut known_warnings);
    info!("{}", summary(&configuration));
    let (plans, followed) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel();
    let log = Arc::new(FetchLog::default());
    // Nothing is fetched before it is known whether another poller does.
    let poller = Poller::new(
        Plan::default(),
        options.spread,
        Arc::clone(&buffer),
        Arc::clone(&metrics),
        Arc::clone(&log),
    );
    let polling = tokio::spawn(poller.run(followed, async {
        // An error means that the sender is gone, which ends the program too.
        let _ = stopped.await;
    }));
    let (roles, mut role) = watch::channel(Role::Unknown);
    let start = |configuration: &Configuration| {
        Feeding::start(configuration, &buffer, options.name.as_deref(), roles.clone())
    };
    let mut feeding = start(&configuration);
    let mut own = OwnReport::new(&configuration, Arc::clone(&buffer), metrics.clone());

    let (found, mut readings) = mpsc::channel(1);
    tokio::spawn(follow(Follower::new(watcher, hangup), found));
    let (told, mut data_dirs) = mpsc::channel(1);
    let watch_data_dir = |configuration: &Configuration| {
        tokio::spawn(data_dir::watch(configuration.site.config().clone(), told.clone()))
    };
    let mut watching = watch_data_dir(&configuration);
    let mut minutes = tokio::time::interval(MINUTE);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = minutes.tick() => {
                log.end_minute();
                own.end_minute();
            }
            // The sender is here, so never closed.
            Ok(()) = role.changed() => {
                let role = role.borrow_and_update().clone();
                let plan = plan_for(&role, &configuration);
                metrics.targets.set(plan.targets.len() as u64);
                own.follow_role(role);
                // An error means that the poller is gone, which the end of the program tells.
                let _ = plans.send(plan).await;
            }
            Some(warning) = data_dirs.recv() => {
                metrics.is_data_dir_wrong.set(u64::from(warning.is_some()));
                if own.note(Trouble::DataDir, warning.clone()) {
                    match warning {
                        Some(warning) => warn!("{warning}"),
                        None => info!("data_dir is that of Redis now"),
                    }
                }
            }
            Some(reading) = readings.recv() => match reading.result {
                Err(fault) => note_fault(&fault, &mut own, &metrics),
                Ok(new) => {
                    warn_of(&new, &mut known_warnings);
                    tell_of_reload(&configuration, &new, reading.found_changes);
                    metrics.reloads.add(1);
                    metrics.is_faulty.set(0);
                    own.note(Trouble::Configuration, None);
                    own.follow(&new);
                    let before = std::mem::replace(&mut configuration, new);
                    let role = role.borrow().clone();
                    let _ = plans.send(plan_for(&role, &configuration)).await;
                    let (before, after) = (before.site.config(), configuration.site.config());
                    if before.redis != after.redis {
                        feeding.end().await?;
                        feeding = start(&configuration);
                    }
                    if (&before.redis, &before.data_dir) != (&after.redis, &after.data_dir) {
                        watching.abort();
                        watching = watch_data_dir(&configuration);
                    }
                }
            },
        }
    }
    info!("stopping");
    watching.abort();
    let _ = stop.send(());
    polling.await?;
    feeding.end().await
}

/// What was read, and whether the files had changed since the reading before.
struct Reading {
    result: Result<Configuration, Fault>,
    found_changes: bool,
}

/// Passes on what is read when files have changed.
async fn follow(mut follower: Follower, found: mpsc::Sender<Reading>) {
    while let Some(read) = follower.next().await {
        let result = read.and_then(Configuration::with_secrets);
        let reading = Reading { result, found_changes: follower.found_changes() };
        if found.send(reading).await.is_err() {
            return;
        }
    }
    warn!("the configuration is not followed any more: reading it panicked");
}

/// Notes that the files have a fault. Each reading tells of it, as a person waits for the answer.
fn note_fault(fault: &Fault, own: &mut OwnReport, metrics: &Metrics) {
    let text = format!("{fault}; the configuration of before holds");
    if own.note(Trouble::Configuration, Some(text)) {
        warn!("{fault}; the configuration of before holds until that is mended");
        metrics.reload_faults.add(1);
        metrics.is_faulty.set(1);
    } else {
        warn!("still {fault}; the configuration of before goes on to hold");
    }
}

fn tell_of_reload(before: &Configuration, after: &Configuration, found_changes: bool) {
    let summary = summary(after);
    if !found_changes {
        info!("configuration read again: unchanged; {summary}");
        return;
    }
    match changes(&before.site, &after.site).as_str() {
        "" => info!("configuration read anew: the same hosts and plugins; {summary}"),
        changes => info!("configuration read anew: {changes}; {summary}"),
    }
}

/// One that stands by fetches nothing.
fn plan_for(role: &Role, configuration: &Configuration) -> Plan {
    match role {
        Role::Active => plan(configuration),
        Role::Unknown | Role::Standby(_) => Plan::default(),
    }
}

fn plan(configuration: &Configuration) -> Plan {
    let Configuration { site, definitions } = configuration;
    Plan { targets: targets::targets(site, definitions), fetch_workers: site.config().fetch_worker }
}

fn summary(configuration: &Configuration) -> String {
    let Configuration { site, definitions } = configuration;
    format!(
        "{} targets of {} hosts are to be fetched each minute, for Redis at {}",
        targets::targets(site, definitions).len(),
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
    tokio::spawn(metrics_page::serve(listener, move || metrics.snapshot(buffer.waiting())));
    Ok(())
}

/// The tasks for one Redis: one pushes, the other keeps the lease.
struct Feeding {
    stop_pushing: watch::Sender<bool>,
    pushing: JoinHandle<()>,
    stop_leasing: watch::Sender<bool>,
    leasing: JoinHandle<()>,
}

impl Feeding {
    fn start(
        configuration: &Configuration,
        buffer: &Arc<Buffer>,
        name: Option<&str>,
        roles: watch::Sender<Role>,
    ) -> Self {
        let address = configuration.site.config().redis_address();
        let credentials: Option<Credentials> = credentials();
        let lease = Lease::new(address, credentials.clone(), name, roles);
        let pusher = Pusher::new(address, credentials);
        let (stop_pushing, stopped) = watch::channel(false);
        let filled = Arc::clone(buffer);
        let pushing = tokio::spawn(async move { pusher.run(&filled, stopped).await });
        let (stop_leasing, stopped) = watch::channel(false);
        let leasing = tokio::spawn(lease.run(stopped));
        Self { stop_pushing, pushing, stop_leasing, leasing }
    }

    /// Ends when what waits is pushed, as far as a few seconds allow; then another poller may begin.
    async fn end(self) -> Result<(), Failure> {
        let _ = self.stop_pushing.send(true);
        self.pushing.await?;
        let _ = self.stop_leasing.send(true);
        Ok(self.leasing.await?)
    }
}
