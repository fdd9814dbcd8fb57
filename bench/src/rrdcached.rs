//! rrdcached: RRDtool's own daemon that collects updates before it writes files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::bench::Bench;
use crate::payload::Fleet;
use crate::process::Process;

/// It has failed when it writes nothing for so long.
const STANDSTILL: Duration = Duration::from_secs(60);

/// A running rrdcached, which by itself writes nothing for a day.
pub struct Rrdcached {
    /// Its process.
    pub process: Process,
    // One for all: it gives each connection a thread, and with the thread goes its CPU time.
    connection: RefCell<BufReader<UnixStream>>,
    // Dropped last: journal and log.
    _directory: TempDir,
}

/// Whether it keeps a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// It keeps none.
    None,
    /// It keeps one.
    Kept,
}

impl Rrdcached {
    /// Starts one for the files below `base`, with so many writing threads.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn start(bench: &Bench, base: &Path, threads: usize, journal: Journal) -> Result<Self> {
        let directory = bench.directory()?;
        let socket = bench.socket();
        let log = directory.path().join("log");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let mut arguments = vec!["-g".to_owned()];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("-l", format!("unix:{}", socket.display()));
        option("-b", base.display().to_string());
        option("-p", path("pid"));
        option("-t", threads.to_string());
        option("-w", "86400".to_owned());
        option("-f", "86400".to_owned());
        if journal == Journal::Kept {
            std::fs::create_dir(directory.path().join("journal"))?;
            option("-j", path("journal"));
        }
        let mut process = bench.start("rrdcached", &arguments, &log)?;
        let connection = process.wait_until(&log, || UnixStream::connect(&socket).ok())?;
        let connection = RefCell::new(BufReader::new(connection));
        Ok(Self { process, connection, _directory: directory })
    }

    /// Sends each of these texts of commands as one BATCH, which it must confirm before the next;
    /// gives the time until it has confirmed all.
    ///
    /// # Errors
    /// Where it refuses a command.
    pub fn batches(&self, texts: &[impl AsRef<str>]) -> Result<Duration> {
        let mut connection = self.connection.borrow_mut();
        let mut line = String::new();
        let start = Instant::now();
        for text in texts {
            connection.get_mut().write_all(b"BATCH\n")?;
            connection.get_mut().write_all(text.as_ref().as_bytes())?;
            connection.get_mut().write_all(b".\n")?;
            for confirmed in ["to go ahead", "the batch"] {
                line.clear();
                connection.read_line(&mut line)?;
                if !line.starts_with("0 ") {
                    let mut first = String::new();
                    connection.read_line(&mut first)?;
                    let (line, first) = (line.trim_end(), first.trim_end());
                    return Err(format!("rrdcached, asked {confirmed}: {line}: {first}").into());
                }
            }
        }
        Ok(start.elapsed())
    }

    /// Sends the next minutes of a fleet, and checks that it has counted them.
    ///
    /// # Errors
    /// Where it refuses one.
    pub fn push(&self, fleet: &mut Fleet, minutes: usize) -> Result<()> {
        let before = self.statistics()?.received;
        for _ in 0..minutes {
            let mut commands = String::new();
            fleet.minute().iter().for_each(|point| point.write_update(&mut commands));
            self.batches(&[commands])?;
        }
        let received = self.statistics()?.received - before;
        if received != (minutes * fleet.series_count()) as u64 {
            return Err(format!("rrdcached has received {received} updates").into());
        }
        Ok(())
    }

    /// Has it forget all files of a fleet with what waits for them.
    ///
    /// # Errors
    /// Where it refuses.
    pub fn forget(&self, fleet: &Fleet) -> Result<()> {
        let commands: String =
            (0..fleet.series_count()).map(|n| format!("FORGET {}\n", fleet.file(n))).collect();
        self.batches(&[commands]).map(|_| ())
    }

    /// Has all that waits written: so many points since its start. Gives the time until they are.
    ///
    /// # Errors
    /// Where it stands still before.
    pub fn flush_all(&self, points: u64) -> Result<Duration> {
        let start = Instant::now();
        self.ask("FLUSHALL")?;
        let (mut written, mut moved) = (0, start);
        loop {
            let now = self.statistics()?.written;
            if now >= points {
                return Ok(start.elapsed());
            }
            if now > written {
                (written, moved) = (now, Instant::now());
            } else if moved.elapsed() > STANDSTILL {
                return Err(format!("rrdcached stands at {now} of {points} points").into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its counters.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn statistics(&self) -> Result<Statistics> {
        let fields = self.ask("STATS")?;
        let field = |name: &str| {
            let value = fields.get(name).and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("STATS of rrdcached has no {name}"))
        };
        Ok(Statistics { received: field("UpdatesReceived")?, written: field("DataSetsWritten")? })
    }

    fn ask(&self, command: &str) -> Result<HashMap<String, String>> {
        let mut connection = self.connection.borrow_mut();
        writeln!(connection.get_mut(), "{command}")?;
        let mut lines = connection.by_ref().lines();
        let status = lines.next().ok_or("rrdcached closed the connection")??;
        let count = status.split(' ').next().and_then(|count| count.parse::<i64>().ok());
        let count = count.and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or_else(|| format!("rrdcached: {status}"))?;
        let mut fields = HashMap::new();
        for line in lines.take(count) {
            if let Some((name, value)) = line?.split_once(": ") {
                fields.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(fields)
    }
}

/// What rrdcached has counted since its start.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// Updates that came in.
    pub received: u64,
    /// Points that it wrote to files.
    pub written: u64,
}
