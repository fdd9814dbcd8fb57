//! Plugin identifiers: `name:arg:arg` as a roll writes them, and the escaped form that stands on
//! the wire and names a directory.

use crate::escape::{escape_into, unescape};

/// Longest escaped identifier, in bytes: it names a directory.
pub const MAX_ESCAPED_LEN: usize = 255;

/// A plugin identifier as written in a roll: a name, then arguments, split at every `:`.
///
/// It is kept as written: `http` and `http:80` are two plugins with two directories.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(String);

/// Why a text is no plugin identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdentifierError {
    /// Nothing stands before the first `:`.
    #[error("plugin identifier '{0}' has no name; it must be name[:argument…]")]
    NoName(String),
    /// The name holds a byte that no plugin file can have.
    #[error("plugin name '{0}' holds {1:?}; only letters, digits, '_' and '-' may stand in it")]
    BadName(String, char),
    /// The escaped form is too long to name a directory.
    #[error("plugin identifier '{0}' is longer than {MAX_ESCAPED_LEN} bytes when escaped")]
    TooLong(String),
    /// Not the escaped form of anything.
    #[error("'{0}' is not an escaped plugin identifier")]
    NotEscaped(String),
}

impl Identifier {
    /// Checks a roll's line.
    ///
    /// # Errors
    /// Where the name is missing or holds other than `[A-Za-z0-9_-]`, or the whole is too long.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let name = text.split(':').next().unwrap_or_default();
        if name.is_empty() {
            return Err(IdentifierError::NoName(text.to_owned()));
        }
        if let Some(bad) = name.chars().find(|c| !c.is_ascii() || !keep(*c as u8)) {
            return Err(IdentifierError::BadName(name.to_owned(), bad));
        }
        if escape_identifier(text).len() > MAX_ESCAPED_LEN {
            return Err(IdentifierError::TooLong(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The identifier whose escaped form this is.
    ///
    /// # Errors
    /// Where it is not the escaped form of an identifier.
    pub fn from_escaped(escaped: &str) -> Result<Self, IdentifierError> {
        let text =
            unescape(escaped).ok_or_else(|| IdentifierError::NotEscaped(escaped.to_owned()))?;
        Self::parse(&text)
    }

    /// As written in the roll.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `:`: the name of the plugin's definition and executables.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// What stands behind the name, split at every `:`; an argument may be empty.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.0.split(':').skip(1)
    }

    /// The argument at `index`; empty, missing or `0` counts as not given (Perl's `||=`).
    #[must_use]
    pub fn argument(&self, index: usize) -> Option<&str> {
        self.arguments().nth(index).filter(|a| !a.is_empty() && *a != "0")
    }

    /// The form on the wire and on disk: every byte outside `[A-Za-z0-9_-]` as `%XX`, dots too.
    #[must_use]
    pub fn escaped(&self) -> String {
        escape_identifier(&self.0)
    }
}

impl std::fmt::Display for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes an identifier: every byte outside `[A-Za-z0-9_-]` becomes `%XX`.
#[must_use]
pub fn escape_identifier(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    escape_into(&mut out, text, keep);
    out
}

/// Undoes [`escape_identifier`]; a text that no escaping made is given back as it is.
#[must_use]
pub fn unescape_identifier(escaped: &str) -> String {
    unescape(escaped).unwrap_or_else(|| escaped.to_owned())
}

/// Whether this is the escaped form of an identifier, short enough to name a directory.
#[must_use]
pub fn is_escaped(text: &str) -> bool {
    (1..=MAX_ESCAPED_LEN).contains(&text.len()) && first_unescaped(text.as_bytes()).is_none()
}

/// The first byte in an escaped identifier that escaping would not have left there.
fn first_unescaped(escaped: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = escaped.get(at) {
        if keep(byte) {
            at += 1;
        } else if byte == b'%'
            && escaped.get(at + 1).is_some_and(u8::is_ascii_hexdigit)
            && escaped.get(at + 2).is_some_and(u8::is_ascii_hexdigit)
        {
            at += 3;
        } else {
            return Some(at);
        }
    }
    None
}

fn keep(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dot_and_colon_are_escaped() {
        let id = Identifier::parse("http:80:/server-status?auto").unwrap();
        assert_eq!(id.escaped(), "http%3A80%3A%2Fserver-status%3Fauto");
        assert_eq!(id.name(), "http");
        assert_eq!(id.arguments().collect::<Vec<_>>(), ["80", "/server-status?auto"]);
    }

    #[test]
    fn an_empty_or_zero_argument_is_not_given() {
        let id = Identifier::parse("nginx::0:x").unwrap();
        assert_eq!(id.argument(0), None);
        assert_eq!(id.argument(1), None);
        assert_eq!(id.argument(2), Some("x"));
        assert_eq!(id.argument(3), None);
    }

    #[test]
    fn a_name_can_not_leave_its_directory() {
        assert!(Identifier::parse("../etc").is_err());
        assert!(Identifier::parse(":80").is_err());
        assert!(Identifier::from_escaped("%2E%2E").is_err());
        assert!(Identifier::from_escaped("a%2").is_err());
    }

    proptest! {
        #[test]
        // At most 8 + 3 * (3 + 6 * 4 * 3) bytes when escaped, which is no more than may be.
        fn escaping_round_trips(text in "[a-z]{1,8}(:.{0,6}){0,3}") {
            let id = Identifier::parse(&text).unwrap();
            prop_assert_eq!(first_unescaped(id.escaped().as_bytes()), None);
            prop_assert_eq!(Identifier::from_escaped(&id.escaped()).unwrap(), id);
        }
    }
}
