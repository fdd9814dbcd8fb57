//! A connection to a web server, kept open: as little work as may be beside what is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::Result;

/// A connection that takes one request after the other.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// What came.
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// The entity tag, where there is one.
    pub tag: Option<String>,
    /// What follows the head.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream) })
    }

    /// Asks for a path; `known` is an entity tag of before.
    ///
    /// # Errors
    /// Where no answer comes that this understands.
    pub fn get(&mut self, path: &str, known: Option<&str>) -> Result<Answer> {
        let known = known.map_or(String::new(), |tag| format!("if-none-match: {tag}\r\n"));
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{known}\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("{path}: answered '{line}'"))?;
        let (mut length, mut tag) = (0, None);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name {
                "content-length" => length = value.parse()?,
                "etag" => tag = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, tag, body })
    }
}
