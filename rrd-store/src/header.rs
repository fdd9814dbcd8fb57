//! The first bytes of an RRD file: what they say, and back.
//!
//! Layout on 64-bit Linux (`rrd_format.h`): `stat_head` 128 bytes, `ds_def` 120 each, `rra_def` 120
//! each, `live_head` 16, `pdp_prep` 112 a data source, `cdp_prep` 80 an archive and data source,
//! `rra_ptr` 8 an archive, then each archive's rows of f64. The part from `live_head` on changes
//! with each update.

use std::io;
use std::path::Path;

use line_protocol::DataSourceType;

use crate::STEP;
use crate::disk::{Access, RrdFile};
use crate::layout::{Consolidation, Layout, LayoutError};
use crate::reading::{self, Reading};

/// librrd's NaN: that of the processor, with the sign set.
pub(crate) const UNKNOWN: f64 = f64::from_bits(0xFFF8_0000_0000_0000);

/// Why a file can't be updated or read.
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
    #[error("has {0}; a series needs one data source at a step of {STEP} s")]
    Layout(String),
    /// Another process reads or writes it right now.
    #[error("is locked by {}", .0.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    Locked(Option<i32>),
}

const STAT_HEAD: usize = 128;
const DS_DEF: usize = 120;
const RRA_DEF: usize = 120;
const LIVE_HEAD: usize = 16;
const PDP_PREP: usize = 112;
const CDP_PREP: usize = 80;
const RRA_PTR: usize = 8;
const COOKIE: &[u8; 4] = b"RRD\0";
/// A double that shows the machine's byte order and alignment.
const FLOAT_COOKIE: f64 = 8.642_135E130;
/// Of new files.
const VERSION: &[u8; 5] = b"0003\0";
/// The versions with the layout above; they differ in kinds of archives and data sources.
const VERSIONS: [&[u8; 5]; 3] = [VERSION, b"0004\0", b"0005\0"];
/// The name of the one data source of new files.
const DATA_SOURCE: &str = "n";
/// A row of two years.
const MOST_STEPS_A_ROW: u64 = crate::layout::MOST_STEPS as u64;
const MOST_ARCHIVES: u64 = 1024;
const MICROS: u64 = 1_000_000;
/// Of the time of a new file's archives' rows that may be unknown.
const UNKNOWN_SHARE: f64 = 0.5;

/// Bytes before the first row.
pub(crate) fn length(archives: usize) -> usize {
    rra_ptr(archives) + archives * RRA_PTR
}

fn live_head(archives: usize) -> usize {
    STAT_HEAD + DS_DEF + archives * RRA_DEF
}

fn cdp_prep(archives: usize) -> usize {
    live_head(archives) + LIVE_HEAD + PDP_PREP
}

fn rra_ptr(archives: usize) -> usize {
    cdp_prep(archives) + archives * CDP_PREP
}

/// A file's state, and rows that are not in the file yet.
#[derive(Clone, Debug)]
pub struct Header {
    /// Type of the one data source.
    pub data_source_type: DataSourceType,
    /// Time of the last update, in seconds since 1970.
    pub last_update: u32,
    /// And its microseconds, which only other programs write.
    pub(crate) last_update_micros: u32,
    /// Seconds without a point after which the value is unknown.
    pub(crate) heartbeat: u64,
    /// The least rate that is taken; NaN is any.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
    /// The step that is not complete yet.
    pub(crate) open_step: OpenStep,
    /// In the order in which they lie in the file.
    pub(crate) archives: Vec<Archive>,
    bytes: Vec<u8>,
}

/// What is known of a step that is not complete (`pdp_prep`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenStep {
    pub(crate) last_reading: Reading,
    pub(crate) unknown_seconds: u64,
    /// Rate times seconds so far.
    pub(crate) sum: f64,
}

