//! A directory of payloads, one file each, in the order of their numbers.
//!
//! A file gets its name when it is whole and on the disk, so a power cut costs at most the one that
//! is being written. What is found here and is none of these files is left alone.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::dropped::Dropped;
use super::record;
use crate::payload::Payload;

/// Held by the agent that uses the directory.
const LOCK: &str = "lock";
/// What is being written.
const TEMPORARY: &str = "new.tmp";
/// Ends the name of a payload.
const PAYLOAD: &str = ".payload";
/// Ends the name of one that is damaged.
const DAMAGED: &str = "damaged";
/// How many damaged ones are kept for a person to look at; the oldest of more are deleted.
const MAX_DAMAGED: usize = 8;
/// Longer than any file that is written here.
const MAX_FILE_LEN: u64 = 1024 * 1024;
/// A file takes whole blocks of the disk.
const BLOCK: u64 = 4096;
/// Numbers leave room for all payloads to come.
const MAX_NUMBER: u64 = u64::MAX / 2;
/// How many strange files are named.
const MAX_NAMED: usize = 3;

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("it does not exist")]
    Missing,
    /// The system says why.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
    /// Its lock is taken.
    #[error("another agent uses it")]
    InUse,
    /// Whoever else may write there could have this agent send or delete what they like.
    #[error("{0}")]
    Unsafe(String),
}

/// A directory that this agent alone uses.
pub struct Directory {
    path: PathBuf,
    /// The directory itself, to have its names on the disk.
    handle: File,
    _lock: File,
    /// Most bytes that its payloads take on the disk.
    limit: u64,
    files: VecDeque<StoredFile>,
    /// What was set aside, oldest first.
    damaged: VecDeque<PathBuf>,
    bytes: u64,
    next_number: u64,
}

/// A payload on the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct StoredFile {
    number: u64,
    time: u64,
    /// Bytes that it takes on the disk.
    size: u64,
}

impl StoredFile {
    fn name(self) -> String {
        format!("{:020}-{}{PAYLOAD}", self.number, self.time)
    }

    fn parse(name: &str, len: u64) -> Option<Self> {
        let (number, time) = name.strip_suffix(PAYLOAD)?.split_once('-')?;
        let (number, time) = (number.parse().ok()?, time.parse().ok()?);
        let file = Self { number, time, size: on_disk(len) };
        (number < MAX_NUMBER && file.name() == name).then_some(file)
    }
}

fn size(header: &str, payload: &Payload) -> u64 {
    on_disk((header.len() + payload.lines.len()) as u64)
}

fn on_disk(len: u64) -> u64 {
    len.div_ceil(BLOCK).max(1).saturating_mul(BLOCK)
}

impl Directory {
    /// Takes a directory into use, and finds the payloads that wait there. More than fit into
    /// `limit` bytes are dropped at the next [`Directory::make_room`].
    ///
    /// # Errors
    /// Where there is none, or it can't be used.
    pub fn open(path: &Path, limit: u64) -> Result<Self, OpenError> {
        let (path, handle) = checked(path)?;
        let lock = locked(&path.join(LOCK))?;
        let mut directory = Self {
            path,
            handle,
            _lock: lock,
            limit,
            files: VecDeque::new(),
            damaged: VecDeque::new(),
            bytes: 0,
            next_number: 1,
        };
        directory.find_files().map_err(|error| OpenError::Io("cannot be read", error))?;
        Ok(directory)
    }

