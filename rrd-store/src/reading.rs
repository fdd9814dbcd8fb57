//! Readings as the text that a file keeps of the last one, and as numbers, exactly as librrd
//! computes them from that text (`rrd_strtod.c`, `rrd_diff.c`): its numbers differ from correctly
//! rounded ones in the last bits, and files must not.

use std::io::Write;

/// Bytes that a file keeps of a reading's text, with the NUL behind it.
pub(crate) const LENGTH: usize = 30;
/// Longer than any text of a value.
const MOST_DIGITS: usize = 40;

/// The text of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    text: [u8; MOST_DIGITS],
    length: usize,
}

impl Reading {
    /// The text of a value; `None` where it is longer than any value's.
    pub(crate) fn of(value: line_protocol::Value) -> Option<Self> {
        let mut text = [0; MOST_DIGITS];
        let mut rest = &mut text[..];
        write!(rest, "{value}").ok()?;
        let length = MOST_DIGITS - rest.len();
        Some(Self { text, length })
    }

    /// Of a file's bytes.
    pub(crate) fn kept(bytes: [u8; LENGTH]) -> Self {
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(LENGTH);
        let mut text = [0; MOST_DIGITS];
        text.iter_mut().zip(bytes).take(length).for_each(|(to, from)| *to = from);
        Self { text, length }
    }

    /// `U`.
    pub(crate) fn unknown() -> Self {
        let mut text = [0; MOST_DIGITS];
        text[0] = b'U';
        Self { text, length: 1 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }

    /// What a file keeps: cut, and zeros behind.
    pub(crate) fn to_keep(self) -> [u8; LENGTH] {
        let mut kept = [0; LENGTH];
        kept.iter_mut().zip(self.bytes()).take(LENGTH - 1).for_each(|(to, from)| *to = *from);
        kept
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.text[0] == b'U'
    }

    /// Whether it is digits alone.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.length > 0 && self.bytes().iter().all(u8::is_ascii_digit)
    }

    /// Whether it is digits, with or without a minus.
    pub(crate) fn is_signed(&self) -> bool {
        let digits = self.bytes().strip_prefix(b"-").unwrap_or(self.bytes());
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    }

    /// The number; `None` where librrd would refuse the text.
    pub(crate) fn number(&self) -> Option<f64> {
        let (negative, text) = sign(self.bytes());
        let (whole, text) = digits(text);
        let (fraction, text) = match text.strip_prefix(b".") {
            Some(text) => digits(text),
            None => (&[][..], text),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut number = accumulate(whole.iter().chain(fraction));
        if negative {
            number = -number;
        }
        let mut exponent = -i32::try_from(fraction.len()).ok()?;
        let text = match text {
            [b'e' | b'E', text @ ..] => {
                let (negative, text) = sign(text);
                let (power, text) = digits(text);
                let power = power.iter().fold(0i32, |power, digit| {
                    power.saturating_mul(10).saturating_add(i32::from(digit - b'0'))
                });
                let power = if negative { -power } else { power };
                exponent = exponent.saturating_add(power);
                text
            }
            text => text,
        };
        if !text.is_empty() || !(f64::MIN_EXP..=f64::MAX_EXP).contains(&exponent) {
            return None;
        }
        let mut scale = 10.0;
        let mut left = exponent.unsigned_abs();
        while left > 0 {
            if left & 1 == 1 {
                if exponent < 0 {
                    number /= scale;
                } else {
                    number *= scale;
                }
            }
            left >>= 1;
            scale *= scale;
        }
        Some(number)
    }

    /// This whole number less an earlier one; `None` where one has no digits or their signs
    /// differ. Of the earlier one, what stands before and behind its digits does not count.
    pub(crate) fn since(&self, earlier: &Self) -> Option<f64> {
        let (negative, this) = whole_number(self.bytes())?;
        let (earlier_negative, earlier) = whole_number(earlier.bytes())?;
        if negative != earlier_negative {
            return None;
        }
        let difference = this.abs_diff(earlier);
        let mut number = decimal(difference);
        if this < earlier {
            number = -number;
        }
        Some(if negative { -number } else { number })
    }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', text @ ..] => (true, text),
        [b'+', text @ ..] => (false, text),
        text => (false, text),
    }
}

/// The digits at the beginning, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at_checked(count).unwrap_or((text, &[]))
}

/// The first run of digits, at most 30 of them, and whether a minus stands before it.
fn whole_number(text: &[u8]) -> Option<(bool, u128)> {
    let first = text.iter().position(u8::is_ascii_digit)?;
    let (before, text) = text.split_at_checked(first)?;
    let (run, _) = digits(text);
    if run.len() > LENGTH {
        return None;
    }
    let number = run.iter().fold(0u128, |number, digit| 10 * number + u128::from(digit - b'0'));
    Some((before.contains(&b'-'), number))
}

/// Rounded after each digit, as librrd reads the text of a difference.
#[allow(clippy::cast_precision_loss)]
fn decimal(number: u128) -> f64 {
    if number < 1 << f64::MANTISSA_DIGITS {
        return number as f64;
    }
    accumulate(number.to_string().as_bytes().iter())
}

fn accumulate<'a>(digits: impl Iterator<Item = &'a u8>) -> f64 {
    digits.fold(0.0, |number, digit| number * 10.0 + f64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Value;

    fn reading(text: &str) -> Reading {
        let mut bytes = [0; LENGTH];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Reading::kept(bytes)
    }

    #[test]
    fn a_file_keeps_29_characters_of_a_text() {
        let long = Reading::of(Value::Float(-1.234_567_890_123_456_8e-300)).unwrap();
        assert_eq!(long.bytes(), b"-1.2345678901234568e-300");
        assert_eq!(&long.to_keep()[..24], long.bytes());
        assert_eq!(long.to_keep()[24..], [0; 6]);
        let full = reading("012345678901234567890123456789");
        assert_eq!(full.bytes().len(), 30);
        assert_eq!(&full.to_keep(), b"01234567890123456789012345678\0");
    }

    #[test]
    fn the_longest_texts_of_values_fit() {
        for value in [
            Value::Float(-f64::MIN_POSITIVE),
            Value::Float(-f64::MAX),
            Value::Float(-1.234_567_890_123_456_7e-7),
            Value::Float(-12_345_678_901_234_567.0),
            Value::Signed(i64::MIN),
            Value::Unsigned(u64::MAX),
        ] {
            assert_eq!(Reading::of(value).unwrap().bytes(), value.to_string().as_bytes());
        }
    }

    #[test]
    fn a_difference_is_that_of_the_first_digits_and_needs_equal_signs() {
        let since = |a: &str, b: &str| reading(a).since(&reading(b));
        assert_eq!(since("12", "5"), Some(7.0));
        assert_eq!(since("5", "12"), Some(-7.0));
        assert_eq!(since("-5", "-12"), Some(7.0));
        assert_eq!(since("5", "-12"), None);
        assert_eq!(since("5", ""), None);
        assert_eq!(since("5", "x3.9e7"), Some(2.0));
        assert_eq!(since("18446744073709551615", "0"), Some(18_446_744_073_709_551_615.0));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "U", "x", "1x", "e5", ".", "-", "1e99999999999", "nan"] {
            assert_eq!(reading(text).number(), None, "{text}");
        }
        assert_eq!(reading("-1.5e3").number(), Some(-1500.0));
    }
}
