//! How a legend writes numbers: rrdgraph's formats, for tables and tooltips that shall say the same.

use serde::Serialize;

/// What a format such as `%7.2lf %sB/s` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberFormat {
    /// Digits behind the point.
    pub precision: usize,
    /// Whether a prefix such as `k` or `M` stands for a power of the graph's base.
    pub prefix: bool,
    /// What stands behind the number and its prefix.
    pub unit: String,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self { precision: 2, prefix: true, unit: String::new() }
    }
}

/// Digits behind the point that anybody would read.
const MAX_PRECISION: usize = 12;

/// From a billionth of a billionth up; a space where there is none.
const PREFIXES: [char; 13] = ['a', 'f', 'p', 'n', 'u', 'm', ' ', 'k', 'M', 'G', 'T', 'P', 'E'];
/// Where that of one stands.
const OF_ONE: i32 = 6;

/// The prefix of a power of the base, where there is one; that of one is a space.
#[must_use]
pub fn prefix_of(power: i32) -> Option<char> {
    PREFIXES.get(usize::try_from(power.checked_add(OF_ONE)?).ok()?).copied()
}

impl NumberFormat {
    /// Reads rrdgraph's format; where there is no number in it, the default.
    #[must_use]
    pub fn read(format: &str) -> Self {
        Self::understood(format).unwrap_or_default()
    }

    fn understood(format: &str) -> Option<Self> {
        // A number is %…lf, %…le or %…lg; `%%` is a percent sign.
        let format = format.replace("%%", "\0");
        let (_, rest) = format.split_once('%')?;
        let end = rest.find("lf").or_else(|| rest.find("le")).or_else(|| rest.find("lg"))?;
        let (width, behind) = rest.split_at(end);
        let behind = behind.get(2..)?;
        let precision = match width.split_once('.') {
            Some((_, digits)) => digits.parse().ok()?,
            None => 6,
        };
        let prefix = behind.contains("%s") || behind.contains("%S");
        let unit = behind.replace("%s", "").replace("%S", "").replace('\0', "%");
        // `\l` and the like say how the row is aligned.
        let unit = unit.split('\\').next().unwrap_or_default().trim().to_owned();
        Some(Self { precision: MAX_PRECISION.min(precision), prefix, unit })
    }

    /// The number as the legend would write it, without padding; `base` is what a prefix stands for:
    /// 1000, or 1024. A number that is unknown is a dash.
    #[must_use]
    pub fn show(&self, number: f64, base: f64) -> String {
        if !number.is_finite() {
            return "–".to_owned();
        }
        let power = if self.prefix { power_of(number, base) } else { 0 };
        let number = number / base.powi(power);
        let prefix = prefix_of(power).filter(|prefix| *prefix != ' ');
        let text = format!("{number:.*}", self.precision);
        match (prefix, self.unit.as_str()) {
            (None, "") => text,
            (None, unit @ "%") => format!("{text}{unit}"),
            (None, unit) => format!("{text} {unit}"),
            (Some(prefix), unit) => format!("{text} {prefix}{unit}"),
        }
    }
}

/// The power of `base` by which the number is best written.
fn power_of(number: f64, base: f64) -> i32 {
    let mut size = number.abs();
    let mut power = 0;
    if size == 0.0 || base <= 1.0 {
        return 0;
    }
    while size >= base && power < 6 {
        size /= base;
        power += 1;
    }
    while size < 1.0 && power > -OF_ONE {
        size *= base;
        power -= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_with_the_prefix_digits_and_unit_of_the_format() {
        for (format, number, base, written) in [
            ("%7.2lf %s", 1234.0, 1000.0, "1.23 k"),
            ("%7.2lf %sB", 3.0 * 1024.0 * 1024.0, 1024.0, "3.00 MB"),
            ("%7.2lf%%", 12.345, 1000.0, "12.35%"),
            ("%7.2lf", 1234.5, 1000.0, "1234.50"),
            ("%5.0lf", -2.0, 1000.0, "-2"),
            ("%7.2lf %s", 0.0, 1000.0, "0.00"),
            ("%7.2lf %s", 0.002, 1000.0, "2.00 m"),
            ("%6.1lf %sbps\\l", 999.0, 1000.0, "999.0 bps"),
            ("%6.1lf %sbps", 1e30, 1000.0, "1000000000000.0 Ebps"),
            ("now %4.1lf %s", f64::NAN, 1000.0, "–"),
            ("%lf", 0.5, 1000.0, "0.500000"),
            ("no number", 1500.0, 1000.0, "1.50 k"),
            ("%99.99lf", 0.5, 1000.0, "0.500000000000"),
        ] {
            assert_eq!(NumberFormat::read(format).show(number, base), written, "{format}");
        }
    }
}
