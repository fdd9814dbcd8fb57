//! The data of an SVG path, short: relative, in tenths of a pixel, equal columns as one line.

use std::fmt::Write;

/// One stretch of columns without a gap.
#[derive(Debug, PartialEq)]
struct Stretch {
    /// Its first column.
    first: usize,
    /// The height in each, in tenths from the top.
    heights: Vec<i32>,
}

/// A line through the middle of what is known. The columns of one value are flat, and from one to the
/// next it goes straight, as librrd's slopes do.
#[must_use]
pub fn line(heights: &[Option<i32>]) -> String {
    let mut out = Path::default();
    for stretch in stretches(heights) {
        out.move_to(stretch.first, stretch.heights.first().copied().unwrap_or_default());
        let flat = out.walk(&stretch.heights, 1, 0);
        out.right(flat + 1);
    }
    out.text
}

/// The area between two heights; where they are the same all along a stretch, nothing.
#[must_use]
pub fn area(tops: &[Option<i32>], bases: &[i32]) -> String {
    let mut out = Path::default();
    for Stretch { first, heights } in stretches(tops) {
        let last = first + heights.len();
        let Some(below) = bases.get(first..last) else {
            continue;
        };
        if heights == below {
            continue;
        }
        out.move_to(first, heights.first().copied().unwrap_or_default());
        let flat = out.walk(&heights, 1, 0);
        out.right(flat + 1);
        let below: Vec<i32> = below.iter().rev().copied().collect();
        out.down_to(below.first().copied().unwrap_or_default());
        let flat = out.walk(&below, -1, -1);
        out.right(flat);
        out.text.push('z');
    }
    out.text
}

fn stretches(heights: &[Option<i32>]) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut is_open = false;
    for (column, height) in heights.iter().enumerate() {
        match (height, found.last_mut()) {
            (Some(height), Some(stretch)) if is_open => stretch.heights.push(*height),
            (Some(height), _) => found.push(Stretch { first: column, heights: vec![*height] }),
            (None, _) => {}
        }
        is_open = height.is_some();
    }
    found
}

/// A path in the making.
#[derive(Default)]
struct Path {
    text: String,
    /// What the numbers at the end belong to; more of the same need no letter.
    command: char,
}

impl Path {
    fn move_to(&mut self, column: usize, height: i32) {
        self.command = 'M';
        let _ = write!(self.text, "M{column}");
        self.number(height);
    }

    /// Through the heights of columns beside each other, to the right or, `by` -1, to the left. `flat`
    /// columns are still to be gone straight; returns how many are at the end.
    #[must_use]
    fn walk(&mut self, heights: &[i32], by: i64, mut flat: i64) -> i64 {
        for pair in heights.windows(2) {
            let &[from, to] = pair else { continue };
            if from == to {
                flat += by;
                continue;
            }
            self.right(flat);
            flat = 0;
            self.command('l');
            let _ = write!(self.text, "{by}");
            self.number(to - from);
        }
        flat
    }

    fn right(&mut self, columns: i64) {
        if columns == 0 {
            return;
        }
        self.command('h');
        let _ = write!(self.text, "{columns}");
    }

    fn down_to(&mut self, height: i32) {
        self.command = 'V';
        self.text.push('V');
        tenths(&mut self.text, height);
    }

    fn command(&mut self, command: char) {
        if self.command != command {
            self.text.push(command);
            self.command = command;
        } else {
            self.text.push(' ');
        }
    }

    /// Behind another number.
    fn number(&mut self, value: i32) {
        if value >= 0 {
            self.text.push(' ');
        }
        tenths(&mut self.text, value);
    }
}

