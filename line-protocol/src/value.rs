//! A number as its data-source type takes it, or unknown.

use crate::key::DataSourceType;

/// One measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// `U`: nothing is known for that time.
    Unknown,
    /// Of a gauge or an absolute; always finite.
    Float(f64),
    /// Of a derive: librrd takes whole numbers only.
    Signed(i64),
    /// Of a counter: librrd takes whole numbers that are not negative only.
    Unsigned(u64),
}

/// Why a text is no value of a type: the rule, without the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither a finite decimal number nor `U`.
    #[error("must be a decimal number or U")]
    NotANumber,
    /// A fraction, an exponent, or beyond 64 bits, where a derive wants a whole number.
    #[error("must be a whole number of 64 bits or U, as its key ends in .derive")]
    NotSigned,
    /// The same, or negative, where a counter wants a whole number.
    #[error(
        "must be a whole number from 0 to 18446744073709551615 or U, as its key ends in .counter"
    )]
    NotUnsigned,
}

impl Value {
    /// Reads a value of the type given.
    ///
    /// # Errors
    /// Where librrd would refuse the text later, and so block the series: NaN and infinity
    /// everywhere, fractions for counters and derives, a sign for counters.
    pub fn parse(text: &str, of: DataSourceType) -> Result<Self, ValueError> {
        if text == "U" {
            return Ok(Self::Unknown);
        }
        match of {
            DataSourceType::Gauge | DataSourceType::Absolute => {
                // Rust also reads "inf", "nan" and "infinity": only texts of a number's own
                // characters are numbers here.
                let plain = text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
                match text.parse::<f64>() {
                    Ok(number) if plain && number.is_finite() => Ok(Self::Float(number)),
                    _ => Err(ValueError::NotANumber),
                }
            }
            DataSourceType::Derive => {
                text.parse().map(Self::Signed).map_err(|_| ValueError::NotSigned)
            }
            DataSourceType::Counter => {
                text.parse().map(Self::Unsigned).map_err(|_| ValueError::NotUnsigned)
            }
        }
    }

    /// The number, where one is known; whole numbers beyond 2^53 are rounded.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Float(number) => Some(number),
            Self::Signed(number) => Some(number as f64),
            Self::Unsigned(number) => Some(number as f64),
        }
    }
}

impl std::fmt::Display for Value {
    /// As librrd reads it back to the same number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("U"),
            // Very large and very small numbers as 1e300, not as 300 digits.
            Self::Float(n) if *n != 0.0 && !(1e-7..1e17).contains(&n.abs()) => write!(f, "{n:e}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Unsigned(number) => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gauge_takes_any_finite_decimal_and_nothing_else() {
        assert_eq!(Value::parse("0.00", DataSourceType::Gauge), Ok(Value::Float(0.0)));
        assert_eq!(Value::parse("-1.5e3", DataSourceType::Gauge), Ok(Value::Float(-1500.0)));
        assert_eq!(Value::parse("U", DataSourceType::Gauge), Ok(Value::Unknown));
        for bad in ["", "nan", "NaN", "inf", "-inf", "1e999", "0x10", "1 ", " 1", "1,5", "infinity"]
        {
            assert_eq!(
                Value::parse(bad, DataSourceType::Gauge),
                Err(ValueError::NotANumber),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn counters_and_derives_take_whole_numbers_only() {
        assert_eq!(Value::parse("-3", DataSourceType::Derive), Ok(Value::Signed(-3)));
        assert_eq!(
            Value::parse("18446744073709551615", DataSourceType::Counter),
            Ok(Value::Unsigned(u64::MAX))
        );
        assert!(Value::parse("1.5", DataSourceType::Derive).is_err());
        assert!(Value::parse("-3", DataSourceType::Counter).is_err());
        assert!(Value::parse("18446744073709551616", DataSourceType::Counter).is_err());
    }

    proptest! {
        #[test]
        fn a_gauge_reads_back_as_the_same_number(number in proptest::num::f64::NORMAL) {
            let text = Value::Float(number).to_string();
            prop_assert_eq!(Value::parse(&text, DataSourceType::Gauge), Ok(Value::Float(number)));
        }
    }
}
