//! Conditions: `when = "…"`.

use super::template::{Scope, Template};

/// When something is shown: `NAME` (that meta is there, and neither empty nor 0), `{variable}`
/// (that argument was given), `VALUE in NAME` (that meta, a list with commas, holds the value). A
/// `!` in front turns it round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Variable(String),
    Meta(Template),
    In(Template, Template),
}

impl Condition {
    pub(crate) fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let (negated, positive) = match text.strip_prefix('!') {
            Some(positive) => (true, positive.trim_start()),
            None => (false, text),
        };
        let words: Vec<&str> = positive.split_whitespace().collect();
        let test = match words.as_slice() {
            [name] => {
                let name = Template::parse(name, known)?;
                match name.lone_variable() {
                    Some(variable) => Test::Variable(variable.to_owned()),
                    None => Test::Meta(name),
                }
            }
            [value, "in", name] => {
                Test::In(Template::parse(value, known)?, Template::parse(name, known)?)
            }
            _ => {
                return Err(format!(
                    "condition '{text}' must be NAME of a meta, {{ARGUMENT}}, or VALUE in NAME; with '!' in front for the opposite"
                ));
            }
        };
        Ok(Self { negated, test })
    }

    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        let holds = match &self.test {
            Test::Variable(name) => !scope.variable(name).is_empty(),
            Test::Meta(name) => !matches!(scope.meta(&name.fill(scope)), "" | "0"),
            Test::In(value, name) => {
                let value = value.fill(scope);
                scope.meta(&name.fill(scope)).split(',').any(|item| item.trim() == value)
            }
        };
        holds != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Meta;

    fn holds(text: &str) -> bool {
        let meta = Meta::from(
            [("innodb", "1"), ("replication", "0"), ("swap", "sda2,dm_1"), ("sda2-x", "y")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let scope = Scope {
            variables: vec![("port".into(), String::new()), ("device".into(), "sda2".into())],
            meta: &meta,
        };
        Condition::parse(text, &["port", "device"]).unwrap().holds(&scope)
    }

    #[test]
    fn a_meta_holds_unless_absent_empty_or_0() {
        assert!(holds("innodb"));
        assert!(!holds("replication"));
        assert!(!holds("none"));
        assert!(holds("! none"));
        assert!(holds("{device}-x"));
    }

    #[test]
    fn an_argument_holds_when_given() {
        assert!(!holds("{port}"));
        assert!(holds("!{port}"));
    }

    #[test]
    fn a_list_holds_its_items_and_no_part_of_them() {
        assert!(holds("{device} in swap"));
        assert!(!holds("sda in swap"));
        assert!(!holds("x in none"));
    }

    #[test]
    fn another_form_is_a_fault() {
        assert!(Condition::parse("a b", &[]).is_err());
        assert!(Condition::parse("", &[]).is_err());
    }
}
