//! Points of one series in few bytes: what waits for a write, in memory and in snapshots.
//!
//! Minute after minute a series says much the same: a time that is a step later, and a number that
//! has few digits or differs little. So a point is a control byte, the change of the step where
//! there is one, and the change of the number in as few bytes as hold it; three bytes are common,
//! [`MAX_POINT_LEN`] is the most.
//!
//! Control byte, low bits first:
//! - 2 bits, the time: 0 = as long after the point before as that was after its own, 1 = that many
//!   seconds and an `i8` more, 2 = a `u32` says how many seconds, 3 = not used. The first point
//!   comes so many seconds after 1970, and the second is told relative to a minute.
//! - 3 bits, the value: 0 = as before, 1 = unknown, 2 = a whole change of the number before, 3 = a
//!   byte that names tag and decimals, and a whole number, 4 = the 8 bytes of a float.
//! - 3 bits: how many bytes the whole number takes, less one.
//!
//! Whole numbers are zigzag and little-endian. A float that is a decimal of up to nine
//! places is kept as a whole number of its last place, where that gives back the very same float.

use crate::STEP;
use crate::bytes::Bytes;
use crate::point::{Point, Raw, Tag};

/// Most bytes of one point.
pub const MAX_POINT_LEN: usize = 14;
/// Most decimals of a float that is kept as a whole number.
const MOST_DECIMALS: u8 = 9;
/// Powers of ten up to [`MOST_DECIMALS`].
const TENS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

const TIME_SAME: u8 = 0;
const TIME_NEAR: u8 = 1;
const TIME_FAR: u8 = 2;

const VALUE_SAME: u8 = 0;
const VALUE_UNKNOWN: u8 = 1;
const VALUE_CHANGE: u8 = 2;
const VALUE_WHOLE: u8 = 3;
const VALUE_FLOAT: u8 = 4;

/// The newest point, which the next one is told relative to. It may be in no bytes any more: then it
/// is no base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// The value's bits; of a float that is kept with decimals the whole number of its last decimal.
    bits: [u8; 8],
    time: u32,
    /// Seconds between that one and its own.
    step: u32,
    /// `None` where there is no point.
    tag: Option<Tag>,
    decimals: Option<Decimals>,
}

/// How many decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimals(u8);

/// Bytes that are no points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPoints;

impl Newest {
    /// Of a point that is in no bytes.
    #[must_use]
    pub fn of(point: Point) -> Self {
        let Raw { tag, bits } = point.raw();
        Self {
            bits: bits.to_ne_bytes(),
            time: point.time(),
            step: STEP,
            tag: Some(tag),
            decimals: None,
        }
    }

    /// The point, if there is one.
    #[must_use]
    #[inline]
    pub fn point(&self) -> Option<Point> {
        Point::from_raw(self.time, self.raw(self.tag?))
    }

    /// Its time, if there is one.
    #[must_use]
    #[inline]
    pub fn time(&self) -> Option<u32> {
        self.tag.map(|_| self.time)
    }

    fn raw(&self, tag: Tag) -> Raw {
        let bits = u64::from_ne_bytes(self.bits);
        let bits = self.decimals.map_or(bits, |d| d.float(bits.cast_signed()).to_bits());
        Raw { tag, bits }
    }
}

/// Appends a point that is later than the newest.
#[inline]
pub fn append(out: &mut Bytes, newest: &mut Newest, point: Point) {
    if out.is_empty() {
        return append_first(out, newest, point);
    }
    let step = point.time().wrapping_sub(newest.time);
    let raw = point.raw();
    if step == newest.step
        && newest.tag == Some(raw.tag)
        && let Some(number) = number_like(newest, raw)
    {
        // As nearly all points.
        let change = zigzag(number.wrapping_sub(i64::from_ne_bytes(newest.bits)));
        let length = length_of(change);
        if change == 0 {
            newest.time = point.time();
            return out.push_word([VALUE_SAME << 2, 0, 0, 0, 0, 0, 0, 0], 1);
        }
        if length < 8 {
            newest.time = point.time();
            newest.bits = number.to_ne_bytes();
            let control = VALUE_CHANGE << 2 | length_bits(length);
            let word = change << 8 | u64::from(control);
            return out.push_word(word.to_le_bytes(), 1 + length as usize);
        }
    }
    append_any(out, newest, point);
}

