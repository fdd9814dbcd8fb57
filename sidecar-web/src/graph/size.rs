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
const BESIDE: u32 = 88;

/// What it puts above and below one without a legend, for title and times.
const WITHOUT_LEGEND: u32 = 55;

/// What ends a line of a legend.
const LINE_ENDS: [&str; 7] = ["\\l", "\\n", "\\r", "\\c", "\\j", "\\s", "\\u"];

/// The size of the picture of a graph in that form: with the fonts of [`super::drawing`] it follows
/// from the lines of the legend. Where a definition of one's own lays its legend out otherwise, the
/// page moves a little when the picture comes, no more.
#[must_use]
pub fn of(definition: &GraphDefinition, form: Form) -> Size {
    let is_narrow = form.width < NARROW;
    if form.legend == Legend::None {
        return Size { width: form.width + BESIDE, height: form.height + WITHOUT_LEGEND };
    }
    let (around, line) = if is_narrow { (55, 11) } else { (57, 14) };
    // Behind the legend there may be more, such as a line's dashes.
    let ends_line = |argument: &&String| {
        LINE_ENDS.iter().any(|end| argument.ends_with(end) || argument.contains(&format!("{end}:")))
    };
    let lines = definition.arguments.iter().filter(ends_line).count();
    Size {
        width: form.width + BESIDE,
        height: form.height + around + line * u32::try_from(lines).unwrap_or_default(),
    }
}
