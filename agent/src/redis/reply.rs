//! What a server answers, in version 2 of the Redis protocol, with bounds on all of it.

use std::io::{self, BufRead, Read};

/// Bounds on a reply: it says how many lines were refused and why, and is short.
const MAX_BYTES: usize = 4 * 1024 * 1024;
const MAX_LINE: u64 = 64 * 1024;
const MAX_ITEMS: usize = 10_000;
const MAX_DEPTH: usize = 4;

/// What a value takes in memory besides its bytes, at least.
const OVERHEAD: usize = 32;

/// A value of the Redis protocol, version 2.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`.
    Status(String),
    /// `-ERR …`, without the dash.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// Bytes, of which those that are not UTF-8 are replaced.
    Bulk(String),
    /// Nothing.
    Nil,
    /// Values in order.
    Array(Vec<Reply>),
}

impl Reply {
    /// Reads one reply.
    ///
    /// # Errors
    /// Those of the stream; of kind `InvalidData` with what came, shortened, where it is no reply or
    /// passes a bound.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Self> {
        Reader { stream, left: MAX_BYTES }.value(MAX_DEPTH)
    }
}

struct Reader<'a, S> {
    stream: &'a mut S,
    /// How much more a reply may have.
    left: usize,
}

impl<S: BufRead> Reader<'_, S> {
    fn value(&mut self, depth: usize) -> io::Result<Reply> {
        let line = self.line()?;
        let rest = line.get(1..).unwrap_or_default();
        match line.as_bytes().first() {
            Some(b'+') => Ok(Reply::Status(rest.to_owned())),
            Some(b'-') => Ok(Reply::Error(rest.to_owned())),
            Some(b':') => rest.parse().map(Reply::Integer).map_err(|_| odd(&line)),
            Some(b'$' | b'*') if rest == "-1" => Ok(Reply::Nil),
            Some(b'$') => {
                let len = count(rest, MAX_BYTES).ok_or_else(|| odd(&line))?;
                self.spend(len)?;
                let mut bytes = vec![0; len + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(len);
                Ok(Reply::Bulk(String::from_utf8_lossy(&bytes).into_owned()))
            }
            Some(b'*') if depth > 0 => {
                let len = count(rest, MAX_ITEMS).ok_or_else(|| odd(&line))?;
                (0..len).map(|_| self.value(depth - 1)).collect::<io::Result<_>>().map(Reply::Array)
            }
            _ => Err(odd(&line)),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.stream.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it"));
        }
        self.spend(bytes.len() + OVERHEAD)?;
        let line = String::from_utf8_lossy(&bytes);
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| odd(&line))
    }

    fn spend(&mut self, bytes: usize) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("more than {MAX_BYTES} bytes"))
        })?;
        Ok(())
    }
}

fn count(text: &str, max: usize) -> Option<usize> {
    text.parse().ok().filter(|count| *count <= max)
}

fn odd(line: &str) -> io::Error {
    // The first byte of an answer in TLS, to one who does not speak it.
    let reason = if line.starts_with('\u{15}') {
        "it speaks TLS: write rediss://".to_owned()
    } else {
        shortened(&format!("{line:?}"))
    };
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The beginning of a text, for a log.
pub fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reply_that_is_larger_than_any_of_ours_is_not_taken_into_memory() {
        let bulk = format!("$1000000\r\n{}\r\n", "x".repeat(1_000_000));
        let reply = format!("*100\r\n{}", bulk.repeat(5));
        let error = Reply::read(&mut reply.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "more than 4194304 bytes");
        let error = Reply::read(&mut "$5000000\r\n".as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "\"$5000000\"");
    }

    fn encoded(reply: &Reply) -> String {
        match reply {
            Reply::Status(text) => format!("+{text}\r\n"),
            Reply::Error(text) => format!("-{text}\r\n"),
            Reply::Integer(number) => format!(":{number}\r\n"),
            Reply::Bulk(text) => format!("${}\r\n{text}\r\n", text.len()),
            Reply::Nil => "$-1\r\n".to_owned(),
            Reply::Array(items) => {
                format!("*{}\r\n{}", items.len(), items.iter().map(encoded).collect::<String>())
            }
        }
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            "\\PC{0,20}".prop_map(Reply::Status),
            "\\PC{0,20}".prop_map(Reply::Error),
            any::<i64>().prop_map(Reply::Integer),
            any::<String>().prop_map(Reply::Bulk),
            Just(Reply::Nil),
        ];
        leaf.prop_recursive(MAX_DEPTH as u32, 32, 8, |inner| {
            proptest::collection::vec(inner, 0..8).prop_map(Reply::Array)
        })
    }

    proptest! {
        #[test]
        fn what_a_server_writes_is_read_back(reply in any_reply()) {
            prop_assert_eq!(Reply::read(&mut encoded(&reply).as_bytes()).unwrap(), reply);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'$'), Just(b'1'), Just(b'\r'), Just(b'\n')], 0..100),
        ) {
            let _ = Reply::read(&mut bytes.as_slice());
        }
    }
}
