//! What a point does to a file: librrd's arithmetic (`rrd_update.c` of 1.7.2), operation by
//! operation, so that every bit is the same.
//!
//! Readings become a rate for each step of [`STEP`] seconds; rates become rows. Only the state
//! changes here; [`Header::write_out`] gives what must be written then.

use line_protocol::{DataSourceType, Value};

use crate::STEP;
use crate::header::{Archive, Header, Run, UNKNOWN};
use crate::layout::Consolidation;
use crate::point::Point;
use crate::reading::Reading;

/// Rows go out in pieces of at most so many bytes.
const PIECE: usize = 64 * 1024;

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It is part of the state.
    Taken,
    /// It is not after the last update.
    Skipped,
}

/// A value that the data source's type does not take.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{value} at {time} is no value of a data source of type {}", of.rrd_name())]
pub(crate) struct BadValue {
    value: Value,
    time: u32,
    of: DataSourceType,
}

/// Seconds around the end of the last complete step of an update.
struct Interval {
    /// From the last update to this one.
    whole: f64,
    /// Of it, before that end.
    before: f64,
    /// Of it, after.
    after: f64,
}

impl Header {
    /// Takes a point into the state.
    ///
    /// # Errors
    /// Where the value is none of the data source's type; nothing has changed then.
    #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    pub(crate) fn apply(&mut self, point: Point) -> Result<Applied, BadValue> {
        let time = point.time();
        if time <= self.last_update {
            return Ok(Applied::Skipped);
        }
        let micros = f64::from(self.last_update_micros) / 1e6;
        let mut whole = f64::from(time - self.last_update) + -micros;
        let bad = BadValue { value: point.value(), time, of: self.data_source_type };
        let reading = Reading::of(point.value()).ok_or(bad)?;
        let mut amount = self.amount(&reading, whole).ok_or(bad)?;
        self.open_step.last_reading = reading;

        let step = u64::from(STEP);
        let first_step = u64::from(self.last_update) / step;
        let mut steps_before = first_step;
        let mut complete = u64::from(time) / step - first_step;
        if complete == 0 {
            self.continue_step(amount, whole);
        } else {
            let end = u64::from(time) - u64::from(time) % step;
            let mut before = (end - u64::from(self.last_update)) as f64;
            before -= micros;
            let after = (u64::from(time) % step) as f64;
            // Where more than one step becomes complete, the one that was open does so by itself.
            let open = before as u64 % step;
            if complete > 1 && open > 0 {
                let seconds = open as f64;
                let open_amount = if !amount.is_nan() && whole > 0.0 {
                    let share = amount * seconds / whole;
                    amount -= share;
                    share
                } else {
                    UNKNOWN
                };
                let alone = Interval { whole: seconds, before: seconds, after: 0.0 };
                let rate = self.complete_steps(open_amount, &alone, 1);
                self.consolidate(rate, 1, steps_before);
                whole -= seconds;
                before -= seconds;
                complete -= 1;
                steps_before += 1;
            }
            let rate = self.complete_steps(amount, &Interval { whole, before, after }, complete);
            self.consolidate(rate, complete, steps_before);
        }
        self.last_update = time;
        self.last_update_micros = 0;
        Ok(Applied::Taken)
    }

    /// Rate times seconds of an interval that ends with a reading; NaN is unknown. `None` where
    /// the reading is none of the data source's type.
    #[allow(clippy::cast_precision_loss)]
    fn amount(&self, reading: &Reading, interval: f64) -> Option<f64> {
        if reading.is_unknown() || (self.heartbeat as f64) < interval {
            return Some(UNKNOWN);
        }
        let last = &self.open_step.last_reading;
        let change = || if last.is_unknown() { None } else { reading.since(last) };
        let (amount, rate) = match self.data_source_type {
            DataSourceType::Gauge => {
                let number = reading.number()?;
                (number * interval, number)
            }
            DataSourceType::Absolute => {
                let number = reading.number()?;
                (number, number / interval)
            }
            DataSourceType::Derive => {
                let amount = reading.is_signed().then(change)?.unwrap_or(UNKNOWN);
                (amount, amount / interval)
            }
            DataSourceType::Counter => {
                let mut amount = reading.is_unsigned().then(change)?.unwrap_or(UNKNOWN);
                // It has wrapped at 32 bits, or else at 64.
                if amount < 0.0 {
                    amount += 4_294_967_295.0;
                }
                if amount < 0.0 {
                    amount += 18_446_744_069_414_584_320.0;
                }
                (amount, amount / interval)
            }
        };
        let is_outside = rate > self.max || rate < self.min;
        Some(if is_outside { UNKNOWN } else { amount })
    }

    /// No step becomes complete.
    #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    fn continue_step(&mut self, amount: f64, interval: f64) {
        let open = &mut self.open_step;
        if amount.is_nan() {
            open.unknown_seconds = (open.unknown_seconds as f64 + interval.floor()) as u64;
        } else if open.sum.is_nan() {
            open.sum = amount;
        } else {
            open.sum += amount;
        }
    }

    /// `count` steps become complete; gives their rate.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap
    )]
    fn complete_steps(&mut self, amount: f64, interval: &Interval, count: u64) -> f64 {
        let heartbeat = self.heartbeat as f64;
        let open = &mut self.open_step;
        let mut unknown_before = 0.0;
        if amount.is_nan() {
            unknown_before = interval.before;
        } else {
            if open.sum.is_nan() {
                open.sum = 0.0;
            }
            open.sum += amount / interval.whole * interval.before;
        }
        // librrd looks at the low 32 bits.
        let unknown_seconds = f64::from(open.unknown_seconds as i32);
        let rate = if interval.whole > heartbeat || f64::from(STEP) / 2.0 < unknown_seconds {
            UNKNOWN
        } else {
            let known = (count * u64::from(STEP)).wrapping_sub(open.unknown_seconds) as f64;
            open.sum / (known - unknown_before)
        };
        if amount.is_nan() {
            open.unknown_seconds = interval.after.floor() as u64;
            open.sum = UNKNOWN;
        } else {
            open.unknown_seconds = 0;
            open.sum = amount / interval.whole * interval.after;
        }
        rate
    }

    fn consolidate(&mut self, rate: f64, steps: u64, steps_before: u64) {
        for archive in &mut self.archives {
            archive.consolidate(rate, steps, steps_before);
        }
    }

    /// Gives all that has changed, each piece with its place in the file: first the new rows,
    /// then, as one piece, the state. Until that last piece is written the file says what it said
    /// before, and the same points again make the same pieces.
    pub(crate) fn write_out<E>(
        &mut self,
        mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.new_rows(&mut write)?;
        let (at, live) = self.encode_live();
        write(at, live)
    }

    /// [`Header::write_out`]'s part before the state. The rows of one archive go together where
    /// they lie together, the archives in their order. A row that a later one replaces is left out.
    pub(crate) fn new_rows<E>(
        &self,
        mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = Vec::new();
        for archive in &self.archives {
            let count = archive.new_row_count();
            let mut replaced = count.saturating_sub(archive.rows);
            let mut row = (archive.current_row + 1 + replaced) % archive.rows;
            let mut place = archive.start + 8 * row;
            for run in &archive.new_rows {
                let skipped = run.count.min(replaced);
                replaced -= skipped;
                for _ in skipped..run.count {
                    bytes.extend_from_slice(&run.value.to_ne_bytes());
                    row += 1;
                    let is_last = row == archive.rows;
                    if is_last {
                        row = 0;
                    }
                    if is_last || bytes.len() >= PIECE {
                        write(place, &bytes)?;
                        bytes.clear();
                        place = archive.start + 8 * row;
                    }
                }
            }
            if !bytes.is_empty() {
                write(place, &bytes)?;
                bytes.clear();
            }
        }
        Ok(())
    }
}

