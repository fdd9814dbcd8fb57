//! YAML as a tree that knows its lines and how each scalar was spelled, so that a fault can be
//! named where it stands, and `1.10` or `0123` stay what the user wrote.

use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::{Location, Spanned};

use crate::error::SiteError;
use crate::sources::Sources;
use crate::text;

/// A value in a YAML file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it begins, from 1.
    pub line: u64,
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A text, number or boolean.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// As spelled, without quotes.
    pub text: String,
    json: Json,
}

/// A mapping's key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub line: u64,
    pub name: String,
}

/// Reads all documents of a file; empty ones are left out.
pub(crate) fn read(file: &Path, sources: &mut Sources) -> Result<Vec<Node>, SiteError> {
    sources.note(file);
    parse(file, &text::read(file)?)
}

pub(crate) fn parse(file: &Path, source: &str) -> Result<Vec<Node>, SiteError> {
    let options = serde_saphyr::options! {
        // The operator's own file: five thousand hosts are no attack.
        budget: None,
        // `yes` and `no` are texts, as they were to the parser that existing files were written for.
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let documents: Vec<Raw> = serde_saphyr::from_multiple_with_options(source, options)
        .map_err(|error| fault(file, source, error.without_snippet()))?;
    Ok(documents.into_iter().map(|raw| raw.spelled(source)).collect())
}

/// What is wrong with a text that can't be read, in words for the person who wrote it.
fn fault(file: &Path, source: &str, error: &serde_saphyr::Error) -> SiteError {
    let line = error.location().map(|location| location.line());
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        let key = key.as_deref().unwrap_or("a key");
        // What a service begins with: the line in front of it is forgotten most easily.
        let hint = if key == "service" {
            "; each service is a document of its own, behind a line '---'"
        } else {
            ""
        };
        let message =
            format!("'{key}' stands here for the second time; in one mapping it may once{hint}");
        return SiteError::new(file, line, message);
    }
    let said = error.to_string();
    // Where it stood when it met the tab, which may be at the end of the line before.
    if ["tabs disallowed", "found a tab"].iter().any(|words| said.contains(words))
        && let Some(line) = line
        && let Some(line) = indented_with_tab(source, line)
    {
        let message = "is indented with a tab; YAML takes spaces alone";
        return SiteError::new(file, Some(line), message);
    }
    // The place stands in front already.
    let said = said.split(" at line ").next().unwrap_or(&said);
    let hint = if line.is_some_and(|line| is_bracketed_item(source, line)) {
        "; a text in brackets must stand in quotes, and an IPv6 address without brackets"
    } else if said.starts_with("mapping values are not allowed") {
        "; a text that holds ': ' must stand in quotes"
    } else if said.starts_with("unexpected character") {
        "; a text that begins so must stand in quotes"
    } else if said.contains("quoted scalar") {
        "; is a quote above not closed?"
    } else {
        ""
    };
    SiteError::new(file, line, format!("is not YAML that can be read: {said}{hint}"))
}

/// Whether this line begins as `- [::1] web-1` does.
fn is_bracketed_item(source: &str, line: u64) -> bool {
    let at = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let item = source.lines().nth(at).and_then(|line| line.trim_start().strip_prefix('-'));
    item.is_some_and(|item| item.trim_start().starts_with('['))
}

/// The first line from this one on that is indented with a tab.
fn indented_with_tab(source: &str, from: u64) -> Option<u64> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    (1..)
        .zip(source.lines())
        .skip_while(|(number, _)| *number < from)
        .find(|(_, line)| line[..indent(line)].contains('\t'))
        .map(|(number, _)| number)
}

impl Node {
    /// What it is, in the words of an error.
    fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar(scalar) => format!("'{}'", shortened(&scalar.text)),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(entries) => match entries.first() {
                Some((key, _)) => {
                    format!("a mapping that begins with '{}:'", shortened(&key.name))
                }
                None => "an empty mapping".to_owned(),
            },
        }
    }

    /// The text of a scalar; `what` names the setting in the error.
    pub(crate) fn text(&self, file: &Path, what: &str) -> Result<&str, SiteError> {
        match &self.value {
            Value::Scalar(scalar) => Ok(&scalar.text),
            _ => Err(self.fault(file, what, "a text")),
        }
    }

    /// The items of a list; none where nothing stands.
    pub(crate) fn items(&self, file: &Path, what: &str) -> Result<&[Self], SiteError> {
        match &self.value {
            Value::Null => Ok(&[]),
            Value::List(items) => Ok(items),
            _ => Err(self.fault(file, what, "a list")),
        }
    }

    /// The entries of a mapping; none where nothing stands.
    pub(crate) fn entries(&self, file: &Path, what: &str) -> Result<&[(Key, Self)], SiteError> {
        match &self.value {
            Value::Null => Ok(&[]),
            Value::Map(entries) => Ok(entries),
            _ => Err(self.fault(file, what, "a mapping")),
        }
    }

    /// The error that `what` is not what it must be.
    pub(crate) fn fault(&self, file: &Path, what: &str, allowed: &str) -> SiteError {
        let message = format!("{what} is {}; it must be {allowed}", self.found());
        SiteError::new(file, Some(self.line), message)
    }

    /// As JSON, for what only plugins understand.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar(scalar) => scalar.json.clone(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect()
            }
        }
    }
}

