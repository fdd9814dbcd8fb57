//! The numbers behind a graph: the same values that the picture shows, as rows, and the last, the
//! average and both extremes of each.

use serde::Serialize;

use super::drawing::export;
use super::drawn::{self, Instruction, Series};
use super::previous;
use super::protocol::{Canvas, Rows};
use crate::term::{Previous, Range};

/// Stand before the names of the least and the highest of a series.
const EXTREMES: [(&str, &str); 2] = [("kurado_min_", "MIN"), ("kurado_max_", "MAX")];

/// How many rows may be asked for.
pub const ROWS: std::ops::RangeInclusive<u32> = 10..=12_000;

/// How the numbers of a graph are read, and what they are.
#[derive(Debug)]
pub struct Plan {
    series: Vec<Planned>,
    range: Range,
    base: f64,
}

#[derive(Debug)]
struct Planned {
    series: Series,
    /// Columns of the rows.
    value: usize,
    min: usize,
    max: usize,
    previous: Option<usize>,
}

/// The numbers of a graph.
#[derive(Debug, Serialize)]
pub struct Numbers {
    /// Where the range that was asked for begins, and with it the picture, in seconds since 1970.
    pub from: i64,
    /// Where it ends.
    pub to: i64,
    /// The time of the first row, in seconds since 1970. A row holds for the `step` before it.
    pub start: i64,
    /// From row to row, in seconds.
    pub step: u32,
    /// What a prefix such as `k` stands for: 1000 or 1024.
    pub base: f64,
    /// Where in the picture the values stand, in pixels of the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canvas: Option<Canvas>,
    /// In the order in which they are drawn.
    pub series: Vec<NumbersOfSeries>,
}

/// The numbers of what is drawn in one colour; null where unknown.
#[derive(Debug, Serialize)]
pub struct NumbersOfSeries {
    /// As in the legend.
    pub name: String,
    /// `#rrggbb`, maybe with how far one sees through; empty where it is not drawn.
    pub color: String,
    /// Whether it is drawn upon the one before it.
    pub stacked: bool,
    /// How the legend writes its numbers.
    #[serde(flatten)]
    pub format: super::number_format::NumberFormat,
    /// The last that is known.
    pub last: f64,
    /// Of all that are known.
    pub average: f64,
    /// The least, peaks between rows included.
    pub min: f64,
    /// The highest, peaks between rows included.
    pub max: f64,
    /// One a row.
    pub values: Vec<f64>,
    /// The same some time before, where the graph is compared with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Vec<f64>>,
}

impl Plan {
    /// How to read the numbers that `arguments` draw over `range`, in `rows` rows at most: xport's
    /// arguments, and what makes [`Numbers`] of its rows. `None` where nothing is drawn that has
    /// any.
    #[must_use]
    pub fn new(
        arguments: &[String],
        range: &Range,
        rows: u32,
        compared: Option<Previous>,
    ) -> Option<(Self, Vec<String>)> {
        let series = drawn::series(arguments);
        if series.is_empty() {
            return None;
        }
        let mut export = export((range.start, range.end), rows);
        let defines = |argument: &&String| {
            let read = Instruction::read(argument);
            matches!(read, Instruction::Def { .. } | Instruction::Cdef { .. })
                || matches!(read, Instruction::Vdef { .. })
        };
        export.extend(arguments.iter().filter(defines).cloned());
        if let Some(previous) = compared {
            export.extend(previous::definitions(arguments, range, previous));
        }
        let mut columns = Vec::new();
        let mut column = |name: String| {
            columns.push(name);
            columns.len() - 1
        };
        let mut planned = Vec::with_capacity(series.len());
        for series in series {
            let value = column(series.value.clone());
            let [min, max] = EXTREMES.map(|(prefix, function)| {
                match extreme(arguments, &series.value, prefix, function) {
                    Some((definitions, name)) => {
                        export.extend(definitions);
                        column(name)
                    }
                    None => value,
                }
            });
            let previous = compared.map(|_| column(previous::name_of(&series.value)));
            planned.push(Planned { series, value, min, max, previous });
        }
        // Their names stand in the plan: librrd would have its own way with colons in them.
        export.extend(columns.iter().map(|name| format!("XPORT:{name}")));
        Some((Self { series: planned, range: *range, base: base_of(arguments) }, export))
    }

    /// The rows that librrd returned, by what they are.
    #[must_use]
    pub fn numbers(self, rows: &Rows) -> Numbers {
        let column = |at: usize| -> Vec<f64> {
            rows.values.iter().skip(at).step_by(rows.columns.max(1)).copied().collect()
        };
        let series = self.series.into_iter().map(|planned| {
            let values = column(planned.value);
            let known = || values.iter().copied().filter(|value| value.is_finite());
            let count = known().count();
            NumbersOfSeries {
                last: known().next_back().unwrap_or(f64::NAN),
                average: if count == 0 { f64::NAN } else { known().sum::<f64>() / count as f64 },
                min: column(planned.min).into_iter().fold(f64::NAN, f64::min),
                max: column(planned.max).into_iter().fold(f64::NAN, f64::max),
                previous: planned.previous.map(column),
                values,
                name: planned.series.name,
                color: planned.series.color,
                stacked: planned.series.shape == drawn::Shape::Stack,
                format: planned.series.format,
            }
        });
        Numbers {
            from: self.range.start,
            to: self.range.end,
            start: rows.start,
            step: rows.step,
            base: self.base,
            canvas: None,
            series: series.collect(),
        }
    }
}

impl Numbers {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.series.first().map_or(0, |series| series.values.len())
    }
}

