//! What a fetcher is given: where and what, and its settings.

use line_protocol::Identifier;
use serde_json::{Map, Value as Json};

use super::FetchError;

/// What is to be fetched. Not to be printed: its settings hold passwords.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The host, which is also where the server is.
    pub address: &'a str,
    /// The plugin with its arguments.
    pub identifier: &'a Identifier,
    /// Settings of the host's roll, by plugin.
    pub metrics_config: &'a Map<String, Json>,
}

impl<'a> Request<'a> {
    /// An argument of the plugin; where it is missing, empty or `0`, as people write it to keep the
    /// default, that.
    #[must_use]
    pub fn argument(&self, index: usize, default: &'a str) -> &'a str {
        self.identifier.argument(index).filter(|text| *text != "0").unwrap_or(default)
    }

    /// The first argument as a port.
    ///
    /// # Errors
    /// Where it is none.
    pub fn port(&self, default: u16) -> Result<u16, FetchError> {
        match self.argument(0, "") {
            "" => Ok(default),
            text => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                FetchError::Failed(format!("port '{text}' must be a number from 1 to 65535"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_is_missing_empty_or_0_has_its_default() {
        let port = |identifier: &str| {
            let identifier = Identifier::parse(identifier).unwrap();
            let metrics_config = Map::new();
            Request { address: "h", identifier: &identifier, metrics_config: &metrics_config }
                .port(80)
                .map_err(|error| error.to_string())
        };
        assert_eq!(port("http"), Ok(80));
        assert_eq!(port("http::/status"), Ok(80));
        assert_eq!(port("http:0"), Ok(80));
        assert_eq!(port("http:8080"), Ok(8080));
        for bad in ["http:x", "http:65536", "http:-1"] {
            assert!(port(bad).unwrap_err().contains("must be a number from 1 to 65535"), "{bad}");
        }
    }
}
