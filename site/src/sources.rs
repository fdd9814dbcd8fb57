//! The files that a configuration is read from, and whether they have changed since.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files and folders, as they were when they were read; `None`: it was not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    contents: BTreeMap<PathBuf, Option<Content>>,
    modes: BTreeMap<PathBuf, Option<u32>>,
}

/// What changes when a file is written or replaced by another, and when a folder's entries come and
/// go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

fn content(path: &Path) -> Option<Content> {
    let meta = path.metadata().ok()?;
    Some(Content {
        device: meta.dev(),
        inode: meta.ino(),
        length: meta.len(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
    })
}

fn mode(path: &Path) -> Option<u32> {
    path.metadata().as_ref().map(Metadata::mode).ok()
}

impl Sources {
    /// Notes a file or folder. To be called before it is read, so that a change in between is seen
    /// as one.
    pub(crate) fn note(&mut self, path: &Path) {
        self.contents.insert(path.to_owned(), content(path));
    }

    /// Notes a folder of programs: which there are, and which may be run. What is in them is their
    /// own affair.
    pub(crate) fn note_programs(&mut self, folder: &Path) {
        self.note(folder);
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            self.modes.insert(path.clone(), mode(&path));
        }
    }

    /// These and others; where both have a file, as the others have it.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.contents.extend(others.contents);
        self.modes.extend(others.modes);
        self
    }

    /// The same files, as they are now.
    pub(crate) fn now(&self) -> Self {
        Self {
            contents: self.contents.keys().map(|path| (path.clone(), content(path))).collect(),
            modes: self.modes.keys().map(|path| (path.clone(), mode(path))).collect(),
        }
    }
}
