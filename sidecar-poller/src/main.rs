//! `kurado-poller` pulls, every minute, what can't push, and hands the lines to Redis.
//!
//! - [`targets`]: which plugins of which hosts are fetched.
//! - [`poll`]: the minute tick.
//! - [`fetch`]: the fetchers.
//! - [`push`]: the way of the lines to Redis.

mod check;
mod connection;
mod fetch;
mod http_client;
mod json;
mod poll;
mod push;
mod targets;
#[cfg(test)]
mod test_servers;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use line_protocol::Identifier;
use site::{Definitions, Site};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use connection::Credentials;
use fetch::{Fetcher, Request};
use poll::Poller;
use push::{Buffer, Pusher};

/// The environment variable of the password of the Redis that takes the lines: arguments show
/// in `ps`.
const PASSWORD_VARIABLE: &str = "KURADO_PASSWORD";

/// Pulls, every minute, what can't push, and hands the lines to Redis.
///
/// Without a command it runs until SIGTERM or SIGINT. KURADO_PASSWORD is the password of the Redis
/// that kurado.yml names; RUST_LOG says how much is logged (info).
#[derive(Parser)]
#[command(name = "kurado-poller", version)]
struct Arguments {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", default_value = "kurado.yml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print hosts a service and the plugins found; exit 1 on a fault
    Check,
    /// Fetch once and print the lines that would be pushed
    Fetch {
        /// The host's address
        address: String,
        /// The plugin's identifier, such as redis:6379
        identifier: String,
    },
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    let result = match &arguments.command {
        None => run(&arguments.config).await,
        Some(Command::Check) => check(&arguments.config),
        Some(Command::Fetch { address, identifier }) => {
            fetch_once(&arguments.config, address, identifier).await
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kurado-poller: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

type Failure = Box<dyn std::error::Error>;

fn load(config: &Path) -> Result<(Site, Definitions), Failure> {
    let site = Site::load(config)?;
    let definitions = Definitions::load(&site.config().metrics_plugin_dir)?;
    Ok((site, definitions))
}

async fn run(config: &Path) -> Result<(), Failure> {
    let (site, definitions) = load(config)?;
    for warning in check::warnings(&site, &definitions) {
        warn!("{warning}");
    }
    let targets = targets::targets(&site, &definitions);
    info!(
        "fetching {} targets of {} hosts each minute, for Redis at {}",
        targets.len(),
        site.hosts().count(),
        site.config().redis
    );

    let buffer = Arc::new(Buffer::default());
    let pusher = Pusher::new(site.config().redis_address(), credentials());
    let (stop, stopped) = watch::channel(false);
    let filled = Arc::clone(&buffer);
    let pushing = tokio::spawn(async move { pusher.run(&filled, stopped).await });

    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping");
    };
    Poller::new(targets, site.config().fetch_worker, buffer).run(signalled).await;
    stop.send(true)?;
    pushing.await?;
    Ok(())
}

fn credentials() -> Option<Credentials> {
    let password = std::env::var(PASSWORD_VARIABLE).ok();
    password
        .filter(|password| !password.is_empty())
        .map(|password| Credentials { user: None, password })
}

fn check(config: &Path) -> Result<(), Failure> {
    let (site, definitions) = load(config)?;
    print!("{}", check::tables(&site, &definitions));
    for warning in check::warnings(&site, &definitions) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

async fn fetch_once(config: &Path, address: &str, identifier: &str) -> Result<(), Failure> {
    let (site, _) = load(config)?;
    let identifier = Identifier::parse(identifier)?;
    let name = identifier.name();
    let fetcher =
        Fetcher::named(name).ok_or_else(|| format!("there is no fetcher for plugin '{name}'"))?;
    // A host that is not configured yet may be tried too.
    let metrics_config = match site.host(address) {
        Some(host) => &host.roll.metrics_config,
        None => site.metrics_config(),
    };
    let request = Request { address, identifier: &identifier, metrics_config };
    let report = fetcher.fetch(request).await?;
    print!("{}", report.lines(address, &identifier, poll::since_1970().as_secs()));
    Ok(())
}
