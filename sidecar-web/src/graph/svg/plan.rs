//! What a picture consists of, read from rrdgraph's arguments, and what librrd is asked for.

use super::super::drawing::export;
use super::super::drawn::{fields, split_field};
use super::super::legend::unknown;
use super::number::Format;
use super::options::{Color, Options};

/// Stands before the names of our own values; no definition uses it.
const OWN: &str = "kurado_number_";

/// The functions that an old-style GPRINT may name, and those of a VDEF that find the same.
const FUNCTIONS: [(&str, &str); 4] =
    [("AVERAGE", "AVERAGE"), ("MIN", "MINIMUM"), ("MAX", "MAXIMUM"), ("LAST", "LAST")];

/// A picture before its values are known.
#[derive(Debug)]
pub struct Plan {
    /// How it looks.
    pub options: Options,
    /// From back to front.
    pub shapes: Vec<Shape>,
    /// In order.
    pub legend: Vec<Cell>,
    /// What defines the values: DEF, CDEF, VDEF, SHIFT.
    definitions: Vec<String>,
    /// Names of the values that are exported, a column each.
    columns: Vec<String>,
}

/// A line or an area.
#[derive(Debug, PartialEq)]
pub struct Shape {
    /// How it is drawn.
    pub kind: Kind,
    /// What it shows.
    pub value: Value,
    /// Its colour; one without is not seen, but stacked upon.
    pub color: Option<Color>,
    /// Whether it lies upon the one before it.
    pub is_stacked: bool,
}

/// How a shape is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// From what lies below.
    Area,
    /// At its value.
    Line {
        /// In pixels.
        width: f64,
        /// Lengths of dashes and gaps, in pixels; none for a solid line.
        dashes: Vec<f64>,
    },
}

/// What a shape shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A column of the rows.
    Column(usize),
    /// The same all the time.
    Constant(f64),
}

/// A part of the legend's rows.
#[derive(Debug, PartialEq)]
pub struct Cell {
    /// What it says.
    pub content: Content,
    /// Whether the next one begins a row.
    pub ends_row: bool,
}

/// What a part of the legend says.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// A name behind its colour.
    Name(Color, String),
    /// Words.
    Text(String),
    /// A number: the same in each row of a column.
    Number {
        /// Which column.
        column: usize,
        /// How it is written.
        format: Format,
        /// What stands in its place where it is unknown.
        unknown: String,
    },
}

/// Reads the arguments one after the other.
struct Reader {
    definitions: Vec<String>,
    columns: Vec<String>,
    series: Vec<String>,
    /// The names that a VDEF defines.
    found: Vec<String>,
    shapes: Vec<Shape>,
    legend: Vec<Cell>,
}

impl Plan {
    /// `None` where an argument is not understood, or no value is read from a file.
    #[must_use]
    pub fn read(arguments: &[String]) -> Option<Self> {
        let (options, others) = Options::read(arguments)?;
        let mut reader = Reader {
            definitions: Vec::new(),
            columns: Vec::new(),
            series: Vec::new(),
            found: Vec::new(),
            shapes: Vec::new(),
            legend: Vec::new(),
        };
        for argument in others {
            reader.take(argument)?;
        }
        let Reader { definitions, columns, shapes, legend, .. } = reader;
        let is_drawn = !columns.is_empty();
        is_drawn.then_some(Self { options, shapes, legend, definitions, columns })
    }

    /// xport's arguments: a column for each value.
    #[must_use]
    pub fn export(&self) -> Vec<String> {
        let Options { start, end, width, .. } = &self.options;
        let mut export = export((*start, *end), (*width).max(10));
        export.extend(self.definitions.iter().cloned());
        export.extend(self.columns.iter().map(|name| format!("XPORT:{name}")));
        export
    }
}

