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
    /// Of this plugin and no other of its host.
    pub plugin_number: usize,
    /// With its type suffix.
    pub key: &'a [u8],
    /// What the key's suffix names.
    pub data_source_type: DataSourceType,
}

/// What the line before said, which the next one mostly says again. Of lines of one host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before<'a> {
    /// All up to the key, and of which plugin.
    head: &'a [u8],
    plugin_number: usize,
    /// The time with its line feed.
    time_text: &'a [u8],
    time: u32,
}

/// Most digits of a decimal that is read the quick way: such a number is exact in a float, and so
/// is the power of ten that it is divided by.
const MOST_DIGITS: usize = 15;
/// Most digits of a whole number: it fits 64 bits.
const MOST_WHOLE_DIGITS: usize = 18;
const WHOLE_TENS: [u64; 9] =
    [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
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
    before: &mut Before<'a>,
) -> Option<(Value, u32, &'a [u8])> {
    let rest = strip_head(payload, beginning, before)?;
    let rest = strip_key(rest, beginning.key)?;
    let (is_negative, rest) = match rest {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, rest),
    };
    let (value, rest) = match beginning.data_source_type {
        DataSourceType::Gauge | DataSourceType::Absolute => {
            let (number, rest) = decimal(rest)?;
            (Value::Float(if is_negative { -number } else { number }), rest)
        }
        DataSourceType::Derive => {
            let (number, rest) = whole(rest)?;
            let number = number.cast_signed();
            (Value::Signed(if is_negative { -number } else { number }), rest)
        }
        DataSourceType::Counter if is_negative => return None,
        DataSourceType::Counter => {
            let (number, rest) = whole(rest)?;
            (Value::Unsigned(number), rest)
        }
    };
    let (time, rest) = time(rest.strip_prefix(b"\t")?, before)?;
    Some((value, time, rest))
}

/// What is behind address, plugin and type.
#[inline]
fn strip_head<'a>(
    payload: &'a [u8],
    beginning: &Beginning<'_>,
    before: &mut Before<'a>,
) -> Option<&'a [u8]> {
    if before.plugin_number == beginning.plugin_number && !before.head.is_empty() {
        return strip(payload, before.head);
    }
    let rest = payload.strip_prefix(beginning.address.as_bytes())?.strip_prefix(b"\t")?;
    let rest = rest.strip_prefix(beginning.plugin.as_bytes())?.strip_prefix(b".metrics.")?;
    before.head = payload.get(..payload.len() - rest.len())?;
    before.plugin_number = beginning.plugin_number;
    Some(rest)
}

/// What is behind the key, which may stand without the type that it gets by default.
#[inline]
fn strip_key<'a>(name: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = strip(name, key) {
        return rest.strip_prefix(b"\t");
    }
    let short = std::str::from_utf8(key.strip_suffix(b".gauge")?).ok()?;
    let short = Some(short).filter(|key| DataSourceType::of_key(key).is_none())?;
    name.strip_prefix(short.as_bytes())?.strip_prefix(b"\t")
}

/// Quicker than [`slice::strip_prefix`] for a few dozen bytes.
#[inline]
fn strip<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    let length = prefix.len();
    let is_it = match length {
        // Pieces that overlap.
        16.. => {
            head.first_chunk::<16>() == prefix.first_chunk()
                && head.last_chunk::<16>() == prefix.last_chunk()
                && (length <= 32 || head.get(16..length - 16) == prefix.get(16..length - 16))
        }
        8.. => {
            head.first_chunk::<8>() == prefix.first_chunk()
                && head.last_chunk::<8>() == prefix.last_chunk()
        }
        _ => head == prefix,
    };
    is_it.then_some(rest)
}

/// The time, and what is behind its line.
#[inline]
fn time<'a>(text: &'a [u8], before: &mut Before<'a>) -> Option<(u32, &'a [u8])> {
    if !before.time_text.is_empty()
        && let Some(rest) = strip(text, before.time_text)
    {
        return Some((before.time, rest));
    }
    let (time, rest) = whole_by_digits(text)?;
    let time = u32::try_from(time).ok().filter(|time| *time > 0)?;
    match rest {
        [] => Some((time, rest)),
        [b'\n', rest @ ..] => {
            *before = Before { time_text: text.get(..text.len() - rest.len())?, time, ..*before };
            Some((time, rest))
        }
        _ => None,
    }
}

/// A whole number without a sign, and what is behind it.
#[inline]
fn whole(text: &[u8]) -> Option<(u64, &[u8])> {
    match up_to_eight_digits(text) {
        Some((number, 1..8, rest)) => Some((number, rest)),
        Some((number, 8, rest)) => match up_to_eight_digits(rest) {
            Some((more, count @ 0..8, rest)) => {
                Some((number * WHOLE_TENS.get(count)? + more, rest))
            }
            _ => whole_by_digits(text),
        },
        _ => whole_by_digits(text),
    }
}

