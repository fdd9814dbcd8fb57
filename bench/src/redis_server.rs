//! A redis-server of the benchmark's own, with the module or without.

use std::path::{Path, PathBuf};

use redis::FromRedisValue;
use tempfile::TempDir;

use crate::Result;
use crate::bench::Bench;
use crate::client::{self, Connection, Endpoint};
use crate::payload::Fleet;
use crate::process::{Process, free_port};
use crate::resp::Commands;

/// A running redis-server.
pub struct RedisServer {
    /// Its process.
    pub process: Process,
    port: u16,
    socket: PathBuf,
    // Dropped last: the server's files.
    directory: TempDir,
}

/// Whether a server keeps an append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// It keeps none.
    None,
    /// It keeps one, on the disk within a second or two.
    EverySecond,
}

impl RedisServer {
    /// Starts one without the module.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn plain(bench: &Bench, journal: Journal) -> Result<Self> {
        Self::start(bench, journal, &[])
    }

    /// Starts one with the module and these options.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn with_module(bench: &Bench, journal: Journal, options: &[&str]) -> Result<Self> {
        let module = bench.module().to_str().ok_or("the module's path is no text")?;
        Self::start(bench, journal, &[&["--loadmodule", module], options].concat())
    }

    fn start(bench: &Bench, journal: Journal, options: &[&str]) -> Result<Self> {
        let directory = bench.directory()?;
        let (port, socket) = (free_port()?, bench.socket());
        let log = directory.path().join("log");
        let appendonly = if journal == Journal::None { "no" } else { "yes" };
        let arguments: Vec<String> = [
            ["--dir", &directory.path().display().to_string()],
            ["--bind", "127.0.0.1"],
            ["--port", &port.to_string()],
            ["--unixsocket", &socket.display().to_string()],
            ["--save", ""],
            ["--appendonly", appendonly],
            ["--appendfsync", "everysec"],
            // A rewrite in the middle would be measured with whoever is at its turn.
            ["--auto-aof-rewrite-percentage", "0"],
        ]
        .concat()
        .into_iter()
        .chain(options.iter().copied())
        .map(str::to_owned)
        .collect();
        let mut process = bench.start("redis-server", &arguments, &log)?;
        let endpoint = Endpoint::Unix(socket.clone());
        process.wait_until(&log, || {
            let mut connection = Connection::open(&endpoint).ok()?;
            client::ask(&mut connection, b"PING\r\n").ok()
        })?;
        Ok(Self { process, port, socket, directory })
    }

    /// Its unix socket.
    pub fn unix(&self) -> Endpoint {
        Endpoint::Unix(self.socket.clone())
    }

    /// Its port.
    pub fn tcp(&self) -> Endpoint {
        Endpoint::Tcp(self.port)
    }

    /// Its port's number.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs one command and waits as long as it takes.
    ///
    /// # Errors
    /// Where Redis says so.
    pub fn run<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        let mut connection = redis::Client::open(("127.0.0.1", self.port))?.get_connection()?;
        let mut command = redis::Cmd::new();
        command.arg(words);
        Ok(command.query(&mut connection)?)
    }

    /// A number of INFO by its whole name; `None` where there is no such.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn info(&self, name: &str) -> Result<Option<u64>> {
        let text: String = self.run(&["INFO", "everything"])?;
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(values.next().and_then(|value| value.parse().ok()))
    }

    /// The first number of INFO whose name begins so; `None` where there is no such.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn info_beginning(&self, name: &str) -> Result<Option<u64>> {
        let text: String = self.run(&["INFO", "everything"])?;
        let line = text.lines().find(|line| line.starts_with(name));
        Ok(line.and_then(|line| line.split_once(':')?.1.parse().ok()))
    }

    /// A number of INFO by its whole name, where it must be there.
    ///
    /// # Errors
    /// Where it is not.
    pub fn number(&self, name: &str) -> Result<u64> {
        self.info(name)?.ok_or_else(|| format!("INFO has no {name}").into())
    }

    /// Pushes the next minutes of a fleet, and checks that each line was accepted.
    ///
    /// # Errors
    /// Where one was not.
    pub fn push(&self, fleet: &mut Fleet, minutes: usize) -> Result<()> {
        for _ in 0..minutes {
            let commands = pushes(&fleet.payloads());
            let (_, replies) = client::pipelined(&self.unix(), &commands)?;
            if let Some(error) = replies.error {
                return Err(error.into());
            }
            let (accepted, rejected) = (replies.accepted, replies.rejected);
            if accepted != fleet.series_count() as u64 || rejected > 0 {
                return Err(format!("{accepted} lines accepted, {rejected} rejected").into());
            }
        }
        Ok(())
    }

    /// Has all that waits written, and checks that nothing is left and nothing failed.
    ///
    /// # Errors
    /// Where something is or has.
    pub fn flush(&self) -> Result<u64> {
        let written: u64 = self.run(&["KURADO.FLUSH"])?;
        match self.number("kurado_pending_points")? {
            0 => Ok(written),
            left => Err(format!("{left} points are left after KURADO.FLUSH").into()),
        }
    }
}

/// Payloads as KURADO.PUSH commands.
pub fn pushes(payloads: &[String]) -> Commands {
    let mut commands = Commands::default();
    payloads.iter().for_each(|payload| commands.push(&[b"KURADO.PUSH", payload.as_bytes()]));
    commands
}

/// Payloads as RPUSH commands to one list.
pub fn list_pushes(payloads: &[String]) -> Commands {
    let mut commands = Commands::default();
    payloads.iter().for_each(|payload| commands.push(&[b"RPUSH", b"lines", payload.as_bytes()]));
    commands
}
