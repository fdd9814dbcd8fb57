//! Texts with places to fill in: `{port}`, `{device}`, `{meta.version}`.

use super::Meta;

/// What may be filled in: a definition's arguments, the value that a loop is at, and meta.
pub(crate) struct Scope<'a> {
    /// Names and values.
    pub variables: Vec<(String, String)>,
    pub meta: &'a Meta,
}

impl Scope<'_> {
    /// The value of a variable; empty where it was not given.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The value of a meta; empty where there is none.
    pub(crate) fn meta(&self, name: &str) -> &str {
        self.meta.get(name).map_or("", String::as_str)
    }
}

/// What stands for whatever may be filled in, in [`Template::pattern`]: no text has it.
pub(crate) const PLACE: char = '\0';

/// A text with places to fill in. `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template(Vec<Segment>);

#[derive(Debug, Clone, PartialEq)]
enum Segment {
    Text(String),
    Variable(String),
    /// A meta, by a name that itself may have places to fill in.
    Meta(Template),
}

impl Template {
    /// Reads a text; `known` are the variables that it may use.
    pub(crate) fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal.push(c);
                rest = after;
            } else if c == '{' {
                let (inside, after) = until_closing(rest)
                    .ok_or_else(|| format!("'{text}' has a '{{' without its '}}'"))?;
                if !literal.is_empty() {
                    segments.push(Segment::Text(std::mem::take(&mut literal)));
                }
                segments.push(Segment::parse(text, inside, known)?);
                rest = after;
            } else if c == '}' {
                return Err(format!("'{text}' has a '}}' without its '{{'"));
            } else {
                literal.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        if !literal.is_empty() {
            segments.push(Segment::Text(literal));
        }
        Ok(Self(segments))
    }

    /// The text with all places filled in.
    pub(crate) fn fill(&self, scope: &Scope<'_>) -> String {
        self.0
            .iter()
            .map(|segment| match segment {
                Segment::Text(text) => text.clone(),
                Segment::Variable(name) => scope.variable(name).to_owned(),
                Segment::Meta(name) => scope.meta(&name.fill(scope)).to_owned(),
            })
            .collect()
    }

    /// The text with [`PLACE`] for each of its places.
    pub(crate) fn pattern(&self) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Variable(_) | Segment::Meta(_) => PLACE.to_string(),
        };
        self.0.iter().map(part).collect()
    }

    /// The variable's name, where the template is one variable and nothing else.
    pub(crate) fn lone_variable(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Segment::Variable(name)] => Some(name),
            _ => None,
        }
    }

    /// What stands before and behind its only place, and the variable there; `None` where it has
    /// another number of places, or a meta.
    pub(crate) fn around_variable(&self) -> Option<(&str, &str, &str)> {
        match self.0.as_slice() {
            [Segment::Variable(name)] => Some(("", name, "")),
            [Segment::Text(before), Segment::Variable(name)] => Some((before, name, "")),
            [Segment::Variable(name), Segment::Text(behind)] => Some(("", name, behind)),
            [Segment::Text(before), Segment::Variable(name), Segment::Text(behind)] => {
                Some((before, name, behind))
            }
            _ => None,
        }
    }

    /// The text, where it has no place to fill in.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Segment::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl Segment {
    fn parse(text: &str, inside: &str, known: &[&str]) -> Result<Self, String> {
        if let Some(name) = inside.strip_prefix("meta.") {
            return Ok(Self::Meta(Template::parse(name, known)?));
        }
        if known.contains(&inside) {
            return Ok(Self::Variable(inside.to_owned()));
        }
        let mut allowed: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
        allowed.push("{meta.NAME}".to_owned());
        Err(format!(
            "'{text}' has {{{inside}}}, which nothing fills in; there is {}",
            allowed.join(", ")
        ))
    }
}

/// What stands between a brace at the beginning and the one that closes it, and what follows.
fn until_closing(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(1..at)?, text.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let meta = Meta::from([
            ("version".to_owned(), "7.0".to_owned()),
            ("disk-sda-mount".to_owned(), "/".to_owned()),
        ]);
        let scope = Scope {
            variables: vec![("port".into(), "6379".into()), ("device".into(), "sda".into())],
            meta: &meta,
        };
        Template::parse(text, &["port", "device"]).unwrap().fill(&scope)
    }

    #[test]
    fn variables_and_meta_are_filled_in() {
        assert_eq!(filled("Redis({port})"), "Redis(6379)");
        assert_eq!(filled("{meta.version}!"), "7.0!");
        assert_eq!(filled("Disk({meta.disk-{device}-mount})"), "Disk(/)");
        assert_eq!(filled("{meta.none}"), "");
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(filled("{{{port}}}"), "{6379}");
    }

    #[test]
    fn what_nothing_fills_in_is_a_fault() {
        let fault = |text| Template::parse(text, &["port"]).unwrap_err();
        assert_eq!(
            fault("x {prot}"),
            "'x {prot}' has {prot}, which nothing fills in; there is {port}, {meta.NAME}"
        );
        assert_eq!(fault("x {port"), "'x {port' has a '{' without its '}'");
        assert_eq!(fault("x port}"), "'x port}' has a '}' without its '{'");
    }
}