/// A number of tenths, as short as it is written.
pub fn tenths(out: &mut String, value: i32) {
    let (whole, tenth) = (value.unsigned_abs() / 10, value.unsigned_abs() % 10);
    if value < 0 {
        out.push('-');
    }
    let _ = match (whole, tenth) {
        (whole, 0) => write!(out, "{whole}"),
        (0, tenth) => write!(out, ".{tenth}"),
        (whole, tenth) => write!(out, "{whole}.{tenth}"),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The corners of a path, in columns and tenths, each stretch by itself.
    fn corners(path: &str) -> Vec<Vec<(i64, i64)>> {
        let mut found: Vec<Vec<(i64, i64)>> = Vec::new();
        let mut at = (0, 0);
        let mut rest = path;
        while let Some(command) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (numbers, behind) = rest.split_at(end);
            rest = behind;
            let numbers = numbers.replace('-', " -");
            let numbers: Vec<f64> =
                numbers.split_whitespace().map(|n| n.parse().unwrap()).collect();
            let tenths = |number: f64| (number * 10.0).round() as i64;
            match command {
                'M' => {
                    at = (numbers[0] as i64, tenths(numbers[1]));
                    found.push(vec![at]);
                }
                'h' => {
                    for number in numbers {
                        at.0 += number as i64;
                        found.last_mut().unwrap().push(at);
                    }
                }
                'V' => {
                    at.1 = tenths(numbers[0]);
                    found.last_mut().unwrap().push(at);
                }
                'l' => {
                    for pair in numbers.chunks(2) {
                        at = (at.0 + pair[0] as i64, at.1 + tenths(pair[1]));
                        found.last_mut().unwrap().push(at);
                    }
                }
                'z' => {}
                other => panic!("{other} in {path}"),
            }
        }
        found
    }

    /// The height of a line at each column.
    fn heights(path: &str, count: usize) -> Vec<Option<i32>> {
        let mut found = vec![None; count];
        for stretch in corners(path) {
            for pair in stretch.windows(2) {
                let ((from, high), (to, low)) = (pair[0], pair[1]);
                for column in from..to {
                    found[column as usize] = Some(high as i32);
                }
                assert!(high == low || to - from == 1, "a slope is one column wide: {path}");
            }
        }
        found
    }

    proptest! {
        #[test]
        fn a_line_has_each_columns_height_and_gaps_stay_gaps(
            columns in prop::collection::vec(prop::option::of(prop_oneof![0..1000, Just(500)]), 0..200)
        ) {
            let path = line(&columns);
            prop_assert_eq!(heights(&path, columns.len()), columns, "{}", path);
        }

        #[test]
        fn an_area_goes_over_its_tops_and_back_over_its_bases(
            columns in prop::collection::vec((0..1000, 0..1000), 1..100)
        ) {
            let tops: Vec<_> = columns.iter().map(|(top, _)| Some(*top)).collect();
            let bases: Vec<_> = columns.iter().map(|(_, base)| *base).collect();
            let path = area(&tops, &bases);
            if columns.iter().all(|(top, base)| top == base) {
                prop_assert_eq!(path, "");
            } else {
                let all = corners(&path).remove(0);
                let middle = all.windows(2).position(|pair| pair[0].0 == columns.len() as i64 && pair[1].0 == pair[0].0);
                let middle = middle.unwrap() + 1;
                prop_assert_eq!(all[0], (0, i64::from(columns[0].0)));
                prop_assert_eq!(all[middle], (columns.len() as i64, i64::from(bases[bases.len() - 1])));
                prop_assert_eq!(*all.last().unwrap(), (0, i64::from(bases[0])));
            }
        }
    }

    #[test]
    fn equal_columns_are_one_line_and_numbers_are_short() {
        let all = [Some(500), Some(500), Some(500), Some(466), Some(476), None, Some(5)];
        assert_eq!(line(&all), "M0 50h2l1-3.4 1 1h1M6 .5h1");
        assert_eq!(area(&[Some(500), Some(450)], &[1000, 1000]), "M0 50l1-5h1V100h-2z");
        assert_eq!(area(&[Some(7), None], &[7, 7]), "");
    }
}
