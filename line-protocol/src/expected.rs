//! The quick way for a line whose beginning is known: agents send the same series in the same order
//! each minute, so most of a line is as expected and needs no look into it.

use crate::key::DataSourceType;
use crate::value::Value;

/// The beginning that is expected of a metric's line.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The host.
    pub address: &'a str,
    /// The escaped plugin identifier.
    pub plugin: &'a str,
    /// With its type suffix.
    pub key: &'a str,
    /// What the key's suffix names.
    pub data_source_type: DataSourceType,
}

/// Most digits of a decimal that is read the quick way: such a number is exact in a float, and so
/// is the power of ten that it is divided by.
const MOST_DIGITS: usize = 15;
/// Most digits of a whole number: it fits 64 bits.
const MOST_WHOLE_DIGITS: usize = 18;
const TENS: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads value and time of the first line of a payload, and gives what is behind its line feed.
/// `None` where the line does not begin so, or is not of the plainest form; [`crate::parse_line`]
/// may take it then. What it gives is what that gives.
#[must_use]
#[inline]
pub fn parse_expected<'a>(
    payload: &'a [u8],
    beginning: &Beginning<'_>,
) -> Option<(Value, u32, &'a [u8])> {
    let rest = payload.strip_prefix(beginning.address.as_bytes())?.strip_prefix(b"\t")?;
    let rest = rest.strip_prefix(beginning.plugin.as_bytes())?.strip_prefix(b".metrics.")?;
    let rest = strip_key(rest, beginning.key)?;
    let (value, rest) = match beginning.data_source_type {
        DataSourceType::Gauge | DataSourceType::Absolute => decimal(rest)?,
        DataSourceType::Derive => match rest.strip_prefix(b"-") {
            Some(rest) => whole(rest).map(|(n, rest)| (Value::Signed(-n.cast_signed()), rest))?,
            None => whole(rest).map(|(n, rest)| (Value::Signed(n.cast_signed()), rest))?,
        },
        DataSourceType::Counter => whole(rest).map(|(n, rest)| (Value::Unsigned(n), rest))?,
    };
    let (time, rest) = whole(rest.strip_prefix(b"\t")?)?;
    let time = u32::try_from(time).ok().filter(|time| *time > 0)?;
    match rest {
        [] => Some((value, time, rest)),
        [b'\n', rest @ ..] => Some((value, time, rest)),
        _ => None,
    }
}

/// What is behind the key, which may stand without the type that it gets by default.
#[inline]
fn strip_key<'a>(name: &'a [u8], key: &str) -> Option<&'a [u8]> {
    if let Some(rest) = name.strip_prefix(key.as_bytes()) {
        return rest.strip_prefix(b"\t");
    }
    let short = key.strip_suffix(".gauge").filter(|key| DataSourceType::of_key(key).is_none())?;
    name.strip_prefix(short.as_bytes())?.strip_prefix(b"\t")
}

/// A whole number without a sign, and what is behind it.
#[inline]
fn whole(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    let mut digits = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if digits == MOST_WHOLE_DIGITS {
            return None;
        }
        number = number * 10 + u64::from(digit);
        digits += 1;
    }
    (digits > 0).then(|| (number, text.get(digits..).unwrap_or_default()))
}

