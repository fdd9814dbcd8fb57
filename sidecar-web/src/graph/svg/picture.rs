//! The document: canvas, grid, axes, shapes and legend. Attributes alone say how all looks, so that no
//! style sheet is needed; texts have the fonts of who looks at it.

use std::fmt::Write;

use super::super::protocol::{Canvas, Picture, Rows};
use super::super::size;
use super::legend::{self, Row};
use super::options::Options;
use super::path::{self, tenths};
use super::plan::{Kind, Plan};
use super::points::{self, Points};
use super::x_axis::Ticks;
use super::y_axis::YAxis;

const FONT: &str = "DejaVu Sans,Verdana,system-ui,sans-serif";
/// Of the legend, so that its columns stand below each other.
const FIXED_FONT: &str = "DejaVu Sans Mono,ui-monospace,Menlo,Consolas,monospace";

/// How wide a character is, in parts of its font's size: of the usual fonts, about, and of the fixed ones.
const CHARACTER: f64 = 0.6;
const FIXED_CHARACTER: f64 = 0.603;

/// Where the canvas begins, in pixels.
const LEFT: u32 = 60;
const TOP: u32 = 26;

/// From the picture's edge to the legend, in pixels.
const MARGIN: f64 = 14.0;

/// Sizes of fonts, in pixels.
const TITLE: f64 = 12.5;
const LABEL: f64 = 10.5;
const LEGEND: f64 = 11.0;
/// The least that can be read.
const LEAST: f64 = 8.0;

/// Draws a picture with the values that librrd read.
#[must_use]
pub fn draw(plan: &Plan, rows: &Rows, ticks: &Ticks) -> Picture {
    let Options { width, height, zoom, colors, .. } = &plan.options;
    let points = points::points(&plan.options, &plan.shapes, rows);
    let axis = YAxis::new(&plan.options, points::extremes(&points));
    let room = f64::from(*width + size::BESIDE) - 2.0 * MARGIN;
    let longest = (room / (LEAST * FIXED_CHARACTER)) as usize;
    let has_legend = plan.options.has_legend;
    let cells = if has_legend { plan.legend.as_slice() } else { &[] };
    let legend = legend::rows(cells, rows, plan.options.base, longest);
    let lines = has_legend.then_some(legend.len());
    let size = size::around(*width, *height, lines);

    let mut out = Document { text: String::with_capacity(16 << 10) };
    let zoomed = |pixels: u32| (f64::from(pixels) * zoom).round();
    out.push(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" font-family=\"{FONT}\" font-size=\"{LABEL}\" {}>",
        zoomed(size.width),
        zoomed(size.height),
        size.width,
        size.height,
        colors.font.attributes("fill"),
    ));
    out.push(format_args!(
        "<path {} d=\"M0 0h{}v{}H0z\"/>",
        colors.back.attributes("fill"),
        size.width,
        size.height
    ));
    out.titles(&plan.options, f64::from(size.width), f64::from(size.height));
    out.push(format_args!("<g transform=\"translate({LEFT} {TOP})\" fill=\"none\">"));
    for (shape, points) in std::iter::zip(&plan.shapes, &points) {
        let Some(color) = shape.color else { continue };
        match &shape.kind {
            Kind::Area => {
                let data = area(points, &axis);
                if !data.is_empty() {
                    out.push(format_args!("<path {} d=\"{data}\"/>", color.attributes("fill")));
                }
            }
            Kind::Line { width, dashes } => {
                let data = path::line(&tenths_of(&points.top, &axis));
                if !data.is_empty() && *width > 0.0 {
                    let dashes = dash_attribute(dashes);
                    out.push(format_args!(
                        "<path {} stroke-width=\"{width}\" stroke-linejoin=\"round\"{dashes} d=\"{data}\"/>",
                        color.attributes("stroke")
                    ));
                }
            }
        }
    }
    out.grid(&plan.options, &axis, ticks);
    out.push(format_args!("</g>"));
    out.labels(&plan.options, &axis, ticks);
    let line = size::line(*width);
    let below =
        f64::from(TOP + height) + if *width < super::super::drawing::NARROW { 22.0 } else { 24.0 };
    out.legend(&legend, room, below, f64::from(line));
    out.text.push_str("</svg>");
    Picture { image: out.text.into_bytes(), canvas: canvas(&plan.options) }
}

/// Where the values stand. As librrd tells it: more pixels take no more of the page.
fn canvas(options: &Options) -> Canvas {
    Canvas { left: LEFT, top: TOP, width: options.width, height: options.height }
}

fn tenths_of(values: &[f64], axis: &YAxis) -> Vec<Option<i32>> {
    values.iter().map(|value| value.is_finite().then(|| axis.tenths(*value))).collect()
}

fn area(points: &Points, axis: &YAxis) -> String {
    let bases: Vec<i32> = points.base.iter().map(|value| axis.tenths(*value)).collect();
    path::area(&tenths_of(&points.top, axis), &bases)
}

fn dash_attribute(dashes: &[f64]) -> String {
    if dashes.is_empty() {
        return String::new();
    }
    let lengths: Vec<String> = dashes.iter().map(f64::to_string).collect();
    format!(" stroke-dasharray=\"{}\"", lengths.join(" "))
}

/// An SVG in the making.
struct Document {
    text: String,
}

