//! The text that Prometheus exporters serve: its format 0.0.4, and OpenMetrics, as far as numbers
//! go. Times, exemplars and help are passed over.

use std::borrow::Cow;

/// A line of the page.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// Says nothing that matters here.
    Nothing,
    /// `# TYPE family type`.
    Type {
        /// The metric, or of several metrics the beginning of their names.
        family: &'a str,
        /// `counter`, `gauge`, `histogram` and so on.
        kind: &'a str,
    },
    /// A sample; the rest is read by [`sample`].
    Sample {
        /// The metric.
        name: &'a str,
        /// What stands behind the name.
        rest: &'a str,
    },
}

/// A sample behind its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// In the order of the line.
    pub labels: Vec<(&'a str, String)>,
    /// May be NaN or infinite.
    pub value: f64,
}

/// Splits a line at the name's end.
#[must_use]
pub fn line(text: &str) -> Line<'_> {
    let text = text.trim();
    if let Some(comment) = text.strip_prefix('#') {
        let mut words = comment.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some("TYPE"), Some(family), Some(kind)) => Line::Type { family, kind },
            _ => Line::Nothing,
        };
    }
    let end = text.find(|c: char| !is_name_char(c)).unwrap_or(text.len());
    match text.split_at(end) {
        ("", _) => Line::Nothing,
        (name, rest) => Line::Sample { name, rest },
    }
}

/// Reads what stands behind a sample's name: labels, where there are some, and the value.
///
/// # Errors
/// What is wrong, without the line.
pub fn sample(rest: &str) -> Result<Sample<'_>, &'static str> {
    let mut rest = rest.trim_start();
    let mut labels = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            inside = inside.trim_start_matches([' ', '\t', ',']);
            if let Some(behind) = inside.strip_prefix('}') {
                rest = behind;
                break;
            }
            let (name, behind) = inside.split_once('=').ok_or("a label without '='")?;
            let name = name.trim_end();
            if name.is_empty() || !name.chars().all(is_name_char) {
                return Err("a label's name must be of letters, digits and '_'");
            }
            let quoted = behind.trim_start().strip_prefix('"');
            let (value, behind) =
                quoted.and_then(unquoted).ok_or("a label's value must stand in quotes")?;
            labels.push((name, value.into_owned()));
            inside = behind;
        }
    }
    let value = rest.split_whitespace().next().ok_or("there is no value")?;
    let value = value.parse().map_err(|_| "the value must be a number")?;
    Ok(Sample { labels, value })
}

/// The text up to the quote that ends it, and what stands behind.
fn unquoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if let Some(behind) = text.get(end..)?.strip_prefix('"') {
        return Some((text.get(..end)?.into(), behind));
    }
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value.into(), text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                // As Prometheus itself does with what is no escape.
                other @ ('"' | '\\') => value.push(other),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Name, labels and value.
    type Whole = (String, Vec<(String, String)>, f64);

    fn read(text: &str) -> Result<Whole, &'static str> {
        let Line::Sample { name, rest } = line(text) else { return Err("no sample") };
        let read = sample(rest)?;
        let labels = read.labels.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ok((name.to_owned(), labels.collect(), read.value))
    }

    fn whole(name: &str, labels: &[(&str, &str)], value: f64) -> Whole {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        (name.to_owned(), labels.collect(), value)
    }

    #[test]
    fn samples_are_read_as_the_format_s_own_examples_write_them() {
        for (text, wanted) in [
            (
                r#"http_requests_total{method="post",code="200"} 1027 1395066363000"#,
                whole("http_requests_total", &[("method", "post"), ("code", "200")], 1027.0),
            ),
            (
                r#"msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9"#,
                whole(
                    "msdos_file_access_time_seconds",
                    &[("path", r"C:\DIR\FILE.TXT"), ("error", "Cannot find file:\n\"FILE.TXT\"")],
                    1.458255915e9,
                ),
            ),
            (
                "metric_without_timestamp_and_labels 12.47",
                whole("metric_without_timestamp_and_labels", &[], 12.47),
            ),
            (
                r#"something_weird{problem="division by zero"} +Inf -3982045"#,
                whole("something_weird", &[("problem", "division by zero")], f64::INFINITY),
            ),
            (
                r#"foo_bucket{le="0.1"} 8 # {trace_id="a b"} 0.067"#,
                whole("foo_bucket", &[("le", "0.1")], 8.0),
            ),
            (r#"a { b = "}, " , } -1e-3 "#, whole("a", &[("b", "}, ")], -0.001)),
            ("a{} 1", whole("a", &[], 1.0)),
        ] {
            assert_eq!(read(text), Ok(wanted), "{text}");
        }
        assert!(read("a NaN").unwrap().2.is_nan());
    }

    #[test]
    fn types_are_read_and_other_comments_say_nothing() {
        assert_eq!(line("# TYPE a_b counter"), Line::Type { family: "a_b", kind: "counter" });
        for nothing in ["", "# HELP a TYPE", "#", "# EOF", "# UNIT a seconds", "  ", "{} 1"] {
            assert_eq!(line(nothing), Line::Nothing, "{nothing}");
        }
    }

    #[test]
    fn faults_are_said() {
        for (text, said) in [
            ("a", "there is no value"),
            ("a{b=\"c\"}", "there is no value"),
            ("a{b=c} 1", "a label's value must stand in quotes"),
            ("a{b=\"c} 1", "a label's value must stand in quotes"),
            ("a{b} 1", "a label without '='"),
            ("a{b c=\"d\"} 1", "a label's name must be of letters, digits and '_'"),
            ("a one", "the value must be a number"),
            ("a{b=\"c\\", "a label's value must stand in quotes"),
        ] {
            assert_eq!(read(text), Err(said), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_label_round_trips(value in any::<String>(), number in -1e18f64..1e18) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text = format!("a{{b=\"{escaped}\",c=\"\"}} {number}");
            prop_assert_eq!(read(&text), Ok(whole("a", &[("b", &value), ("c", "")], number)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a{}=\"\\\\ ,#1éTYPE]{0,40}|.{0,40}") {
            let _ = read(&text);
        }
    }
}