/// An archive (`rra_def`, `cdp_prep` and `rra_ptr`).
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) consolidation: Consolidation,
    pub(crate) rows: u64,
    /// Steps a row.
    pub(crate) steps: u64,
    /// The share of a row's steps that may be unknown.
    pub(crate) unknown_share: f64,
    /// Where in the file the first of its rows lies.
    pub(crate) start: u64,
    /// The row that was written last.
    pub(crate) current_row: u64,
    /// What the steps of the row that is not complete make so far.
    pub(crate) value: f64,
    /// And how many of them are unknown.
    pub(crate) unknown_steps: u64,
    /// The value of the row that was completed last.
    pub(crate) primary: f64,
    /// The value of rows that were completed with it.
    pub(crate) secondary: f64,
    /// Rows to write, in order.
    pub(crate) new_rows: Vec<Run>,
}

/// Rows of one value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) value: f64,
    pub(crate) count: u64,
}

impl Header {
    /// Reads and checks the header of a file.
    ///
    /// # Errors
    /// Where the file can't be read, is no RRD, is shorter than its header says, or has another
    /// step or more than one data source.
    pub fn read(path: &Path) -> Result<Self, HeaderError> {
        RrdFile::open(path, Access::Read)?.header()
    }

    /// How long the header is whose first bytes these are, of a file of `found` bytes.
    pub(crate) fn length_of(first: &[u8], found: u64) -> Result<usize, HeaderError> {
        if first.len() < STAT_HEAD {
            return Err(HeaderError::Truncated { found, needed: STAT_HEAD as u64 });
        }
        if first.get(..4) != Some(&COOKIE[..]) || f64_at(first, 16) != Some(FLOAT_COOKIE) {
            return Err(HeaderError::NotRrd);
        }
        if !VERSIONS.iter().any(|known| first.get(4..9) == Some(&known[..])) {
            return Err(HeaderError::Damaged("version".to_owned()));
        }
        let count = |at| u64_at(first, at).ok_or(HeaderError::NotRrd);
        let (sources, archives, step) = (count(24)?, count(32)?, count(40)?);
        if sources != 1 || step != u64::from(STEP) || archives == 0 || archives > MOST_ARCHIVES {
            return Err(HeaderError::Layout(format!(
                "{sources} data sources and {archives} archives at a step of {step} s"
            )));
        }
        let archives = usize::try_from(archives).map_err(|_| HeaderError::NotRrd)?;
        let length = length(archives);
        let needed = length as u64;
        if found < needed { Err(HeaderError::Truncated { found, needed }) } else { Ok(length) }
    }

    /// Reads a header of exactly [`Header::length_of`] bytes, of a file of `found` bytes.
    pub(crate) fn decode(bytes: Vec<u8>, found: u64) -> Result<Self, HeaderError> {
        let length = Self::length_of(&bytes, found)?;
        if bytes.len() != length {
            return Err(HeaderError::Truncated { found, needed: length as u64 });
        }
        let count = (length - self::length(0)) / (self::length(1) - self::length(0));
        let mut start = length as u64;
        let mut archives = Vec::with_capacity(count);
        for index in 0..count {
            let archive = Archive::decode(&bytes, count, index, start)
                .ok_or_else(|| HeaderError::Damaged(format!("archive {index}")))?;
            start = start.saturating_add(archive.rows.saturating_mul(8));
            archives.push(archive);
        }
        if found < start {
            return Err(HeaderError::Truncated { found, needed: start });
        }
        let type_name = text_at(&bytes, STAT_HEAD + 20);
        let data_source_type = DataSourceType::ALL
            .into_iter()
            .find(|known| known.rrd_name().as_bytes() == type_name)
            .ok_or_else(|| {
                let name = String::from_utf8_lossy(type_name);
                HeaderError::Layout(format!("a data source of type '{name}'"))
            })?;
        let live = live_head(count);
        let damaged = || HeaderError::Damaged("last update".to_owned());
        let time = |at| u64_at(&bytes, at).ok_or_else(damaged);
        let last_update = u32::try_from(time(live)?).map_err(|_| damaged())?;
        let micros = Some(time(live + 8)?).filter(|micros| *micros < MICROS);
        let last_update_micros =
            micros.and_then(|micros| u32::try_from(micros).ok()).ok_or_else(damaged)?;
        let word = |at| u64_at(&bytes, at).ok_or(HeaderError::NotRrd);
        let float = |at| word(at).map(f64::from_bits);
        let pdp = live + LIVE_HEAD;
        let kept = bytes.get(pdp..pdp + reading::LENGTH).and_then(|kept| kept.try_into().ok());
        let open_step = OpenStep {
            last_reading: Reading::kept(kept.ok_or(HeaderError::NotRrd)?),
            unknown_seconds: word(pdp + 32)?,
            sum: float(pdp + 40)?,
        };
        Ok(Self {
            data_source_type,
            last_update,
            last_update_micros,
            heartbeat: word(STAT_HEAD + 40)?,
            min: float(STAT_HEAD + 48)?,
            max: float(STAT_HEAD + 56)?,
            open_step,
            archives,
            bytes,
        })
    }