/// The number that a value is kept as where it is of the kind of the newest, and can be told as a
/// change of that.
#[inline]
fn number_like(newest: &Newest, raw: Raw) -> Option<i64> {
    match raw.tag {
        Tag::Signed | Tag::Unsigned => Some(raw.bits.cast_signed()),
        Tag::Float => newest.decimals?.number(f64::from_bits(raw.bits)),
        Tag::Unknown => None,
    }
}

fn append_first(out: &mut Bytes, newest: &mut Newest, point: Point) {
    *newest = Newest::default();
    let mut tail = Tail::default();
    tail.push(u64::from(point.time()), 4);
    newest.step = STEP;
    append_value(out, newest, point, tail, TIME_FAR);
}

fn append_any(out: &mut Bytes, newest: &mut Newest, point: Point) {
    let mut tail = Tail::default();
    let step = point.time().wrapping_sub(newest.time);
    let longer = i64::from(step) - i64::from(newest.step);
    newest.step = step;
    let time = if longer == 0 {
        TIME_SAME
    } else if let Ok(longer) = i8::try_from(longer) {
        tail.push(u64::from(longer.cast_unsigned()), 1);
        TIME_NEAR
    } else {
        tail.push(u64::from(step), 4);
        TIME_FAR
    };
    append_value(out, newest, point, tail, time);
}

fn append_value(out: &mut Bytes, newest: &mut Newest, point: Point, mut tail: Tail, time: u8) {
    let raw = point.raw();
    let base = newest.tag.map(|tag| newest.raw(tag));
    let number = number_like(newest, raw).filter(|_| newest.tag == Some(raw.tag));
    let value = match (raw.tag, number) {
        _ if base == Some(raw) => VALUE_SAME << 2,
        (Tag::Unknown, _) => {
            (newest.bits, newest.decimals) = ([0; 8], None);
            VALUE_UNKNOWN << 2
        }
        (_, Some(number)) => {
            let from = std::mem::replace(&mut newest.bits, number.to_ne_bytes());
            tail.number(number.wrapping_sub(i64::from_ne_bytes(from))) | VALUE_CHANGE << 2
        }
        (tag, None) => {
            let float = (tag == Tag::Float).then(|| f64::from_bits(raw.bits));
            let kept = float.and_then(Decimals::fewest);
            newest.decimals = kept.map(|(fewest, _)| fewest);
            newest.bits = kept.map_or(raw.bits, |(_, number)| number.cast_unsigned()).to_ne_bytes();
            match kept {
                Some((fewest, number)) => tail.whole(tag as u8 | fewest.0 << 2, number),
                None if tag == Tag::Float => {
                    tail.push(raw.bits, 8);
                    VALUE_FLOAT << 2
                }
                None => tail.whole(tag as u8, raw.bits.cast_signed()),
            }
        }
    };
    newest.tag = Some(raw.tag);
    newest.time = point.time();
    tail.control = time | value;
    tail.append_to(out);
}

impl Decimals {
    fn new(count: u8) -> Result<Self, NotPoints> {
        if count <= MOST_DECIMALS { Ok(Self(count)) } else { Err(NotPoints) }
    }

    fn ten(self) -> f64 {
        TENS.get(usize::from(self.0)).copied().unwrap_or(1.0)
    }

    /// The same, rounded.
    fn rounded_float(self, float: f64) -> f64 {
        // Below 2^51, adding and taking this away leaves whole numbers: quicker than a call.
        const WHOLE: f64 = 6_755_399_441_055_744.0;
        float * self.ten() + WHOLE - WHOLE
    }

    /// The float as a whole number of its last decimal, if that is all there is of it.
    #[allow(clippy::cast_possible_truncation)]
    fn number(self, float: f64) -> Option<i64> {
        const MOST: f64 = 2_251_799_813_685_248.0;
        let number = self.rounded_float(float);
        // Minus zero loses its sign in a whole number.
        let number = (number.abs() < MOST).then_some(number as i64)?;
        (self.float(number).to_bits() == float.to_bits()).then_some(number)
    }

    #[allow(clippy::cast_precision_loss)]
    fn float(self, number: i64) -> f64 {
        number as f64 / self.ten()
    }

