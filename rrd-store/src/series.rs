//! One series: its points that wait for a write, and those that a writer has.

use std::collections::BTreeMap;

use line_protocol::DataSourceType;

use crate::bytes::Bytes;
use crate::packed::{self, Newest, Reader};
use crate::point::Point;
use crate::prefetch::prefetch;

/// Seconds until the first retry of a failed write; doubled at each failure.
const RETRY_FIRST: u32 = 5;
/// Longest wait between two tries of a failing file.
const RETRY_MOST: u32 = 300;

/// In [`Series::tries`]: a writer has points.
const IN_FLIGHT: u8 = 0x80;
/// Most failures that are counted.
const MOST_FAILURES: u8 = 31;

/// The points of one data source. It takes 64 bytes, as the processor's memory is read in such pieces:
/// there are millions of them, and each point that comes reads one.
#[derive(Clone, Debug)]
pub struct Series {
    /// Pending points, ascending by time, as [`packed`] has them.
    packed: Bytes,
    /// The latest point accepted, and so the newest pending one.
    newest: Newest,
    pending: u32,
    /// While a writer has points: those up to this time, which do not change. Else when a failed
    /// write may be tried again; 0 for at once.
    until: u32,
    /// The file's last update as far as known; 0 means not known.
    written_until: u32,
    next_series: u32,
    next_plugin: u16,
    data_source_type: DataSourceType,
    /// How many writes have failed, one after another, and whether one is [`IN_FLIGHT`].
    tries: u8,
}

/// Where a series stands in its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Index of its plugin; a host has at most [`crate::host::MAX_PLUGINS`].
    pub plugin: u16,
    /// Index among the plugin's series.
    pub series: u32,
}

/// Of a series whose successor is the one behind it in memory, as far as known.
const NOT_TOLD: u32 = u32::MAX;

/// What became of a point that was offered to a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It waits for a write.
    Added,
    /// It is the same as the last one.
    Repeated,
    /// It is not after the newest point that waits, and was not taken: [`Series::merge`] takes all
    /// of these at once, as each of them alone would cost as much.
    Late,
    /// It is not after the time given, that of the last point written or about to be: an RRD
    /// takes no point twice and none from the past.
    TooOld(u32),
}

impl Series {
    /// A series without points.
    #[must_use]
    pub fn new(data_source_type: DataSourceType) -> Self {
        Self {
            packed: Bytes::new(),
            newest: Newest::default(),
            pending: 0,
            until: 0,
            written_until: 0,
            next_series: NOT_TOLD,
            next_plugin: 0,
            data_source_type,
            tries: 0,
        }
    }

    /// Which series the sender told behind this one the last time, where that was not the one
    /// behind it in memory. What stands there may be another one by now.
    #[inline]
    pub(crate) fn successor(&self) -> Option<Place> {
        let told = self.next_series != NOT_TOLD;
        told.then_some(Place { plugin: self.next_plugin, series: self.next_series })
    }

    /// See [`Series::successor`].
    pub(crate) fn set_successor(&mut self, place: Place) {
        (self.next_plugin, self.next_series) = (place.plugin, place.series);
    }

    /// A series as a snapshot had it; all its points wait.
    pub(crate) fn restored(
        data_source_type: DataSourceType,
        pending: impl IntoIterator<Item = Point>,
        last: Option<Point>,
    ) -> Self {
        let mut series = Self::new(data_source_type);
        series.newest = last.map(Newest::of).unwrap_or_default();
        series.replace(pending);
        series
    }

    /// Lets these points wait in place of those that do.
    fn replace(&mut self, points: impl IntoIterator<Item = Point>) {
        self.packed.clear();
        self.pending = 0;
        for point in points {
            packed::append(&mut self.packed, &mut self.newest, point);
            self.pending += 1;
        }
    }

    /// What its key's suffix names.
    #[must_use]
    #[inline]
    pub fn data_source_type(&self) -> DataSourceType {
        self.data_source_type
    }

    /// The latest point accepted.
    #[must_use]
    pub fn last(&self) -> Option<Point> {
        self.newest.point()
    }

