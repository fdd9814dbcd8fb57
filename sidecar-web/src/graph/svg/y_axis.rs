//! The vertical axis: what it reaches from and to, and where it is labelled.

use super::super::number_format::prefix_of;
use super::options::Options;

/// A label has this room at least, in pixels.
const ROOM: f64 = 19.0;

/// The longest label that there is room for, in characters.
const LONGEST: usize = 7;

/// Beyond this nothing is drawn to scale.
const LARGEST: f64 = 1e300;

/// Nor what lies nearer to each other than this.
const LEAST: f64 = 1e-300;

/// A vertical axis.
#[derive(Debug, PartialEq)]
pub struct YAxis {
    /// At the bottom.
    pub low: f64,
    /// At the top.
    pub high: f64,
    /// Values with a label.
    pub labels: Vec<(f64, String)>,
    /// Values with a fine line.
    pub fine: Vec<f64>,
    height: f64,
}

impl YAxis {
    /// For values between `extremes`, if any are known.
    #[must_use]
    pub fn new(options: &Options, extremes: Option<(f64, f64)>) -> Self {
        let (least, highest) = extremes.unwrap_or((0.0, 1.0));
        let (low, high) = limits(options, least, highest);
        let height = f64::from(options.height);
        let wanted = (high - low) * ROOM / height;
        let unit = Unit::of(options, low.abs().max(high.abs()), wanted);
        let step = nice_step(wanted / unit.size) * unit.size;
        let fine = fine_step(step / unit.size) * unit.size;
        let (mut low, mut high) = (low, high);
        // What is not fixed ends at a line of the grid.
        if !options.is_rigid || options.lower.is_none() {
            low = (low / fine).floor() * fine;
        }
        if !options.is_rigid || options.upper.is_none() {
            high = (high / fine).ceil() * fine;
        }
        let labels: Vec<f64> = multiples(step, low, high);
        let fine = multiples(fine, low, high);
        let fine = fine.into_iter().filter(|value| !labels.contains(value)).collect();
        let labels = labels.into_iter().map(|value| (value, unit.label(value, step))).collect();
        Self { low, high, labels, fine, height }
    }

    /// Where a value stands, in tenths of a pixel from the top. What lies outside stands at the edge.
    #[must_use]
    pub fn tenths(&self, value: f64) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        ((1.0 - part.clamp(0.0, 1.0)) * self.height * 10.0).round() as i32
    }
}

/// Lower and upper end, as the options and the values want them; the upper one is higher.
fn limits(options: &Options, least: f64, highest: f64) -> (f64, f64) {
    let low = match options.lower {
        Some(lower) if options.is_rigid => lower,
        Some(lower) => lower.min(least),
        None => least,
    };
    let high = match options.upper {
        Some(upper) if options.is_rigid => upper,
        Some(upper) => upper.max(highest),
        None => highest,
    };
    // Enough of it that its lines can be told from each other.
    let needed = low.abs().max(high.abs()) * 1e-9;
    let (low, high) = (low.clamp(-LARGEST, LARGEST), high.clamp(-LARGEST, LARGEST));
    if high - low > needed.max(LEAST) { (low, high) } else { (low, low + needed.max(1.0)) }
}

/// In what the labels count.
struct Unit {
    size: f64,
    prefix: Option<char>,
}

impl Unit {
    /// The one in which `largest` is at least one, or that which the options fix, where its numbers
    /// have room; `step` is from label to label at least.
    fn of(options: &Options, largest: f64, step: f64) -> Self {
        if let Some(exponent) = options.units_exponent {
            let power = exponent / 3;
            let size = options.base.powi(power);
            let is_readable = largest / size < 1e6 && step / size > 1e-4;
            if exponent % 3 == 0 && is_readable && prefix_of(power).is_some() {
                return Self { size, prefix: prefix_of(power) };
            }
        }
        let power = (largest.ln() / options.base.ln() + 1e-9).floor();
        let power = if power.is_finite() { power.clamp(-6.0, 6.0) as i32 } else { 0 };
        Self { size: options.base.powi(power), prefix: prefix_of(power) }
    }

    /// A value, with as many digits as tell it from those `step` beside it.
    fn label(&self, value: f64, step: f64) -> String {
        let number = value / self.size;
        // A sum of steps near zero is zero.
        let number = if number.abs() < step / self.size / 2.0 { 0.0 } else { number };
        let digits = -(step / self.size * 1.000_001).log10().floor();
        let digits = if digits.is_finite() { digits.clamp(0.0, 12.0) as usize } else { 0 };
        let mut text = format!("{number:.digits$}");
        if number != 0.0
            && let Some(prefix) = self.prefix.filter(|prefix| *prefix != ' ')
        {
            text.push(' ');
            text.push(prefix);
        }
        if text.len() > LONGEST { format!("{value:.1e}") } else { text }
    }
}

/// The least of 1, 2 and 5 times a power of ten that is no less than `wanted`.
fn nice_step(wanted: f64) -> f64 {
    let power = 10_f64.powf(wanted.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= wanted * 0.999_999)
        .unwrap_or(wanted)
}

