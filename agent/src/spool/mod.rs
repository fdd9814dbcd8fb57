//! Payloads that the server has not taken: in memory first, then in a directory. Order is that in
//! which they were put, whatever the clock did; past its bounds the oldest go first.

mod directory;
mod dropped;
mod record;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::payload::Payload;
use directory::{Directory, OpenError};
pub use dropped::{Dropped, utc};

/// Most bytes of payloads in memory, where no directory can be used. A payload of this machine's own
/// metrics is a few kB, so this is hours.
const MAX_MEMORY: usize = 4 * 1024 * 1024;

/// How long a directory that could not be used is left alone.
const RETRY: Duration = Duration::from_secs(60);

/// Where the spool is where nobody says anything else.
const DEFAULT: &str = "/var/lib/kurado-agent";

/// Payloads that wait, oldest first: those in the directory, then those in memory.
pub struct Spool {
    path: PathBuf,
    /// Most bytes on the disk; 0 for memory alone.
    limit: u64,
    directory: Option<Directory>,
    memory: VecDeque<Payload>,
    memory_bytes: usize,
    /// Nothing is written before this, as it failed a moment ago.
    retry_at: Option<Instant>,
    /// Why the directory can't be used, as it was told last.
    told: Option<String>,
    dropped: Option<Dropped>,
    /// The oldest payload was given out by [`Spool::take`] and is still the oldest.
    is_lent: bool,
}

/// The directory that systemd gives (the first of several), else the usual one.
pub fn default_directory(given: Option<OsString>) -> PathBuf {
    given
        .and_then(|paths| std::env::split_paths(&paths).next())
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| DEFAULT.into())
}

impl Spool {
    /// A spool in a directory, with what it holds from before, of `limit` bytes on the disk at most;
    /// 0 is memory alone. The directory is made when it is needed.
    pub fn open(path: &Path, limit: u64) -> Self {
        let mut spool = Self {
            path: path.to_owned(),
            limit,
            directory: None,
            memory: VecDeque::new(),
            memory_bytes: 0,
            retry_at: None,
            told: None,
            dropped: None,
            is_lent: false,
        };
        if limit > 0 {
            match Directory::open(path, limit) {
                Ok(directory) => spool.directory = Some(directory),
                Err(OpenError::Missing) => {}
                Err(error) => spool.cannot_use(error.to_string()),
            }
        }
        spool
    }

    /// Tries again, a while later, to use a directory that could not be used: what it holds from before
    /// is to be sent, whether or not there is anything new to put there.
    pub fn look_again(&mut self) {
        if self.limit > 0 && self.directory.is_none() && self.told.is_some() && self.is_retry_due()
        {
            self.make_directory();
            self.tell_if_usable();
        }
    }

    /// Puts a payload behind the others, in memory. One payload is always kept whole.
    pub fn put(&mut self, payload: Payload) {
        let parts = payload.parts();
        let kept = parts.len();
        for mut part in parts {
            part.lines.shrink_to_fit();
            self.memory_bytes += part.lines.len();
            self.memory.push_back(part);
        }
        if self.is_memory_full(kept) {
            self.store();
        }
        while self.is_memory_full(kept)
            && let Some(oldest) = self.pop_memory()
        {
            self.is_lent &= self.stored() > 0;
            self.note_dropped(Dropped::one(oldest.time));
        }
    }

    /// Whether payloads in memory have to go, but for the newest so many.
    fn is_memory_full(&self, kept: usize) -> bool {
        self.memory_bytes > MAX_MEMORY && self.memory.len() > kept
    }

    /// Writes all that is in memory to the directory. What can't be written stays in memory, and
    /// is tried again a while later.
    pub fn store(&mut self) {
        if self.limit > 0 && self.is_retry_due() {
            self.retry_at = None;
            self.store_now();
        }
    }

    /// The same whatever happened a moment ago: the last chance.
    pub fn store_at_last(&mut self) {
        if self.limit > 0 {
            self.store_now();
        }
    }