impl Archive {
    /// Takes `steps` complete steps of one rate. `steps_before` is the number of steps from 1970
    /// to the first of them.
    #[allow(clippy::cast_precision_loss)]
    fn consolidate(&mut self, rate: f64, steps: u64, steps_before: u64) {
        // Steps that the open row lacks.
        let lacking = self.steps - steps_before % self.steps;
        let rows = match steps.checked_sub(lacking) {
            Some(beyond) => (beyond / self.steps + 1).min(self.rows),
            None => 0,
        };
        if self.steps == 1 {
            self.primary = rate;
            if steps > 1 {
                self.secondary = rate;
            }
        } else if let Some(beyond) = steps.checked_sub(lacking) {
            self.complete_row(rate, lacking, beyond % self.steps);
        } else if rate.is_nan() {
            self.unknown_steps = self.unknown_steps.wrapping_add(steps);
        } else {
            self.value = self.continue_row(rate, steps as f64);
        }
        if rows > 0 {
            self.new_rows.push(Run { value: self.primary, count: 1 });
        }
        if rows > 1 {
            self.new_rows.push(Run { value: self.secondary, count: rows - 1 });
        }
    }

    /// A row takes the `lacking` steps; `over` steps go into the next open one. Rows in between
    /// have the rate itself.
    #[allow(clippy::cast_precision_loss)]
    fn complete_row(&mut self, rate: f64, lacking: u64, over: u64) {
        if rate.is_nan() {
            self.unknown_steps = self.unknown_steps.wrapping_add(lacking);
            self.secondary = UNKNOWN;
        } else {
            self.secondary = rate;
        }
        self.primary = if self.unknown_steps as f64 > self.steps as f64 * self.unknown_share {
            UNKNOWN
        } else {
            self.row_value(rate, lacking as f64)
        };
        self.value = if over == 0 || rate.is_nan() {
            match self.consolidation {
                Consolidation::Max => f64::NEG_INFINITY,
                Consolidation::Min => f64::INFINITY,
                Consolidation::Average => 0.0,
                Consolidation::Last => UNKNOWN,
            }
        } else if self.consolidation == Consolidation::Average {
            rate * over as f64
        } else {
            rate
        };
        self.unknown_steps = if rate.is_nan() { over } else { 0 };
    }

