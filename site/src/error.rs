//! A fault in a configuration file.

use std::path::{Path, PathBuf};

/// A fault in `kurado.yml` or a roll: `file:line: what was found; what is allowed`.
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
