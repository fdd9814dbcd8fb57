//! From what a definition says of a graph to rrdgraph's arguments: series, values, colours, and a
//! legend in columns.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::Condition;
use super::expression::Expression;
use super::template::{Scope, Template};
use crate::graph::{GraphDefinition, escape};

/// A graph of a definition, checked.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    /// May have a loop's variable as its one place to fill in.
    pub name: Template,
    /// When it is shown.
    pub when: Option<Condition>,
    /// The vertical label.
    pub label: Template,
    pub unit: Unit,
    /// A fixed vertical axis.
    pub range: Option<(f64, f64)>,
    pub columns: Vec<Column>,
    /// Values with names, each behind those that it uses.
    pub data: Vec<(String, Expression)>,
    pub draw: Vec<Element>,
    /// Arguments for rrdgraph as they are.
    pub rrdgraph: Vec<Template>,
}

/// Something drawn, with its row in the legend.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub shape: Shape,
    pub value: Expression,
    /// A value outside is unknown: what a restart does to a rate.
    pub limit: Option<(f64, f64)>,
    pub times: Option<f64>,
    /// Its name in the legend; no row where empty.
    pub name: Template,
    /// `#rrggbb` or `#rrggbbaa`.
    pub color: String,
    pub unit: Option<Unit>,
    /// Whether the legend has its numbers: of a forecast nobody wants the average.
    pub numbers: bool,
}

/// How a value is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    Area,
    /// An area upon the one before it.
    Stack,
    Line {
        width: f64,
        dashes: Dashes,
    },
    /// Only its row in the legend.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dashes {
    Solid,
    Dashed,
}

/// What kind of number a graph shows: how axis and legend write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Unit {
    /// `1.20 k`: prefixes of 1000.
    #[default]
    #[serde(rename = "count")]
    Count,
    /// `1.20`: never a prefix; for loads and ratios, where `200 m` would puzzle.
    #[serde(rename = "plain")]
    Plain,
    #[serde(rename = "percent")]
    Percent,
    /// `1.20 kB`: prefixes of 1024.
    #[serde(rename = "bytes")]
    Bytes,
    #[serde(rename = "bytes/s")]
    BytesPerSecond,
    #[serde(rename = "bits/s")]
    BitsPerSecond,
}

impl Unit {
    /// Of a number in the legend, as printf's; the number itself takes [`NUMBER_WIDTH`].
    fn format(self) -> &'static str {
        match self {
            Self::Count => "%7.2lf %s",
            Self::Plain => "%7.2lf",
            Self::Percent => "%7.2lf%%",
            Self::Bytes => "%7.2lf %sB",
            Self::BytesPerSecond => "%7.2lf %sB/s",
            Self::BitsPerSecond => "%7.2lf %sbps",
        }
    }

    /// How wide [`Self::format`] prints, in characters.
    fn width(self) -> usize {
        NUMBER_WIDTH
            + match self {
                Self::Count => 2,
                Self::Plain => 0,
                Self::Percent => 1,
                Self::Bytes => 3,
                Self::BytesPerSecond | Self::BitsPerSecond => 5,
            }
    }

    /// Of the axis.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Count | Self::BitsPerSecond => &[],
            Self::Plain | Self::Percent => &["--units-exponent", "0"],
            Self::Bytes | Self::BytesPerSecond => &["--base", "1024"],
        }
    }
}

/// The length of a colour that nothing shows through: `#rrggbb`.
const OPAQUE: usize = 7;

const NUMBER_WIDTH: usize = 7;
/// As wide as the coloured box that rrdgraph puts before a name.
const BOX: &str = "  ";
/// rrdgraph's own: the row ends, flush left.
const END_OF_ROW: &str = "\\l";

