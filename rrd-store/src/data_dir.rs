//! The directory of all RRD files: `<data>/<address>/<escaped plugin>/<escaped key>.rrd`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{self, Path, PathBuf};
use std::time::{Duration, SystemTime};

use line_protocol::key::file_name;

use crate::lock::{self, Kind};
use crate::renaming;

/// A file of this name in the data directory pauses writing while it is young.
const STOP_FILE: &str = "stop";
/// How long a stop file counts after it was last touched.
const STOP_LIFE: Duration = Duration::from_secs(300);
/// Locked while a server uses the directory.
const LOCK_FILE: &str = ".kurado.lock";

/// A data directory that belongs to this process until it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // A POSIX lock belongs to the process and not to its forked children, so a child that
    // outlives a killed server does not keep the directory.
    lock: File,
}

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It can't be made or written.
    #[error("can't use data directory {}: {error}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process has it.
    #[error("data directory {} is in use by process {pid}; each server needs one of its own", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        pid: i32,
    },
}

impl DataDir {
    /// Makes the directory where there is none, and takes it for this process.
    ///
    /// # Errors
    /// Where it can't be made or written, or another process has it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let fail = |error| DataDirError::Io { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(fail)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(fail)?;
        if let Err(error) = lock::try_lock(&file, Kind::Exclusive) {
            return Err(match lock::holder(&file, Kind::Exclusive) {
                Some(pid) => DataDirError::InUse { path: path.to_owned(), pid },
                None => fail(error),
            });
        }
        // What stays is tried again when it is in the way.
        let _ = renaming::delete_replaced(path);
        // Not `canonicalize`: see clippy.toml.
        Ok(Self { path: path::absolute(path).map_err(fail)?, lock: file })
    }

    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a series' file lies. `plugin` is an escaped identifier.
    #[must_use]
    pub fn file(&self, address: &str, plugin: &str, key: &str) -> PathBuf {
        let mut path = self.path.join(address);
        path.push(plugin);
        path.push(file_name(key));
        path
    }

    /// Whether there are files of a host, or an empty directory.
    #[must_use]
    pub fn has_host(&self, address: &str) -> bool {
        self.path.join(address).symlink_metadata().is_ok()
    }

    /// Waits until all that was written before is on the disk: of the directory's whole file system, as
    /// there are many files.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open.
        if unsafe { libc::syncfs(self.lock.as_raw_fd()) } == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }

    /// Whether an operator has paused writing: a file `stop` in the directory that was touched in
    /// the last five minutes.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let stop = fs::metadata(self.path.join(STOP_FILE)).ok().filter(fs::Metadata::is_file);
        stop.and_then(|stop| stop.modified().ok()).is_some_and(|touched| {
            // A time in the future counts as now.
            SystemTime::now().duration_since(touched).unwrap_or_default() < STOP_LIFE
        })
    }
}

/// A new directory with these files, each with its own path in it, for tests.
#[cfg(test)]
pub(crate) fn data_with(files: &[&str]) -> (tempfile::TempDir, DataDir) {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let file = directory.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, file.to_str().unwrap()).unwrap();
    }
    let data = DataDir::open(directory.path()).unwrap();
    (directory, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_by_address_plugin_and_escaped_key() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(&directory.path().join("data")).unwrap();
        let file = data.file("10.0.0.1", "http%3A80", "a/b.gauge");
        assert!(file.ends_with("data/10.0.0.1/http%3A80/a%2Fb.gauge.rrd"));
        assert!(file.is_absolute());
    }

    #[test]
    fn a_young_stop_file_pauses_writing_and_an_old_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        assert!(!data.is_stopped());
        let stop = File::create(directory.path().join("stop")).unwrap();
        assert!(data.is_stopped());
        stop.set_modified(SystemTime::now() - 2 * STOP_LIFE).unwrap();
        assert!(!data.is_stopped());
    }
}
