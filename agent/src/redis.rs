//! The way to the server: a Redis client of the few commands that an agent sends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Limit on connecting, on each write and on each read.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The list that agents push to where the server does not know `KURADO.PUSH`.
const QUEUE: &str = "kurado-update";

/// Bounds on a reply: it says how many lines were refused and why, and is short.
const MAX_REPLY_LINE: u64 = 64 * 1024;
const MAX_REPLY_BULK: usize = 1024 * 1024;
const MAX_REPLY_ITEMS: usize = 10_000;
const MAX_REPLY_DEPTH: usize = 4;

/// Where to send.
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// Sent by `AUTH` where there is one.
    pub password: Option<String>,
}

/// Why a payload was not taken. The text says what was tried and what happened, and holds no
/// password.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The name could not be looked up.
    #[error("cannot look up the address: {0}")]
    Lookup(io::Error),
    /// Nobody answers there.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The connection broke, or nothing came in time.
    #[error("connection lost: {0}")]
    Connection(#[from] io::Error),
    /// The server took longer than the limit.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The server answered with an error.
    #[error("{command} refused: {error}")]
    Refused {
        /// Which command.
        command: &'static str,
        /// The server's words.
        error: String,
    },
    /// What came is no answer to what was sent; perhaps this is no Redis at all.
    #[error("unexpected answer to {command}: {answer}")]
    Unexpected {
        /// Which command.
        command: &'static str,
        /// What came, shortened.
        answer: String,
    },
}

/// What the server said of a payload that it took.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// How many lines it refused.
    pub rejected: i64,
    /// Why, line by line; the server may name only the first.
    pub reasons: Vec<String>,
}

/// A connection, ready for payloads.
pub struct Connection {
    stream: BufReader<TcpStream>,
    knows_push: bool,
}

/// A value of the Redis protocol, version 2.
#[derive(Debug, PartialEq)]
enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(String),
    Nil,
    Array(Vec<Reply>),
}

impl Server {
    /// Connects, and says the password.
    pub fn connect(&self) -> Result<Connection, SendError> {
        let addresses = self.address.to_socket_addrs().map_err(SendError::Lookup)?;
        let mut fault = io::Error::other("the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT))?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    let mut connection =
                        Connection { stream: BufReader::new(stream), knows_push: true };
                    if let Some(password) = &self.password {
                        connection.authenticate(password)?;
                    }
                    return Ok(connection);
                }
                Err(error) => fault = error,
            }
        }
        Err(SendError::Connect(fault))
    }
}

impl Connection {
    /// Sends one payload of lines.
    pub fn push(&mut self, payload: &str) -> Result<Receipt, SendError> {
        if self.knows_push {
            match self.call("KURADO.PUSH", &[payload])? {
                // A Redis without the module: an older server's worker reads a list there.
                Reply::Error(error) if error.starts_with("ERR unknown command") => {
                    self.knows_push = false;
                }
                reply => return receipt(reply),
            }
        }
        match self.call("RPUSH", &[QUEUE, payload])? {
            Reply::Integer(_) => Ok(Receipt::default()),
            reply => Err(not_taken("RPUSH", reply)),
        }
    }

    /// Whether payloads go to the list that an older server's worker reads.
    pub fn uses_list(&self) -> bool {
        !self.knows_push
    }

    fn authenticate(&mut self, password: &str) -> Result<(), SendError> {
        match self.call("AUTH", &[password])? {
            Reply::Status(_) => Ok(()),
            reply => Err(not_taken("AUTH", reply)),
        }
    }

    fn call(&mut self, command: &'static str, arguments: &[&str]) -> Result<Reply, SendError> {
        self.write(command, arguments)
            .and_then(|()| read_reply(&mut self.stream, MAX_REPLY_DEPTH))
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => SendError::Timeout,
                io::ErrorKind::InvalidData => {
                    SendError::Unexpected { command, answer: error.to_string() }
                }
                _ => SendError::Connection(error),
            })
    }

    fn write(&mut self, command: &str, arguments: &[&str]) -> io::Result<()> {
        let mut request = format!("*{}\r\n", arguments.len() + 1);
        for part in std::iter::once(&command).chain(arguments) {
            request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes())
    }
}

/// Reads `[accepted, rejected, [reason …]]`.
fn receipt(reply: Reply) -> Result<Receipt, SendError> {
    match reply {
        Reply::Array(items) => match items.as_slice() {
            [Reply::Integer(_), Reply::Integer(rejected), rest @ ..] => {
                Ok(Receipt { rejected: *rejected, reasons: texts(rest) })
            }
            _ => Err(not_taken("KURADO.PUSH", Reply::Array(items))),
        },
        reply => Err(not_taken("KURADO.PUSH", reply)),
    }
}

fn texts(replies: &[Reply]) -> Vec<String> {
    replies
        .iter()
        .flat_map(|reply| match reply {
            Reply::Status(text) | Reply::Bulk(text) => vec![text.clone()],
            Reply::Array(items) => texts(items),
            _ => Vec::new(),
        })
        .collect()
}

