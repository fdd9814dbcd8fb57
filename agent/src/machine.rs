//! The machine that is read: its `/proc`, `/sys` and `/dev` below a root, so that tests can lay
//! out the files of another kernel in a directory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::tcp_diag::{self, TcpStates};

/// Most of one file that is read, in bytes; the largest, `/proc/cpuinfo` of a machine with
/// hundreds of processors, is below it.
const MAX_FILE_LEN: u64 = 4 * 1024 * 1024;

/// One look at a machine: where its files are, and how its kernel is asked. A file that several
/// collectors need is read once, so each tick takes a look of its own.
pub struct Machine {
    root: PathBuf,
    kernel: Kernel,
    shared: RefCell<BTreeMap<String, Rc<str>>>,
}

/// What no file says.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// Asks the file system mounted at a path.
    pub file_system: fn(&Path) -> io::Result<FileSystem>,
    /// Counts TCP sockets by state.
    pub tcp_states: fn() -> io::Result<TcpStates>,
    /// Bytes a page of memory.
    pub page_size: u64,
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
    /// All inodes; 0 where the file system has no fixed number of them.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
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

    /// Whether this kernel does not have what the file tells of: an older one, one that was built without
    /// it, or one that was started with it switched off.
    pub fn is_unsupported(&self) -> bool {
        self.is_gone()
            || matches!(self, Self::Io { source, .. }
                if matches!(source.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOTDIR)))
    }
}

impl Machine {
    /// The machine that this process runs on.
    pub fn this() -> Self {
        let kernel =
            Kernel { file_system: statvfs, tcp_states: tcp_diag::count, page_size: page_size() };
        Self { root: PathBuf::from("/"), kernel, shared: RefCell::default() }
    }

    /// A machine whose files are laid out below `root`; its kernel answers as given.
    #[cfg(test)]
    pub fn at(root: &Path, kernel: Kernel) -> Self {
        Self { root: root.to_owned(), kernel, shared: RefCell::default() }
    }

    /// The text of the file at an absolute path; bytes that are no UTF-8 become U+FFFD.
    pub fn read(&self, path: &str) -> Result<String, ReadError> {
        // Most files are smaller: one read, and one that finds the end.
        let mut bytes = Vec::with_capacity(4096);
        std::fs::File::open(self.path(path))
            .and_then(|file| file.take(MAX_FILE_LEN).read_to_end(&mut bytes))
            .map_err(|source| io_error(path, source))?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// As [`Self::read`], for a file that more than one collector reads: this look keeps the text.
    pub fn read_shared(&self, path: &str) -> Result<Rc<str>, ReadError> {
        if let Some(text) = self.shared.borrow().get(path) {
            return Ok(Rc::clone(text));
        }
        let text: Rc<str> = self.read(path)?.into();
        self.shared.borrow_mut().insert(path.to_owned(), Rc::clone(&text));
        Ok(text)
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
        (self.kernel.file_system)(&self.path(mount)).map_err(|source| io_error(mount, source))
    }

    /// How many TCP sockets are in each state.
    pub fn tcp_states(&self) -> io::Result<TcpStates> {
        (self.kernel.tcp_states)()
    }

    /// Bytes a page of memory.
    pub fn page_size(&self) -> u64 {
        self.kernel.page_size
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
        inodes: answer.f_files,
        inodes_free: answer.f_ffree,
    })
}

fn page_size() -> u64 {
    // SAFETY: it takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}