    /// The header of a new file whose time begins at `start`. `first_row` chooses, of an archive's
    /// index and number of rows, the row behind which the first one goes.
    ///
    /// # Errors
    /// Where files can't have this layout.
    pub(crate) fn new(
        layout: &Layout,
        data_source_type: DataSourceType,
        start: u32,
        first_row: impl Fn(usize, u32) -> u32,
    ) -> Result<Self, LayoutError> {
        layout.check()?;
        let count = layout.archives.len();
        let mut bytes = vec![0; length(count)];
        put(&mut bytes, 0, COOKIE);
        put(&mut bytes, 4, VERSION);
        put_f64(&mut bytes, 16, FLOAT_COOKIE);
        put_u64(&mut bytes, 24, 1);
        put_u64(&mut bytes, 32, count as u64);
        put_u64(&mut bytes, 40, u64::from(STEP));
        put(&mut bytes, STAT_HEAD, DATA_SOURCE.as_bytes());
        put(&mut bytes, STAT_HEAD + 20, data_source_type.rrd_name().as_bytes());
        put_u64(&mut bytes, STAT_HEAD + 40, u64::from(layout.heartbeat));
        put_f64(&mut bytes, STAT_HEAD + 48, UNKNOWN);
        put_f64(&mut bytes, STAT_HEAD + 56, UNKNOWN);
        let unknown_seconds = u64::from(start % STEP);
        let mut archives = Vec::with_capacity(count);
        let mut begin = bytes.len() as u64;
        for (index, archive) in layout.archives.iter().enumerate() {
            let definition = STAT_HEAD + DS_DEF + index * RRA_DEF;
            put(&mut bytes, definition, archive.consolidation.rrd_name().as_bytes());
            put_u64(&mut bytes, definition + 24, u64::from(archive.rows));
            put_u64(&mut bytes, definition + 32, u64::from(archive.steps));
            put_f64(&mut bytes, definition + 40, UNKNOWN_SHARE);
            let steps = u64::from(archive.steps);
            archives.push(Archive {
                consolidation: archive.consolidation,
                rows: u64::from(archive.rows),
                steps,
                unknown_share: UNKNOWN_SHARE,
                start: begin,
                current_row: u64::from(first_row(index, archive.rows) % archive.rows),
                value: UNKNOWN,
                unknown_steps: u64::from(start / STEP) % steps,
                primary: 0.0,
                secondary: 0.0,
                new_rows: Vec::new(),
            });
            begin += 8 * u64::from(archive.rows);
        }
        let open_step =
            OpenStep { last_reading: Reading::unknown(), unknown_seconds, sum: UNKNOWN };
        Ok(Self {
            data_source_type,
            last_update: start,
            last_update_micros: 0,
            heartbeat: u64::from(layout.heartbeat),
            min: UNKNOWN,
            max: UNKNOWN,
            open_step,
            archives,
            bytes,
        })
    }

