//! The files that a configuration is read from, and whether they have changed since.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files and folders, as they were when they were read; `None`: it was not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources(BTreeMap<PathBuf, Option<Stamp>>);

/// What changes when a file is written, replaced by another or made executable, and when a
/// folder's entries come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = path.metadata().ok()?;
        Some(Self {
            device: meta.dev(),
            inode: meta.ino(),
            length: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

impl Sources {
    /// Notes a file or folder. To be called before it is read, so that a change in between is seen
    /// as one.
    pub(crate) fn note(&mut self, path: &Path) {
        self.0.insert(path.to_owned(), Stamp::of(path));
    }

    /// Notes a folder and all that lies in it.
    pub(crate) fn note_entries(&mut self, folder: &Path) {
        self.note(folder);
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            self.note(&entry.path());
        }
    }

    /// These and others; where both have a file, as the others have it.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The same files, as they are now.
    pub(crate) fn now(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), Stamp::of(path))).collect())
    }
}