/// A decimal such as `-12.50`, and what is behind it.
#[allow(clippy::cast_precision_loss)]
#[inline]
fn decimal(text: &[u8]) -> Option<(Value, &[u8])> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut number = 0u64;
    let mut digits = 0;
    let mut point = None;
    let mut length = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            number = number * 10 + u64::from(digit);
            digits += 1;
            if digits > MOST_DIGITS {
                return None;
            }
        } else if *byte == b'.' && point.is_none() {
            point = Some(digits);
        } else {
            break;
        }
        length += 1;
    }
    if digits == 0 {
        return None;
    }
    let places = point.map_or(0, |point| digits - point);
    // Both are exact, so this division gives the float that is nearest to the decimal.
    let number = number as f64 / TENS.get(places)?;
    let number = if negative { -number } else { number };
    Some((Value::Float(number), text.get(length..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Line, Record, parse_line};
    use proptest::prelude::*;

    fn beginning(data_source_type: DataSourceType, key: &str) -> Beginning<'_> {
        Beginning { address: "10.0.0.1", plugin: "base", key, data_source_type }
    }

    #[test]
    fn a_plain_line_is_read_to_its_end() {
        let payload = b"10.0.0.1\tbase.metrics.a.gauge\t-12.50\t60\nnext";
        let (value, time, rest) =
            parse_expected(payload, &beginning(DataSourceType::Gauge, "a.gauge")).unwrap();
        assert_eq!((value, time, rest), (Value::Float(-12.5), 60, &b"next"[..]));
    }

    #[test]
    fn a_key_without_a_type_is_that_of_a_gauge_unless_it_names_a_type() {
        let read = |key: &str, line: &str| {
            parse_expected(line.as_bytes(), &beginning(DataSourceType::Gauge, key)).is_some()
        };
        assert!(read("sda.device.gauge", "10.0.0.1\tbase.metrics.sda.device\t1\t60"));
        assert!(!read("sda.derive.gauge", "10.0.0.1\tbase.metrics.sda.derive\t1\t60"));
    }

    #[test]
    fn another_beginning_or_another_form_is_left_alone() {
        let gauge = beginning(DataSourceType::Gauge, "a.gauge");
        for line in [
            "",
            "10.0.0.1",
            "10.0.0.10\tbase.metrics.a.gauge\t1\t60",
            "10.0.0.1\tbase2.metrics.a.gauge\t1\t60",
            "10.0.0.1\tbase.meta.a.gauge\t1\t60",
            "10.0.0.1\tbase.metrics.a.gauge2\t1\t60",
            "10.0.0.1\tbase.metrics.a.gauge\t\t60",
            "10.0.0.1\tbase.metrics.a.gauge\tU\t60",
            "10.0.0.1\tbase.metrics.a.gauge\t.\t60",
            "10.0.0.1\tbase.metrics.a.gauge\t1e3\t60",
            "10.0.0.1\tbase.metrics.a.gauge\t1.2.3\t60",
            "10.0.0.1\tbase.metrics.a.gauge\t1234567890123456\t60",
            "10.0.0.1\tbase.metrics.a.gauge\t1\t0",
            "10.0.0.1\tbase.metrics.a.gauge\t1\t4294967296",
            "10.0.0.1\tbase.metrics.a.gauge\t1\t60 ",
            "10.0.0.1\tbase.metrics.a.gauge\t1\t60\r\n",
            "10.0.0.1\tbase.metrics.a.gauge\t1\t60\tmore",
        ] {
            assert_eq!(parse_expected(line.as_bytes(), &gauge), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_the_parser_reads(
            kind in 0usize..4, value in "-?[0-9]{0,20}(\\.[0-9]{0,12})?(e[0-9])?|U", time in 0u64..5_000_000_000,
            change in prop::option::of((0usize..60, any::<u8>())),
        ) {
            let data_source_type = DataSourceType::ALL[kind];
            let key = format!("k.{}", data_source_type.suffix());
            let mut line = format!("10.0.0.1\tbase.metrics.{key}\t{value}\t{time}").into_bytes();
            if let Some((at, byte)) = change
                && byte != b'\n'
                && let Some(place) = line.get_mut(at)
            {
                *place = byte;
            }
            if let Some((value, time, rest)) = parse_expected(&line, &beginning(data_source_type, &key)) {
                prop_assert!(rest.is_empty());
                let parsed = parse_line(&line).unwrap().unwrap();
                let record = Record::Metric { key: key.as_str().into(), data_source_type, value };
                let expected = Line { address: Some("10.0.0.1"), plugin: "base", record, time };
                prop_assert_eq!(format!("{parsed:?}"), format!("{expected:?}"));
            }
        }
    }
}
