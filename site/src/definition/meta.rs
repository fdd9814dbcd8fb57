//! Which meta a group shows, in what order, and how.

use serde::Deserialize;

use super::Meta;

/// Which meta a group shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selection(Vec<(Choice, Pattern)>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Choice {
    Show,
    Hide,
}

#[derive(Debug, Clone, PartialEq)]
enum Pattern {
    Name(String),
    Prefix(String),
}

impl Selection {
    /// Reads `NAME`, `PREFIX*`, `*`, each with `!` in front to leave out; the last that matches
    /// a name decides.
    pub(crate) fn parse(patterns: &[String]) -> Result<Self, String> {
        patterns
            .iter()
            .map(|text| {
                let (choice, name) = match text.strip_prefix('!') {
                    Some(name) => (Choice::Hide, name),
                    None => (Choice::Show, text.as_str()),
                };
                let pattern = match name.strip_suffix('*') {
                    Some(prefix) => Pattern::Prefix(prefix.to_owned()),
                    None => Pattern::Name(name.to_owned()),
                };
                match &pattern {
                    Pattern::Name(rest) if rest.is_empty() => {
                        Err("an empty name of a meta; a pattern is NAME, PREFIX*, or one of these behind '!'".to_owned())
                    }
                    Pattern::Name(rest) | Pattern::Prefix(rest) if rest.contains('*') => {
                        Err(format!("'{text}' has a '*' that is not at its end"))
                    }
                    _ => Ok((choice, pattern)),
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The names chosen, with their values.
    pub(crate) fn of<'a>(&self, meta: &'a Meta) -> impl Iterator<Item = (&'a str, &'a str)> {
        meta.iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| self.shows(name))
    }

    /// Whether a name is chosen.
    pub(crate) fn shows(&self, name: &str) -> bool {
        let matching = |(_, pattern): &&(Choice, Pattern)| match pattern {
            Pattern::Name(exact) => name == exact,
            Pattern::Prefix(prefix) => name.starts_with(prefix.as_str()),
        };
        self.0.iter().rev().find(matching).is_some_and(|(choice, _)| *choice == Choice::Show)
    }
}

/// How a meta's value is written for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Seconds as `up 12 days,  3:04`.
    Uptime,
    /// Bytes as `512.00MB`, 1024 to the next unit.
    Bytes,
}

impl Format {
    /// The value as a person reads it; as it is where it is no number.
    pub(crate) fn text(self, value: &str) -> String {
        match (self, value.trim().parse::<f64>()) {
            (Self::Uptime, Ok(seconds)) if seconds >= 0.0 => uptime(seconds),
            (Self::Bytes, Ok(bytes)) if bytes.is_finite() => self::bytes(bytes),
            _ => value.to_owned(),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn uptime(seconds: f64) -> String {
    let minutes = (seconds / 60.0) as u64;
    format!("up {} days, {:2}:{:02}", minutes / (24 * 60), minutes / 60 % 24, minutes % 60)
}

fn bytes(mut number: f64) -> String {
    let mut unit = "B";
    for larger in ["KB", "MB", "GB"] {
        if number.abs() < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = larger;
    }
    let text = format!("{number:.2}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}.{fraction}{unit}")
}

/// Sorts as people look for it: the version and the uptime first, then what begins or ends so,
/// then the rest by name.
pub(crate) fn sort(entries: &mut [(String, String)]) {
    entries.sort_by_cached_key(|(name, _)| {
        let lower = name.to_lowercase();
        let rank = match lower.as_str() {
            "version" => 0,
            "uptime" => 1,
            other if other.starts_with("version") => 2,
            other if other.starts_with("uptime") => 3,
            other if other.ends_with("version") => 4,
            other if other.ends_with("uptime") => 5,
            _ => 6,
        };
        (rank, name.clone())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
        let meta: Meta = ["innodb", "innodb_version", "uptime", "version"]
            .iter()
            .map(|&name| (name.to_owned(), String::new()))
            .collect();
        let selection = Selection::parse(&patterns).unwrap();
        selection.of(&meta).map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        assert_eq!(chosen(&["*", "!innodb_*"]), ["innodb", "uptime", "version"]);
        assert_eq!(chosen(&["version", "uptime"]), ["uptime", "version"]);
        assert!(chosen(&[]).is_empty());
        assert!(Selection::parse(&["a*b".to_owned()]).is_err());
        assert!(Selection::parse(&["!".to_owned()]).is_err());
    }

    #[test]
    fn uptime_is_days_hours_and_minutes() {
        assert_eq!(Format::Uptime.text("57649"), "up 0 days, 16:00");
        assert_eq!(Format::Uptime.text("1000000"), "up 11 days, 13:46");
        assert_eq!(Format::Uptime.text("61.9"), "up 0 days,  0:01");
        assert_eq!(Format::Uptime.text("unknown"), "unknown");
    }

    #[test]
    fn bytes_have_a_unit_and_commas() {
        assert_eq!(Format::Bytes.text("0"), "0.00B");
        assert_eq!(Format::Bytes.text("1536"), "1.50KB");
        assert_eq!(Format::Bytes.text("536870912"), "512.00MB");
        assert_eq!(Format::Bytes.text("1649267441664"), "1,536.00GB");
        assert_eq!(Format::Bytes.text("none"), "none");
    }

    #[test]
    fn version_and_uptime_come_first() {
        let mut entries: Vec<(String, String)> =
            ["role", "innodb_version", "Uptime", "version_comment", "appendonly", "version"]
                .iter()
                .map(|&name| (name.to_owned(), String::new()))
                .collect();
        sort(&mut entries);
        let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["version", "Uptime", "version_comment", "innodb_version", "appendonly", "role"]
        );
    }
}
