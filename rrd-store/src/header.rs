//! What the first bytes of an RRD file say, read without mapping the file.
//!
//! librrd maps a file as long as its header claims; a file that is shorter kills the process with
//! SIGBUS. So the header is read first and the length compared. Layout on 64-bit Linux
//! (`rrd_format.h`): `stat_head` 128 bytes, `ds_def` 120 each, `rra_def` 120 each, `live_head` 16,
//! `pdp_prep` 112 a data source, `cdp_prep` 80 an archive and data source, `rra_ptr` 8 an archive,
//! then rows of f64.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use line_protocol::DataSourceType;

use crate::STEP;

/// What is needed to know before an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of the one data source.
    pub data_source_type: DataSourceType,
    /// Time of the last update, in seconds since 1970.
    pub last_update: u32,
}

/// Why a file can't be updated.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("is not an RRD file of this machine's format")]
    NotRrd,
    /// It was cut.
    #[error("is truncated: {found} bytes where its header needs {needed}")]
    Truncated {
        /// Bytes that there are.
        found: u64,
        /// Bytes that there must be.
        needed: u64,
    },
    /// A part of the header makes no sense, or is one that this program knows nothing of.
    #[error("has a damaged or unknown {0} in its header")]
    Damaged(String),
    /// Another kind of RRD.
    #[error(
        "has {0}; a series needs one data source at a step of {STEP} s, in format version 0003 or newer"
    )]
    Layout(String),
}

const STAT_HEAD: usize = 128;
const DS_DEF: usize = 120;
const RRA_DEF: usize = 120;
const LIVE_HEAD: usize = 16;
const PDP_PREP: usize = 112;
/// A row of two years.
const MOST_STEPS_A_ROW: u64 = 1_000_000;
const MOST_ARCHIVES: u64 = 1024;

impl Header {
    /// Reads and checks the header of a file.
    ///
    /// # Errors
    /// Where the file can't be read, is no RRD, is shorter than its header says, or has another
    /// step or more than one data source.
    pub fn read(path: &Path) -> Result<Self, HeaderError> {
        // Opening a pipe would wait for ever for its other end.
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(HeaderError::NotRrd);
        }
        let found = metadata.len();
        let mut stat_head = [0; STAT_HEAD];
        read_whole(&mut file, &mut stat_head, found)?;
        // The cookie, the version, and a double that shows the machine's byte order and alignment.
        if stat_head.get(..4) != Some(b"RRD\0") || f64_at(&stat_head, 16) != Some(8.642_135E130) {
            return Err(HeaderError::NotRrd);
        }
        // Before version 3 the last update has no microseconds: librrd then finds all that follows
        // 8 bytes earlier than it is read here, and what it writes is damage.
        let version = stat_head.get(4..9).unwrap_or_default();
        if ![&b"0003\0"[..], b"0004\0", b"0005\0"].contains(&version) {
            let version = version.escape_ascii();
            return Err(HeaderError::Layout(format!("format version '{version}'")));
        }
        let count = |at| u64_at(&stat_head, at).ok_or(HeaderError::NotRrd);
        let (sources, archives, step) = (count(24)?, count(32)?, count(40)?);
        if sources != 1 || step != u64::from(STEP) || archives == 0 || archives > MOST_ARCHIVES {
            return Err(HeaderError::Layout(format!(
                "{sources} data sources and {archives} archives at a step of {step} s"
            )));
        }
        let archives = usize::try_from(archives).map_err(|_| HeaderError::NotRrd)?;
        let mut rest = vec![0; DS_DEF + archives * RRA_DEF + LIVE_HEAD + PDP_PREP + archives * 88];
        read_whole(&mut file, &mut rest, found)?;
        let mut rows = 0u64;
        for archive in 0..archives {
            let row_count = archive_rows(&rest, archives, archive)
                .ok_or_else(|| HeaderError::Damaged(format!("archive {archive}")))?;
            rows = rows.saturating_add(row_count);
        }
        let fixed = (STAT_HEAD + rest.len()) as u64;
        let needed = fixed.saturating_add(rows.saturating_mul(8));
        if found < needed {
            return Err(HeaderError::Truncated { found, needed });
        }
        let type_name = rest.get(20..40).unwrap_or_default();
        let type_name = type_name.split(|byte| *byte == 0).next().unwrap_or_default();
        let data_source_type = DataSourceType::ALL
            .into_iter()
            .find(|known| known.rrd_name().as_bytes() == type_name)
            .ok_or_else(|| {
                let name = String::from_utf8_lossy(type_name);
                HeaderError::Layout(format!("a data source of type '{name}'"))
            })?;
        let live_head = DS_DEF + archives * RRA_DEF;
        // librrd would reckon with any number here.
        if u64_at(&rest, live_head + 8).is_none_or(|microseconds| microseconds >= 1_000_000) {
            return Err(HeaderError::Damaged("time of the last update".to_owned()));
        }
        let last_update = u64_at(&rest, live_head);
        let last_update = last_update.and_then(|time| u32::try_from(time).ok());
        let last_update = last_update.ok_or(HeaderError::NotRrd)?;
        Ok(Self { data_source_type, last_update })
    }
}

/// How many rows an archive has; `None` where librrd would divide by zero or write beyond its rows.
/// It checks nothing of this itself, and takes the process with it.
fn archive_rows(rest: &[u8], archives: usize, archive: usize) -> Option<u64> {
    let definition = DS_DEF + archive * RRA_DEF;
    let name = rest.get(definition..definition + 20)?;
    let name = name.split(|byte| *byte == 0).next()?;
    let is_plain = [&b"AVERAGE"[..], b"MIN", b"MAX", b"LAST"].contains(&name);
    let row_count = u64_at(rest, definition + 24)?;
    let steps_a_row = u64_at(rest, definition + 32)?;
    let pointers = DS_DEF + archives * RRA_DEF + LIVE_HEAD + PDP_PREP + archives * 80;
    let current_row = u64_at(rest, pointers + archive * 8)?;
    let is_sound =
        is_plain && (1..=MOST_STEPS_A_ROW).contains(&steps_a_row) && current_row < row_count;
    is_sound.then_some(row_count)
}

fn read_whole(file: &mut File, buffer: &mut [u8], found: u64) -> Result<(), HeaderError> {
    file.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            HeaderError::Truncated { found, needed: found.max(STAT_HEAD as u64) + 1 }
        }
        _ => HeaderError::Io(error),
    })
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_ne_bytes(bytes))
}

fn f64_at(bytes: &[u8], at: usize) -> Option<f64> {
    u64_at(bytes, at).map(f64::from_bits)
}
