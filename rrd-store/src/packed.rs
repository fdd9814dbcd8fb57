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

use smallvec::SmallVec;

use crate::STEP;
use crate::point::{Point, Raw, Tag};

/// Points as bytes. Those of five minutes, mostly, need no memory of their own.
pub type Packed = SmallVec<[u8; 24]>;

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

/// The newest point, which the next one is told relative to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Newest {
    /// The point, if there is one. It may be in no bytes any more: then it is no base.
    pub point: Option<Point>,
    /// Seconds between that one and its own.
    step: u32,
    /// Decimals that it is kept with, where it is a whole number of its last decimal.
    decimals: Option<Decimals>,
}

/// How many decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimals(u8);

/// Bytes that are no points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPoints;

/// Appends a point that is later than the newest.
#[inline]
pub fn append(out: &mut Packed, newest: &mut Newest, point: Point) {
    let mut tail = Tail::default();
    let raw = point.raw();
    let base = newest.point.filter(|_| !out.is_empty());
    let time = match base {
        None => {
            tail.push(u64::from(point.time()), 4);
            newest.step = STEP;
            TIME_FAR
        }
        Some(base) => {
            let step = point.time().wrapping_sub(base.time());
            let longer = i64::from(step) - i64::from(newest.step);
            newest.step = step;
            if longer == 0 {
                TIME_SAME
            } else if let Ok(longer) = i8::try_from(longer) {
                tail.push(u64::from(longer.cast_unsigned()), 1);
                TIME_NEAR
            } else {
                tail.push(u64::from(step), 4);
                TIME_FAR
            }
        }
    };
    let value = match (raw.tag, base.map(Point::raw)) {
        (_, Some(base)) if base == raw => VALUE_SAME << 2,
        (Tag::Unknown, _) => VALUE_UNKNOWN << 2,
        (Tag::Signed | Tag::Unsigned, Some(base)) if base.tag == raw.tag => {
            tail.change(base.bits.cast_signed(), raw.bits.cast_signed())
        }
        (Tag::Signed | Tag::Unsigned, _) => tail.whole(raw.tag as u8, raw.bits.cast_signed()),
        (Tag::Float, base) => {
            let float = f64::from_bits(raw.bits);
            let kept = newest.decimals.zip(base);
            match kept.and_then(|(decimals, base)| Some((decimals, base, decimals.number(float)?)))
            {
                Some((decimals, base, number)) => tail.change(decimals.rounded(base), number),
                None => tail.float(float, &mut newest.decimals),
            }
        }
    };
    if raw.tag != Tag::Float {
        newest.decimals = None;
    }
    newest.point = Some(point);
    tail.control = time | value;
    tail.append_to(out);
}

/// Grows by an eighth rather than to the double: many buffers stand full for long.
fn reserve(out: &mut Packed, more: usize) {
    if out.capacity() - out.len() < more {
        let room = (out.len() / 8).max(16);
        out.reserve_exact((out.len() + more.max(room)).next_multiple_of(16) - out.len());
    }
}

impl Decimals {
    fn new(count: u8) -> Result<Self, NotPoints> {
        if count <= MOST_DECIMALS { Ok(Self(count)) } else { Err(NotPoints) }
    }

    fn ten(self) -> f64 {
        TENS.get(usize::from(self.0)).copied().unwrap_or(1.0)
    }

    /// The float as a whole number of its last decimal, rounded.
    fn rounded_float(self, float: f64) -> f64 {
        // Below 2^51, adding and taking this away leaves whole numbers: quicker than a call.
        const WHOLE: f64 = 6_755_399_441_055_744.0;
        float * self.ten() + WHOLE - WHOLE
    }

    // Saturates where somebody else's bytes say so.
    #[allow(clippy::cast_possible_truncation)]
    fn rounded(self, raw: Raw) -> i64 {
        self.rounded_float(f64::from_bits(raw.bits)) as i64
    }