/// A column of the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Column {
    Now,
    Min,
    Avg,
    Max,
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Min => "min",
            Self::Avg => "avg",
            Self::Max => "max",
        }
    }

    /// rrdgraph's function over what is drawn. LAST is the last value that is known.
    fn function(self) -> &'static str {
        match self {
            Self::Now => "LAST",
            Self::Min => "MINIMUM",
            Self::Avg => "AVERAGE",
            Self::Max => "MAXIMUM",
        }
    }

    /// Which of the file's archives tells it: over weeks a peak is only in the archive of peaks.
    fn consolidation(self) -> &'static str {
        match self {
            Self::Now | Self::Avg => "AVERAGE",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }
}

/// Colours by name. All are of middle brightness, to stand out on white and on black.
pub(crate) const PALETTE: [(&str, &str); 10] = [
    ("blue", "#4289D9"),
    ("orange", "#C97117"),
    ("green", "#4E9551"),
    ("purple", "#9573C9"),
    ("teal", "#2C9590"),
    ("red", "#D95B5B"),
    ("amber", "#A4811F"),
    ("pink", "#CD629D"),
    ("brown", "#A47D5F"),
    ("grey", "#7B8695"),
];

/// Of areas: the grid shows through them.
const AREA_ALPHA: &str = "A0";
/// Of areas that lie on each other, which have no edges.
const STACK_ALPHA: &str = "E0";

impl Graph {
    /// The graph's arguments, with the places in them filled in.
    pub(crate) fn definition(&self, scope: &Scope<'_>) -> GraphDefinition {
        let mut drawing =
            Drawing { scope, arguments: Vec::new(), series: BTreeMap::new(), values: 0 };
        drawing.options(self);
        for (name, value) in &self.data {
            let expression = drawing.expression(value, "AVERAGE");
            let kind = if value.is_summary() { "VDEF" } else { "CDEF" };
            drawing.arguments.push(format!("{kind}:{name}={expression}"));
        }
        drawing.elements(self);
        drawing.arguments.extend(self.rrdgraph.iter().map(|argument| argument.fill(scope)));
        GraphDefinition { vertical_label: self.label.fill(scope), arguments: drawing.arguments }
    }
}

impl Element {
    /// The colour of what an area fills.
    fn fill(&self, is_stacked_on: bool) -> String {
        let color = &self.color;
        match self.shape {
            _ if color.len() > OPAQUE => color.clone(),
            Shape::Area if !is_stacked_on => format!("{color}{AREA_ALPHA}"),
            _ => format!("{color}{STACK_ALPHA}"),
        }
    }

    /// Its colour, without what lets others show through.
    fn opaque_color(&self) -> &str {
        self.color.get(..OPAQUE).unwrap_or(&self.color)
    }
}

/// Arguments in the making.
struct Drawing<'a> {
    scope: &'a Scope<'a>,
    arguments: Vec<String>,
    /// The names of the DEFs so far, by key and consolidation function.
    series: BTreeMap<(String, &'static str), String>,
    /// How many values got a name so far.
    values: usize,
}

