//! A value at a time, in 16 bytes.

use line_protocol::Value;

/// A value and its time.
#[derive(Clone, Copy, PartialEq)]
pub struct Point {
    time: u32,
    tag: Tag,
    bits: u64,
}

/// What kind of number the bits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    Unknown,
    Float,
    Signed,
    Unsigned,
}

impl Tag {
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Unknown, Self::Float, Self::Signed, Self::Unsigned].get(usize::from(number)).copied()
    }
}

/// A value as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) tag: Tag,
    pub(crate) bits: u64,
}

impl Point {
    /// `time` in seconds since 1970.
    #[must_use]
    #[inline]
    pub fn new(time: u32, value: Value) -> Self {
        let (tag, bits) = match value {
            Value::Unknown => (Tag::Unknown, 0),
            Value::Float(number) => (Tag::Float, number.to_bits()),
            Value::Signed(number) => (Tag::Signed, number.cast_unsigned()),
            Value::Unsigned(number) => (Tag::Unsigned, number),
        };
        Self { time, tag, bits }
    }

    /// Seconds since 1970.
    #[must_use]
    #[inline]
    pub fn time(self) -> u32 {
        self.time
    }

    /// The value.
    #[must_use]
    pub fn value(self) -> Value {
        match self.tag {
            Tag::Unknown => Value::Unknown,
            Tag::Float => Value::Float(f64::from_bits(self.bits)),
            Tag::Signed => Value::Signed(self.bits.cast_signed()),
            Tag::Unsigned => Value::Unsigned(self.bits),
        }
    }

    /// Tag and bits, for what keeps points as bytes.
    #[inline]
    pub(crate) fn raw(self) -> Raw {
        Raw { tag: self.tag, bits: self.bits }
    }

    /// The point of such parts; `None` for a float that is not finite.
    pub(crate) fn from_raw(time: u32, Raw { tag, bits }: Raw) -> Option<Self> {
        let is_sound = tag != Tag::Float || f64::from_bits(bits).is_finite();
        is_sound.then_some(Self { time, tag, bits })
    }
}

impl std::fmt::Debug for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.value(), self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_16_bytes_and_gives_back_its_value() {
        assert_eq!(size_of::<Point>(), 16);
        for value in
            [Value::Unknown, Value::Float(-0.5), Value::Signed(i64::MIN), Value::Unsigned(u64::MAX)]
        {
            let point = Point::new(7, value);
            assert_eq!((point.time(), point.value()), (7, value));
            assert_eq!(Point::from_raw(7, point.raw()), Some(point));
        }
    }
}