    /// Makes the directory where there is none, for this user alone.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn make(path: &Path) -> Result<(), OpenError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(OpenError::Io("cannot be made", error))
            }
            _ => Ok(()),
        }
    }

    fn find_files(&mut self) -> io::Result<()> {
        let mut strange = Vec::new();
        let mut strange_count = 0usize;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Not that of what a link points to.
            let metadata = entry.metadata()?;
            let file = StoredFile::parse(&name, metadata.len()).filter(|_| metadata.is_file());
            if let Some(file) = file {
                self.bytes = self.bytes.saturating_add(file.size);
                self.files.push_back(file);
            } else if name == TEMPORARY {
                // Its writer was killed.
                let _ = fs::remove_file(entry.path());
            } else if name.ends_with(DAMAGED) {
                self.damaged.push_back(entry.path());
            } else if name != LOCK {
                strange_count += 1;
                if strange.len() < MAX_NAMED {
                    strange.push(name.escape_debug().to_string());
                }
            }
        }
        self.files.make_contiguous().sort_unstable();
        self.damaged.make_contiguous().sort_unstable();
        self.next_number = self.files.back().map_or(1, |newest| newest.number + 1);
        if strange_count > 0 {
            warn!(
                "{} has files that are none of the spool's, {strange_count}, which are left alone: \
                 {}",
                self.path.display(),
                strange.join(", ")
            );
        }
        if !self.files.is_empty() {
            info!("payloads that wait in {}: {}", self.path.display(), self.files.len());
        }
        Ok(())
    }

    /// Removes the oldest payloads where this one would not fit in beside them; which these were.
    pub fn make_room(&mut self, payload: &Payload) -> Option<Dropped> {
        let size = size(&record::header(&payload.lines), payload);
        let mut dropped: Option<Dropped> = None;
        while self.bytes.saturating_add(size) > self.limit
            && let Some(oldest) = self.files.front()
        {
            let one = Dropped::one(oldest.time);
            dropped = Some(dropped.map_or(one, |dropped| dropped.and(one)));
            self.remove_oldest();
        }
        dropped
    }

    /// Puts a payload behind the others: when this returns, it is on the disk.
    ///
    /// # Errors
    /// Where it can't be written; then it is not there.
    pub fn write(&mut self, payload: &Payload) -> io::Result<()> {
        let header = record::header(&payload.lines);
        let size = size(&header, payload);
        let file = StoredFile { number: self.next_number, time: payload.time, size };
        let temporary = self.path.join(TEMPORARY);
        write_whole(&temporary, &[&header, &payload.lines])
            .and_then(|()| fs::rename(&temporary, self.path.join(file.name())))
            .inspect_err(|_| {
                let _ = fs::remove_file(&temporary);
            })?;
        // A file system that can't do this keeps names its own way.
        let _ = self.handle.sync_all();
        self.next_number += 1;
        self.bytes += size;
        self.files.push_back(file);
        Ok(())
    }

    /// Reads the payload that is to be sent first. One that is damaged is set aside, and one that
    /// somebody has removed is passed over.
    ///
    /// # Errors
    /// Where the system has no means to read any just now.
    pub fn oldest(&mut self) -> io::Result<Option<Payload>> {
        let (mut removed, mut damaged) = (0usize, 0usize);
        let mut found = Ok(None);
        while let Some(file) = self.files.front().copied() {
            let path = self.path.join(file.name());
            match read_whole(&path) {
                Ok(lines) => {
                    found = Ok(Some(Payload { time: file.time, lines }));
                    break;
                }
                Err(error) if is_of_the_moment(&error) => {
                    found = Err(error);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    removed += 1;
                    if removed <= MAX_NAMED {
                        warn!("{} was removed by somebody", path.display());
                    }
                }
                Err(error) => {
                    damaged += 1;
                    if damaged <= MAX_NAMED {
                        warn!("{} is not sent, and set aside: {error}", path.display());
                    }
                    self.set_aside(&path);
                }
            }
            self.forget_oldest();
        }
        if removed > MAX_NAMED || damaged > MAX_NAMED {
            let path = self.path.display();
            warn!(
                "payloads of {path} that were removed by somebody: {removed}, set aside: {damaged}"
            );
        }
        found
    }

    /// Removes the payload that [`Directory::oldest`] gave.
    pub fn remove_oldest(&mut self) {
        if let Some(file) = self.forget_oldest() {
            let path = self.path.join(file.name());
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    warn!("cannot remove {}: {error}", path.display());
                }
                _ => {}
            }
        }
    }

    fn forget_oldest(&mut self) -> Option<StoredFile> {
        let file = self.files.pop_front()?;
        self.bytes = self.bytes.saturating_sub(file.size);
        Some(file)
    }

    fn set_aside(&mut self, path: &Path) {
        let aside = path.with_extension(DAMAGED);
        if fs::rename(path, &aside).is_ok() {
            self.damaged.push_back(aside);
        }
        while self.damaged.len() > MAX_DAMAGED
            && let Some(oldest) = self.damaged.pop_front()
        {
            let _ = fs::remove_file(oldest);
        }
    }

    /// How many payloads wait here.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// When the oldest was read, in seconds since 1970.
    pub fn oldest_time(&self) -> Option<u64> {
        self.files.front().map(|file| file.time)
    }
}

/// The directory where its links lead to, where nobody else may write in it.
fn checked(path: &Path) -> Result<(PathBuf, File), OpenError> {
    let fault = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => OpenError::Missing,
        _ => OpenError::Io("cannot be opened", error),
    };
    // SAFETY: it takes nothing and can't fail.
    let user = unsafe { libc::geteuid() };
    // systemd makes one where the user is its own; others could point anywhere.
    let link = fs::symlink_metadata(path).map_err(fault)?;
    if link.is_symlink() && link.uid() != 0 && link.uid() != user {
        return Err(OpenError::Unsafe(format!("it is a link of user {}", link.uid())));
    }
    let path = fs::canonicalize(path).map_err(fault)?;
    let handle = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(&path)
        .map_err(fault)?;
    let metadata = handle.metadata().map_err(fault)?;
    if metadata.uid() != user {
        let owner = metadata.uid();
        return Err(OpenError::Unsafe(format!(
            "it belongs to user {owner}, and this agent runs as user {user}"
        )));
    }
    if metadata.mode() & 0o022 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(OpenError::Unsafe(format!("others may write to it: its mode is {mode:o}")));
    }
    Ok((path, handle))
}

fn locked(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|error| OpenError::Io("cannot be written to", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
        Err(TryLockError::Error(error)) => Err(OpenError::Io("cannot be locked", error)),
    }
}

/// Makes a file of these texts; it is on the disk when this returns.
fn write_whole(path: &Path, texts: &[&str]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    for text in texts {
        file.write_all(text.as_bytes())?;
    }
    file.sync_all()
}

/// Whether the system lacks something that any file needs, and says nothing of this one.
fn is_of_the_moment(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

fn read_whole(path: &Path) -> io::Result<String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let len = file.metadata()?.len();
    if len > MAX_FILE_LEN {
        return Err(io::Error::other(format!("it has {len} bytes, more than any payload")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    file.take(MAX_FILE_LEN).read_to_end(&mut bytes)?;
    record::lines(bytes).map_err(io::Error::other)
}
