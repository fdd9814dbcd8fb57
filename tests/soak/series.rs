//! One series as it must be in its file at the end: each acknowledged point once.

use std::path::Path;

use crate::random::Random;
use crate::rrdtool::{last_update, rows};

/// Whole minutes, so that a row is one point and nothing else.
const START: u32 = 1_404_873_360;
const STEP: u32 = 60;
const HEARTBEAT: u32 = 120;
/// The finest archive has 2,880 rows: a series ends before it would lose one.
const MOST_STEPS: u32 = 2800;

/// What a series holds, and all that was sent to it.
pub struct Series {
    address: String,
    key: String,
    kind: Kind,
    /// Time and value; `None` is unknown.
    points: Vec<(u32, Option<i64>)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Derive,
    Absolute,
}

impl Series {
    /// Without points. Every third number is of the same type.
    pub fn new(address: &str, number: usize) -> Self {
        let (kind, suffix) = match number % 3 {
            0 => (Kind::Gauge, "gauge"),
            1 => (Kind::Derive, "derive"),
            _ => (Kind::Absolute, "absolute"),
        };
        let key = format!("s{number}.{suffix}");
        Self { address: address.to_owned(), key, kind, points: Vec::new() }
    }

    /// Its key, with its type.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How many points it was sent.
    pub fn count(&self) -> usize {
        self.points.len()
    }

    /// Whether it takes no further point.
    pub fn is_full(&self) -> bool {
        self.points.last().is_some_and(|(time, _)| time - START > MOST_STEPS * STEP)
    }

    /// The line of a next point, which is as good as acknowledged: it is sent until it is.
    pub fn next_line(&mut self, random: &mut Random) -> String {
        // Mostly the next minute, at times one later, at times a gap.
        let steps = match random.below(20) {
            0 => 6,
            1 => 2,
            _ => 1,
        };
        let time = self.points.last().map_or(START, |(time, _)| time + steps * STEP);
        let value = (random.below(20) > 0).then(|| random.below(1_000_000).cast_signed());
        self.points.push((time, value));
        self.line(time, value)
    }

    /// The line of the last point, which may be sent again at any time.
    pub fn last_line(&self) -> Option<String> {
        self.points.last().map(|(time, value)| self.line(*time, *value))
    }

    fn line(&self, time: u32, value: Option<i64>) -> String {
        let value = value.map_or("U".to_owned(), |value| value.to_string());
        format!("{}\tbase.metrics.{}\t{value}\t{time}", self.address, self.key)
    }

    /// Holds the file against all that was sent, by the stock rrdtool.
    pub fn check(&self, data: &Path) {
        let Some(&(last, value)) = self.points.last() else { return };
        let file = data.join(&self.address).join("base").join(format!("{}.rrd", self.key));
        let value = value.map_or("U".to_owned(), |value| value.to_string());
        assert_eq!(last_update(&file), (last, value), "{}", file.display());
        let rows = rows(&file, START - STEP, last).into_iter();
        let file = file.display();
        let mut expected = self.rows();
        for (time, found) in rows.filter(|(time, _)| *time > START && *time <= last) {
            let (row, wanted) = expected.next().expect("no more rows than minutes");
            assert_eq!(time, row, "{file}");
            let same = match (wanted, found) {
                (Some(wanted), Some(found)) => (found - wanted).abs() <= wanted.abs() * 1e-9,
                (None, None) => true,
                _ => false,
            };
            assert!(same, "{file} at {time}: {found:?} where {wanted:?} was sent");
        }
        assert_eq!(expected.next(), None, "{file} has too few rows");
    }

    /// Each minute after the first point, with its value where it is known.
    fn rows(&self) -> impl Iterator<Item = (u32, Option<f64>)> {
        self.points.windows(2).flat_map(|pair| {
            let ((before, first), (time, second)) = (pair[0], pair[1]);
            let seconds = f64::from(time - before);
            // All numbers are small and whole.
            #[allow(clippy::cast_precision_loss)]
            let row = match (self.kind, first, second) {
                _ if time - before > HEARTBEAT => None,
                (Kind::Gauge, _, second) => second.map(|second| second as f64),
                (Kind::Absolute, _, second) => second.map(|second| second as f64 / seconds),
                (Kind::Derive, Some(first), Some(second)) => {
                    Some((second - first) as f64 / seconds)
                }
                (Kind::Derive, ..) => None,
            };
            (before / STEP + 1..=time / STEP).map(move |minute| (minute * STEP, row))
        })
    }
}
