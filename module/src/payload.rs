//! One payload: its lines one after another, and what of it is to be replicated.

use line_protocol::Line;

use crate::outcome::Place;

/// Reads a payload line by line, and keeps what was accepted in canonical form: address and time
/// stand in the line.
///
/// Most payloads are in that form as they came, whole; nothing is copied then.
pub struct Payload<'a> {
    index: usize,
    bytes: &'a [u8],
    rest: &'a [u8],
    /// Number of the last line read.
    number: usize,
    /// Where that line begins.
    start: usize,
    /// Accepted lines, where they are not the payload as it is.
    canonical: Option<Vec<u8>>,
}

impl<'a> Payload<'a> {
    pub fn new(index: usize, bytes: &'a [u8]) -> Self {
        Self { index, bytes, rest: bytes, number: 0, start: 0, canonical: None }
    }

    /// Where the line that was read last stands.
    pub fn place(&self) -> Place {
        (self.index, self.number)
    }

    /// What was not read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next line, without its end.
    pub fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match memchr::memchr(b'\n', self.rest) {
            Some(end) => (self.rest.get(..end)?, self.rest.get(end + 1..)?),
            None => (self.rest, &[][..]),
        };
        self.read_to(rest);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The next line was read by other means, up to `rest`.
    pub fn read_to(&mut self, rest: &'a [u8]) {
        self.start = self.bytes.len() - self.rest.len();
        self.rest = rest;
        self.number += 1;
    }

    /// The line that was read last is canonical and accepted.
    pub fn accept_as_is(&mut self) {
        if let Some(lines) = &mut self.canonical {
            let end = self.bytes.len() - self.rest.len();
            let line = self.bytes.get(self.start..end).unwrap_or_default();
            lines.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                lines.push(b'\n');
            }
        }
    }

    /// The line that was read last is accepted in this form.
    pub fn accept_as(&mut self, line: &Line<'_>, address: &str) {
        let mut text = String::new();
        line.write_to(&mut text, address);
        self.lines().extend_from_slice(text.as_bytes());
    }

    /// The line that was read last says nothing, or is rejected.
    pub fn leave_out(&mut self) {
        self.lines();
    }

    /// All lines before the one that was read last were accepted as they are, or are here.
    fn lines(&mut self) -> &mut Vec<u8> {
        let before = self.bytes.get(..self.start).unwrap_or_default();
        self.canonical.get_or_insert_with(|| before.to_vec())
    }

    /// The accepted lines, once all is read; `None` where they are the payload as it is.
    pub fn into_canonical(self) -> Option<Vec<u8>> {
        self.canonical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(payload: Payload<'_>) -> Option<String> {
        payload.into_canonical().map(|lines| String::from_utf8(lines).unwrap())
    }

    #[test]
    fn lines_are_numbered_and_lose_their_ends() {
        let mut payload = Payload::new(3, b"a\r\n\nb");
        let mut lines = Vec::new();
        while let Some(line) = payload.next_line() {
            lines.push((payload.place(), line));
        }
        assert_eq!(lines, [((3, 1), &b"a"[..]), ((3, 2), b""), ((3, 3), b"b")]);
    }

    #[test]
    fn a_payload_whose_lines_are_all_accepted_as_they_are_is_replicated_whole() {
        let mut payload = Payload::new(0, b"a\nb");
        while payload.next_line().is_some() {
            payload.accept_as_is();
        }
        assert_eq!(canonical(payload), None);
    }

    #[test]
    fn else_the_accepted_lines_are() {
        let mut payload = Payload::new(0, b"a\nb\nbad\nc");
        while let Some(line) = payload.next_line() {
            if line == b"bad" {
                payload.leave_out();
            } else {
                payload.accept_as_is();
            }
        }
        assert_eq!(canonical(payload).as_deref(), Some("a\nb\nc\n"));
    }
}
