//! One connection to the server, ready for payloads.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::password::Password;
use super::reply::{Reply, shortened};
use super::socket::Socket;
use super::tls::Tls;
use super::{Receipt, SendError, TIMEOUT, refusal};

/// The list that agents push to where the server does not know `KURADO.PUSH`.
const QUEUE: &str = "kurado-update";

/// Writing may take longer than the limit where at least so many bytes a second are taken.
const SLOWEST: usize = 16 * 1024;

/// A connection.
pub struct Connection {
    stream: BufReader<Stream>,
    tls: Option<Arc<Tls>>,
    /// Whether the server has answered anything yet.
    answered: bool,
    knows_push: bool,
}

/// How the bytes travel.
enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Connection {
    /// Over a socket that is connected, as it is.
    pub fn plain(socket: Socket) -> Self {
        Self::over(Stream::Plain(socket), None)
    }

    /// The same by TLS, of which the handshake is done here.
    pub fn tls(socket: Socket, tls: &Arc<Tls>) -> Result<Self, SendError> {
        match tls.begin(socket) {
            Ok(stream) => Ok(Self::over(Stream::Tls(Box::new(stream)), Some(Arc::clone(tls)))),
            Err(error) => {
                tls.forget();
                Err(match (tls.explain(&error), error.kind()) {
                    (Some(reason), _) => SendError::Tls(reason),
                    (None, io::ErrorKind::InvalidInput) => SendError::Tls(error.to_string()),
                    (None, io::ErrorKind::TimedOut) => SendError::Tls(format!(
                        "no answer within {} s: does the server speak TLS there?",
                        TIMEOUT.as_secs()
                    )),
                    (None, _) => {
                        SendError::Tls(format!("{error}: does the server speak TLS there?"))
                    }
                })
            }
        }
    }

    fn over(stream: Stream, tls: Option<Arc<Tls>>) -> Self {
        Self { stream: BufReader::new(stream), tls, answered: false, knows_push: true }
    }

    /// Sends one payload of lines.
    pub fn push(&mut self, payload: &str) -> Result<Receipt, SendError> {
        if self.knows_push {
            match self.call("KURADO.PUSH", &[payload.as_bytes()])? {
                // A Redis without the module: an older server's worker reads a list there.
                Reply::Error(error) if error.starts_with("ERR unknown command") => {
                    self.knows_push = false;
                }
                reply => return receipt(reply),
            }
        }
        match self.call("RPUSH", &[QUEUE.as_bytes(), payload.as_bytes()])? {
            Reply::Integer(_) => Ok(Receipt::default()),
            reply => Err(not_taken("RPUSH", reply)),
        }
    }

    /// Whether payloads go to the list that an older server's worker reads.
    pub fn uses_list(&self) -> bool {
        !self.knows_push
    }

    /// Says who this is, to the server's ACL where there is a user.
    pub fn authenticate(
        &mut self,
        user: Option<&str>,
        password: &Password,
    ) -> Result<(), SendError> {
        let user = user.map(str::as_bytes);
        let arguments: Vec<_> = user.into_iter().chain([password.as_bytes()]).collect();
        // An answer may repeat what the server did not understand: such a one is not shown.
        match self.call("AUTH", &arguments) {
            Ok(Reply::Status(_)) => Ok(()),
            Ok(Reply::Error(error)) if !password.is_in(&error) => {
                Err(not_taken("AUTH", Reply::Error(error)))
            }
            Ok(Reply::Error(_)) => Err(SendError::Unexpected {
                command: "AUTH",
                answer: "an error that repeats the password".to_owned(),
            }),
            Ok(_) | Err(SendError::Unexpected { .. }) => Err(SendError::Unexpected {
                command: "AUTH",
                answer: "not one of Redis's".to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Chooses a database.
    pub fn select(&mut self, db: u32) -> Result<(), SendError> {
        match self.call("SELECT", &[db.to_string().as_bytes()])? {
            Reply::Status(_) => Ok(()),
            reply => Err(not_taken("SELECT", reply)),
        }
    }

    fn call(&mut self, command: &'static str, arguments: &[&[u8]]) -> Result<Reply, SendError> {
        let reply = match self.write(command, arguments) {
            Ok(()) => self.read(),
            // A server that takes no more clients, or not our certificate, says so, closes, and does not
            // read.
            Err(fault) => match self.read() {
                Ok(reply @ Reply::Error(_)) => Ok(reply),
                Err(error)
                    if self.tls.as_ref().is_some_and(|tls| tls.explain(&error).is_some()) =>
                {
                    Err(error)
                }
                _ => Err(fault),
            },
        };
        self.answered |= reply.is_ok();
        reply.map_err(|error| self.explain(command, error))
    }

    fn write(&mut self, command: &str, arguments: &[&[u8]]) -> io::Result<()> {
        let mut request = format!("*{}\r\n", arguments.len() + 1).into_bytes();
        for part in std::iter::once(&command.as_bytes()).chain(arguments) {
            request.extend(format!("${}\r\n", part.len()).as_bytes());
            request.extend(*part);
            request.extend(b"\r\n");
        }
        let stream = self.stream.get_mut();
        let seconds = u64::try_from(request.len() / SLOWEST).unwrap_or(0);
        stream.socket().begin_step(TIMEOUT + Duration::from_secs(seconds));
        stream.write_all(&request)?;
        stream.flush()
    }

    fn read(&mut self) -> io::Result<Reply> {
        self.stream.get_mut().socket().begin_step(TIMEOUT);
        Reply::read(&mut self.stream)
    }

    fn explain(&self, command: &'static str, error: io::Error) -> SendError {
        if let Some(tls) = &self.tls {
            // By TLS 1.3 a server refuses our certificate after the handshake.
            tls.forget();
            if let Some(reason) = tls.explain(&error) {
                return SendError::Tls(reason);
            }
        }
        match error.kind() {
            io::ErrorKind::TimedOut => SendError::Timeout,
            io::ErrorKind::InvalidData => {
                SendError::Unexpected { command, answer: error.to_string() }
            }
            // As a server that speaks TLS alone does with what it does not understand.
            kind if !self.answered && self.stream.get_ref().is_plain_tcp() => {
                let reason = format!("{error}; if it speaks TLS, write rediss://");
                SendError::Connection(io::Error::new(kind, reason))
            }
            _ => SendError::Connection(error),
        }
    }
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    fn is_plain_tcp(&self) -> bool {
        matches!(self, Self::Plain(socket) if socket.is_tcp())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Drop for Stream {
    /// Says that no more comes, so that the server need not take it for an attack.
    fn drop(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            // It may be gone, which is no matter now.
            let _ = stream.conn.write_tls(&mut stream.sock);
        }
    }
}

/// Reads `[accepted, rejected, [reason …]]`.
fn receipt(reply: Reply) -> Result<Receipt, SendError> {
    match reply {
        Reply::Array(items) => match items.as_slice() {
            [Reply::Integer(_), Reply::Integer(rejected), rest @ ..] => {
                let mut reasons = texts(rest);
                reasons.iter_mut().for_each(refusal::advise_on_line);
                Ok(Receipt { rejected: *rejected, reasons })
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
        Reply::Error(error) => SendError::Refused { command, error: refusal::words(&error) },
        other => SendError::Unexpected { command, answer: shortened(&format!("{other:?}")) },
    }
}
