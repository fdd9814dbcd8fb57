//! An RRD file that is open: locked as librrd locks it, read and written at places, never mapped.
//! So a file that somebody cuts meanwhile is an error and no signal.
//!
//! Most files are not in the page cache when their time comes. Writing a few bytes to a page that
//! is not there reads it first, one page after the other; so where the header was not there, all
//! pages are asked for at once.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::header::{Header, HeaderError};
use crate::lock::{self, Kind};

/// A header of at most 19 archives comes with the first read.
const FIRST_READ: u64 = PAGE;
const PAGE: u64 = 4096;
/// Readers of other processes keep a lock for a moment only.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Others may read meanwhile.
    Read,
    /// No other process may read or write meanwhile.
    Update,
}

/// An open, locked file. The lock belongs to the process and goes with the first descriptor of
/// this file that it closes: one thread must have a file to itself.
#[derive(Debug)]
pub(crate) struct RrdFile {
    file: File,
    length: u64,
    cached: Cached,
}

/// Where a file's header was found, and so where its other pages are likely to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cached {
    InMemory,
    OnDisk,
}

impl RrdFile {
    /// Opens and locks a regular file.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, HeaderError> {
        let file = OpenOptions::new()
            .read(true)
            .write(access == Access::Update)
            // Opening a pipe would wait for ever for its other end.
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::IsADirectory => HeaderError::NotRrd,
                _ => HeaderError::Io(error),
            })?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(HeaderError::NotRrd);
        }
        wait_for_lock(&file, access)?;
        Ok(Self { file, length: metadata.len(), cached: Cached::InMemory })
    }

    /// Reads and checks the header.
    pub(crate) fn header(&mut self) -> Result<Header, HeaderError> {
        let first = usize::try_from(self.length.min(FIRST_READ)).unwrap_or_default();
        let mut bytes = vec![0; first];
        if !self.read_from_memory(&mut bytes) {
            self.cached = Cached::OnDisk;
            // Nothing that lies behind the header is wanted with it.
            self.advise(0, 0, libc::POSIX_FADV_RANDOM);
            self.read(&mut bytes, 0)?;
        }
        let length = Header::length_of(&bytes, self.length)?;
        bytes.resize(length, 0);
        if let Some(rest) = bytes.get_mut(first..).filter(|rest| !rest.is_empty()) {
            self.read(rest, first as u64)?;
        }
        Header::decode(bytes, self.length)
    }

    /// Fills a buffer with the bytes at a place.
    pub(crate) fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), HeaderError> {
        self.file.read_exact_at(buffer, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(at + buffer.len() as u64),
            _ => HeaderError::Io(error),
        })
    }

    /// Fills a buffer with the file's first bytes where that waits for no disk. Whether it did.
    fn read_from_memory(&self, buffer: &mut [u8]) -> bool {
        let wish = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: the descriptor is open, and the call writes to `buffer` alone, no more than it
        // holds.
        let got = unsafe { libc::preadv2(self.file.as_raw_fd(), &wish, 1, 0, libc::RWF_NOWAIT) };
        usize::try_from(got) == Ok(buffer.len())
    }

    /// Starts to read the pages of which the new rows are a part.
    fn read_ahead(&self, header: &Header) {
        let mut last_page = None;
        let Ok(()) = header.new_rows(|at, bytes| {
            for edge in [at, at + bytes.len() as u64 - 1] {
                let page = edge - edge % PAGE;
                if last_page.replace(page) != Some(page) {
                    self.advise(page, PAGE, libc::POSIX_FADV_WILLNEED);
                }
            }
            Ok::<(), Infallible>(())
        });
    }

    /// Tells the kernel what will be read; it may not listen.
    fn advise(&self, at: u64, length: u64, advice: libc::c_int) {
        let place = |number| libc::off_t::try_from(number).unwrap_or_default();
        // SAFETY: takes numbers alone.
        unsafe { libc::posix_fadvise(self.file.as_raw_fd(), place(at), place(length), advice) };
    }

    /// Writes what points have changed ([`Header::write_out`]).
    pub(crate) fn write(&self, header: &mut Header) -> Result<(), HeaderError> {
        if self.cached == Cached::OnDisk {
            self.read_ahead(header);
        }
        let size = header.file_size();
        let rows_begin = header.length();
        header.write_out(|at, bytes| {
            // The state must not say that rows are there that went with the file's end; and the
            // last row would make a file that was cut look whole, with zeros for rows.
            if at < rows_begin || at + bytes.len() as u64 == size {
                self.check_length(size)?;
            }
            Ok(self.file.write_all_at(bytes, at)?)
        })
    }

    /// Whether nobody has cut the file since it was opened.
    fn check_length(&self, needed: u64) -> Result<(), HeaderError> {
        let found = self.file.metadata()?.len();
        if found < needed { Err(HeaderError::Truncated { found, needed }) } else { Ok(()) }
    }

    fn truncated(&self, needed: u64) -> HeaderError {
        let found = self.file.metadata().map_or(self.length, |metadata| metadata.len());
        HeaderError::Truncated { found, needed }
    }
}

