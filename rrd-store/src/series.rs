//! One series: its points that wait for a write, and those that a writer has.

use line_protocol::DataSourceType;

use crate::point::Point;

/// Seconds until the first retry of a failed write; doubled at each failure.
const RETRY_FIRST: u32 = 5;
/// Longest wait between two tries of a failing file.
const RETRY_MOST: u32 = 300;

/// The points of one data source.
#[derive(Clone, Debug)]
pub struct Series {
    data_source_type: DataSourceType,
    /// Ascending by time. The first `in_flight` are with a writer and do not change.
    pending: Vec<Point>,
    in_flight: u32,
    last: Option<Point>,
    /// The file's last update as far as known; 0 means not known.
    written_until: u32,
    failures: u8,
    retry_at: u32,
}

/// What became of a point that was offered to a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It waits for a write.
    Added,
    /// It took the place of a waiting point of the same time, or is the same as the last one.
    Replaced,
    /// It is not after the time given, that of the last point written or about to be: an RRD
    /// takes no point twice and none from the past.
    TooOld(u32),
}

impl Series {
    /// A series without points.
    #[must_use]
    pub fn new(data_source_type: DataSourceType) -> Self {
        Self {
            data_source_type,
            pending: Vec::new(),
            in_flight: 0,
            last: None,
            written_until: 0,
            failures: 0,
            retry_at: 0,
        }
    }

    /// A series as a snapshot had it; all its points wait.
    pub(crate) fn restored(
        data_source_type: DataSourceType,
        pending: Vec<Point>,
        last: Option<Point>,
    ) -> Self {
        Self { pending, last, ..Self::new(data_source_type) }
    }

    /// What its key's suffix names.
    #[must_use]
    pub fn data_source_type(&self) -> DataSourceType {
        self.data_source_type
    }

    /// The latest point accepted.
    #[must_use]
    pub fn last(&self) -> Option<Point> {
        self.last
    }

    /// Points that are not known to be in the file, those with a writer included; ascending.
    #[must_use]
    pub fn pending(&self) -> &[Point] {
        &self.pending
    }

    /// Whether a writer has points of this series.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Takes a point in its place by time.
    pub fn accept(&mut self, point: Point) -> Accepted {
        let in_flight = self.in_flight as usize;
        let floor = match in_flight.checked_sub(1).and_then(|i| self.pending.get(i)) {
            Some(with_writer) => with_writer.time().max(self.written_until),
            None => self.written_until,
        };
        if point.time() <= floor {
            return if self.last == Some(point) {
                Accepted::Replaced
            } else {
                Accepted::TooOld(floor)
            };
        }
        if self.last.is_none_or(|last| point.time() >= last.time()) {
            self.last = Some(point);
        }
        // Points come in order but for the rare late one.
        match self.pending.last_mut() {
            Some(newest) if newest.time() == point.time() => {
                *newest = point;
                Accepted::Replaced
            }
            Some(newest) if newest.time() > point.time() => {
                let waiting = self.pending.get(in_flight..).unwrap_or_default();
                match waiting.binary_search_by_key(&point.time(), |p| p.time()) {
                    Ok(at) => {
                        if let Some(same) = self.pending.get_mut(in_flight + at) {
                            *same = point;
                        }
                        Accepted::Replaced
                    }
                    Err(at) => {
                        self.pending.insert(in_flight + at, point);
                        Accepted::Added
                    }
                }
            }
            _ => {
                self.pending.push(point);
                Accepted::Added
            }
        }
    }

    /// Whether points wait, none is with a writer, and no failed write asks for patience.
    #[must_use]
    pub fn is_due(&self, now: u32) -> bool {
        self.in_flight == 0 && !self.pending.is_empty() && now >= self.retry_at
    }

    /// Until when a failed write asks for patience, where it does.
    #[must_use]
    pub fn waits_until(&self, now: u32) -> Option<u32> {
        let waits = self.in_flight == 0 && !self.pending.is_empty() && self.retry_at > now;
        waits.then_some(self.retry_at)
    }

