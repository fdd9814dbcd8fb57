//! What a graph draws, read from rrdgraph's arguments: which values, under which names, in which
//! colours. Definitions come from users' programs too, so whatever rrdgraph takes is read here; what
//! is not understood is left out, and left to librrd.

use std::collections::BTreeMap;

use super::number_format::NumberFormat;

/// A value that a graph draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The DEF or CDEF that it is.
    pub value: String,
    /// As the legend has it; else the value's own name.
    pub name: String,
    /// `#rrggbb`, maybe with two digits more for how far one sees through; empty where it is not drawn.
    pub color: String,
    /// How it is drawn.
    pub shape: Shape,
    /// How the legend writes its numbers; where it has none, as it writes those of the others.
    pub format: NumberFormat,
}

/// How a value is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line.
    Line,
    /// An area from the axis.
    Area,
    /// Upon what was drawn before it.
    Stack,
}

/// An argument of rrdgraph, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub enum Instruction<'a> {
    /// `DEF:name=file:data source:function…`
    Def { name: &'a str, rest: &'a str },
    /// `CDEF:name=expression`
    Cdef { name: &'a str, expression: &'a str },
    /// `VDEF:name=expression`
    Vdef { name: &'a str, expression: &'a str },
    /// `LINE…`, `AREA`, `STACK`
    Element { shape: Shape, value: &'a str, color: &'a str, legend: String },
    /// `GPRINT:value:format`
    Print { format: &'a str },
    /// An option, its value, a comment and so on.
    Other,
}

impl<'a> Instruction<'a> {
    /// Reads one argument.
    #[must_use]
    pub fn read(argument: &'a str) -> Self {
        Self::understood(argument).unwrap_or(Self::Other)
    }

    fn understood(argument: &'a str) -> Option<Self> {
        let (kind, rest) = argument.split_once(':')?;
        let definition = || rest.split_once('=');
        match kind {
            "DEF" => definition().map(|(name, rest)| Self::Def { name, rest }),
            "CDEF" => definition().map(|(name, expression)| Self::Cdef { name, expression }),
            "VDEF" => definition().map(|(name, expression)| Self::Vdef { name, expression }),
            "GPRINT" => fields(rest).last().map(|format| Self::Print { format }),
            "AREA" => Self::element(Shape::Area, rest),
            "STACK" => Self::element(Shape::Stack, rest),
            _ => {
                let width = kind.strip_prefix("LINE")?;
                let is_width = width.chars().all(|c| c.is_ascii_digit() || c == '.');
                is_width.then(|| Self::element(Shape::Line, rest))?
            }
        }
    }

    fn element(shape: Shape, rest: &'a str) -> Option<Self> {
        let mut fields = fields(rest);
        let drawn = fields.next()?;
        let (value, color) = match drawn.find('#') {
            Some(at) => drawn.split_at(at),
            None => (drawn, ""),
        };
        // Of a gradient the first colour.
        let color = match color.get(1..).and_then(|rest| rest.find('#')) {
            Some(second) => color.get(..=second).unwrap_or(color),
            None => color,
        };
        let legend = fields.next().map(legend_text).unwrap_or_default();
        let stacked = fields.any(|option| option == "STACK");
        let shape = if stacked { Shape::Stack } else { shape };
        Some(Self::Element { shape, value, color, legend })
    }
}

/// The values that these arguments draw, each once, in their order. Constants and what a VDEF has
/// found are none: they are no series.
#[must_use]
pub fn series(arguments: &[String]) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    let mut known = Vec::new();
    // Whose numbers stand in the legend next.
    let mut latest = None;
    let mut formats = BTreeMap::new();
    for argument in arguments {
        match Instruction::read(argument) {
            Instruction::Def { name, .. } | Instruction::Cdef { name, .. } => known.push(name),
            Instruction::Element { shape, value, color, legend } => {
                let seen = series.iter().any(|series| series.value == value);
                // An area's edge has no legend of its own.
                if !known.contains(&value) || (legend.is_empty() && seen) {
                    continue;
                }
                latest = Some(series.len());
                series.push(Series {
                    value: value.to_owned(),
                    name: if legend.is_empty() { value.to_owned() } else { legend },
                    color: color.to_owned(),
                    shape,
                    format: NumberFormat::default(),
                });
            }
            Instruction::Print { format } => {
                if let Some(at) = latest.take() {
                    formats.insert(at, NumberFormat::read(format));
                }
            }
            Instruction::Vdef { .. } | Instruction::Other => {}
        }
    }
    for (at, series) in series.iter_mut().enumerate() {
        let format = formats.get(&at).or_else(|| formats.values().next());
        series.format = format.cloned().unwrap_or_default();
    }
    series
}