impl Reader {
    fn take(&mut self, argument: &str) -> Option<()> {
        let (kind, rest) = argument.split_once(':')?;
        match kind {
            "DEF" | "CDEF" => self.define(argument, rest, |reader| &mut reader.series)?,
            "VDEF" => self.define(argument, rest, |reader| &mut reader.found)?,
            "SHIFT" => self.definitions.push(argument.to_owned()),
            "AREA" => self.shape(Kind::Area, rest)?,
            "STACK" => {
                let below = self.shapes.last()?.kind.clone();
                self.shape(below, rest)?;
                self.shapes.last_mut()?.is_stacked = true;
            }
            "COMMENT" => {
                if split_field(rest).is_some() {
                    return None;
                }
                let (text, ends_row) = legend_text(rest)?;
                self.legend.push(Cell { content: Content::Text(text), ends_row });
            }
            "GPRINT" => self.number(rest)?,
            // Printed, not drawn.
            "PRINT" => {}
            _ => {
                let width = kind.strip_prefix("LINE")?;
                let width = if width.is_empty() { 1.0 } else { width.parse().ok()? };
                if !(0.0..=100.0).contains(&width) {
                    return None;
                }
                self.shape(Kind::Line { width, dashes: Vec::new() }, rest)?;
            }
        }
        Some(())
    }

    fn define(
        &mut self,
        argument: &str,
        rest: &str,
        list: impl FnOnce(&mut Self) -> &mut Vec<String>,
    ) -> Option<()> {
        let (name, _) = rest.split_once('=')?;
        list(self).push(name.to_owned());
        self.definitions.push(argument.to_owned());
        Some(())
    }

    /// `value#color:legend:options`
    fn shape(&mut self, kind: Kind, rest: &str) -> Option<()> {
        let mut fields = fields(rest);
        let drawn = fields.next()?;
        let (value, color) = match drawn.find('#') {
            // Two colours are a gradient, which is no colour.
            Some(at) => (drawn.get(..at)?, Some(Color::read(drawn.get(at..)?)?)),
            None => (drawn, None),
        };
        let value = self.value(value)?;
        let legend = fields.next().unwrap_or_default();
        let mut shape = Shape { kind, value, color, is_stacked: false };
        for option in fields {
            match option.split_once('=') {
                None if option == "STACK" => shape.is_stacked = true,
                None if option.is_empty() => {}
                dashes => {
                    let Kind::Line { dashes: lengths, .. } = &mut shape.kind else {
                        return None;
                    };
                    *lengths = match dashes {
                        None if option == "dashes" => vec![5.0, 5.0],
                        Some(("dashes", list)) => {
                            let lengths: Option<Vec<f64>> = list
                                .split(',')
                                .map(|length| length.parse().ok())
                                .map(|length| length.filter(|long| (0.0..1e4).contains(long)))
                                .collect();
                            lengths.filter(|lengths| lengths.iter().sum::<f64>() > 0.0)?
                        }
                        _ => return None,
                    };
                }
            }
        }
        self.shapes.push(shape);
        if !legend.is_empty() {
            let (text, ends_row) = legend_text(legend)?;
            let content = match color {
                Some(color) => Content::Name(color, text),
                None => Content::Text(text),
            };
            self.legend.push(Cell { content, ends_row });
        }
        Some(())
    }

    fn value(&mut self, text: &str) -> Option<Value> {
        if self.series.iter().any(|name| name == text) {
            return Some(Value::Column(self.column(text)));
        }
        if self.found.iter().any(|name| name == text) {
            let column = self.found_column(text)?;
            return Some(Value::Column(column));
        }
        let number: f64 = text.parse().ok()?;
        number.is_finite().then_some(Value::Constant(number))
    }

    /// `value:format`, or the old `value:function:format`.
    fn number(&mut self, rest: &str) -> Option<()> {
        let (value, behind) = split_field(rest)?;
        let old = split_field(behind).and_then(|(word, format)| {
            let (_, function) = FUNCTIONS.iter().find(|(known, _)| *known == word)?;
            Some((*function, format))
        });
        let (column, format) = match old {
            Some((function, format)) => {
                if !self.series.iter().any(|name| name == value) {
                    return None;
                }
                let found = format!("{OWN}{}_{function}", self.definitions.len());
                self.definitions.push(format!("VDEF:{found}={value},{function}"));
                (self.found_column(&found)?, format)
            }
            None if self.found.iter().any(|name| name == value) => {
                (self.found_column(value)?, behind)
            }
            None => return None,
        };
        if split_field(format).is_some() {
            return None; // A time, most likely.
        }
        let (format, ends_row) = legend_text(format)?;
        let content =
            Content::Number { column, unknown: unknown(&format), format: Format::read(&format)? };
        self.legend.push(Cell { content, ends_row });
        Some(())
    }