    #[allow(clippy::cast_precision_loss)]
    fn row_value(&self, rate: f64, lacking: f64) -> f64 {
        let or = |value: f64, other: f64| if value.is_nan() { other } else { value };
        match self.consolidation {
            Consolidation::Average => {
                (or(self.value, 0.0) + or(rate, 0.0) * lacking)
                    / self.steps.wrapping_sub(self.unknown_steps) as f64
            }
            Consolidation::Max => {
                let so_far = or(self.value, f64::NEG_INFINITY);
                let now = or(rate, f64::NEG_INFINITY);
                if now > so_far { now } else { so_far }
            }
            Consolidation::Min => {
                let so_far = or(self.value, f64::INFINITY);
                let now = or(rate, f64::INFINITY);
                if now < so_far { now } else { so_far }
            }
            Consolidation::Last => rate,
        }
    }

    fn continue_row(&self, rate: f64, steps: f64) -> f64 {
        match self.consolidation {
            Consolidation::Average if self.value.is_nan() => rate * steps,
            Consolidation::Average => self.value + rate * steps,
            _ if self.value.is_nan() => rate,
            Consolidation::Min => {
                if rate < self.value {
                    rate
                } else {
                    self.value
                }
            }
            Consolidation::Max => {
                if rate > self.value {
                    rate
                } else {
                    self.value
                }
            }
            Consolidation::Last => rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create;
    use crate::layout::Layout;

    type Pieces = Vec<(usize, Vec<u8>)>;

    fn pieces(file: &[u8], points: &[Point]) -> Pieces {
        let size = file.len() as u64;
        let length = Header::length_of(file, size).unwrap();
        let mut header = Header::decode(file[..length].to_vec(), size).unwrap();
        for point in points {
            header.apply(*point).unwrap();
        }
        let mut pieces = Pieces::new();
        let write = |at: u64, bytes: &[u8]| {
            pieces.push((usize::try_from(at).unwrap(), bytes.to_vec()));
            Ok::<(), ()>(())
        };
        header.write_out(write).unwrap();
        pieces
    }

    fn write(file: &mut [u8], pieces: &[(usize, Vec<u8>)]) {
        for (at, bytes) in pieces {
            file[*at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    #[test]
    fn a_batch_that_was_cut_anywhere_is_in_once_after_a_replay() {
        let layout: Layout = "AVERAGE:1:7,MIN:2:5,MAX:3:40,LAST:5:3,AVERAGE:4:9".parse().unwrap();
        let header = Header::new(&layout, DataSourceType::Counter, 1_000_000_007, |_, rows| rows);
        let mut file = create::image(header.unwrap());
        let points: Vec<Point> = (1..=40u32)
            .map(|n| Point::new(1_000_000_007 + 47 * n, Value::Unsigned(u64::from(n * n))))
            .collect();
        for batch in points.chunks(8) {
            let whole = pieces(&file, batch);
            assert!(whole.len() > layout.archives.len());
            let mut replayed = file.clone();
            write(&mut replayed, &whole);
            for (count, (at, bytes)) in whole.iter().enumerate() {
                let is_state = count == whole.len() - 1;
                assert_eq!(is_state, *at < header_length(&layout), "the state goes last");
                // A kill may also cut a piece; not the state, which is one page's part.
                let cuts = if is_state { 0..1 } else { 0..bytes.len() };
                for cut in cuts.step_by(8) {
                    let mut killed = file.clone();
                    write(&mut killed, &whole[..count]);
                    write(&mut killed, &[(*at, bytes[..cut].to_vec())]);
                    let again = pieces(&killed, batch);
                    write(&mut killed, &again);
                    assert_eq!(killed, replayed, "piece {count}, byte {cut}");
                }
            }
            // And once more, when all was written: nothing is fresh.
            let mut again = replayed.clone();
            write(&mut again, &pieces(&replayed, batch));
            assert_eq!(again, replayed);
            file = replayed;
        }
    }

    fn header_length(layout: &Layout) -> usize {
        crate::header::length(layout.archives.len())
    }

    #[test]
    fn rows_of_an_archive_that_lie_together_are_one_piece() {
        let layout = Layout::default();
        let header = Header::new(&layout, DataSourceType::Gauge, 1_000_000_007, |_, _| 0).unwrap();
        let file = create::image(header);
        let points: Vec<Point> = (1..=120u32)
            .map(|n| Point::new(1_000_000_007 + 60 * n, Value::Float(f64::from(n))))
            .collect();
        // Of each consolidation the archives of 1, 5 and 60 steps; and the state.
        assert_eq!(pieces(&file, &points).len(), 10);
        // Beyond the end of an archive they go on at its beginning.
        let year = [Point::new(1_040_000_000, Value::Float(1.0))];
        let bytes: usize = pieces(&file, &year).iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= file.len());
    }
}