fn not_taken(command: &'static str, reply: Reply) -> SendError {
    match reply {
        Reply::Error(error) => SendError::Refused { command, error },
        other => SendError::Unexpected { command, answer: shortened(&format!("{other:?}")) },
    }
}

fn read_reply(stream: &mut impl BufRead, depth: usize) -> io::Result<Reply> {
    let line = read_line(stream)?;
    let rest = line.get(1..).unwrap_or_default();
    match line.as_bytes().first() {
        Some(b'+') => Ok(Reply::Status(rest.to_owned())),
        Some(b'-') => Ok(Reply::Error(rest.to_owned())),
        Some(b':') => rest.parse().map(Reply::Integer).map_err(|_| odd(&line)),
        Some(b'$') if rest == "-1" => Ok(Reply::Nil),
        Some(b'*') if rest == "-1" => Ok(Reply::Nil),
        Some(b'$') => {
            let len = count(rest, MAX_REPLY_BULK).ok_or_else(|| odd(&line))?;
            let mut bytes = vec![0; len + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(len);
            Ok(Reply::Bulk(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Some(b'*') if depth > 0 => {
            let len = count(rest, MAX_REPLY_ITEMS).ok_or_else(|| odd(&line))?;
            (0..len)
                .map(|_| read_reply(stream, depth - 1))
                .collect::<io::Result<_>>()
                .map(Reply::Array)
        }
        _ => Err(odd(&line)),
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.by_ref().take(MAX_REPLY_LINE).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it"));
    }
    let line = String::from_utf8_lossy(&bytes);
    line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| odd(&line))
}

fn count(text: &str, max: usize) -> Option<usize> {
    text.parse().ok().filter(|count| *count <= max)
}

fn odd(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, shortened(&format!("{line:?}")))
}

fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    /// A server of one connection that gives its answers in turn, each after one read; it hands back
    /// all that it read.
    fn server(answers: &'static [&'static str]) -> (Server, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = String::new();
            let mut buffer = [0; 4096];
            for answer in answers {
                let len = stream.read(&mut buffer).unwrap();
                seen.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
                stream.write_all(answer.as_bytes()).unwrap();
            }
            seen
        });
        let server = Server { address, password: None };
        (server, thread)
    }

    #[test]
    fn a_push_is_one_command_and_its_reply_names_the_lines_refused() {
        let (server, thread) = server(&["*3\r\n:1\r\n:1\r\n*1\r\n$12\r\nline 2: a\r\nb\r\n"]);
        let receipt = server.connect().unwrap().push("é\n").unwrap();
        assert_eq!(receipt.rejected, 1);
        assert_eq!(receipt.reasons, ["line 2: a\r\nb"]);
        assert_eq!(thread.join().unwrap(), "*2\r\n$11\r\nKURADO.PUSH\r\n$3\r\né\n\r\n");
    }

    #[test]
    fn a_server_without_the_command_gets_the_list_and_is_not_asked_twice() {
        let (server, thread) = server(&[
            "-ERR unknown command 'KURADO.PUSH', with args beginning with: 'x' \r\n",
            ":1\r\n",
            ":2\r\n",
        ]);
        let mut connection = server.connect().unwrap();
        assert_eq!(connection.push("a").unwrap(), Receipt::default());
        assert_eq!(connection.push("b").unwrap(), Receipt::default());
        assert!(connection.uses_list());
        let seen = thread.join().unwrap();
        assert_eq!(seen.matches("KURADO.PUSH").count(), 1);
        assert!(seen.ends_with("$5\r\nRPUSH\r\n$13\r\nkurado-update\r\n$1\r\nb\r\n"));
    }

    #[test]
    fn a_refusal_is_an_error_in_the_servers_words() {
        let (server, thread) = server(&["-LOADING Redis is loading the dataset in memory\r\n"]);
        let error = server.connect().unwrap().push("a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "KURADO.PUSH refused: LOADING Redis is loading the dataset in memory"
        );
        thread.join().unwrap();
    }

    #[test]
    fn the_password_is_sent_first_and_never_shown() {
        let (mut server, thread) = server(&["-WRONGPASS invalid username-password pair\r\n"]);
        server.password = Some("secret".to_owned());
        let error = server.connect().err().unwrap();
        assert_eq!(error.to_string(), "AUTH refused: WRONGPASS invalid username-password pair");
        assert_eq!(thread.join().unwrap(), "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
    }

    #[test]
    fn what_is_no_redis_is_named_as_such() {
        let (server, thread) = server(&["HTTP/1.1 400 Bad Request\r\n\r\n"]);
        let error = server.connect().unwrap().push("a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unexpected answer to KURADO.PUSH: \"HTTP/1.1 400 Bad Request\""
        );
        thread.join().unwrap();
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let server = Server { address, password: None };
        assert!(matches!(server.connect(), Err(SendError::Connect(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'$'), Just(b'1'), Just(b'\r'), Just(b'\n')], 0..100),
        ) {
            let _ = read_reply(&mut bytes.as_slice(), MAX_REPLY_DEPTH);
        }
    }
}