    /// The same, if that is all there is of it.
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
        let length = (8 - number.leading_zeros() / 8).max(1);
        self.push(number, length);
        // 1 to 8.
        (length as u8 - 1) << 5
    }

    fn change(&mut self, from: i64, to: i64) -> u8 {
        self.number(to.wrapping_sub(from)) | VALUE_CHANGE << 2
    }

    fn whole(&mut self, kind: u8, number: i64) -> u8 {
        self.push(u64::from(kind), 1);
        self.number(number) | VALUE_WHOLE << 2
    }

    /// A float that has no base, or more decimals than it.
    #[cold]
    fn float(&mut self, float: f64, decimals: &mut Option<Decimals>) -> u8 {
        let found = Decimals::fewest(float);
        *decimals = found.map(|(fewest, _)| fewest);
        match found {
            Some((fewest, number)) => self.whole(Tag::Float as u8 | fewest.0 << 2, number),
            None => {
                self.push(float.to_bits(), 8);
                VALUE_FLOAT << 2
            }
        }
    }

    fn append_to(&self, out: &mut Packed) {
        let bytes = (self.bytes << 8 | u128::from(self.control)).to_le_bytes();
        let length = self.length as usize + 1;
        reserve(out, length);
        out.extend_from_slice(bytes.get(..length).unwrap_or_default());
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
        let last = self.newest.point;
        let time = last.map_or(0, Point::time).checked_add(step).ok_or(NotPoints)?;
        if step == 0 {
            return Err(NotPoints);
        }
        let raw = match control >> 2 & 7 {
            VALUE_SAME => last.ok_or(NotPoints)?.raw(),
            VALUE_UNKNOWN => Raw { tag: Tag::Unknown, bits: 0 },
            VALUE_CHANGE => self.changed(last.ok_or(NotPoints)?, control)?,
            VALUE_WHOLE => {
                let [kind] = self.take()?;
                let number = self.number(control)?;
                let tag = Tag::from_number(kind & 3).ok_or(NotPoints)?;
                match tag {
                    Tag::Unknown => return Err(NotPoints),
                    Tag::Float => {
                        let decimals = Decimals::new(kind >> 2)?;
                        self.newest.decimals = Some(decimals);
                        Raw { tag, bits: decimals.float(number).to_bits() }
                    }
                    Tag::Signed | Tag::Unsigned => Raw { tag, bits: number.cast_unsigned() },
                }
            }
            VALUE_FLOAT => {
                self.newest.decimals = None;
                Raw { tag: Tag::Float, bits: u64::from_le_bytes(self.take()?) }
            }
            _ => return Err(NotPoints),
        };
        if raw.tag != Tag::Float {
            self.newest.decimals = None;
        }
        let point = Point::from_raw(time, raw).ok_or(NotPoints)?;
        // The first point's time is no step.
        self.newest.step = if last.is_some() { step } else { STEP };
        self.newest.point = Some(point);
        Ok(Some(point))
    }

    fn changed(&mut self, last: Point, control: u8) -> Result<Raw, NotPoints> {
        let change = self.number(control)?;
        let raw = last.raw();
        match raw.tag {
            Tag::Unknown => Err(NotPoints),
            Tag::Float => {
                let decimals = self.newest.decimals.ok_or(NotPoints)?;
                let number = decimals.rounded(raw).wrapping_add(change);
                Ok(Raw { tag: raw.tag, bits: decimals.float(number).to_bits() })
            }
            tag @ (Tag::Signed | Tag::Unsigned) => {
                let number = raw.bits.cast_signed().wrapping_add(change);
                Ok(Raw { tag, bits: number.cast_unsigned() })
            }
        }
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

    fn packed(points: &[Point]) -> Packed {
        let mut out = Packed::new();
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
            let mut out = packed(&[Point::new(1, Value::Unknown)]);
            let length = out.len();
            append(&mut out, &mut Newest::default(), Point::new(u32::MAX, value));
            out.drain(..length);
            assert!(out.len() <= MAX_POINT_LEN, "{value:?} takes {}", out.len());
        }
    }

    #[test]
    fn minus_zero_keeps_its_sign() {
        let points = each_minute([0.0, -0.0, 0.0, -1.5].map(Value::Float));
        let bits: Vec<u64> = Reader::new(&packed(&points)).map(|p| p.raw().bits).collect();
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
            let mut reader = Reader::new(&bytes);
            let again: Vec<Point> = reader.by_ref().collect();
            prop_assert_eq!(&again, &points);
            // More can be appended behind what was read.
            let mut longer = bytes.clone();
            let mut newest = reader.newest();
            append(&mut longer, &mut newest, Point::new(time + 60, Value::Float(0.25)));
            prop_assert_eq!(Reader::new(&longer).count(), points.len() + 1);
        }

        #[test]
        fn other_bytes_are_an_error_or_points_in_order_but_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60)
        ) {
            let mut reader = Reader::new(&bytes);
            let mut last = 0;
            while let Ok(Some(point)) = reader.read() {
                prop_assert!(point.time() > last);
                prop_assert!(point.value().as_f64().is_none_or(f64::is_finite));
                last = point.time();
            }
        }
    }
}