/// From fine line to fine line within a step: a half, of five a fifth.
fn fine_step(step: f64) -> f64 {
    let digit = step / 10_f64.powf((step * 1.000_001).log10().floor());
    if (digit - 5.0).abs() < 0.01 { step / 5.0 } else { step / 2.0 }
}

/// The multiples of `step` from `low` to `high`, both included.
fn multiples(step: f64, low: f64, high: f64) -> Vec<f64> {
    let first = (low / step - 1e-6).ceil();
    let count = ((high / step + 1e-6).floor() - first).clamp(-1.0, 500.0) as i32;
    (0..=count).map(|n| (first + f64::from(n)) * step).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options(more: &str) -> Options {
        let words = format!("graph - --imgformat SVG --start 0 --end 600 {more}");
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Options::read(&words).unwrap().0
    }

    fn labels(more: &str, least: f64, highest: f64) -> String {
        let axis = YAxis::new(&options(more), Some((least, highest)));
        let texts: Vec<&str> = axis.labels.iter().map(|(_, text)| text.as_str()).collect();
        format!("{}..{}: {}", axis.low, axis.high, texts.join(", "))
    }

    #[test]
    fn labels_are_round_numbers_in_the_unit_of_the_highest() {
        const ZERO: &str = "-l 0 -u 2";
        assert_eq!(labels(ZERO, 0.0, 0.1), "0..2: 0.0, 0.5, 1.0, 1.5, 2.0");
        assert_eq!(labels(ZERO, 3.0, 7.3), "0..8: 0, 2, 4, 6, 8");
        assert_eq!(labels(ZERO, 3.0, 7.3e6), "0..8000000: 0, 2 M, 4 M, 6 M, 8 M");
        assert_eq!(labels("-l 0 -u 100 -r", -5.0, 700.0), "0..100: 0, 20, 40, 60, 80, 100");
        let gigabyte = 1024.0 * 1024.0 * 1024.0;
        let bytes = labels("-l 0 -u 2 -b 1024", 0.0, 15.4 * gigabyte);
        assert!(bytes.ends_with(": 0, 5 G, 10 G, 15 G"), "{bytes}");
        assert_eq!(labels(ZERO, -30.0, 30.0), "-30..30: -20, 0, 20");
        assert_eq!(labels("", 5.0, 5.0), "5..6: 5.0, 5.2, 5.4, 5.6, 5.8, 6.0");
        assert_eq!(labels("-l 0 -u 2 -X 0", 0.0, 1500.0), "0..1500: 0, 500, 1000, 1500");
    }

    #[test]
    fn limits_that_nobody_could_draw_to_scale_have_labels_all_the_same() {
        for limits in ["-l -1.7e308 -u 1.7e308 -r", "-l 5e-324 -u 1e-323 -r", "-l 1.7e308 -r"] {
            for (least, highest) in [(0.0, 6.0), (-1.7e308, 1.7e308), (5e-324, 1e-323)] {
                let axis = YAxis::new(&options(limits), Some((least, highest)));
                assert!(axis.low.is_finite() && axis.low < axis.high, "{limits}: {axis:?}");
                let is_number = |(value, text): &(f64, String)| {
                    value.is_finite() && !text.contains("NaN") && !text.contains("inf")
                };
                assert!(axis.labels.iter().all(is_number), "{limits}: {axis:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn all_that_is_known_lies_within_and_no_label_is_longer_than_its_room(
            least in prop_oneof![-1e18..1e18, -1.0..1.0, Just(0.0), Just(f64::MIN)],
            more in prop_oneof![0.0..1e18, 0.0..1e-9, Just(0.0), Just(f64::MAX)],
            height in 30_u32..1000,
            options_text in prop_oneof![Just("-l 0 -u 2"), Just(""), Just("-X 0"), Just("-b 1024 -l 0")],
        ) {
            let highest: f64 = f64::min(least + more, f64::MAX);
            let options = options(&format!("{options_text} --height {height}"));
            let axis = YAxis::new(&options, Some((least, highest)));
            prop_assert!(axis.low.is_finite() && axis.high.is_finite() && axis.low < axis.high);
            prop_assert!(axis.low <= least.max(-LARGEST) && axis.high >= highest.min(LARGEST) - highest.abs() * 1e-6 - 1e-9, "{axis:?}");
            prop_assert!(axis.labels.len() <= 60 && axis.fine.len() <= 300, "{axis:?}");
            for (value, text) in &axis.labels {
                prop_assert!(text.chars().count() <= 9 && !text.contains("NaN"), "{axis:?}");
                let at = axis.tenths(*value);
                prop_assert!((0..=i32::try_from(height).unwrap() * 10).contains(&at));
            }
        }

        #[test]
        fn a_place_tells_its_value_to_half_a_pixel(part in 0.0..1.0_f64, high in 1e-3..1e15_f64) {
            let axis = YAxis::new(&options("-l 0"), Some((0.0, high)));
            let value = axis.high * part;
            let back = axis.high * (1.0 - f64::from(axis.tenths(value)) / 1000.0);
            prop_assert!((back - value).abs() <= axis.high / 100.0 / 2.0);
        }
    }
}
