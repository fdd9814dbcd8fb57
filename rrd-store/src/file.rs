//! One RRD file: create, update, fetch.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use line_protocol::DataSourceType;
use rrd::ConsolidationFn;
use rrd::ops::create::{Archive, DataSource, DataSourceName};

use crate::header::{Header, HeaderError};
use crate::librrd;
use crate::point::Point;
use crate::{HEARTBEAT, STEP};

/// Steps a row and rows of the archives; each stands once for AVERAGE, MIN and MAX.
/// Source: the layout of existing installations, 190,552 bytes.
pub const ARCHIVES: [(u32, u32); 4] = [(1, 2880), (5, 2880), (60, 960), (1440, 1100)];
/// Bytes of a file of these archives.
const FILE_SIZE: u64 = 190_552;
/// A new file starts so many seconds before its first point.
const START_BEFORE_FIRST: u32 = 10;
/// The name of the one data source.
const DATA_SOURCE: &str = "n";

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
        };
        Self::new(path, kind, error.to_string())
    }

    /// librrd tells errors as text only, with the system's in it; on a full file system that text
    /// may be empty.
    fn librrd(path: &Path, text: &str) -> Self {
        let directory = path.parent().unwrap_or(path);
        let kind = if text.contains("No space left")
            || text.contains("quota exceeded")
            || text.is_empty() && is_full(directory)
        {
            FailureKind::NoSpace
        } else if text.contains("Permission denied") || text.contains("Read-only file system") {
            FailureKind::Permission
        } else {
            FailureKind::Other
        };
        let text = match kind {
            FailureKind::NoSpace => "no space left on the file system",
            _ if text.is_empty() => "failed without a reason",
            _ => text,
        };
        Self::new(path, kind, format!("librrd: {text}"))
    }

    fn of_crate(path: &Path, error: rrd::error::RrdError) -> Self {
        match error {
            rrd::error::RrdError::LibRrdError(text) => Self::librrd(path, &text),
            other => Self::librrd(path, &other.to_string()),
        }
    }
}

/// Whether a file system has no room for one more file of the standard layout.
fn is_full(directory: &Path) -> bool {
    let Ok(name) = CString::new(directory.as_os_str().as_bytes()) else {
        return false;
    };
    let mut system = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the name ends with NUL, and the call fills in the structure where it gives 0.
    let system = unsafe {
        if libc::statvfs(name.as_ptr(), system.as_mut_ptr()) != 0 {
            return false;
        }
        system.assume_init()
    };
    system.f_bavail.saturating_mul(system.f_frsize) < FILE_SIZE || system.f_favail == 0
}

/// Writes points, ascending by time, to a file that is made where there is none. Points that are
/// not after the file's last update are skipped.
///
/// # Errors
/// Nothing or some of the points may be in the file then; the same call again is harmless.
pub fn write(
    path: &Path,
    data_source_type: DataSourceType,
    points: &[Point],
) -> Result<Written, FileError> {
    let (header, created) = match Header::read(path) {
        Ok(header) => (header, false),
        Err(HeaderError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            let Some(first) = points.first() else {
                return Ok(Written { last_update: 0, points: 0, skipped: 0, created: false });
            };
            let start = first.time().saturating_sub(START_BEFORE_FIRST);
            create(path, data_source_type, start)?;
            let header = Header::read(path).map_err(|error| FileError::header(path, &error))?;
            (header, true)
        }
        Err(error) => return Err(FileError::header(path, &error)),
    };
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
    let fresh: Vec<&Point> = points.iter().filter(|p| p.time() > header.last_update).collect();
    let skipped = points.len() - fresh.len();
    let Some(newest) = fresh.last() else {
        return Ok(Written { last_update: header.last_update, points: 0, skipped, created });
    };
    let last_update = newest.time();
    let arguments = fresh
        .iter()
        .map(|point| CString::new(format!("{}:{}", point.time(), point.value())))
        .collect::<Result<Vec<_>, _>>();
    let (Ok(arguments), Ok(name)) = (arguments, CString::new(path.as_os_str().as_bytes())) else {
        return Err(FileError::new(path, FailureKind::Other, "name holds a NUL byte"));
    };
    librrd::update(&name, &arguments).map_err(|text| FileError::librrd(path, &text))?;
    Ok(Written { last_update, points: fresh.len(), skipped, created })
}

/// Makes a file of the standard layout with its directories.
///
/// # Errors
/// Where that is not possible; an existing file is never replaced.
pub fn create(path: &Path, data_source_type: DataSourceType, start: u32) -> Result<(), FileError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .map_err(|error| FileError::io(directory, "create the directory", &error))?;
    }
    let bad = |error: rrd::error::InvalidArgument| {
        FileError::new(path, FailureKind::Other, error.to_string())
    };
    let name = DataSourceName::new(DATA_SOURCE).map_err(bad)?;
    let source = match data_source_type {
        DataSourceType::Gauge => DataSource::gauge(&name, HEARTBEAT, None, None),
        DataSourceType::Counter => DataSource::counter(&name, HEARTBEAT, None, None),
        DataSourceType::Derive => DataSource::derive(&name, HEARTBEAT, None, None),
        DataSourceType::Absolute => DataSource::absolute(&name, HEARTBEAT, None, None),
    };
    let mut archives = Vec::with_capacity(3 * ARCHIVES.len());
    for consolidation in [ConsolidationFn::Avg, ConsolidationFn::Min, ConsolidationFn::Max] {
        for (steps, rows) in ARCHIVES {
            archives.push(Archive::new(consolidation, 0.5, steps, rows).map_err(bad)?);
        }
    }
    librrd::clear_error();
    rrd::ops::create::create(
        path,
        time_of(start),
        Duration::from_secs(u64::from(STEP)),
        true,
        None,
        &[],
        [&source],
        &archives,
    )
    .map_err(|error| FileError::of_crate(path, error))
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

/// A consolidation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consolidation {
    /// The mean over a row's time.
    Average,
    /// The least.
    Min,
    /// The most.
    Max,
}

/// One row: the end of its time in seconds since 1970, and its value; `None` is unknown.
pub type Row = (u32, Option<f64>);

/// Reads consolidated rows.
///
/// # Errors
/// Where the file can't be read.
pub fn fetch(path: &Path, range: Range) -> Result<Vec<Row>, FileError> {
    Header::read(path).map_err(|error| FileError::header(path, &error))?;
    let consolidation = match range.consolidation {
        Consolidation::Average => ConsolidationFn::Avg,
        Consolidation::Min => ConsolidationFn::Min,
        Consolidation::Max => ConsolidationFn::Max,
    };
    librrd::clear_error();
    let data = rrd::ops::fetch::fetch(
        path,
        consolidation,
        time_of(range.start),
        time_of(range.end),
        Duration::from_secs(u64::from(range.step)),
    )
    .map_err(|error| FileError::of_crate(path, error))?;
    let seconds = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    };
    Ok(data
        .rows()
        .iter()
        .map(|row| {
            let value = row.as_slice().first().copied();
            (seconds(row.timestamp()), value.filter(|value| value.is_finite()))
        })
        .collect())
}

fn time_of(seconds: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(seconds))
}
