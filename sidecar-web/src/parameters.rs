//! The parameters of a request, as its query or form has them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::PageError;
use crate::term::Term;

/// Longest value that an error quotes, in characters.
const QUOTED: usize = 100;

/// Names and values in their order; a name may stand there more than once.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `a=1&b=2` with the escapes of a URL.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of that name that is not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let found = values.find(|(_, value)| !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// All values of that name.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let of_name = move |(key, _): &&(String, String)| key == name;
        self.0.iter().filter(of_name).map(|(_, value)| value.as_str())
    }

    /// The value of that name.
    ///
    /// # Errors
    /// 400 where there is none.
    pub fn required(&self, name: &str) -> Result<&str, PageError> {
        self.get(name).ok_or_else(|| PageError::bad_request(format!("parameter {name} is missing")))
    }

    /// The parameter `term`, else a day.
    ///
    /// # Errors
    /// 400 where it is no term.
    pub fn term(&self) -> Result<Term, PageError> {
        self.get("term").map_or(Ok(Term::Day), |text| {
            Term::parse(&quoted(text)).map_err(PageError::bad_request)
        })
    }

    /// A whole number within bounds, else `default`.
    ///
    /// # Errors
    /// 400 where it is none or out of bounds.
    pub fn number(
        &self,
        name: &str,
        bounds: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, PageError> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        text.parse().ok().filter(|number| bounds.contains(number)).ok_or_else(|| {
            PageError::bad_request(format!(
                "{name} '{}' must be a whole number from {} to {}",
                quoted(text),
                bounds.start(),
                bounds.end()
            ))
        })
    }
}

/// Those of a request's query; it never fails.
impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// A value as an error text shows it: short, without control characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    in_one_line(text, QUOTED)
}

/// A text of `most` characters at most, without control characters.
#[must_use]
pub fn in_one_line(text: &str, most: usize) -> String {
    let mut out: String = text
        .chars()
        .take(most)
        .flat_map(|c| {
            let plain = (!c.is_control()).then_some(c);
            let escape = c.is_control().then(|| c.escape_default());
            plain.into_iter().chain(escape.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_the_escapes_of_a_url() {
        let parameters = Parameters::read(b"address=%3A%3A1&plugin_identifier=a+b&address=x&e=");
        assert_eq!(parameters.get("address"), Some("::1"));
        assert_eq!(parameters.all("address").collect::<Vec<_>>(), ["::1", "x"]);
        assert_eq!(parameters.get("plugin_identifier"), Some("a b"));
        assert_eq!(parameters.get("e"), None);
        assert!(parameters.required("e").is_err());
    }

    #[test]
    fn a_number_out_of_bounds_is_refused_with_value_and_rule() {
        let parameters = Parameters::read(b"a=5&b=99999999999&c=-1&d=x%00y");
        assert_eq!(parameters.number("a", 1..=9, 3), Ok(5));
        assert_eq!(parameters.number("none", 1..=9, 3), Ok(3));
        for name in ["b", "c", "d"] {
            assert!(parameters.number(name, 1..=9, 3).is_err(), "{name}");
        }
        assert_eq!(
            parameters.number("d", 1..=9, 3),
            Err(PageError::bad_request("d 'x\\u{0}y' must be a whole number from 1 to 9"))
        );
    }

    #[test]
    fn a_long_value_is_cut_where_it_is_quoted() {
        assert_eq!(quoted(&"é".repeat(200)).chars().count(), QUOTED + 1);
    }
}