impl Document {
    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(arguments);
    }

    /// The title above the canvas, and the vertical label.
    fn titles(&mut self, options: &Options, width: f64, height: f64) {
        let middle = f64::from(LEFT) + f64::from(options.width) / 2.0;
        let (text, font) = fitting(&options.title, TITLE, 2.0 * (width - middle).min(middle) - 8.0);
        self.push(format_args!(
            "<text x=\"{middle}\" y=\"16\" font-size=\"{font}\" text-anchor=\"middle\">{}</text>",
            escaped(&text)
        ));
        let middle = f64::from(TOP) + f64::from(options.height) / 2.0;
        let (text, font) =
            fitting(&options.vertical_label, LABEL, 2.0 * (height - middle).min(middle) - 4.0);
        self.push(format_args!(
            "<text transform=\"translate(13 {middle})rotate(-90)\" font-size=\"{font}\" text-anchor=\"middle\">{}</text>",
            escaped(&text)
        ));
    }

    /// The grid over the values, which shine through, and the axes.
    fn grid(&mut self, options: &Options, axis: &YAxis, ticks: &Ticks) {
        let Options { width, height, colors, .. } = options;
        // In the middle of a pixel lines are sharp.
        let across = |value: f64| {
            let mut line = "M0 ".to_owned();
            tenths(&mut line, axis.tenths(value) / 10 * 10 + 5);
            let _ = write!(line, "h{width}");
            line
        };
        let upright = |time: &i64| {
            let mut line = "M".to_owned();
            tenths(&mut line, x_of(options, *time) / 10 * 10 + 5);
            let _ = write!(line, " 0v{height}");
            line
        };
        let fine: String = axis
            .fine
            .iter()
            .map(|value| across(*value))
            .chain(ticks.fine.iter().map(upright))
            .collect();
        let main: String = axis
            .labels
            .iter()
            .map(|(value, _)| across(*value))
            .chain(ticks.main.iter().map(upright))
            .collect();
        let bottom = across(axis.low);
        let zero = if axis.low < 0.0 && axis.high > 0.0 { across(0.0) } else { String::new() };
        for (color, data) in
            [(colors.grid, fine), (colors.main_grid, main), (colors.axis, bottom + &zero)]
        {
            if !data.is_empty() {
                self.push(format_args!("<path {} d=\"{data}\"/>", color.attributes("stroke")));
            }
        }
    }

    /// What stands at the axes.
    fn labels(&mut self, options: &Options, axis: &YAxis, ticks: &Ticks) {
        self.push(format_args!("<g text-anchor=\"end\">"));
        for (value, text) in &axis.labels {
            let mut y = String::new();
            // Centred: digits are seven tenths of the font's size high.
            tenths(&mut y, axis.tenths(*value) + i32::try_from(TOP).unwrap_or_default() * 10 + 38);
            self.push(format_args!("<text x=\"{}\" y=\"{y}\">{text}</text>", LEFT - 5));
        }
        self.push(format_args!("</g><g text-anchor=\"middle\">"));
        let y = TOP + options.height + 14;
        for (time, text) in &ticks.labels {
            let mut x = String::new();
            tenths(&mut x, x_of(options, *time) + i32::try_from(LEFT).unwrap_or_default() * 10);
            self.push(format_args!("<text x=\"{x}\" y=\"{y}\">{}</text>", escaped(text)));
        }
        self.push(format_args!("</g>"));
    }

    /// The legend's rows in a font in which the longest has room, `top` pixels below the picture's
    /// upper edge, `line` pixels from row to row.
    fn legend(&mut self, rows: &[Row], room: f64, top: f64, line: f64) {
        let longest = legend::width(rows).max(1) as f64;
        let font = LEGEND.min(line - 1.5).min(room / (longest * FIXED_CHARACTER));
        let font = (font * 10.0).floor() / 10.0;
        let character = font * FIXED_CHARACTER;
        let x = |at: usize| {
            let mut text = String::new();
            tenths(&mut text, ((MARGIN + at as f64 * character) * 10.0).round() as i32);
            text
        };
        self.push(format_args!("<g font-family=\"{FIXED_FONT}\" font-size=\"{font}\">"));
        for (at, row) in rows.iter().enumerate() {
            let y = top + line * at as f64 + line / 2.0;
            for placed in row {
                if let Some(color) = placed.color {
                    let side = (font * 0.8).round();
                    self.push(format_args!(
                        "<rect x=\"{}\" y=\"{}\" width=\"{side}\" height=\"{side}\" rx=\"2\" {}/>",
                        x(placed.at.saturating_sub(2)),
                        (y - side / 2.0).round(),
                        color.attributes("fill")
                    ));
                }
            }
            let y = (y + font * 0.36).round();
            let mut is_first = true;
            for placed in row.iter().filter(|placed| !placed.text.is_empty()) {
                let text = escaped(&placed.text);
                match std::mem::take(&mut is_first) {
                    true => self.push(format_args!(
                        "<text x=\"{}\" y=\"{y}\" xml:space=\"preserve\">{text}",
                        x(placed.at)
                    )),
                    false => {
                        self.push(format_args!("<tspan x=\"{}\">{text}</tspan>", x(placed.at)))
                    }
                }
            }
            if !is_first {
                self.text.push_str("</text>");
            }
        }
        self.text.push_str("</g>");
    }
}

/// Where a time stands, in tenths of a pixel from the canvas' left edge.
fn x_of(options: &Options, time: i64) -> i32 {
    let part = (time - options.start) as f64 / (options.end - options.start) as f64;
    (part * f64::from(options.width) * 10.0).round() as i32
}

/// A text and the size of its font with which it has room; cut where it has none.
fn fitting(text: &str, font: f64, room: f64) -> (String, f64) {
    let count = text.chars().count().max(1) as f64;
    let fitting = (room / (count * CHARACTER)).min(font);
    if fitting >= LEAST {
        return (text.to_owned(), (fitting * 10.0).floor() / 10.0);
    }
    let shown = (room / (LEAST * CHARACTER)).max(2.0) as usize - 1;
    let mut cut: String = text.chars().take(shown).collect();
    cut.push('…');
    (cut, LEAST)
}

/// As text of an XML document has it; what none may have is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
