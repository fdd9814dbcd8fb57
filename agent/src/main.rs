//! kurado-agent: reads this machine's metrics each minute and sends them to a Kurado server.
//!
//! This file holds the options, logging and signals; [`agent`] is the round of reading and sending.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod agent;
mod backlog;
mod collect;
mod machine;
mod pidfile;
mod plugin;
mod redis;
mod sample;
mod schedule;
mod signals;
mod stop;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use agent::{Reader, Sender};
use pidfile::PidFile;
use redis::Server;
use stop::Stop;

/// The environment variable of the server's password: arguments show in `ps`.
const PASSWORD_VARIABLE: &str = "KURADO_PASSWORD";

/// How long a stop waits for what is under way, at most.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Reads this machine's metrics each minute and sends them to a Kurado server.
#[derive(Parser)]
#[command(
    name = "kurado-agent",
    version,
    after_help = "Environment:\n  \
        KURADO_PASSWORD  Password of the Redis that --mq names\n  \
        RUST_LOG         What is logged: error, warn, info (default), debug\n\n\
        Examples:\n  \
        kurado-agent --dump\n  \
        kurado-agent --self-ip 10.0.0.1 --mq 10.0.0.9:1887 --conf-d /etc/kurado-agent/conf.d"
)]
struct Options {
    /// Address that this machine is known by; without it the server takes the one it sees
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    self_ip: Option<String>,

    /// Directory of *.toml files, each with commands that print further metrics
    #[arg(long, value_name = "DIR")]
    conf_d: Option<PathBuf>,

    /// Print the lines that would be sent, and exit
    #[arg(long)]
    dump: bool,

    /// Redis server to send to
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1887", value_parser = parse_server)]
    mq: String,

    /// File to keep the process id in while running
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,

    /// Minutes from one sending to the next
    #[arg(long, value_name = "MIN", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1440))]
    interval: u32,

    /// Send up to so many seconds later, a time chosen by chance at start, so that many agents do not
    /// send at once
    #[arg(long, value_name = "SEC", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=86400))]
    max_delay: u32,
}

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    // Before the first thread starts, so that only the one of `stop_at_signal` sees the signals.
    signals::block();
    let stop = Stop::default();
    stop_at_signal(stop.clone(), options.pidfile.clone());

    let reader = Reader::new(options.self_ip.clone(), options.conf_d.as_deref());
    if options.dump {
        // A reader like `head` may have seen enough: that is no error.
        let _ = std::io::stdout().write_all(reader.read(&stop).as_bytes());
        return ExitCode::SUCCESS;
    }
    let _pidfile = match options.pidfile.clone().map(PidFile::create).transpose() {
        Ok(pidfile) => pidfile,
        Err(fault) => {
            error!("{fault}");
            return ExitCode::FAILURE;
        }
    };
    let interval = Duration::from_secs(u64::from(options.interval) * 60);
    let delay = schedule::random_delay(Duration::from_secs(u64::from(options.max_delay)));
    let mut sender = Sender::new(Server {
        address: options.mq.clone(),
        password: std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty()),
    });
    info!(
        "version {}: sends to {} each {} min, {:.1} s behind the full minute",
        env!("CARGO_PKG_VERSION"),
        options.mq,
        options.interval,
        delay.as_secs_f64()
    );
    agent::run(&reader, &mut sender, interval, delay, &stop);
    info!("stopped");
    ExitCode::SUCCESS
}

fn parse_address(text: &str) -> Result<String, String> {
    if line_protocol::address::is_valid(text) {
        Ok(text.to_owned())
    } else {
        Err("must be an IP address or a host name".to_owned())
    }
}

fn parse_server(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0) => {
            Ok(text.to_owned())
        }
        _ => Err("must be host:port, for example 10.0.0.9:1887 or [2001:db8::9]:1887".to_owned()),
    }
}

/// Waits in a thread for a signal that means stop, and sets `stop`. A server that does not answer
/// may hold a round for longer than anybody wants to wait: then the process ends without it.
fn stop_at_signal(stop: Stop, pidfile: Option<PathBuf>) {
    let waiting = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        signals::wait();
        stop.set();
        std::thread::sleep(STOP_LIMIT);
        warn!("stopped without waiting for the server any longer");
        if let Some(path) = pidfile {
            pidfile::remove(&path);
        }
        std::process::exit(0);
    });
    if let Err(fault) = waiting {
        error!("cannot start a thread: {fault}");
        std::process::exit(1);
    }
}