    /// Bytes before the first row.
    pub(crate) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Bytes that the file must have.
    pub(crate) fn file_size(&self) -> u64 {
        self.archives.last().map_or(self.bytes.len() as u64, Archive::end)
    }

    /// The state as bytes: from byte 0 to the first row. The new rows count as written.
    pub(crate) fn encode(&mut self) -> &[u8] {
        let count = self.archives.len();
        let bytes = &mut self.bytes;
        let live = live_head(count);
        put_u64(bytes, live, u64::from(self.last_update));
        put_u64(bytes, live + 8, u64::from(self.last_update_micros));
        let pdp = live + LIVE_HEAD;
        put(bytes, pdp, &self.open_step.last_reading.to_keep());
        put_u64(bytes, pdp + 32, self.open_step.unknown_seconds);
        put_f64(bytes, pdp + 40, self.open_step.sum);
        for (index, archive) in self.archives.iter_mut().enumerate() {
            let cdp = cdp_prep(count) + index * CDP_PREP;
            put_f64(bytes, cdp, archive.value);
            put_u64(bytes, cdp + 8, archive.unknown_steps);
            put_f64(bytes, cdp + 64, archive.primary);
            put_f64(bytes, cdp + 72, archive.secondary);
            archive.current_row = (archive.current_row + archive.new_row_count()) % archive.rows;
            archive.new_rows.clear();
            put_u64(bytes, rra_ptr(count) + index * RRA_PTR, archive.current_row);
        }
        bytes
    }

    /// [`Header::encode`]'s part that updates change, and where in the file it lies.
    pub(crate) fn encode_live(&mut self) -> (u64, &[u8]) {
        let live = live_head(self.archives.len());
        (live as u64, self.encode().get(live..).unwrap_or_default())
    }
}

impl Archive {
    /// `None` where a row could not be computed or would lie outside of its archive.
    fn decode(bytes: &[u8], archives: usize, index: usize, start: u64) -> Option<Self> {
        let definition = STAT_HEAD + DS_DEF + index * RRA_DEF;
        let name = text_at(bytes, definition);
        let consolidation =
            Consolidation::ALL.into_iter().find(|known| known.rrd_name().as_bytes() == name)?;
        let cdp = cdp_prep(archives) + index * CDP_PREP;
        let archive = Self {
            consolidation,
            rows: u64_at(bytes, definition + 24)?,
            steps: u64_at(bytes, definition + 32)?,
            unknown_share: f64_at(bytes, definition + 40)?,
            start,
            current_row: u64_at(bytes, rra_ptr(archives) + index * RRA_PTR)?,
            value: f64_at(bytes, cdp)?,
            unknown_steps: u64_at(bytes, cdp + 8)?,
            primary: f64_at(bytes, cdp + 64)?,
            secondary: f64_at(bytes, cdp + 72)?,
            new_rows: Vec::new(),
        };
        let is_sound =
            (1..=MOST_STEPS_A_ROW).contains(&archive.steps) && archive.current_row < archive.rows;
        is_sound.then_some(archive)
    }

    /// Where in the file its rows end.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.rows.saturating_mul(8))
    }

    /// How many rows are to write, those included that others of them replace.
    pub(crate) fn new_row_count(&self) -> u64 {
        self.new_rows.iter().map(|run| run.count).sum()
    }
}

/// The text of at most 20 bytes that begins at `at` and ends before a NUL.
fn text_at(bytes: &[u8], at: usize) -> &[u8] {
    let text = bytes.get(at..at + 20).unwrap_or_default();
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_ne_bytes(bytes))
}

fn f64_at(bytes: &[u8], at: usize) -> Option<f64> {
    u64_at(bytes, at).map(f64::from_bits)
}

/// Every place that is written lies within the header, whose length follows from its archives.
fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

fn put_u64(bytes: &mut [u8], at: usize, number: u64) {
    put(bytes, at, &number.to_ne_bytes());
}

fn put_f64(bytes: &mut [u8], at: usize, number: f64) {
    put_u64(bytes, at, number.to_bits());
}
