//! Redis's protocol as far as load needs it: commands made beforehand, replies counted.

/// Commands one behind the other, as a client sends them.
#[derive(Default)]
pub struct Commands {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Commands {
    /// Appends a command of these words.
    pub fn push(&mut self, words: &[&[u8]]) {
        self.bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.ends.push(self.bytes.len());
    }

    /// All of them as sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each as sent.
    pub fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

/// What a server has replied so far. Bytes may come cut anywhere.
#[derive(Default)]
pub struct Replies {
    rest: Vec<u8>,
    /// Whole replies.
    pub count: usize,
    /// The first error among them.
    pub error: Option<String>,
    /// Sum of the first numbers of array replies: lines accepted.
    pub accepted: u64,
    /// Sum of the second numbers of array replies: lines rejected.
    pub rejected: u64,
}

impl Replies {
    /// Takes bytes as they came.
    pub fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(length) = reply_length(&self.rest[start..]) {
            let end = start + length;
            let reply = String::from_utf8_lossy(&self.rest[start..end]).into_owned();
            self.count_reply(&reply);
            start = end;
        }
        self.rest.drain(..start);
    }

    fn count_reply(&mut self, reply: &str) {
        self.count += 1;
        if let Some(error) = reply.strip_prefix('-') {
            self.error.get_or_insert_with(|| error.trim_end().to_owned());
        } else if reply.starts_with('*') {
            let mut numbers = reply.split("\r\n").skip(1).map(|line| line.strip_prefix(':'));
            let mut number = || numbers.next().flatten()?.parse::<u64>().ok();
            self.accepted += number().unwrap_or(0);
            self.rejected += number().unwrap_or(0);
        }
    }
}

/// Length of the reply that the bytes begin with; `None` where it is not whole yet.
fn reply_length(bytes: &[u8]) -> Option<usize> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let count: i64 = std::str::from_utf8(&bytes[1..line_end - 2])
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(-1);
    let count = usize::try_from(count).unwrap_or(0);
    match bytes[0] {
        b'$' if bytes.starts_with(b"$-1") => Some(line_end),
        b'$' => (bytes.len() >= line_end + count + 2).then_some(line_end + count + 2),
        b'*' => {
            let mut length = line_end;
            for _ in 0..count {
                length += reply_length(&bytes[length..])?;
            }
            Some(length)
        }
        _ => Some(line_end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"*3\r\n:100\r\n:0\r\n*0\r\n+PONG\r\n:7\r\n*3\r\n:98\r\n:2\r\n*1\r\n$8\r\nline 3:\n\r\n$-1\r\n-ERR no\r\n-ERR later\r\n";

    #[test]
    fn replies_are_counted_however_they_are_cut() {
        for size in 1..=STREAM.len() {
            let mut replies = Replies::default();
            STREAM.chunks(size).for_each(|piece| replies.take(piece));
            assert_eq!(replies.count, 7, "in pieces of {size}");
            assert_eq!((replies.accepted, replies.rejected), (198, 2));
            assert_eq!(replies.error.as_deref(), Some("ERR no"));
        }
    }

    #[test]
    fn a_reply_counts_when_it_is_whole() {
        let mut replies = Replies::default();
        replies.take(b"*3\r\n:100\r\n:0\r\n*1\r\n$4\r\nab");
        assert_eq!(replies.count, 0);
        replies.take(b"cd\r\n");
        assert_eq!((replies.count, replies.accepted), (1, 100));
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut commands = Commands::default();
        commands.push(&[b"RPUSH", b"key", b"a\nb"]);
        commands.push(&[b"PING"]);
        assert_eq!(commands.len(), 2);
        let each: Vec<&[u8]> = commands.each().collect();
        assert_eq!(each[0], b"*3\r\n$5\r\nRPUSH\r\n$3\r\nkey\r\n$3\r\na\nb\r\n");
        assert_eq!(each[1], b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(commands.bytes(), each.concat());
    }
}
