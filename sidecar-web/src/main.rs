//! `kurado-web`: the pages, the graphs and the JSON of Kurado.

mod access;
mod app;
mod assets;
mod beside;
mod compression;
mod data_dir;
mod error;
mod files;
mod form;
mod graph;
mod held;
mod host_state;
mod idle;
mod in_flight;
mod info;
mod languages;
mod links;
mod live;
mod pages;
mod parameters;
mod poller_leases;
mod program_views;
mod recent_counts;
mod redis_away;
mod redis_client;
mod remembering;
mod request_headers;
mod server;
mod status;
mod term;
mod tls;
mod traffic;

use std::error::Error;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use access::Access;
use access::flags::AccessFlags;
use live::Live;
use tls::Tls;

/// A picture that takes longer is given up.
const PICTURE_LIMIT: Duration = Duration::from_secs(10);

/// Pictures that are kept in memory take so much at most, in bytes.
const KEPT_PICTURES: usize = 64 << 20;

/// The environment variable of the password of Redis: arguments show in `ps`.
const PASSWORD_VARIABLE: &str = "KURADO_PASSWORD";

/// Shows the graphs and the status of the hosts in kurado.yml.
///
/// It follows changes of its files; SIGHUP reads them at once. KURADO_PASSWORD is the password of
/// Redis, where it has one, and KURADO_OIDC_CLIENT_SECRET the secret of --oidc-client-id.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Flags {
    /// The configuration file.
    #[arg(short, long, default_value = "kurado.yml")]
    config: PathBuf,
    /// Where to listen. Beyond this machine it must be said who may see the pages.
    #[arg(long, default_value = "127.0.0.1:5434", value_parser = listen_address)]
    listen: SocketAddr,
    /// The certificate and those that lead to the one that clients know, as PEM: then pages come by
    /// HTTPS alone. Read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    access: AccessFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Draws what standard input asks for; the web starts this itself.
    #[command(name = graph::pool::SUBCOMMAND, hide = true)]
    RenderWorker,
    /// Reads a password from standard input, and prints the line of the file of --users.
    HashPassword {
        /// The user's name.
        name: String,
        /// viewer, which holds where it is not said, or operator.
        #[arg(long)]
        role: Option<String>,
    },
}

/// Prints the line of a user whose password is the first line of standard input.
fn hash_password(name: &str, role: Option<&str>) -> Result<(), Box<dyn Error>> {
    let mut password = String::new();
    std::io::stdin().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    println!("{}", access::users_line(name, password, role)?);
    Ok(())
}

/// Reads where to listen.
fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "it must be an address and a port, as in 127.0.0.1:5434 or [::1]:5434")
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let outcome = match flags.command {
        Some(Command::RenderWorker) => graph::worker::run().map_err(Into::into),
        Some(Command::HashPassword { name, role }) => hash_password(&name, role.as_deref()),
        None => match flags.tls_cert.zip(flags.tls_key).map(|(c, k)| Tls::open(c, k)).transpose() {
            Ok(tls) => serve(&flags.config, flags.listen, tls, flags.access),
            Err(fault) => Err(fault.into()),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kurado-web: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long the end waits for what still runs. Who reads a file of a disk that hangs is not waited
/// for.
const END: Duration = Duration::from_secs(1);

fn serve(
    config: &Path,
    listen: SocketAddr,
    tls: Option<Tls>,
    access: AccessFlags,
) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(run(config, listen, tls, access));
    runtime.shutdown_timeout(END);
    result
}

async fn run(
    config: &Path,
    listen: SocketAddr,
    tls: Option<Tls>,
    access: AccessFlags,
) -> Result<(), Box<dyn Error>> {
    let access = Arc::new(access.access(listen)?);
    let tls = tls.map(Arc::new);
    let hangup = signal(SignalKind::hangup())?;
    let mut watcher = site::Watcher::new(config);
    let configuration = watcher.read()?;
    let site = &configuration.site;
    for warning in site.warnings() {
        tracing::warn!("{warning}");
    }
    // One a core; the setting may ask for fewer, while more would only contend.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = site.config().web_worker.clamp(1, cores);
    // Not by its path: there may be another version by now when a worker is replaced.
    let program = PathBuf::from("/proc/self/exe");
    let pool = graph::pool::Pool::start(program, workers, PICTURE_LIMIT);
    let outputs = graph::outputs::Outputs::new(pool, KEPT_PICTURES);
    let zone = jiff::tz::TimeZone::try_system().unwrap_or_else(|error| {
        tracing::warn!("times are shown in UTC, as this machine's zone is not known: {error}");
        jiff::tz::TimeZone::UTC
    });
    let password = std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty());
    let live = Live::new(app::App::new(configuration, password, outputs, zone)?);
    // Learned now, so that graphs are drawn even if Redis goes away before the first one.
    let first = live.app();
    tokio::spawn(async move { first.data_dir().await });

    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("can't listen on {listen}: {error}"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{}/", listener.local_addr()?);
    tokio::spawn(remembering::remember_hosts(live.clone()));
    tokio::spawn(recent_counts::follow(live.clone()));
    tokio::spawn(live.clone().follow(site::Follower::new(watcher, hangup)));
    tokio::spawn(read_again_on(signal(SignalKind::hangup())?, tls.clone(), Arc::clone(&access)));
    let asked = Arc::clone(&access);
    tokio::spawn(async move { asked.ask_provider().await });
    server::serve(listener, tls, app::router(live, access), async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await;
    tracing::info!("stopped");
    Ok(())
}

/// Reads certificate and users at each SIGHUP, and says so; the configuration is read beside.
async fn read_again_on(mut hangup: Signal, tls: Option<Arc<Tls>>, access: Arc<Access>) {
    while hangup.recv().await.is_some() {
        let certificate = tls.as_ref().map(|tls| tls.read_again());
        match certificate {
            Some(Ok(())) => tracing::info!("SIGHUP: certificate and key read anew"),
            Some(Err(fault)) => {
                tracing::warn!("SIGHUP: {fault}; the certificate of before holds");
            }
            None => {}
        }
        match access.read_users_again() {
            Some(Ok(count)) => tracing::info!("SIGHUP: users read anew: {count} of them"),
            Some(Err(fault)) => tracing::warn!("SIGHUP: {fault}; the users of before hold"),
            None => {}
        }
    }
}
