//! Markdown tables.

use std::fmt::Display;

/// A table with its header.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns; the first is text, the others are numbers.
    pub fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|&column| column.to_owned()).collect()] }
    }

    /// Appends a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl Display for Table {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, row) in self.rows.iter().enumerate() {
            writeln!(out, "| {} |", row.join(" | "))?;
            if n == 0 {
                writeln!(out, "|---|{}", "---:|".repeat(row.len().saturating_sub(1)))?;
            }
        }
        Ok(())
    }
}

/// A number with three digits that count, with commas between thousands; `–` where there is none.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        large => {
            // Beyond three digits the rest is noise.
            let unit = 10f64.powi(large.log10().floor() as i32 - 2);
            format!("{:.0}", (value / unit).round() * unit)
        }
    };
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// How many times `a` is of `b`.
pub fn ratio(a: f64, b: f64) -> String {
    if (a / b).is_finite() { format!("{:.2}", a / b) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_that_count() {
        assert_eq!(number(4_234_567.0), "4,230,000");
        assert_eq!(number(1234.0), "1,230");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(0.9), "0.90");
        assert_eq!(number(192.4), "192");
        assert_eq!(number(f64::NAN), "–");
        assert_eq!(ratio(3.0, 4.0), "0.75");
        assert_eq!(ratio(3.0, 0.0), "–");
    }

    #[test]
    fn a_table_has_a_line_below_its_header() {
        let mut table = Table::new(&["server", "points/s"]);
        table.row(vec!["Kurado".to_owned(), number(1000.0)]);
        assert_eq!(table.to_string(), "| server | points/s |\n|---|---:|\n| Kurado | 1,000 |\n");
    }
}
