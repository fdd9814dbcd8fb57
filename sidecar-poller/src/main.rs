//! `kurado-poller` pulls, every minute, what can't push, and hands the lines to Redis.
//!
//! - [`targets`]: which plugins of which hosts are fetched.
//! - [`schedule`]: when each of them is due.
//! - [`poll`]: starts the fetches.
//! - [`fetch`]: the fetchers; [`socket`], [`tls`], [`http_client`] and [`connection`]: how they connect;
//!   [`dns`]: the addresses of names.
//! - [`fetch_log`]: what the log says of fetches.
//! - [`push`]: the way of the lines to Redis.
//! - [`lease`]: which of several pollers feeds a Redis.
//! - [`run`]: all of these together, and the reading of changed files; [`changes`]: what those bring.
//! - [`data_dir`]: whether `data_dir` is that of Redis.
//! - [`metrics`]: what is counted; [`own_report`]: the same as the plugin `kurado`;
//!   [`metrics_page`]: for Prometheus.
//! - [`view`]: what a plugin shows, for those who write one; [`output`]: how the commands print.

mod changes;
mod check;
mod connection;
mod data_dir;
mod dns;
mod exposition;
mod fetch;
mod fetch_log;
mod http_client;
mod json;
mod lease;
mod metrics;
mod metrics_page;
mod output;
mod own_report;
mod poll;
mod push;
mod run;
mod schedule;
mod socket;
mod targets;
#[cfg(test)]
mod test_servers;
mod tls;
mod view;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use line_protocol::Identifier;
use site::{Configuration, Host, Roll, Site};

use check::Warnings;
use connection::Credentials;
use fetch::Request;
use fetch::external::Shared;
use run::Options;
use schedule::Spread;
use targets::Way;

/// The environment variable of the password of the Redis that takes the lines: arguments show
/// in `ps`.
const PASSWORD_VARIABLE: &str = "KURADO_PASSWORD";

/// Pulls, every minute, what can't push, and hands the lines to Redis.
///
/// Without a command it runs until SIGTERM or SIGINT, and follows changes of its files; SIGHUP reads
/// them at once. KURADO_PASSWORD is the password of the Redis that kurado.yml names; RUST_LOG says
/// how much is logged (info).
#[derive(Parser)]
#[command(name = "kurado-poller", version)]
struct Arguments {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", default_value = "kurado.yml")]
    config: PathBuf,
    /// Fetch all targets together, now and each minute after, not spread over the minute: to
    /// measure how long that takes
    #[arg(long)]
    at_once: bool,
    /// Where to tell of itself: GET /metrics for Prometheus, GET /healthz. Whoever reaches it may
    /// read
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen_address)]
    metrics_listen: Option<SocketAddr>,
    /// Of several pollers with this name one fetches for a Redis, and the others stand by. Two that
    /// fetch different hosts for one Redis need a name each
    #[arg(long, value_parser = poller_name)]
    name: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print hosts a service, the plugins found, and what is wrong; exit 1 on an error
    Check {
        /// Exit 1 on warnings too
        #[arg(long)]
        strict: bool,
    },
    /// Fetch once and print the lines that would be pushed
    Fetch {
        /// The host's address
        address: String,
        /// The plugin's identifier, such as redis:6379
        identifier: String,
    },
    /// Print the groups that a plugin shows on a host's page, with the meta that Redis has
    View {
        /// The host's address
        address: String,
        /// The plugin's identifier, such as redis:6379
        identifier: String,
        /// Print what this graph draws: its label, and arguments of rrdgraph
        #[arg(short, long, value_name = "NAME")]
        graph: Option<String>,
    },
}

/// How long the end waits for tasks to be dropped, and with them programs to be killed. Who reads a
/// file of a disk that hangs is not waited for.
const END: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.map_err(Failure::from).and_then(|runtime| {
        let result = runtime.block_on(obey(&arguments));
        runtime.shutdown_timeout(END);
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kurado-poller: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says.
async fn obey(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        None => {
            let spread = if arguments.at_once { Spread::AtOnce } else { Spread::OverTheMinute };
            let (metrics_listen, name) = (arguments.metrics_listen, arguments.name.clone());
            run::run(&arguments.config, Options { spread, metrics_listen, name }).await
        }
        Some(Command::Check { strict: false }) => {
            check::run(&arguments.config, Warnings::Pass).await
        }
        Some(Command::Check { strict: true }) => {
            check::run(&arguments.config, Warnings::Fail).await
        }
        Some(Command::Fetch { address, identifier }) => {
            fetch_once(&arguments.config, address, identifier).await
        }
        Some(Command::View { address, identifier, graph }) => {
            view::print(&arguments.config, address, identifier, graph.as_deref()).await
        }
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "it must be an address and a port, such as 127.0.0.1:9100 or [::1]:9100".to_owned()
    })
}

/// A name that can stand in a key and in rights on it.
fn poller_name(text: &str) -> Result<String, String> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&text.len()) && text.chars().all(is_valid) {
        Ok(text.to_owned())
    } else {
        Err("it must have 1 to 64 letters, digits, '-', '_' and '.'".to_owned())
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

fn load(config: &Path) -> Result<Configuration, Failure> {
    Ok(Configuration::load(config)?.with_secrets()?)
}

fn credentials() -> Option<Credentials> {
    let password = std::env::var(PASSWORD_VARIABLE).ok();
    password
        .filter(|password| !password.is_empty())
        .map(|password| Credentials { user: None, password })
}

async fn fetch_once(config: &Path, address: &str, identifier: &str) -> Result<(), Failure> {
    let Configuration { site, definitions } = load(config)?;
    let identifier = Identifier::parse(identifier)?;
    let name = identifier.name();
    let host = host(&site, address);
    let shared = Arc::new(Shared::new(site.config()));
    let fetcher = Way::of(name, &definitions).fetcher(&host, &shared).ok_or_else(|| {
        format!(
            "there is no fetcher for plugin '{name}': none is built in, and metrics_plugin_dir has no executable fetch/{name}{}",
            check::not_executable(name, &definitions)
        )
    })?;
    let metrics_config = &host.roll.metrics_config;
    let request = Request { address, identifier: &identifier, metrics_config };
    let report = fetcher.fetch(request).await?;
    let lines = report.lines(address, &identifier, poll::since_1970().as_secs());
    if lines.is_empty() {
        eprintln!("the fetch of {identifier} brought nothing");
    }
    output::print(&lines)?;
    Ok(())
}

/// The host of that address; one that is not configured yet may be tried too.
fn host(site: &Site, address: &str) -> Arc<Host> {
    site.host(address).cloned().unwrap_or_else(|| {
        Arc::new(Host {
            address: address.to_owned(),
            hostname: address.to_owned(),
            comments: String::new(),
            service: String::new(),
            label: None,
            roll: Arc::new(Roll {
                file: String::new(),
                metrics_config: site.metrics_config().clone(),
                plugins: Vec::new(),
            }),
        })
    })
}
