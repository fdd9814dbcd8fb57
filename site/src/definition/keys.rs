//! The keys that a definition draws, and whether another draws the same: what a built-in one draws is
//! what its fetcher stores.

use super::template::{PLACE, Template};

/// A key that a definition draws of its own plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DrawnKey {
    /// The line of the definition that draws it.
    pub line: u64,
    /// With [`PLACE`] for what is filled in.
    pub pattern: String,
}

impl DrawnKey {
    /// That of a key in an expression; `None` for another plugin's.
    pub(crate) fn of(key: &Template, line: u64) -> Option<Self> {
        let text = key.pattern();
        let pattern = if text.starts_with("<%") { in_placeholder(&text)? } else { &text };
        Some(Self { line, pattern: pattern.to_owned() })
    }

    /// Those in an argument of rrdgraph.
    pub(crate) fn of_argument(argument: &Template, line: u64) -> Vec<Self> {
        let text = argument.pattern();
        let starts = text.match_indices("<%").map(|(start, _)| &text[start..]);
        starts
            .filter_map(in_placeholder)
            .map(|pattern| Self { line, pattern: pattern.to_owned() })
            .collect()
    }

    /// As a person reads it.
    pub(crate) fn text(&self) -> String {
        self.pattern.replace(PLACE, "{…}")
    }

    /// Whether both may be the same key.
    pub(crate) fn may_be(&self, other: &str) -> bool {
        let (a, b) = (self.pattern.as_bytes(), other.as_bytes());
        let place = |byte: Option<&u8>| byte.is_some_and(|byte| char::from(*byte) == PLACE);
        // At [i][j]: whether what stands from i on in a may be what stands from j on in b.
        let mut may = vec![vec![false; b.len() + 1]; a.len() + 1];
        for i in (0..=a.len()).rev() {
            for j in (0..=b.len()).rev() {
                may[i][j] = match (a.get(i), b.get(j)) {
                    (None, None) => true,
                    (x, y) if place(x) => may[i + 1][j] || (y.is_some() && may[i][j + 1]),
                    (x, y) if place(y) => may[i][j + 1] || (x.is_some() && may[i + 1][j]),
                    (x, y) => x == y && may[i + 1][j + 1],
                };
            }
        }
        may[0][0]
    }
}

/// The key in `<%RRD key %>` or `<%RRD_FOR key %>`, at the beginning of a text.
fn in_placeholder(text: &str) -> Option<&str> {
    let (inside, _) = text.strip_prefix("<%")?.split_once("%>")?;
    match inside.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["RRD" | "RRD_FOR", key] => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(pattern: &str) -> DrawnKey {
        DrawnKey { line: 1, pattern: pattern.replace('*', "\0") }
    }

    #[test]
    fn keys_with_places_are_the_same_where_something_fits_both() {
        for (a, b, same) in [
            ("keys.gauge", "keys.gauge", true),
            ("keys.gauge", "keys.derive", false),
            ("disk-*-read.derive", "disk-sda-read.derive", true),
            ("disk-*-read.derive", "disk-*-write.derive", false),
            ("*-read.derive", "disk-*.derive", true),
            ("*", "x.gauge", true),
            ("x*", "y*", false),
        ] {
            assert_eq!(key(a).may_be(&key(b).pattern), same, "{a} {b}");
            assert_eq!(key(b).may_be(&key(a).pattern), same, "{b} {a}");
        }
    }

    #[test]
    fn another_plugins_series_is_no_key_of_its_own() {
        let of = |text: &str| {
            DrawnKey::of(&Template::parse(text, &["port"]).unwrap(), 1).map(|key| key.text())
        };
        assert_eq!(of("a.gauge").as_deref(), Some("a.gauge"));
        assert_eq!(of("a-{port}.gauge").as_deref(), Some("a-{…}.gauge"));
        assert_eq!(of("<%RRD_FOR a.gauge %>").as_deref(), Some("a.gauge"));
        assert_eq!(of("<%RRD_EXTEND nginx 10.0.0.1 a.gauge %>"), None);
        let argument = "DEF:x=<%RRD a.gauge %>:n:AVERAGE";
        let keys = DrawnKey::of_argument(&Template::parse(argument, &[]).unwrap(), 1);
        assert_eq!(keys, [key("a.gauge")]);
    }

    proptest! {
        #[test]
        fn a_key_filled_in_may_be_its_pattern(parts in prop::collection::vec(("[a-z-]{0,4}", "[a-z0-9]{1,4}"), 1..5)) {
            let pattern: String = parts.iter().map(|(text, _)| format!("{text}*")).collect();
            let filled: String = parts.iter().map(|(text, value)| format!("{text}{value}")).collect();
            prop_assert!(key(&pattern).may_be(&filled));
            let (gauge, derive) = (format!("{pattern}.gauge"), format!("{filled}.derive"));
            prop_assert!(!key(&gauge).may_be(&derive));
        }
    }
}
