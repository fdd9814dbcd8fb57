//! The counters of `/proc/net/snmp` and `/proc/net/netstat`: of each protocol a line of names and one of values.

use crate::machine::{ReadError, number};

/// The counters of one protocol.
pub struct ProtocolTable<'a> {
    path: &'a str,
    protocol: &'a str,
    names: &'a str,
    values: &'a str,
}

impl<'a> ProtocolTable<'a> {
    /// Those of a protocol in the text of the file at `path`; without any where it has no such lines.
    pub fn of(path: &'a str, text: &'a str, protocol: &'a str) -> Self {
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(protocol).and_then(|rest| rest.strip_prefix(':')));
        let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        Self { path, protocol, names, values }
    }

    /// A counter; `None` where this kernel does not have it.
    pub fn get(&self, name: &str) -> Result<Option<u64>, ReadError> {
        let mut names = self.names.split_ascii_whitespace();
        let Some(position) = names.position(|found| found == name) else {
            return Ok(None);
        };
        number(self.path, self.values.split_ascii_whitespace().nth(position)).map(Some)
    }

    /// A counter that each kernel has.
    pub fn required(&self, name: &str) -> Result<u64, ReadError> {
        self.get(name)?.ok_or_else(|| {
            ReadError::content(self.path, format!("no column '{name}' of {}", self.protocol))
        })
    }
}
