//! kurado-agent: reads this machine's metrics each minute and sends them to a Kurado server.
//!
//! This file holds the start and the end; [`agent`] is the round of reading and sending.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod agent;
mod arguments;
mod backoff;
mod check;
mod collect;
mod delivery;
mod documents;
mod hearing;
mod libc_settings;
mod logging;
mod machine;
mod options;
mod payload;
mod pidfile;
mod plugin;
mod reader;
mod redis;
mod sample;
mod schedule;
mod sender;
mod signals;
mod spool;
mod stop;
mod tcp_diag;
mod unread;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use tracing::{error, info};

use delivery::Delivery;
use hearing::{Hangup, Hangups, STOP_LIMIT};
use options::Options;
use payload::Payload;
use pidfile::PidFile;
use plugin::{Plugins, Setup};
use reader::Reader;
use redis::Server;
use sender::Sender;
use spool::Spool;
use stop::Stop;

fn main() -> ExitCode {
    // First of all, as they may hold a password.
    let arguments = arguments::take();
    libc_settings::apply();
    let options = Options::try_parse_from(&arguments)
        .unwrap_or_else(|error| arguments::refuse(&arguments, &error));
    if let Some(document) = documents::wanted(&options) {
        // A reader like `head` may have seen enough: that is no error.
        let _ = io::stdout().write_all(&document);
        return ExitCode::SUCCESS;
    }
    let server = options
        .server
        .server(std::env::var_os(redis::PASSWORD_VARIABLE))
        .unwrap_or_else(|fault| Options::command().error(ErrorKind::ValueValidation, fault).exit());
    logging::start();
    // Before the first thread starts, so that only the one of `hearing` sees the signals.
    signals::block();
    plugin::keep_inherited_files();
    let stop = Stop::default();
    if !options.check && !options.dump {
        return run(&options, server, stop);
    }
    if let Err(fault) = hearing::start(stop.clone(), None, Hangup::Stop) {
        return no_thread(&fault);
    }
    if options.check { check::run(&options, &server, &stop) } else { dump(&options, stop) }
}

fn no_thread(fault: &io::Error) -> ExitCode {
    error!("cannot start a thread: {fault}");
    ExitCode::FAILURE
}

/// Prints what would be sent, once all commands have ended.
fn dump(options: &Options, stop: Stop) -> ExitCode {
    let reader = reader(options, plugins(options, stop, |_| ()));
    let lines = reader.read(agent::now().as_secs(), Duration::MAX);
    // A reader like `head` may have seen enough: that is no error.
    let _ = io::stdout().write_all(lines.as_bytes());
    ExitCode::SUCCESS
}

/// Reads and sends until a signal says stop.
fn run(options: &Options, server: Server, stop: Stop) -> ExitCode {
    let hangups = Hangups::default();
    let hangup = Hangup::Reload(hangups.clone());
    if let Err(fault) = hearing::start(stop.clone(), options.pidfile.clone(), hangup) {
        return no_thread(&fault);
    }
    let _pidfile = match options.pidfile.clone().map(PidFile::create).transpose() {
        Ok(pidfile) => pidfile,
        Err(fault) => {
            error!("{fault}");
            return ExitCode::FAILURE;
        }
    };
    // Behind one interval comes the next.
    let max_delay = Duration::from_secs(u64::from(options.max_delay)).min(options.tick());
    let delay = schedule::random_delay(max_delay);
    let address = server.address.clone();
    let spool = Spool::open(&options.spool(), u64::from(options.spool_size) * 1024 * 1024);
    let delivery = match Delivery::start(Sender::new(server), spool, options.self_ip.clone()) {
        Ok(delivery) => delivery,
        Err(fault) => return no_thread(&fault),
    };
    let outbox = delivery.outbox();
    let late = outbox.clone();
    let plugins = plugins(options, stop.clone(), move |payload| late.put(payload));
    if let Err(fault) = hearing::follow(hangups, plugins.clone()) {
        return no_thread(&fault);
    }
    let reader = reader(options, plugins.clone());
    info!(
        "version {}: sends to {} each {} min, {:.1} s behind the full minute",
        env!("CARGO_PKG_VERSION"),
        address,
        options.interval,
        delay.as_secs_f64()
    );
    agent::run(&reader, &outbox, options.tick(), delay, &stop);
    // What was not sent goes to the disk first: commands may take their time to end.
    delivery.stop();
    plugins.wait_for_end(STOP_LIMIT);
    info!("stopped");
    ExitCode::SUCCESS
}

fn plugins(
    options: &Options,
    stop: Stop,
    late: impl Fn(Payload) + Send + Sync + 'static,
) -> Plugins {
    Plugins::new(Setup {
        directory: options.conf_d.clone(),
        tick: options.tick(),
        address: options.self_ip.clone(),
        stop,
        late: Box::new(late),
    })
}

fn reader(options: &Options, plugins: Plugins) -> Reader {
    Reader::new(options.self_ip.clone(), options.linux(), plugins)
}
