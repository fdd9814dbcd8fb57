//! Numbers of a legend, written as librrd writes them, digit by digit.

use super::super::number_format::prefix_of;

/// The widest number that a legend has room for, in characters.
const MAX_WIDTH: usize = 60;

/// A format with one number in it, such as `%7.2lf %sB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Number { width: usize, precision: usize, is_left: bool },
    Prefix,
}

impl Format {
    /// `None` where it has no number or several, or one that is written otherwise than `%lf`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            plain.push_str(before);
            if let Some(behind) = behind.strip_prefix('%') {
                plain.push('%');
                rest = behind;
                continue;
            }
            parts.push(Part::Text(std::mem::take(&mut plain)));
            if let Some(behind) = behind.strip_prefix('s') {
                parts.push(Part::Prefix);
                rest = behind;
                continue;
            }
            let (spec, behind) = behind.split_once("lf")?;
            let (is_left, spec) = match spec.strip_prefix('-') {
                Some(spec) => (true, spec),
                None => (false, spec),
            };
            let (width, precision) = match spec.split_once('.') {
                Some((width, precision)) => (width, digits(precision)?),
                None => (spec, 6),
            };
            // A zero in front would fill with zeros.
            let width = if width.starts_with('0') { return None } else { digits(width)? };
            parts.push(Part::Number { width, precision, is_left });
            rest = behind;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        let numbers = parts.iter().filter(|part| matches!(part, Part::Number { .. })).count();
        let prefixes = parts.iter().filter(|part| **part == Part::Prefix).count();
        // librrd takes the prefix behind the number alone.
        let is_in_order = match parts.iter().position(|part| *part == Part::Prefix) {
            Some(prefix) => parts
                .iter()
                .position(|part| matches!(part, Part::Number { .. }))
                .is_some_and(|number| number < prefix),
            None => true,
        };
        (numbers == 1 && prefixes <= 1 && is_in_order).then_some(Self { parts })
    }

    /// Written with `value`, which is known; `base` is what a prefix stands for.
    #[must_use]
    pub fn show(&self, value: f64, base: f64) -> String {
        let has_prefix = self.parts.contains(&Part::Prefix);
        let (value, prefix) = if has_prefix { scaled(value, base) } else { (value, ' ') };
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Prefix => out.push(prefix),
                Part::Number { width, precision, is_left: true } => {
                    out.push_str(&format!("{value:<width$.precision$}"));
                }
                Part::Number { width, precision, is_left: false } => {
                    out.push_str(&format!("{value:>width$.precision$}"));
                }
            }
        }
        out
    }
}

/// A count of digits or characters; none is zero.
fn digits(text: &str) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let is_plain = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|count| is_plain && *count <= MAX_WIDTH)
}

/// A number in units of its prefix, as librrd chooses that.
fn scaled(value: f64, base: f64) -> (f64, char) {
    if value == 0.0 || !value.is_finite() {
        return (value, ' ');
    }
    let power = (value.abs().ln() / base.ln()).floor();
    (value / base.powf(power), prefix_of(power as i32).unwrap_or('?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_of_another_kind_is_none() {
        for format in [
            "",
            "no number",
            "%s",
            "%7.2le",
            "%lg",
            "%05.1lf",
            "%lf %lf",
            "%5.1lf%S",
            "%99.1lf",
            "%d",
            "%+5lf",
            "%s %lf",
        ] {
            assert_eq!(Format::read(format), None, "{format}");
        }
    }

    #[test]
    fn a_number_is_written_with_width_digits_and_prefix() {
        for (format, value, base, shown) in [
            ("%7.2lf %sB/s", 2048.0, 1024.0, "   2.00 kB/s"),
            ("%7.2lf %s", 12.0, 1000.0, "  12.00  "),
            ("%7.2lf %s", 0.0, 1000.0, "   0.00  "),
            ("%-7.1lf|%%", -3.25, 1000.0, "-3.2   |%"),
            ("%lf", 1.5, 1000.0, "1.500000"),
            ("Max\\: %.0lf", 2.5, 1000.0, "Max\\: 2"),
        ] {
            assert_eq!(Format::read(format).unwrap().show(value, base), shown, "{format}");
        }
    }
}