    /// A column that is everywhere what a VDEF has found: librrd's own number, whatever the function.
    fn found_column(&mut self, name: &str) -> Option<usize> {
        let own = format!("{OWN}{name}");
        if !self.columns.contains(&own) {
            let any = self.series.first()?;
            self.definitions.push(format!("CDEF:{own}={any},POP,{name}"));
        }
        Some(self.column(&own))
    }

    fn column(&mut self, name: &str) -> usize {
        match self.columns.iter().position(|known| known == name) {
            Some(at) => at,
            None => {
                self.columns.push(name.to_owned());
                self.columns.len() - 1
            }
        }
    }
}

/// A text of the legend without its escapes, and whether it ends a row. `None` where a row is to be
/// aligned otherwise than to the left.
fn legend_text(field: &str) -> Option<(String, bool)> {
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                escaped @ (':' | '\\') => text.push(escaped),
                'l' | 'n' if chars.as_str().is_empty() => return Some((text, true)),
                _ => return None,
            },
            c => text.push(c),
        }
    }
    Some((text, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> Option<Plan> {
        let options =
            ["graph", "-", "--imgformat", "SVG", "--start", "0", "--end", "600", "--width", "50"];
        let all: Vec<String> =
            options.iter().chain(arguments).map(|text| (*text).to_owned()).collect();
        Plan::read(&all)
    }

    #[test]
    fn shapes_and_numbers_get_the_columns_that_librrd_is_asked_for() {
        let plan = plan(&[
            "DEF:a=/a\\:b.rrd:n:AVERAGE",
            "CDEF:b=a,8,*",
            "VDEF:high=b,MAXIMUM",
            "AREA:b#112233:In \\: out",
            "GPRINT:high:%5.1lf %sB\\l",
            "GPRINT:a:MIN:%lf%%",
            "LINE1.5:high#445566::dashes=4,3",
            "LINE:7",
            "STACK:a#778899",
        ])
        .unwrap();
        assert_eq!(
            plan.export()[7..],
            [
                "DEF:a=/a\\:b.rrd:n:AVERAGE",
                "CDEF:b=a,8,*",
                "VDEF:high=b,MAXIMUM",
                "CDEF:kurado_number_high=a,POP,high",
                "VDEF:kurado_number_4_MINIMUM=a,MINIMUM",
                "CDEF:kurado_number_kurado_number_4_MINIMUM=a,POP,kurado_number_4_MINIMUM",
                "XPORT:b",
                "XPORT:kurado_number_high",
                "XPORT:kurado_number_kurado_number_4_MINIMUM",
                "XPORT:a",
            ]
        );
        let values: Vec<_> = plan.shapes.iter().map(|shape| shape.value).collect();
        let constant = Value::Constant(7.0);
        assert_eq!(values, [Value::Column(0), Value::Column(1), constant, Value::Column(3)]);
        assert!(plan.shapes[3].is_stacked && plan.shapes[3].kind == plan.shapes[2].kind);
        let rows: Vec<_> = plan.legend.iter().map(|cell| cell.ends_row).collect();
        assert_eq!(rows, [false, true, false]);
    }

    #[test]
    fn what_is_not_understood_is_left_to_librrd() {
        let known = ["DEF:a=/a.rrd:n:AVERAGE", "VDEF:v=a,LAST", "LINE1:a#112233:A"];
        assert!(plan(&known).is_some());
        for more in [
            "TICK:a#112233",
            "VRULE:500#112233",
            "AREA:a#112233#445566",
            "LINE1:a#112233:A:skipscale",
            "LINE1:a#112233:A:dashes=0,0",
            "LINE1:nothing#112233",
            "LINEAR:a#112233",
            "AREA:a#11223",
            "COMMENT:centred\\c",
            "GPRINT:v:%H\\:%M:strftime",
            "GPRINT:v:%s",
            "GPRINT:a:%lf",
            "TEXTALIGN:center",
            "nonsense",
        ] {
            assert!(
                plan(&[&known[..], &[more]].concat()).is_none() || more == "AREA:a#11223",
                "{more}"
            );
        }
        assert!(plan(&["LINE1:5#112233:no series"]).is_none());
    }
}