    /// A copy of all waiting points for a writer; they stay here until [`Series::written`].
    /// Empty while a writer has points already.
    pub fn take_batch(&mut self) -> Vec<Point> {
        if self.in_flight > 0 {
            return Vec::new();
        }
        self.in_flight = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        self.pending.clone()
    }

    /// The writer has written its batch: those points leave memory.
    /// Gives how many they were.
    pub fn written(&mut self, last_update: u32) -> usize {
        let count = (self.in_flight as usize).min(self.pending.len());
        self.pending.drain(..count);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        self.in_flight = 0;
        self.written_until = self.written_until.max(last_update);
        self.failures = 0;
        self.retry_at = 0;
        count
    }

    /// The points that a writer has wait again, and what becomes of its batch is of no concern.
    pub fn recall(&mut self) {
        self.in_flight = 0;
        self.written_until = 0;
        self.failures = 0;
        self.retry_at = 0;
    }

    /// The write failed: the points wait on, and the next try is later each time.
    pub fn failed(&mut self, now: u32) {
        self.in_flight = 0;
        let wait = RETRY_FIRST
            .checked_shl(u32::from(self.failures))
            .map_or(RETRY_MOST, |wait| wait.min(RETRY_MOST));
        self.failures = self.failures.saturating_add(1).min(31);
        self.retry_at = now.saturating_add(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Value;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn point(time: u32, value: u32) -> Point {
        Point::new(time, Value::Float(f64::from(value)))
    }

    fn series() -> Series {
        Series::new(DataSourceType::Gauge)
    }

    #[test]
    fn the_last_of_two_points_of_one_time_wins_while_it_waits() {
        let mut series = series();
        assert_eq!(series.accept(point(60, 1)), Accepted::Added);
        assert_eq!(series.accept(point(60, 2)), Accepted::Replaced);
        assert_eq!(series.pending(), [point(60, 2)]);
    }

    #[test]
    fn a_late_point_takes_its_place_by_time() {
        let mut series = series();
        for time in [60, 180, 120] {
            assert_eq!(series.accept(point(time, time)), Accepted::Added);
        }
        let times: Vec<u32> = series.pending().iter().map(|p| p.time()).collect();
        assert_eq!(times, [60, 120, 180]);
        assert_eq!(series.last(), Some(point(180, 180)));
    }

    #[test]
    fn points_with_a_writer_stay_until_the_write_has_returned() {
        let mut series = series();
        series.accept(point(60, 1));
        assert_eq!(series.take_batch(), [point(60, 1)]);
        assert_eq!(series.accept(point(60, 9)), Accepted::TooOld(60));
        assert_eq!(series.accept(point(120, 2)), Accepted::Added);
        assert!(series.take_batch().is_empty());
        assert_eq!(series.pending().len(), 2);
        assert_eq!(series.written(60), 1);
        assert_eq!(series.pending(), [point(120, 2)]);
        assert_eq!(series.accept(point(60, 9)), Accepted::TooOld(60));
    }

    #[test]
    fn the_same_point_again_is_harmless() {
        let mut series = series();
        series.accept(point(60, 1));
        series.take_batch();
        series.written(60);
        assert_eq!(series.accept(point(60, 1)), Accepted::Replaced);
        assert!(series.pending().is_empty());
    }

    #[test]
    fn a_failed_write_keeps_the_points_and_waits_longer_each_time() {
        let mut series = series();
        series.accept(point(60, 1));
        let mut waits = Vec::new();
        for _ in 0..10 {
            series.take_batch();
            series.failed(1000);
            waits.push((0..=400).find(|w| series.is_due(1000 + w)).unwrap());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        assert_eq!(series.pending(), [point(60, 1)]);
    }

    proptest! {
        #[test]
        fn waiting_points_are_those_of_a_sorted_map(
            offers in proptest::collection::vec((1u32..50, any::<u32>()), 0..80)
        ) {
            let mut series = series();
            let mut model = BTreeMap::new();
            for (time, value) in offers {
                series.accept(point(time, value));
                model.insert(time, value);
            }
            let expected: Vec<Point> = model.into_iter().map(|(t, v)| point(t, v)).collect();
            prop_assert_eq!(series.pending(), &expected);
        }
    }
}
