//! A value at a time, in 16 bytes.

use line_protocol::Value;

/// A value and its time. Packed, because millions of them wait in memory.
#[derive(Clone, Copy, PartialEq)]
pub struct Point {
    time: u32,
    tag: Tag,
    bits: u64,
}

/// Bytes that one pending point takes.
pub const POINT_SIZE: usize = size_of::<Point>();

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Unknown,
    Float,
    Signed,
    Unsigned,
}

impl Point {
    /// `time` in seconds since 1970.
    #[must_use]
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

    /// Tag and bits, for [`crate::snapshot`].
    pub(crate) fn raw(self) -> (u8, u64) {
        (self.tag as u8, self.bits)
    }

    /// The point of such parts; `None` for a tag that is none, or a float that is not finite.
    pub(crate) fn from_raw(time: u32, tag: u8, bits: u64) -> Option<Self> {
        let tag = match tag {
            0 => Tag::Unknown,
            1 if f64::from_bits(bits).is_finite() => Tag::Float,
            2 => Tag::Signed,
            3 => Tag::Unsigned,
            _ => return None,
        };
        Some(Self { time, tag, bits })
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
        assert_eq!(POINT_SIZE, 16);
        for value in
            [Value::Unknown, Value::Float(-0.5), Value::Signed(i64::MIN), Value::Unsigned(u64::MAX)]
        {
            let point = Point::new(7, value);
            assert_eq!((point.time(), point.value()), (7, value));
            let (tag, bits) = point.raw();
            assert_eq!(Point::from_raw(7, tag, bits), Some(point));
        }
    }
}
