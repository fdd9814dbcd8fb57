//! The machine that is read: its `/proc`, `/sys` and `/dev` below a root, so that tests can lay
//! out the files of another kernel in a directory.

use std::ffi::CString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most of one file that is read, in bytes; the largest, `/proc/cpuinfo` of a machine with
/// hundreds of processors, is below it.
const MAX_FILE_LEN: u64 = 4 * 1024 * 1024;

/// Where a machine's files are, and how its file systems are asked.
pub struct Machine {
    root: PathBuf,
    ask_file_system: fn(&Path) -> io::Result<FileSystem>,
}

/// What `statvfs` says of a mounted file system.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem {
    /// Bytes a block.
    pub block_size: u64,
    /// All blocks.
    pub blocks: u64,
    /// Blocks that are free, those kept for root too.
    pub free: u64,
    /// Blocks that are free to everybody.
    pub available: u64,
}

/// Why something could not be read. The text names the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It was read, and says something else than it should.
    #[error("{path}: {what}")]
    Content {
        /// Which file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

impl ReadError {
    /// A fault in what a file says.
    pub fn content(path: &str, what: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), what: what.into() }
    }

    /// Whether the file is not there: a device or an interface may go between two reads.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
                    || source.raw_os_error() == Some(libc::ENODEV)
            }
            Self::Content { .. } => false,
        }
    }
}

impl Machine {
    /// The machine that this process runs on.
    pub fn this() -> Self {
        Self { root: PathBuf::from("/"), ask_file_system: statvfs }
    }

    /// A machine whose files are laid out below `root`; its file systems answer as given.
    #[cfg(test)]
    pub fn at(root: &Path, ask_file_system: fn(&Path) -> io::Result<FileSystem>) -> Self {
        Self { root: root.to_owned(), ask_file_system }
    }

    /// The text of the file at an absolute path; bytes that are no UTF-8 become U+FFFD.
    pub fn read(&self, path: &str) -> Result<String, ReadError> {
        let mut bytes = Vec::new();
        std::fs::File::open(self.path(path))
            .and_then(|file| file.take(MAX_FILE_LEN).read_to_end(&mut bytes))
            .map_err(|source| io_error(path, source))?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The names in a directory, sorted.
    pub fn names(&self, path: &str) -> Result<Vec<String>, ReadError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.path(path)).map_err(|source| io_error(path, source))? {
            let entry = entry.map_err(|source| io_error(path, source))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where a symbolic link points, as it is written; `None` where there is no such link.
    pub fn link(&self, path: &str) -> Option<PathBuf> {
        std::fs::read_link(self.path(path)).ok()
    }

    /// The file system mounted at an absolute path.
    pub fn file_system(&self, mount: &str) -> Result<FileSystem, ReadError> {
        (self.ask_file_system)(&self.path(mount)).map_err(|source| io_error(mount, source))
    }

    fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }
}

/// A whole number that stands in the file at `path`.
pub fn number(path: &str, text: Option<&str>) -> Result<u64, ReadError> {
    let text = text.ok_or_else(|| ReadError::content(path, "a number is missing"))?;
    text.parse().map_err(|_| ReadError::content(path, format!("{text:?} must be a whole number")))
}

fn io_error(path: &str, source: io::Error) -> ReadError {
    ReadError::Io { path: path.to_owned(), source }
}

fn statvfs(path: &Path) -> io::Result<FileSystem> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut answer = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in a zero byte, and the answer has room for what is written.
    let status = unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statvfs returned 0, so it has filled the answer.
    let answer = unsafe { answer.assume_init() };
    Ok(FileSystem {
        block_size: answer.f_frsize,
        blocks: answer.f_blocks,
        free: answer.f_bfree,
        available: answer.f_bavail,
    })
}