    fn is_retry_due(&self) -> bool {
        self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    fn store_now(&mut self) {
        let mut was_removed = false;
        while let Some(payload) = self.memory.front() {
            let Some(directory) = &mut self.directory else {
                if !self.make_directory() {
                    return;
                }
                continue;
            };
            let dropped = directory.make_room(payload);
            let written = directory.write(payload);
            let waited = directory.len();
            if let Some(dropped) = dropped {
                self.is_lent = false;
                self.note_dropped(dropped);
            }
            match written {
                Ok(()) => {
                    self.pop_memory();
                    self.tell_if_usable();
                }
                // The directory itself is gone: it is made anew, once.
                Err(error) if error.kind() == ErrorKind::NotFound && !was_removed => {
                    was_removed = true;
                    warn!(
                        "{} was removed; payloads that waited there: {waited}",
                        self.path.display()
                    );
                    self.is_lent &= waited == 0;
                    self.directory = None;
                }
                Err(error) => return self.cannot_use(format!("cannot write: {error}")),
            }
        }
    }

    /// Says so where a directory that could not be used can be used now.
    fn tell_if_usable(&mut self) {
        if self.directory.is_some() && self.told.take().is_some() {
            info!("spool {} can be used again", self.path.display());
        }
    }

    /// Whether there is a directory now.
    fn make_directory(&mut self) -> bool {
        let opened = Directory::make(&self.path)
            .and_then(|()| Directory::open(&self.path, self.limit))
            .map_err(|error| self.cannot_use(error.to_string()));
        self.directory = opened.ok();
        // What is found there is older than what is in memory.
        self.is_lent &= self.stored() == 0;
        self.directory.is_some()
    }

    fn cannot_use(&mut self, why: String) {
        self.retry_at = Instant::now().checked_add(RETRY);
        if self.told.as_ref() != Some(&why) {
            warn!(
                "spool {}: {why}; payloads wait in memory alone, {} MiB at most",
                self.path.display(),
                MAX_MEMORY / 1024 / 1024
            );
            self.told = Some(why);
        }
    }

    /// A copy of the oldest payload, to be sent. None where there is none, or where it can't be read for
    /// now.
    pub fn take(&mut self) -> Option<Payload> {
        let stored = match self.directory.as_mut().map(Directory::oldest).transpose() {
            Ok(stored) => stored.flatten(),
            Err(error) => {
                warn!("spool {}: cannot read for now: {error}", self.path.display());
                self.is_lent = false;
                return None;
            }
        };
        let oldest = stored.or_else(|| self.memory.front().cloned());
        self.is_lent = oldest.is_some();
        oldest
    }

    /// Forgets the payload that [`Spool::take`] gave, as the server has it. Where it is not the
    /// oldest any more, as others were found or it was dropped meanwhile, nothing is forgotten.
    pub fn taken(&mut self) {
        if !std::mem::take(&mut self.is_lent) {
            return;
        }
        match &mut self.directory {
            Some(directory) if directory.len() > 0 => directory.remove_oldest(),
            _ => {
                self.pop_memory();
            }
        }
    }

    fn pop_memory(&mut self) -> Option<Payload> {
        let payload = self.memory.pop_front()?;
        self.memory_bytes = self.memory_bytes.saturating_sub(payload.lines.len());
        Some(payload)
    }

    fn note_dropped(&mut self, dropped: Dropped) {
        let all = self.dropped.map_or(dropped, |before| before.and(dropped));
        // One line for the first, then at each doubling: a full spool drops one a minute.
        if self.dropped.is_none_or(|before| before.count.ilog2() != all.count.ilog2()) {
            warn!("the spool is full: {all}");
        }
        self.dropped = Some(all);
    }

    /// What was dropped since this was last asked.
    pub fn take_dropped(&mut self) -> Option<Dropped> {
        self.dropped.take()
    }

    /// Gives back what [`Spool::take_dropped`] gave, as nobody could be told.
    pub fn untold(&mut self, dropped: Dropped) {
        self.dropped = Some(self.dropped.map_or(dropped, |since| since.and(dropped)));
    }

    fn stored(&self) -> usize {
        self.directory.as_ref().map_or(0, Directory::len)
    }

    /// How many payloads wait.
    pub fn len(&self) -> usize {
        self.stored() + self.memory.len()
    }

    /// How many of them are in memory alone.
    pub fn in_memory(&self) -> usize {
        self.memory.len()
    }

    /// Where payloads are kept on the disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When the oldest was read, in seconds since 1970.
    pub fn oldest_time(&self) -> Option<u64> {
        let stored = self.directory.as_ref().and_then(Directory::oldest_time);
        stored.or_else(|| self.memory.front().map(|payload| payload.time))
    }
}