impl Drawing<'_> {
    fn options(&mut self, graph: &Graph) {
        let options = graph.unit.options().iter();
        self.arguments.extend(options.map(|&option| option.to_owned()));
        if let Some((low, high)) = graph.range {
            self.arguments.extend(
                ["--lower-limit", &low.to_string(), "--upper-limit", &high.to_string(), "--rigid"]
                    .map(str::to_owned),
            );
        }
    }

    /// The text of an expression, after the DEFs that it needs.
    fn expression(&mut self, expression: &Expression, consolidation: &'static str) -> String {
        let Self { scope, arguments, series, .. } = self;
        expression.fill(scope, |key| {
            let count = series.len();
            series
                .entry((key, consolidation))
                .or_insert_with_key(|(key, _)| {
                    let name = format!("_s{count}");
                    let placeholder =
                        if key.starts_with("<%") { key.clone() } else { format!("<%RRD {key} %>") };
                    arguments.push(format!("DEF:{name}={placeholder}:n:{consolidation}"));
                    name
                })
                .clone()
        })
    }

    /// The name of an element's value, after what defines it.
    fn value(&mut self, element: &Element, consolidation: &'static str) -> String {
        let mut text = self.expression(&element.value, consolidation);
        let is_name = element.value.lone_key().is_some() || element.value.lone_data().is_some();
        if is_name && element.limit.is_none() && element.times.is_none() {
            return text;
        }
        if let Some((low, high)) = element.limit {
            text.push_str(&format!(",{low},{high},LIMIT"));
        }
        if let Some(factor) = element.times {
            text.push_str(&format!(",{factor},*"));
        }
        let name = format!("_v{}", self.values);
        self.values += 1;
        self.arguments.push(format!("CDEF:{name}={text}"));
        name
    }

    fn elements(&mut self, graph: &Graph) {
        let names: Vec<String> =
            graph.draw.iter().map(|element| element.name.fill(self.scope)).collect();
        let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let unit = |element: &Element| element.unit.unwrap_or(graph.unit);
        let number_width =
            graph.draw.iter().map(|element| unit(element).width()).max().unwrap_or(0);
        let has_numbers =
            |element: &Element| element.numbers && element.value.lone_number().is_none();

        // Values first: rrdgraph wants them defined, and a heading stands before the first row.
        let values: Vec<String> = graph
            .draw
            .iter()
            .map(|element| match element.value.lone_number() {
                Some(number) => number.to_owned(),
                None => self.value(element, "AVERAGE"),
            })
            .collect();
        let has_rows = graph
            .draw
            .iter()
            .zip(&names)
            .any(|(element, name)| !name.is_empty() && has_numbers(element));
        if has_rows {
            self.heading(&graph.columns, name_width, number_width);
        }
        let following = graph.draw.iter().skip(1).map(Some).chain([None]);
        for (((element, name), value), next) in
            graph.draw.iter().zip(&names).zip(&values).zip(following)
        {
            let mut legend = escape(&format!("{name:<name_width$}"));
            if name.is_empty() {
                legend.clear();
            } else if !has_numbers(element) {
                legend.push_str(END_OF_ROW);
            }
            let is_stacked_on = next.is_some_and(|next| next.shape == Shape::Stack);
            self.shape(element, value, &legend, is_stacked_on);
            if !name.is_empty() && has_numbers(element) {
                self.numbers(element, value, unit(element), &graph.columns, number_width);
            }
        }
    }

    fn heading(&mut self, columns: &[Column], name_width: usize, number_width: usize) {
        self.arguments.push(format!("COMMENT:{BOX}{:name_width$}", ""));
        for column in columns {
            let heading = format!("{:>NUMBER_WIDTH$}", column.heading());
            self.arguments.push(format!("COMMENT:{heading:<number_width$}"));
        }
        self.end_row();
    }

    fn shape(&mut self, element: &Element, value: &str, legend: &str, is_stacked_on: bool) {
        let color = &element.color;
        let fill = element.fill(is_stacked_on);
        self.arguments.push(match element.shape {
            Shape::Area => format!("AREA:{value}{fill}:{legend}"),
            Shape::Stack => format!("AREA:{value}{fill}:{legend}:STACK"),
            Shape::Line { width, dashes: Dashes::Solid } => {
                format!("LINE{width}:{value}{color}:{legend}")
            }
            Shape::Line { width, dashes: Dashes::Dashed } => {
                format!("LINE{width}:{value}{color}:{legend}:dashes=4,3")
            }
            Shape::Text => format!("COMMENT:{BOX}{legend}"),
        });
        if element.shape == Shape::Area && !is_stacked_on {
            // An edge, as the area itself is pale.
            self.arguments.push(format!("LINE1:{value}{}", element.opaque_color()));
        }
    }

    fn numbers(
        &mut self,
        element: &Element,
        value: &str,
        unit: Unit,
        columns: &[Column],
        number_width: usize,
    ) {
        let padding = " ".repeat(number_width - unit.width());
        for column in columns {
            // The archive of peaks tells the peak of a series, but not that of a calculation.
            let of = match element.value.lone_key() {
                Some(_) if column.consolidation() != "AVERAGE" => {
                    self.value(element, column.consolidation())
                }
                _ => value.to_owned(),
            };
            let name = format!("_n{}", self.values);
            self.values += 1;
            self.arguments.push(format!("VDEF:{name}={of},{}", column.function()));
            self.arguments.push(format!("GPRINT:{name}:{}{padding}", unit.format()));
        }
        self.end_row();
    }

    fn end_row(&mut self) {
        if let Some(last) = self.arguments.last_mut() {
            last.push_str(END_OF_ROW);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::definition::{BUILTIN, file};

    /// What WCAG 2 asks of what must be seen in a graphic.
    const CONTRAST: f64 = 3.0;

    /// What is left free is pale on purpose, so that what is taken stands out; plugin, graph and name.
    const PALE: [(&str, &str, &str); 5] = [
        ("base", "cpu", "Idle"),
        ("base", "memory-usage", "avail real"),
        ("http", "worker", "Idle"),
        ("opcache", "strings", "Free"),
        ("opcache", "memory", "Free"),
    ];

    type Rgb = [f64; 3];

    /// Red, green and blue, and what the color covers, each from 0 to 1.
    fn read(color: &str) -> (Rgb, f64) {
        let part = |at: usize| {
            color
                .get(at..at + 2)
                .map(|digits| f64::from(u8::from_str_radix(digits, 16).unwrap()) / 255.0)
        };
        ([1, 3, 5].map(|at| part(at).unwrap()), part(7).unwrap_or(1.0))
    }

    fn over(color: &str, background: Rgb) -> Rgb {
        let (rgb, alpha) = read(color);
        std::array::from_fn(|at| alpha * rgb[at] + (1.0 - alpha) * background[at])
    }

    fn contrast(one: Rgb, other: Rgb) -> f64 {
        let luminance = |rgb: Rgb| {
            let [red, green, blue] = rgb.map(|part| {
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
        };
        let (one, other) = (luminance(one), luminance(other));
        one.max(other) / one.min(other)
    }

    /// What the web draws on: in light and in dark.
    fn backgrounds() -> [Rgb; 2] {
        let themes = include_str!("../../../sidecar-web/src/graph/theme.rs");
        let found = themes.split("\"CANVAS").skip(1).map(|rest| read(&rest[..OPAQUE]).0);
        let found: Vec<Rgb> = found.collect();
        found.try_into().unwrap()
    }

    #[test]
    fn what_the_built_in_definitions_draw_stands_out_in_light_and_in_dark() {
        let mut pale = PALE.to_vec();
        for (plugin, source) in BUILTIN {
            let definition = file::parse(Path::new("x.toml"), source).unwrap();
            for graph in &definition.graphs {
                let following = graph.draw.iter().skip(1).map(Some).chain([None]);
                for (element, next) in graph.draw.iter().zip(following) {
                    let is_stacked_on = next.is_some_and(|next| next.shape == Shape::Stack);
                    let color = match element.shape {
                        Shape::Text => continue,
                        // An area has its edge, and a stack what it fills alone.
                        Shape::Stack => element.fill(is_stacked_on),
                        Shape::Area if is_stacked_on => element.fill(true),
                        Shape::Area => element.opaque_color().to_owned(),
                        Shape::Line { .. } => element.color.clone(),
                    };
                    let (name, label) =
                        (format!("{:?}", element.name), format!("{:?}", graph.name));
                    let is_this = |(of, graph, free): &(&str, &str, &str)| {
                        of == plugin && label.contains(graph) && name.contains(free)
                    };
                    if let Some(at) = pale.iter().position(is_this) {
                        pale.remove(at);
                        continue;
                    }
                    for background in backgrounds() {
                        let found = contrast(over(&color, background), background);
                        assert!(
                            found >= CONTRAST,
                            "{plugin}, {label}, {name}: {color} has {found:.2} on {background:?}"
                        );
                    }
                }
            }
        }
        assert!(pale.is_empty(), "not there any more: {pale:?}");
    }
}
