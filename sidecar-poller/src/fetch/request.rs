//! What a fetcher is given: where and what, and its settings.

use line_protocol::Identifier;
use serde_json::{Map, Value as Json};

use super::FetchError;
use super::declaration::{Arguments, Given};

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
    /// The target's arguments.
    ///
    /// # Errors
    /// Where one can't be what it must be.
    pub fn given(&self, arguments: Arguments) -> Result<Given<'a>, FetchError> {
        arguments.of(self.identifier).map_err(FetchError::Failed)
    }
}
