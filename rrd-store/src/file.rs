//! One RRD file: create, update, fetch.

use std::io;
use std::path::{Path, PathBuf};

use line_protocol::DataSourceType;

use crate::disk::{Access, RrdFile};
use crate::header::{Header, HeaderError};
pub use crate::layout::Consolidation;
use crate::layout::Layout;
use crate::point::Point;
use crate::update::Applied;
use crate::{create, fetch};

/// A new file starts so many seconds before its first point.
const START_BEFORE_FIRST: u32 = 10;

/// What an update did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file's last update now.
    pub last_update: u32,
    /// Points that went in.
    pub points: usize,
    /// Points that the file had already, or that are older than what it has.
    pub skipped: usize,
    /// Whether the file was made.
    pub created: bool,
}

/// The kinds of failures, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// There is no such file.
    Missing,
    /// No space or quota left.
    NoSpace,
    /// Not permitted, or the file system is read-only.
    Permission,
    /// The file is truncated or no RRD.
    Damaged,
    /// The file has another step, type or number of data sources.
    Layout,
    /// Another process reads or writes the file.
    Locked,
    /// Anything else.
    Other,
}

/// Why a file could not be written or read; names the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong, in words.
    pub reason: String,
    /// What went wrong, for counting.
    pub kind: FailureKind,
}

impl FileError {
    fn new(path: &Path, kind: FailureKind, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into(), kind }
    }

    fn io(path: &Path, doing: &str, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => FailureKind::Missing,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::NoSpace,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                FailureKind::Permission
            }
            _ => FailureKind::Other,
        };
        Self::new(path, kind, format!("can't {doing}: {error}"))
    }

    fn header(path: &Path, error: &HeaderError) -> Self {
        let kind = match error {
            HeaderError::Io(error) => return Self::io(path, "read", error),
            HeaderError::NotRrd | HeaderError::Damaged(_) | HeaderError::Truncated { .. } => {
                FailureKind::Damaged
            }
            HeaderError::Layout(_) => FailureKind::Layout,
            HeaderError::Locked(_) => FailureKind::Locked,
        };
        Self::new(path, kind, error.to_string())
    }
}

/// Writes points, ascending by time, to a file that is made where there is none. Points that are
/// not after the file's last update are skipped. A file that is there keeps its layout.
///
/// # Errors
/// Rows of the points may be in the file then, where the next update writes them again; the file
/// still says that it has none of the points, so the same call again puts each in once.
pub fn write(
    path: &Path,
    layout: &Layout,
    data_source_type: DataSourceType,
    points: &[Point],
) -> Result<Written, FileError> {
    let failed = |error| FileError::header(path, &error);
    let mut file = match RrdFile::open(path, Access::Update) {
        Ok(file) => file,
        Err(HeaderError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return create(path, layout, data_source_type, points);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut header = file.header().map_err(failed)?;
    if header.data_source_type != data_source_type {
        return Err(FileError::new(
            path,
            FailureKind::Layout,
            format!(
                "its data source is of type {} where the key says {}",
                header.data_source_type.rrd_name(),
                data_source_type.rrd_name()
            ),
        ));
    }
    let written = apply(path, &mut header, points)?;
    if written.points > 0 {
        file.write(&mut header).map_err(|error| match error {
            HeaderError::Io(error) => FileError::io(path, "write", &error),
            error => failed(error),
        })?;
    }
    Ok(written)
}

fn apply(path: &Path, header: &mut Header, points: &[Point]) -> Result<Written, FileError> {
    let mut written = Written { last_update: 0, points: 0, skipped: 0, created: false };
    for point in points {
        match header.apply(*point) {
            Ok(Applied::Taken) => written.points += 1,
            Ok(Applied::Skipped) => written.skipped += 1,
            Err(error) => return Err(FileError::new(path, FailureKind::Other, error.to_string())),
        }
    }
    written.last_update = header.last_update;
    Ok(written)
}

/// Makes a file, with its directories, that has the points already; none where there are none.
///
/// # Errors
/// Where that is not possible. A file that somebody else made meanwhile is never replaced: the
/// next try finds it.
fn create(
    path: &Path,
    layout: &Layout,
    data_source_type: DataSourceType,
    points: &[Point],
) -> Result<Written, FileError> {
    let Some(first) = points.first() else {
        return Ok(Written { last_update: 0, points: 0, skipped: 0, created: false });
    };
    let start = first.time().saturating_sub(START_BEFORE_FIRST);
    let mut header = Header::new(layout, data_source_type, start, create::first_row(path))
        .map_err(|error| FileError::new(path, FailureKind::Other, error.to_string()))?;
    let written = apply(path, &mut header, points)?;
    create::write_new(path, &create::image(header))
        .map_err(|error| FileError::io(path, "create", &error))?;
    Ok(Written { created: true, ..written })
}

/// What to read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which of the consolidated values.
    pub consolidation: Consolidation,
    /// Rows begin after this time, seconds since 1970.
    pub start: u32,
    /// Rows end with the one that holds this time.
    pub end: u32,
    /// Seconds a row that are wanted; the archive that fits best is taken.
    pub step: u32,
}

/// One row: the end of its time in seconds since 1970, and its value; `None` is unknown.
pub type Row = (u32, Option<f64>);

/// Reads consolidated rows.
///
/// # Errors
/// Where the file can't be read, or has no archive of that consolidation.
pub fn fetch(path: &Path, range: Range) -> Result<Vec<Row>, FileError> {
    RrdFile::open(path, Access::Read)
        .and_then(|mut file| fetch::rows_of(&mut file, &range))
        .map_err(|error| FileError::header(path, &error))
}