/// The beginning of a text, on one line: a file that is no configuration may be one long text.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = text.lines().next().unwrap_or_default().chars().take(LONGEST).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// What serde sees: typed scalars, and where they stood.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Null,
    Text(String),
    /// A number or boolean: its spelling is looked up in the source.
    Typed(Json),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn spelled(self, source: &str) -> Node {
        let Spanned { value, referenced, defined } = self.0;
        let value = match value {
            RawValue::Null => Value::Null,
            RawValue::Text(text) => {
                Value::Scalar(Scalar { json: Json::String(text.clone()), text })
            }
            RawValue::Typed(json) => {
                let text = spelling(&defined, source).unwrap_or_else(|| json.to_string());
                // JSON would turn 0123 into 123 and 1.10 into 1.1: such stay texts.
                let as_json = json.to_string();
                let json = if as_json == text { json } else { Json::String(text.clone()) };
                Value::Scalar(Scalar { text, json })
            }
            RawValue::List(items) => {
                Value::List(items.into_iter().map(|item| item.spelled(source)).collect())
            }
            RawValue::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, raw)| {
                        let line = key.referenced.line();
                        (Key { line, name: key.value }, raw.spelled(source))
                    })
                    .collect(),
            ),
        };
        Node { line: referenced.line(), value }
    }
}

fn spelling(location: &Location, source: &str) -> Option<String> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let len = usize::try_from(location.span().byte_len()?).ok()?;
    Some(source.get(start..start + len)?.trim().to_owned())
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text, a number, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawValue, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(RawValue::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(source: &str) -> Node {
        parse(Path::new("x.yml"), source).unwrap().remove(0)
    }

    #[test]
    fn scalars_keep_their_spelling_and_plain_numbers_stay_numbers() {
        let json = one(
            "{a: 0123, b: 1.10, c: 3306, d: true, e: yes, f: '7', g: 0x10, h: 1e5, i: ~, j: .inf}",
        )
        .to_json();
        assert_eq!(
            json,
            serde_json::json!({"a": "0123", "b": "1.10", "c": 3306, "d": true, "e": "yes",
                "f": "7", "g": "0x10", "h": "1e5", "i": null, "j": ".inf"})
        );
    }

    #[test]
    fn nodes_and_keys_know_their_lines() {
        let node = one("# head\na:\n  - x\n  - 5\nb: y\n");
        let Value::Map(entries) = &node.value else { panic!() };
        assert_eq!(entries[1].0.line, 5);
        let Value::List(items) = &entries[0].1.value else { panic!() };
        assert_eq!((items[0].line, items[1].line), (3, 4));
    }

    #[test]
    fn a_value_reused_by_alias_or_merge_is_spelled_as_at_its_anchor() {
        let json = one("base: &b {port: 0123}\nuse: *b\nmore: {<<: *b, x: 1}").to_json();
        assert_eq!(json["use"]["port"], "0123");
        assert_eq!(json["more"], serde_json::json!({"port": "0123", "x": 1}));
    }

    fn error(source: &str) -> String {
        parse(Path::new("x.yml"), source).unwrap_err().to_string()
    }

    #[test]
    fn a_tab_is_told_with_the_line_that_it_indents() {
        for (source, line) in [
            ("a: 1\nb:\n\t- x\n", 3),
            ("a: 1\nb:\n  - x\n\tc: 2\n", 4),
            ("a:\n  b: 1\n\tc: 2\n", 3),
            ("a:\n\tb: 1\n", 2),
            ("a:\n  - x y\n  - z\n  \t- w\nb: 1\n", 4),
        ] {
            let told = format!("x.yml:{line}: is indented with a tab; YAML takes spaces alone");
            assert_eq!(error(source), told, "{source:?}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_told_with_its_name_and_its_second_line() {
        assert_eq!(
            error("a: 1\n---\nb: 2\nc: 1\nb: 3\n"),
            "x.yml:5: 'b' stands here for the second time; in one mapping it may once"
        );
        assert_eq!(
            error("service: A\nservice: B\n"),
            "x.yml:2: 'service' stands here for the second time; in one mapping it may once; each \
             service is a document of its own, behind a line '---'"
        );
    }

    #[test]
    fn an_address_in_brackets_is_told_where_it_stands() {
        for source in ["hosts:\n- [::1] web-1\n", "hosts:\n  - x\n  - [::1] web-1\n  - y\n"] {
            let at = source.lines().position(|line| line.contains('[')).unwrap() + 1;
            let told = error(source);
            assert!(told.starts_with(&format!("x.yml:{at}: ")), "{told}");
            assert!(told.ends_with("and an IPv6 address without brackets"), "{told}");
        }
    }

    #[test]
    fn a_text_that_needs_quotes_is_told_so() {
        assert_eq!(
            error("a: b: c\n"),
            "x.yml:1: is not YAML that can be read: mapping values are not allowed in this context; a text that holds ': ' must stand in quotes"
        );
        assert!(error("a: @x\n").ends_with("; a text that begins so must stand in quotes"));
        assert!(error("a: 'x\nb: 1\n").ends_with("; is a quote above not closed?"));
    }

    #[test]
    fn a_long_text_in_the_wrong_place_is_not_told_whole() {
        let node = one(&format!("root:x:{}\n  daemon", "0".repeat(1000)));
        let fault = node.fault(Path::new("passwd"), "a roll", "a mapping").to_string();
        assert!(fault.len() < 130 && fault.contains("root:x:000"), "{fault}");
    }

    #[test]
    fn a_syntax_fault_names_its_line() {
        let error = parse(Path::new("x.yml"), "a: 1\nb: [1\n").unwrap_err();
        assert!(error.line.is_some(), "{error}");
        assert!(error.to_string().starts_with("x.yml:"), "{error}");
    }
}