    /// Points that are not known to be in the file, those with a writer included; ascending.
    #[must_use]
    pub fn pending(&self) -> Reader<'_> {
        Reader::new(self.packed.as_slice())
    }

    /// How many these are.
    #[must_use]
    #[inline]
    pub fn pending_count(&self) -> usize {
        self.pending as usize
    }

    /// Bytes that they take.
    #[must_use]
    #[inline]
    pub fn pending_bytes(&self) -> usize {
        self.packed.len()
    }

    /// Bytes that they take on the heap: the first few need none.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.packed.heap_bytes()
    }

    /// The same points as [`packed`] has them.
    pub(crate) fn packed(&self) -> &[u8] {
        self.packed.as_slice()
    }

    /// Lets the place where the next point goes come near.
    #[inline]
    pub(crate) fn prefetch_end(&self) {
        if let Some(end) = self.packed.heap_end() {
            prefetch(end);
        }
    }

    /// The newest of them.
    #[must_use]
    #[inline]
    pub fn newest_pending(&self) -> Option<Point> {
        self.newest.point().filter(|_| self.pending > 0)
    }

    /// Whether a writer has points of this series.
    #[must_use]
    #[inline]
    pub fn is_in_flight(&self) -> bool {
        self.tries & IN_FLIGHT != 0
    }

    /// Points up to this time are with a writer and do not change; 0 for none.
    #[inline]
    fn in_flight_until(&self) -> u32 {
        if self.is_in_flight() { self.until } else { 0 }
    }

    /// When a failed write may be tried again; 0 for at once.
    fn retry_at(&self) -> u32 {
        if self.is_in_flight() { 0 } else { self.until }
    }

    /// Takes a point in its place by time.
    #[inline]
    pub fn accept(&mut self, point: Point) -> Accepted {
        let floor = self.in_flight_until().max(self.written_until);
        if point.time() <= floor {
            return if self.last() == Some(point) {
                Accepted::Repeated
            } else {
                Accepted::TooOld(floor)
            };
        }
        // Points come in order but for the rare late one.
        if self.pending > 0 && self.newest.time() >= Some(point.time()) {
            let is_same = self.last() == Some(point);
            return if is_same { Accepted::Repeated } else { Accepted::Late };
        }
        packed::append(&mut self.packed, &mut self.newest, point);
        self.pending += 1;
        Accepted::Added
    }

    /// Takes points that [`Series::accept`] called late, in the order in which they came: each takes
    /// its place by time, and that of a waiting point of the same time.
    pub fn merge(&mut self, late: impl IntoIterator<Item = Point>) {
        let all: BTreeMap<u32, Point> =
            self.pending().chain(late).map(|point| (point.time(), point)).collect();
        self.replace(all.into_values());
    }

    /// Whether points wait, none is with a writer, and no failed write asks for patience.
    #[must_use]
    pub fn is_due(&self, now: u32) -> bool {
        !self.is_in_flight() && self.pending > 0 && now >= self.retry_at()
    }

    /// Until when a failed write asks for patience, where it does.
    #[must_use]
    pub fn waits_until(&self, now: u32) -> Option<u32> {
        let waits = self.pending > 0 && self.retry_at() > now;
        waits.then_some(self.until)
    }

    /// A copy of all waiting points for a writer; they stay here until [`Series::written`].
    /// Empty while a writer has points already.
    pub fn take_batch(&mut self) -> Vec<Point> {
        if self.is_in_flight() {
            return Vec::new();
        }
        if let Some(newest) = self.newest_pending() {
            self.until = newest.time();
            self.tries |= IN_FLIGHT;
        }
        let mut points = Vec::with_capacity(self.pending_count());
        points.extend(self.pending());
        points
    }

    /// The writer has written its batch: those points leave memory.
    /// Gives how many they were.
    pub fn written(&mut self, last_update: u32) -> usize {
        let before = self.pending;
        let until = self.in_flight_until();
        if self.newest_pending().is_none_or(|newest| newest.time() <= until) {
            self.replace([]);
        } else {
            let left: Vec<Point> = self.pending().filter(|point| point.time() > until).collect();
            self.replace(left);
        }
        self.written_until = self.written_until.max(last_update);
        (self.until, self.tries) = (0, 0);
        (before - self.pending) as usize
    }

    /// Takes points that wait in another copy of this series among its own, and lets its last point
    /// wait again, so that it stays the last. Of two points of one time its own stays.
    pub(crate) fn take_pending_of(&mut self, other: &Self) {
        let own: Vec<Point> = self.pending().chain(self.last()).collect();
        self.merge(other.pending().chain(own));
    }

    /// The points that a writer has wait again, and what becomes of its batch is of no concern.
    pub fn recall(&mut self) {
        self.written_until = 0;
        (self.until, self.tries) = (0, 0);
    }

    /// The write failed: the points wait on, and the next try is later each time.
    pub fn failed(&mut self, now: u32) {
        let failures = self.tries & !IN_FLIGHT;
        let wait = RETRY_FIRST
            .checked_shl(u32::from(failures))
            .map_or(RETRY_MOST, |wait| wait.min(RETRY_MOST));
        self.tries = (failures + 1).min(MOST_FAILURES);
        self.until = now.saturating_add(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Value;
    use proptest::prelude::*;

    fn point(time: u32, value: u32) -> Point {
        Point::new(time, Value::Float(f64::from(value)))
    }

    fn pending(series: &Series) -> Vec<Point> {
        let points: Vec<Point> = series.pending().collect();
        assert_eq!(points.len(), series.pending_count());
        points
    }

    fn series() -> Series {
        Series::new(DataSourceType::Gauge)
    }

    /// Takes a point, also a late one.
    fn take(series: &mut Series, point: Point) -> Accepted {
        let accepted = series.accept(point);
        if accepted == Accepted::Late {
            series.merge([point]);
        }
        accepted
    }

    #[test]
    fn the_last_of_two_points_of_one_time_wins_while_it_waits() {
        let mut series = series();
        assert_eq!(series.accept(point(60, 1)), Accepted::Added);
        assert_eq!(take(&mut series, point(60, 2)), Accepted::Late);
        assert_eq!(pending(&series), [point(60, 2)]);
        assert_eq!(take(&mut series, point(60, 2)), Accepted::Repeated);
        assert_eq!(pending(&series), [point(60, 2)]);
    }

    #[test]
    fn a_late_point_takes_its_place_by_time() {
        let mut series = series();
        for (time, accepted) in
            [(60, Accepted::Added), (180, Accepted::Added), (120, Accepted::Late)]
        {
            assert_eq!(take(&mut series, point(time, time)), accepted);
        }
        let times: Vec<u32> = series.pending().map(|p| p.time()).collect();
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
        assert_eq!(series.pending_count(), 2);
        assert_eq!(series.written(60), 1);
        assert_eq!(pending(&series), [point(120, 2)]);
        assert_eq!(series.accept(point(60, 9)), Accepted::TooOld(60));
    }

    #[test]
    fn the_same_point_again_is_harmless() {
        let mut series = series();
        series.accept(point(60, 1));
        series.take_batch();
        series.written(60);
        assert_eq!(series.accept(point(60, 1)), Accepted::Repeated);
        assert!(pending(&series).is_empty());
    }

    #[test]
    fn points_that_wait_in_another_copy_wait_among_its_own_and_its_last_stays_the_last() {
        let of = |pending: &[Point], last| {
            Series::restored(DataSourceType::Gauge, pending.to_vec(), last)
        };
        let other = of(&[point(60, 1), point(120, 2), point(180, 3)], None);
        let mut newer = of(&[point(120, 9), point(240, 4)], None);
        newer.take_pending_of(&other);
        assert_eq!(pending(&newer), [point(60, 1), point(120, 9), point(180, 3), point(240, 4)]);
        assert_eq!(newer.last(), Some(point(240, 4)));
        let mut idle = of(&[], Some(point(240, 4)));
        idle.take_pending_of(&other);
        assert_eq!(pending(&idle), [point(60, 1), point(120, 2), point(180, 3), point(240, 4)]);
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
        assert_eq!(pending(&series), [point(60, 1)]);
    }

    #[test]
    fn a_series_takes_64_bytes() {
        assert_eq!(size_of::<Series>(), 64);
    }

    proptest! {
        #[test]
        fn waiting_points_are_those_of_a_sorted_map(
            offers in proptest::collection::vec((1u32..50, any::<u32>()), 0..80)
        ) {
            let mut series = series();
            let mut model = BTreeMap::new();
            for (time, value) in offers {
                take(&mut series, point(time, value));
                model.insert(time, value);
            }
            let expected: Vec<Point> = model.into_iter().map(|(t, v)| point(t, v)).collect();
            prop_assert_eq!(pending(&series), expected);
        }
    }
}