/// A decimal such as `12.50`, and what is behind it.
#[allow(clippy::cast_precision_loss)]
#[inline]
fn decimal(text: &[u8]) -> Option<(f64, &[u8])> {
    if let Some((number, 1..8, rest)) = up_to_eight_digits(text) {
        let Some(rest) = rest.strip_prefix(b".") else {
            return Some((number as f64, rest));
        };
        if let Some((fraction, places @ 1..8, rest)) = up_to_eight_digits(rest) {
            // All are exact, so this division gives the float that is nearest to the decimal.
            let number = number * WHOLE_TENS.get(places)? + fraction;
            return Some((number as f64 / TENS.get(places)?, rest));
        }
    }
    decimal_by_digits(text)
}

/// The digits that the first eight bytes begin with as a number, how many, and what is behind them.
/// No branch depends on how many there are.
#[inline]
fn up_to_eight_digits(text: &[u8]) -> Option<(u64, usize, &[u8])> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let digits = u64::from_le_bytes(*text.first_chunk()?) ^ (u64::from(b'0') * EACH);
    // The lowest bit of these that is set is that of the first byte that is no digit.
    let above_nine = (digits.wrapping_add((0x7f - 9) * EACH) | digits) & (0x80 * EACH);
    let count = above_nine.trailing_zeros() / 8;
    // The last digit comes to the end, with zeros in front.
    let digits = digits.checked_shl(64 - 8 * count).unwrap_or(0);
    Some((eight_digits(digits), count as usize, text.get(count as usize..)?))
}

/// The number of eight digits, the first in the lowest byte.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    // Pairs, then fours, then all: each step multiplies and adds neighbours.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// The same as [`whole`], of one form or another.
fn whole_by_digits(text: &[u8]) -> Option<(u64, &[u8])> {
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

/// The same as [`decimal`], of one form or another.
#[allow(clippy::cast_precision_loss)]
fn decimal_by_digits(text: &[u8]) -> Option<(f64, &[u8])> {
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
    Some((number as f64 / TENS.get(places)?, text.get(length..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Line, Record, parse_line};
    use proptest::prelude::*;

    fn beginning(data_source_type: DataSourceType, key: &str) -> Beginning<'_> {
        let key = key.as_bytes();
        Beginning { address: "10.0.0.1", plugin: "base", plugin_number: 0, key, data_source_type }
    }

    /// As the first line that is read.
    fn parse_first<'a>(line: &'a [u8], expected: &Beginning<'_>) -> Option<(Value, u32, &'a [u8])> {
        parse_expected(line, expected, &mut Before::default())
    }

    #[test]
    fn a_plain_line_is_read_to_its_end() {
        let payload = b"10.0.0.1\tbase.metrics.a.gauge\t-12.50\t60\nnext";
        let (value, time, rest) =
            parse_first(payload, &beginning(DataSourceType::Gauge, "a.gauge")).unwrap();
        assert_eq!((value, time, rest), (Value::Float(-12.5), 60, &b"next"[..]));
    }

    #[test]
    fn a_key_without_a_type_is_that_of_a_gauge_unless_it_names_a_type() {
        let read = |key: &str, line: &str| {
            parse_first(line.as_bytes(), &beginning(DataSourceType::Gauge, key)).is_some()
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
            assert_eq!(parse_first(line.as_bytes(), &gauge), None, "{line:?}");
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
            if let Some((value, time, rest)) = parse_first(&line, &beginning(data_source_type, &key)) {
                prop_assert!(rest.is_empty());
                let parsed = parse_line(&line).unwrap().unwrap();
                let record = Record::Metric { key: key.as_str().into(), data_source_type, value };
                let expected = Line { address: Some("10.0.0.1"), plugin: "base", record, time };
                prop_assert_eq!(format!("{parsed:?}"), format!("{expected:?}"));
            }
        }

        #[test]
        fn what_the_line_before_said_changes_nothing(
            lines in prop::collection::vec(
                (0usize..3, 0usize..4, "[a-z]{1,40}", "-?[0-9]{1,20}(\\.[0-9]{1,12})?",
                 prop_oneof![Just(1_795_000_000u64), 1u64..5_000_000_000], prop::bool::weighted(0.1)), 1..20)
        ) {
            // The third has the first's name as its beginning.
            let plugins = ["base", "linux", "base2"];
            let mut payload = String::new();
            let mut expected = Vec::new();
            for (plugin, kind, name, value, time, is_other) in &lines {
                let data_source_type = DataSourceType::ALL[*kind];
                let key = format!("{name}.{}", data_source_type.suffix());
                let sent = if *is_other { plugins[(plugin + 1) % 3] } else { plugins[*plugin] };
                payload.push_str(&format!("10.0.0.1\t{sent}.metrics.{key}\t{value}\t{time}\n"));
                expected.push((*plugin, data_source_type, key));
            }
            let mut before = Before::default();
            let mut rest = payload.as_bytes();
            for (plugin_number, data_source_type, key) in &expected {
                let beginning = Beginning {
                    address: "10.0.0.1",
                    plugin: plugins[*plugin_number],
                    plugin_number: *plugin_number,
                    key: key.as_bytes(),
                    data_source_type: *data_source_type,
                };
                let read = parse_expected(rest, &beginning, &mut before);
                let first = parse_first(rest, &beginning);
                prop_assert_eq!(format!("{read:?}"), format!("{first:?}"));
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
                if let Some((_, _, behind)) = read {
                    prop_assert_eq!(behind.len(), rest.len() - end - 1);
                }
                rest = &rest[end + 1..];
            }
        }
    }
}