/// The fields of an argument.
pub fn fields(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (field, behind) = match split_field(text) {
            Some((field, behind)) => (field, Some(behind)),
            None => (text, None),
        };
        rest = behind;
        Some(field)
    })
}

/// Splits at the first colon that has no backslash before it.
pub fn split_field(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let at = text.find(|c| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// A legend without its escapes, its alignment and the spaces that make columns.
fn legend_text(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(escaped @ (':' | '\\'))) => {
                text.push(escaped);
                chars.next();
            }
            // `\l` and the like: how the row is aligned.
            ('\\', _) => {
                chars.next();
            }
            (c, _) => text.push(c),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Vec<(String, String, String, Shape)> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let found = series(&arguments);
        found.into_iter().map(|one| (one.value, one.name, one.color, one.shape)).collect()
    }

    fn row(value: &str, name: &str, color: &str, shape: Shape) -> (String, String, String, Shape) {
        (value.to_owned(), name.to_owned(), color.to_owned(), shape)
    }

    #[test]
    fn lines_areas_and_stacks_are_found_with_the_names_of_the_legend() {
        assert_eq!(
            read(&[
                "--base",
                "1024",
                r"DEF:a=/data/2001\:db8\:\:1/x.rrd:n:AVERAGE",
                "DEF:b=/data/b.rrd:n:AVERAGE",
                "CDEF:c=a,b,+",
                r"COMMENT:  none\l",
                r"AREA:a#4C8FDBA0:Used \: here  ",
                "GPRINT:x:%7.2lf",
                "LINE1:a#4C8FDB",
                r"AREA:b#00FF00#112233:Free\l:STACK",
                "LINE1.5:c#0000FF::dashes=4,3",
                "STACK:b#ff0000:Old",
            ]),
            [
                row("a", "Used : here", "#4C8FDBA0", Shape::Area),
                row("b", "Free", "#00FF00", Shape::Stack),
                row("c", "c", "#0000FF", Shape::Line),
                row("b", "Old", "#ff0000", Shape::Stack),
            ]
        );
    }

    #[test]
    fn constants_and_what_a_vdef_found_are_no_series() {
        assert_eq!(
            read(&[
                "DEF:a=/data/a.rrd:n:AVERAGE",
                "VDEF:peak=a,MAXIMUM",
                "LINE1:100#ff0000:limit",
                "LINE1:peak#ff0000:peak",
                "HRULE:5#ff0000:rule",
                "LINEAR:a#ff0000:no such thing",
                "AREA",
                "",
            ]),
            []
        );
    }

    #[test]
    fn numbers_are_written_as_the_legend_writes_them() {
        let arguments = [
            "DEF:a=/a:n:AVERAGE",
            "DEF:b=/b:n:AVERAGE",
            "AREA:a#ffffff:A",
            "GPRINT:m:%7.2lf %sB/s  ",
            r"GPRINT:m:%5.0lf\: other",
            "LINE:b#ffffff:B",
            "GPRINT:b:MAX:%3.1lf%%",
        ]
        .map(str::to_owned);
        let formats: Vec<_> = series(&arguments).into_iter().map(|one| one.format).collect();
        assert_eq!(formats[0].show(2048.0, 1024.0), "2.00 kB/s");
        assert_eq!(formats[1].show(12.34, 1000.0), "12.3%");
    }
}