    fn fewest(float: f64) -> Option<(Self, i64)> {
        (0..=MOST_DECIMALS).map(Self).find_map(|d| Some((d, d.number(float)?)))
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// How many bytes hold a number: 1 to 8.
#[inline]
fn length_of(number: u64) -> u32 {
    8 - (number | 1).leading_zeros() / 8
}

#[inline]
fn length_bits(length: u32) -> u8 {
    (length as u8 - 1) << 5
}

/// A control byte and what follows it.
#[derive(Default)]
struct Tail {
    control: u8,
    /// Little-endian.
    bytes: u128,
    length: u32,
}

impl Tail {
    fn push(&mut self, bytes: u64, length: u32) {
        self.bytes |= u128::from(bytes) << (8 * self.length);
        self.length += length;
    }

    /// The control bits of the number, whose bytes are appended.
    fn number(&mut self, number: i64) -> u8 {
        let number = zigzag(number);
        let length = length_of(number);
        self.push(number, length);
        length_bits(length)
    }

    fn whole(&mut self, kind: u8, number: i64) -> u8 {
        self.push(u64::from(kind), 1);
        self.number(number) | VALUE_WHOLE << 2
    }

    fn append_to(&self, out: &mut Bytes) {
        let bytes = (self.bytes << 8 | u128::from(self.control)).to_le_bytes();
        let (words, _) = bytes.as_chunks::<8>();
        let length = self.length as usize + 1;
        for (word, start) in words.iter().zip([0, 8]) {
            out.push_word(*word, length.saturating_sub(start).min(8));
        }
    }
}

/// Reads what [`append`] wrote, from the first point on.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    newest: Newest,
}

impl<'a> Reader<'a> {
    /// Reads from the first point on.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, newest: Newest::default() }
    }

    /// The newest point of those read.
    #[must_use]
    pub fn newest(&self) -> Newest {
        self.newest
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], NotPoints> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(NotPoints)?;
        self.rest = rest;
        Ok(*head)
    }

    fn number(&mut self, control: u8) -> Result<i64, NotPoints> {
        let length = usize::from(control >> 5) + 1;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(NotPoints)?;
        self.rest = rest;
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        Ok(unzigzag(u64::from_le_bytes(bytes)))
    }

    /// The next point; `None` at the end. Its value is finite, and its time later than the one
    /// before.
    ///
    /// # Errors
    /// Where these are not such bytes.
    pub fn read(&mut self) -> Result<Option<Point>, NotPoints> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let [control] = self.take()?;
        let step = match control & 3 {
            TIME_SAME => self.newest.step,
            TIME_NEAR => {
                let [longer] = self.take()?;
                let longer = i32::from(longer.cast_signed());
                self.newest.step.checked_add_signed(longer).ok_or(NotPoints)?
            }
            TIME_FAR => u32::from_le_bytes(self.take()?),
            _ => return Err(NotPoints),
        };
        let Newest { bits, time, tag: last, decimals, .. } = self.newest;
        let time = time.checked_add(step).ok_or(NotPoints)?;
        if step == 0 {
            return Err(NotPoints);
        }
        let (tag, bits, decimals) = match control >> 2 & 7 {
            VALUE_SAME => (last.ok_or(NotPoints)?, bits, decimals),
            VALUE_UNKNOWN => (Tag::Unknown, [0; 8], None),
            VALUE_CHANGE => {
                let tag = last.filter(|tag| *tag != Tag::Unknown).ok_or(NotPoints)?;
                if tag == Tag::Float && decimals.is_none() {
                    return Err(NotPoints);
                }
                let number = i64::from_ne_bytes(bits).wrapping_add(self.number(control)?);
                (tag, number.to_ne_bytes(), decimals)
            }
            VALUE_WHOLE => {
                let [kind] = self.take()?;
                let number = self.number(control)?.to_ne_bytes();
                match Tag::from_number(kind & 3).ok_or(NotPoints)? {
                    Tag::Unknown => return Err(NotPoints),
                    Tag::Float => (Tag::Float, number, Some(Decimals::new(kind >> 2)?)),
                    tag @ (Tag::Signed | Tag::Unsigned) => (tag, number, None),
                }
            }
            VALUE_FLOAT => (Tag::Float, u64::from_le_bytes(self.take()?).to_ne_bytes(), None),
            _ => return Err(NotPoints),
        };
        // The first point's time is no step.
        let step = if last.is_some() { step } else { STEP };
        self.newest = Newest { bits, time, step, tag: Some(tag), decimals };
        self.newest.point().map(Some).ok_or(NotPoints)
    }
}

