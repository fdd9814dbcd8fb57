//! From what a graph is to show to rrdgraph's arguments.

use super::axis::x_grid;
use super::theme::Theme;
use crate::term::Range;

/// Height of the canvas where none is asked for, in pixels.
pub const CANVAS_HEIGHT: u32 = 100;

/// Heights of the canvas that may be asked for, in pixels.
pub const CANVAS_HEIGHTS: std::ops::RangeInclusive<u32> = 30..=1000;

/// Widths of the canvas that may be asked for, in pixels.
pub const CANVAS_WIDTHS: std::ops::RangeInclusive<u32> = 100..=2000;

/// The fonts of the axes and the title.
const FONTS: [&str; 2] = ["DEFAULT:8:DejaVu Sans", "TITLE:9:DejaVu Sans"];

/// The font of the legend: a fixed one, so that its columns stand below each other.
const LEGEND: &str = "LEGEND:8:DejaVu Sans Mono";

/// The same where the canvas is so narrow that a line of a legend would be cut.
const NARROW_LEGEND: &str = "LEGEND:6.5:DejaVu Sans Mono";

/// Below this a canvas is narrow, in pixels.
pub const NARROW: u32 = 360;

/// A picture's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// Pixels.
    Png,
    /// Lines.
    Svg,
}

/// Whether the names and numbers stand below the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legend {
    /// They do.
    Below,
    /// They stand elsewhere.
    None,
}

/// How large a picture is to be, and what stands around its canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Width of the canvas, in pixels.
    pub width: u32,
    /// Height of the canvas, in pixels.
    pub height: u32,
    /// Whether the names and numbers stand below it.
    pub legend: Legend,
}

impl Form {
    /// As usual, that wide.
    #[must_use]
    pub fn of_width(width: u32) -> Self {
        Self { width, height: CANVAS_HEIGHT, legend: Legend::Below }
    }
}

/// How a picture is to look, apart from its definition.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The name of the host, for the title.
    pub hostname: &'a str,
    /// What the title says of the range.
    pub range_title: &'a str,
    /// The period.
    pub range: &'a Range,
    /// Its canvas and what stands around it.
    pub form: Form,
    /// Colours around the data.
    pub theme: Theme,
    /// Pixels of the picture a pixel of the page: 2 for dense screens.
    pub scale: u32,
    /// As what it is drawn.
    pub format: ImageFormat,
}

/// The head of xport's arguments: the command's name, the time, in seconds since 1970, and how many
/// rows it is shown in at most.
#[must_use]
pub fn export((start, end): (i64, i64), rows: u32) -> Vec<String> {
    let options = [("--start", start), ("--end", end), ("--maxrows", i64::from(rows))];
    let options = options.map(|(option, value)| [option.to_owned(), value.to_string()]);
    std::iter::once("xport".to_owned()).chain(options.into_iter().flatten()).collect()
}

/// rrdgraph's arguments: the command's name, the picture to memory, our options, and behind them the
/// definition's, so that its options win.
#[must_use]
pub fn arguments(look: &Look<'_>, vertical_label: &str, definition: Vec<String>) -> Vec<String> {
    let mut arguments = vec!["graph".to_owned(), "-".to_owned()];
    let mut option = |name: &str, value: String| {
        arguments.push(name.to_owned());
        arguments.push(value);
    };
    let format = match look.format {
        ImageFormat::Png => "PNG",
        ImageFormat::Svg => "SVG",
    };
    option("--imgformat", format.to_owned());
    option("--start", look.range.start.to_string());
    option("--end", look.range.end.to_string());
    option("--width", look.form.width.to_string());
    option("--height", look.form.height.to_string());
    // Two is the least range that is shown: a line of zeros is at the bottom, not in the middle.
    option("--lower-limit", "0".to_owned());
    option("--upper-limit", "2".to_owned());
    option("--title", format!("{} {}", look.range_title, look.hostname));
    option("--vertical-label", vertical_label.to_owned());
    option("--x-grid", x_grid(look.range.seconds(), look.form.width));
    option("--zoom", look.scale.to_string());
    option("--border", "0".to_owned());
    option("--grid-dash", "1:0".to_owned());
    for font in FONTS {
        option("--font", font.to_owned());
    }
    let legend = if look.form.width < NARROW { NARROW_LEGEND } else { LEGEND };
    option("--font", legend.to_owned());
    for color in look.theme.colors() {
        option("--color", (*color).to_owned());
    }
    if look.form.legend == Legend::None {
        arguments.push("--no-legend".to_owned());
    }
    arguments.push("--slope-mode".to_owned());
    arguments.push("--dynamic-labels".to_owned());
    arguments.push("--disable-rrdtool-tag".to_owned());
    arguments.extend(definition);
    arguments
}