/// What defines the least or the highest of a value, and its name, where an archive tells it: of a
/// series, and of one that is only limited and multiplied, as the legend has it too. Of other
/// calculations no archive does.
fn extreme(
    arguments: &[String],
    value: &str,
    prefix: &str,
    function: &str,
) -> Option<(Vec<String>, String)> {
    let defined = |wanted: &str| {
        arguments.iter().map(|argument| Instruction::read(argument)).find(|instruction| {
            matches!(instruction,
                Instruction::Def { name, .. } | Instruction::Cdef { name, .. } if *name == wanted)
        })
    };
    let of_series = |rest: &str, name: &str| {
        let (file, kept) = rest.rsplit_once(':')?;
        // With a step or another reducer of its own it is left as it is.
        (kept == "AVERAGE").then(|| format!("DEF:{prefix}{name}={file}:{function}"))
    };
    match defined(value)? {
        Instruction::Def { rest, .. } => {
            Some((vec![of_series(rest, value)?], format!("{prefix}{value}")))
        }
        Instruction::Cdef { expression, .. } => {
            let words: Vec<&str> = expression.split(',').collect();
            let number = |word: &&str| word.parse::<f64>().is_ok_and(|number| number >= 0.0);
            let (source, calculation) = words.split_first()?;
            let is_plain = match calculation {
                [factor, "*"] => number(factor),
                [low, high, "LIMIT"] => low.parse::<f64>().is_ok() && high.parse::<f64>().is_ok(),
                [low, high, "LIMIT", factor, "*"] => {
                    low.parse::<f64>().is_ok() && high.parse::<f64>().is_ok() && number(factor)
                }
                _ => false,
            };
            let Instruction::Def { rest, .. } = defined(source).filter(|_| is_plain)? else {
                return None;
            };
            // The series may be used by several values, so each has one of its own.
            let own = format!("{value}_of");
            let definition = of_series(rest, &own)?;
            let expression = calculation.join(",");
            let calculated = format!("CDEF:{prefix}{value}={prefix}{own},{expression}");
            Some((vec![definition, calculated], format!("{prefix}{value}")))
        }
        _ => None,
    }
}

/// What `--base` says, else 1000.
fn base_of(arguments: &[String]) -> f64 {
    let mut words = arguments.iter().skip_while(|word| *word != "--base" && *word != "-b").skip(1);
    words.next().and_then(|base| base.parse().ok()).filter(|base| *base > 1.0).unwrap_or(1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Term;

    fn plan(arguments: &[&str]) -> Option<(Plan, Vec<String>)> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let range = Range { term: Term::Hour, start: 600, end: 1200 };
        Plan::new(&arguments, &range, 400, None)
    }

    #[test]
    fn the_extremes_of_a_series_come_from_its_archives_and_those_of_a_calculation_from_its_rows() {
        let (plan, export) = plan(&[
            "--base",
            "1024",
            "DEF:a=/a:n:AVERAGE",
            "DEF:b=/b:n:AVERAGE",
            "CDEF:c=a,0,10,LIMIT,8,*",
            "CDEF:d=100,a,-",
            "AREA:a#111111:A",
            "AREA:c#222222:C",
            "LINE1:d#333333:D",
        ])
        .unwrap();
        assert_eq!(
            export[7..],
            [
                "DEF:a=/a:n:AVERAGE",
                "DEF:b=/b:n:AVERAGE",
                "CDEF:c=a,0,10,LIMIT,8,*",
                "CDEF:d=100,a,-",
                "DEF:kurado_min_a=/a:n:MIN",
                "DEF:kurado_max_a=/a:n:MAX",
                "DEF:kurado_min_c_of=/a:n:MIN",
                "CDEF:kurado_min_c=kurado_min_c_of,0,10,LIMIT,8,*",
                "DEF:kurado_max_c_of=/a:n:MAX",
                "CDEF:kurado_max_c=kurado_max_c_of,0,10,LIMIT,8,*",
                "XPORT:a",
                "XPORT:kurado_min_a",
                "XPORT:kurado_max_a",
                "XPORT:c",
                "XPORT:kurado_min_c",
                "XPORT:kurado_max_c",
                "XPORT:d",
            ]
        );
        let nan = f64::NAN;
        let rows = Rows {
            start: 660,
            step: 60,
            columns: 7,
            values: vec![
                1.0, 0.5, 9.0, 8.0, 4.0, 72.0, 99.0, // the first row
                3.0, 2.0, 3.5, 24.0, 16.0, 28.0, 97.0, // the second
                nan, nan, nan, nan, nan, nan, nan,
            ],
        };
        let numbers = plan.numbers(&rows);
        assert_eq!((numbers.rows(), numbers.base), (3, 1024.0));
        let of = |at: usize| {
            let series = &numbers.series[at];
            (series.last, series.average, series.min, series.max)
        };
        assert_eq!(of(0), (3.0, 2.0, 0.5, 9.0));
        assert_eq!(of(1), (24.0, 16.0, 4.0, 72.0));
        assert_eq!(of(2), (97.0, 98.0, 97.0, 99.0));
    }

    #[test]
    fn what_draws_no_series_has_no_numbers() {
        assert!(plan(&["COMMENT:nothing", "LINE1:5#ff0000:five"]).is_none());
    }

    #[test]
    fn unknown_numbers_are_null() {
        let (plan, _) = plan(&["DEF:a=/a:n:LAST", "LINE1:a#111111:A"]).unwrap();
        let rows = Rows { start: 660, step: 60, columns: 1, values: vec![f64::NAN] };
        let text = serde_json::to_string(&plan.numbers(&rows)).unwrap();
        assert!(text.contains(r#""max":null,"values":[null]"#), "{text}");
    }
}
