//! The legend: its parts in rows of columns that stand below each other.

use super::super::protocol::Rows;
use super::options::Color;
use super::plan::{Cell, Content};
use super::points;

/// Between two parts of a row, and for the colour before a name, in characters.
const GAP: usize = 2;

/// A row of the legend.
pub type Row = Vec<Placed>;

/// A part of a row.
#[derive(Debug, PartialEq)]
pub struct Placed {
    /// Where it begins, in characters.
    pub at: usize,
    /// Stands before it.
    pub color: Option<Color>,
    /// As it is written; spaces in front keep numbers of a column right-aligned.
    pub text: String,
}

/// The rows, with the numbers filled in. A row goes on in the next where it would be longer than
/// `longest` characters.
#[must_use]
pub fn rows(cells: &[Cell], values: &Rows, base: f64, longest: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row::new();
    let mut at = 0;
    for Cell { content, ends_row } in cells {
        let (color, text) = match content {
            Content::Name(color, text) => (Some(*color), text.clone()),
            Content::Text(text) => (None, text.clone()),
            Content::Number { column, format, unknown } => {
                let value = points::number(values, *column);
                (None, if value.is_nan() { unknown.clone() } else { format.show(value, base) })
            }
        };
        let width = text.chars().count() + if color.is_some() { GAP } else { 0 };
        if at + width > longest && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
            at = 0;
        }
        let begin = at + if color.is_some() { GAP } else { 0 };
        row.push(Placed { at: begin, color, text: text.trim_end().to_owned() });
        at += width + GAP;
        if *ends_row {
            rows.push(std::mem::take(&mut row));
            at = 0;
        }
    }
    if !row.is_empty() {
        rows.push(row);
    }
    rows
}

/// How long the longest of the rows is, in characters.
#[must_use]
pub fn width(rows: &[Row]) -> usize {
    let ends = rows.iter().flatten().map(|placed| placed.at + placed.text.chars().count());
    ends.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::number;
    use super::*;

    fn text(text: &str, ends_row: bool) -> Cell {
        Cell { content: Content::Text(text.to_owned()), ends_row }
    }

    #[test]
    fn columns_stand_below_each_other_and_an_unknown_number_is_a_dash() {
        let color = Color::read("#112233").unwrap();
        let number = |column, ends_row| Cell {
            content: Content::Number {
                column,
                format: number::Format::read("%7.2lf %sB").unwrap(),
                unknown: "      –".to_owned(),
            },
            ends_row,
        };
        let cells = [
            text("     ", false),
            text("    now", true),
            Cell { content: Content::Name(color, "abc".to_owned()), ends_row: false },
            number(0, true),
            text("     ", false),
            number(1, false),
        ];
        let values = Rows { start: 60, step: 60, columns: 2, values: vec![2048.0, f64::NAN] };
        let rows = rows(&cells, &values, 1024.0, 80);
        let shown: Vec<Vec<(usize, &str)>> = rows
            .iter()
            .map(|row| row.iter().map(|one| (one.at, one.text.as_str())).collect())
            .collect();
        assert_eq!(
            shown,
            [
                vec![(0, ""), (7, "    now")],
                vec![(2, "abc"), (7, "   2.00 kB")],
                vec![(0, ""), (7, "      –")],
            ]
        );
        assert_eq!((rows[1][0].color, width(&rows)), (Some(color), 17));
    }

    #[test]
    fn a_row_without_an_end_goes_on_where_there_is_room() {
        let cells: Vec<Cell> = (0..5).map(|_| text("1234567890", false)).collect();
        let values = Rows { start: 0, step: 60, columns: 0, values: Vec::new() };
        let lengths: Vec<usize> = rows(&cells, &values, 1000.0, 24).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2, 1]);
    }
}