/// Takes the lock that librrd takes, so that `rrdtool` and this process exclude each other.
fn wait_for_lock(file: &File, access: Access) -> Result<(), HeaderError> {
    let kind = match access {
        Access::Read => Kind::Shared,
        Access::Update => Kind::Exclusive,
    };
    for tries_left in (0..LOCK_TRIES).rev() {
        let Err(error) = lock::try_lock(file, kind) else {
            return Ok(());
        };
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) if tries_left == 0 => break,
            Some(libc::EAGAIN | libc::EACCES) => thread::sleep(LOCK_PAUSE),
            Some(libc::EINTR) => {}
            _ => return Err(HeaderError::Io(error)),
        }
    }
    Err(HeaderError::Locked(lock::holder(file, kind)))
}

/// Gives a file its name where there is none of that name yet.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let old = CString::new(from.as_os_str().as_bytes())?;
    let new = CString::new(to.as_os_str().as_bytes())?;
    let (here, flags) = (libc::AT_FDCWD, libc::RENAME_NOREPLACE);
    // SAFETY: both names end with NUL and outlive the call.
    if unsafe { libc::renameat2(here, old.as_ptr(), here, new.as_ptr(), flags) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Some network file systems know no such rename. The name was free a moment ago, and it
        // belongs to this thread.
        Some(libc::EINVAL | libc::ENOSYS) => fs::rename(from, to),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create;
    use crate::layout::Layout;
    use crate::point::Point;
    use line_protocol::{DataSourceType, Value};
    use std::path::PathBuf;
    use std::process::Command;

    fn made(directory: &Path) -> PathBuf {
        let path = directory.join("file");
        let layout = Layout::default();
        let header = Header::new(&layout, DataSourceType::Gauge, 1_000_000_000, |_, _| 0).unwrap();
        fs::write(&path, create::image(header)).unwrap();
        path
    }

    #[test]
    fn rrdtool_does_not_touch_a_file_while_it_is_updated() {
        let directory = tempfile::tempdir().unwrap();
        let path = made(directory.path());
        let update = || {
            let output =
                Command::new("rrdtool").arg("update").arg(&path).arg("1000000060:1").output();
            let output = output.expect("rrdtool is installed");
            (output.status.success(), String::from_utf8(output.stderr).unwrap())
        };
        let file = RrdFile::open(&path, Access::Update).unwrap();
        let (updated, error) = update();
        assert!(!updated && error.contains("could not lock RRD"), "{error}");
        drop(file);
        assert!(update().0);
    }

    #[test]
    fn a_file_that_was_cut_since_it_was_opened_is_not_made_to_look_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = made(directory.path());
        let whole = fs::read(&path).unwrap();
        // A day's points, and a gap that replaces every row, the file's last one too.
        for last in [1_000_086_400, 1_200_000_000] {
            for length in [0, 1000, 2872, 3000, 100_000, 190_551] {
                fs::write(&path, &whole).unwrap();
                let mut file = RrdFile::open(&path, Access::Update).unwrap();
                let mut header = file.header().unwrap();
                for time in [last - 60, last] {
                    header.apply(Point::new(time, Value::Float(1.0))).unwrap();
                }
                OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
                let error = file.write(&mut header).unwrap_err();
                assert!(matches!(error, HeaderError::Truncated { .. }), "{length}: {error}");
                drop(file);
                // It says so again the next time.
                let again = RrdFile::open(&path, Access::Update).unwrap().header();
                assert!(again.is_err(), "{length}");
            }
        }
    }
}
