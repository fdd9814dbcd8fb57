//! How large a picture will be, so that a page can keep its place before it has come.

use site::GraphDefinition;

use super::drawing::{Form, Legend, NARROW};

/// Width and height in pixels of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// What librrd puts beside a canvas for the vertical label and the numbers.
pub const BESIDE: u32 = 88;

/// What it puts above and below one without a legend, for title and times.
const WITHOUT_LEGEND: u32 = 55;

/// What ends a line of a legend.
const LINE_ENDS: [&str; 7] = ["\\l", "\\n", "\\r", "\\c", "\\j", "\\s", "\\u"];

/// The size of the picture of a graph in that form: with the fonts of [`super::drawing`] it follows
/// from the lines of the legend. Where a definition of one's own lays its legend out otherwise, the
/// page moves a little when the picture comes, no more.
#[must_use]
pub fn of(definition: &GraphDefinition, form: Form) -> Size {
    // Behind the legend there may be more, such as a line's dashes.
    let ends_line = |argument: &&String| {
        LINE_ENDS.iter().any(|end| argument.ends_with(end) || argument.contains(&format!("{end}:")))
    };
    let lines = definition.arguments.iter().filter(ends_line).count();
    around(form.width, form.height, (form.legend == Legend::Below).then_some(lines))
}

/// The size of a picture around a canvas of that width and height, with so many lines of a legend, or
/// without one.
#[must_use]
pub fn around(width: u32, height: u32, lines: Option<usize>) -> Size {
    let below = match lines {
        None => WITHOUT_LEGEND,
        Some(lines) => {
            let around = if width < NARROW { 55 } else { 57 };
            around + line(width) * u32::try_from(lines).unwrap_or_default()
        }
    };
    Size { width: width + BESIDE, height: height + below }
}

/// How high a line of the legend is, in pixels.
#[must_use]
pub fn line(width: u32) -> u32 {
    if width < NARROW { 11 } else { 14 }
}
