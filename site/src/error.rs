//! What is wrong with the files of a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

/// A fault in `kurado.yml`, a roll or a definition: `file:line: what was found; what is allowed`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct SiteError {
    /// The file with the fault.
    pub file: PathBuf,
    /// Its line, from 1, where one is known.
    pub line: Option<u64>,
    /// What was found, and what is allowed.
    pub message: String,
}

impl SiteError {
    pub(crate) fn new(file: &Path, line: Option<u64>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

/// All that was found wrong, at least one fault, and at most [`Fault::MOST`]. Printed it is the first
/// one, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    first: SiteError,
    more: Vec<SiteError>,
}

impl Fault {
    /// Past so many faults no more are noted.
    pub const MOST: usize = 50;

    /// These; `None` where there are none.
    pub(crate) fn of(mut faults: Vec<SiteError>) -> Option<Self> {
        if faults.is_empty() {
            return None;
        }
        faults.truncate(Self::MOST);
        let first = faults.remove(0);
        Some(Self { first, more: faults })
    }

    /// Each of them, in the order in which they were found.
    pub fn all(&self) -> impl Iterator<Item = &SiteError> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl From<SiteError> for Fault {
    fn from(first: SiteError) -> Self {
        Self { first, more: Vec::new() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.more.len() {
            0 => write!(f, "{}", self.first),
            more => write!(f, "{} (and {more} more, see kurado-poller check)", self.first),
        }
    }
}

impl std::error::Error for Fault {}
