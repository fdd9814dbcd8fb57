//! From rows to what each column of pixels shows.

use super::super::protocol::Rows;
use super::options::Options;
use super::plan::{Shape, Value};

/// What a shape shows in each column of pixels: from `base` to `top`, NaN where unknown.
#[derive(Debug, PartialEq)]
pub struct Points {
    /// What it lies upon: zero, or the height of those below.
    pub base: Vec<f64>,
    /// Its own height.
    pub top: Vec<f64>,
}

/// The points of each shape.
#[must_use]
pub fn points(options: &Options, shapes: &[Shape], rows: &Rows) -> Vec<Points> {
    let at: Vec<Option<usize>> = rows_at(options, rows);
    // How high what was drawn last is in each column.
    let mut height = vec![0.0; at.len()];
    let mut all = Vec::with_capacity(shapes.len());
    for shape in shapes {
        if !shape.is_stacked {
            height.fill(0.0);
        }
        let base = height.clone();
        let mut top = Vec::with_capacity(at.len());
        for (height, row) in height.iter_mut().zip(&at) {
            let value = match shape.value {
                Value::Constant(value) => Some(value),
                Value::Column(column) => row
                    .and_then(|row| rows.values.get(row * rows.columns + column))
                    .copied()
                    .filter(|value| value.is_finite()),
            };
            // Upon what is unknown lies the next one as if it were not there.
            *height += value.unwrap_or(0.0);
            top.push(if value.is_some() { *height } else { f64::NAN });
        }
        all.push(Points { base, top });
    }
    all
}

/// The value that a column has in all rows.
#[must_use]
pub fn number(rows: &Rows, column: usize) -> f64 {
    rows.values.get(column).copied().unwrap_or(f64::NAN)
}

/// The row that holds at the begin of each column of pixels.
fn rows_at(options: &Options, rows: &Rows) -> Vec<Option<usize>> {
    let step = i64::from(rows.step.max(1));
    let begin = rows.start - step;
    let count = rows.values.len() / rows.columns.max(1);
    let seconds = options.end - options.start;
    (0..i64::from(options.width))
        .map(|column| {
            let time = options.start + seconds * column / i64::from(options.width);
            usize::try_from((time - begin).div_euclid(step)).ok().filter(|row| *row < count)
        })
        .collect()
}

/// The least and the highest of all that is known.
#[must_use]
pub fn extremes(points: &[Points]) -> Option<(f64, f64)> {
    let known = points.iter().flat_map(|points| &points.top).filter(|value| value.is_finite());
    known.fold(None, |found, value| match found {
        None => Some((*value, *value)),
        Some((least, highest)) => Some((value.min(least), value.max(highest))),
    })
}