impl Iterator for Reader<'_> {
    type Item = Point;

    /// Ends early at bytes that are no points; of one's own making there are none.
    fn next(&mut self) -> Option<Point> {
        self.read().ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Value;
    use proptest::prelude::*;

    fn packed(points: &[Point]) -> Bytes {
        let mut out = Bytes::new();
        let mut newest = Newest::default();
        points.iter().for_each(|point| append(&mut out, &mut newest, *point));
        out
    }

    fn each_minute(values: impl IntoIterator<Item = Value>) -> Vec<Point> {
        let times = (0u32..).map(|n| 1_795_000_000 + n * 60);
        times.zip(values).map(|(time, value)| Point::new(time, value)).collect()
    }

    fn bytes_a_point(values: impl IntoIterator<Item = Value>) -> usize {
        let points = each_minute(values);
        packed(&points).len().div_ceil(points.len())
    }

    #[test]
    fn a_counter_takes_three_bytes_a_gauge_of_two_decimals_three_and_what_stays_one() {
        let minute = |n: i64| Value::Signed(1_000_000_007 + n * 5_000);
        assert_eq!(bytes_a_point((0..60).map(minute)), 4);
        assert!(packed(&each_minute((0..60).map(minute))).len() < 200);
        let gauge = |n: u32| Value::Float(f64::from(n * 7919 % 10_000) / 100.0);
        assert!(packed(&each_minute((0..60).map(gauge))).len() < 200);
        assert_eq!(packed(&each_minute([Value::Float(0.0); 60])).len(), 7 + 59);
    }

    #[test]
    fn no_point_takes_more_than_the_most() {
        for value in [Value::Float(f64::MAX), Value::Signed(i64::MIN), Value::Unsigned(u64::MAX)] {
            let mut out = Bytes::new();
            let mut newest = Newest::default();
            append(&mut out, &mut newest, Point::new(1, Value::Unknown));
            let before = out.len();
            append(&mut out, &mut newest, Point::new(u32::MAX, value));
            assert!(out.len() - before <= MAX_POINT_LEN, "{value:?} takes {}", out.len() - before);
        }
    }

    #[test]
    fn minus_zero_keeps_its_sign() {
        let points = each_minute([0.0, -0.0, 0.0, -1.5].map(Value::Float));
        let bits: Vec<u64> =
            Reader::new(packed(&points).as_slice()).map(|p| p.raw().bits).collect();
        assert_eq!(bits, [0.0f64, -0.0, 0.0, -1.5].map(f64::to_bits));
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Unknown),
            (any::<i32>(), 0i32..12).prop_map(|(n, d)| Value::Float(f64::from(n) / 10f64.powi(d))),
            proptest::num::f64::NORMAL.prop_map(Value::Float),
            any::<i64>().prop_map(Value::Signed),
            (0i64..100_000).prop_map(Value::Signed),
            any::<u64>().prop_map(Value::Unsigned),
        ]
    }

    proptest! {
        #[test]
        fn points_read_back_the_same(
            values in proptest::collection::vec(
                (prop_oneof![Just(60u32), 1u32..400, 1u32..30_000_000], value()), 0..70
            )
        ) {
            let mut time = 0;
            let mut points = Vec::new();
            for (step, value) in values {
                time += step;
                points.push(Point::new(time, value));
            }
            let bytes = packed(&points);
            prop_assert!(bytes.len() <= MAX_POINT_LEN * points.len());
            let mut reader = Reader::new(bytes.as_slice());
            let again: Vec<Point> = reader.by_ref().collect();
            prop_assert_eq!(&again, &points);
            // More can be appended behind what was read.
            let mut longer = bytes.clone();
            let mut newest = reader.newest();
            append(&mut longer, &mut newest, Point::new(time + 60, Value::Float(0.25)));
            prop_assert_eq!(Reader::new(longer.as_slice()).count(), points.len() + 1);
        }

        #[test]
        fn other_bytes_are_an_error_or_points_in_order_but_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60)
        ) {
            let mut reader = Reader::new(bytes.as_slice());
            let mut last = 0;
            while let Ok(Some(point)) = reader.read() {
                prop_assert!(point.time() > last);
                prop_assert!(point.value().as_f64().is_none_or(f64::is_finite));
                last = point.time();
            }
        }
    }
}
