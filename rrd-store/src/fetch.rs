//! Which archive and rows answer a question, as librrd chooses them (`rrd_fetch.c`).

use crate::STEP;
use crate::disk::RrdFile;
use crate::file::{Range, Row};
use crate::header::{Archive, Header, HeaderError};

/// Seconds a row of an archive.
fn row_seconds(archive: &Archive) -> i64 {
    i64::try_from(archive.steps).unwrap_or(i64::MAX).saturating_mul(i64::from(STEP))
}

/// Rows of an archive as a signed number; there are never more than a file has bytes.
fn rows(archive: &Archive) -> i64 {
    i64::try_from(archive.rows).unwrap_or(i64::MAX)
}

impl Header {
    /// Of the archives that reach back to the beginning of a range, the one whose step is nearest
    /// to the wanted one; where none does, the one that covers the most. An archive of single
    /// steps serves every consolidation. `None` where none serves.
    fn archive_for(&self, range: &Range) -> Option<&Archive> {
        let (start, end) = (i64::from(range.start), i64::from(range.end));
        let mut full: Option<(i64, &Archive)> = None;
        let mut part: Option<(i64, i64, &Archive)> = None;
        for archive in &self.archives {
            if archive.consolidation != range.consolidation && archive.steps != 1 {
                continue;
            }
            let seconds = row_seconds(archive);
            let last_update = i64::from(self.last_update);
            let archive_end = last_update - last_update % seconds;
            let archive_start = archive_end.saturating_sub(seconds.saturating_mul(rows(archive)));
            let off = (i64::from(range.step) - seconds).abs();
            if archive_start <= start {
                if full.is_none_or(|(best, _)| off < best) {
                    full = Some((off, archive));
                }
            } else {
                let covered = end - start - (archive_start - start);
                let is_better = part
                    .is_none_or(|(most, best, _)| most < covered || most == covered && off < best);
                if is_better {
                    part = Some((covered, off, archive));
                }
            }
        }
        full.map(|(_, archive)| archive).or(part.map(|(_, _, archive)| archive))
    }
}

/// The rows of a range; those outside of the archive are unknown.
pub(crate) fn rows_of(file: &mut RrdFile, range: &Range) -> Result<Vec<Row>, HeaderError> {
    let header = file.header()?;
    let Some(archive) = header.archive_for(range) else {
        let name = range.consolidation.rrd_name();
        return Err(HeaderError::Layout(format!("no archive that answers {name}")));
    };
    let seconds = row_seconds(archive);
    let (start, end) = (i64::from(range.start), i64::from(range.end));
    let start = start - start % seconds;
    let end = end + (seconds - end % seconds);
    let last_update = i64::from(header.last_update);
    // The archive's first row ends here, and its last one at the last update.
    let archive_end = last_update - last_update % seconds;
    let archive_start = archive_end.saturating_sub(seconds.saturating_mul(rows(archive) - 1));
    let kept_from = archive_start.max(start + seconds);
    let kept_to = archive_end.min(end);
    let kept = if kept_from <= kept_to {
        let first = rows(archive) - 1 - (archive_end - kept_from) / seconds;
        let count = (kept_to - kept_from) / seconds + 1;
        read_rows(file, archive, first, count)?
    } else {
        Vec::new()
    };
    let mut kept = kept.into_iter();
    let mut answer = Vec::new();
    let mut time = start + seconds;
    while time <= end {
        let value = if (kept_from..=kept_to).contains(&time) { kept.next() } else { None };
        let value = value.filter(|value: &f64| value.is_finite());
        answer.push((u32::try_from(time).unwrap_or(u32::MAX), value));
        time += seconds;
    }
    Ok(answer)
}

/// Reads `count` rows, of which the first is the one `first` rows after the oldest.
fn read_rows(
    file: &RrdFile,
    archive: &Archive,
    first: i64,
    count: i64,
) -> Result<Vec<f64>, HeaderError> {
    let unsigned = |number| u64::try_from(number).unwrap_or_default();
    let row = (archive.current_row + 1 + unsigned(first)) % archive.rows;
    let before_wrap = unsigned(count).min(archive.rows - row);
    let mut values = Vec::new();
    for (row, count) in [(row, before_wrap), (0, unsigned(count) - before_wrap)] {
        let mut bytes = vec![0; usize::try_from(8 * count).unwrap_or_default()];
        file.read(&mut bytes, archive.start + 8 * row)?;
        let numbers = bytes.as_chunks::<8>().0;
        values.extend(numbers.iter().map(|number| f64::from_ne_bytes(*number)));
    }
    Ok(values)
}
