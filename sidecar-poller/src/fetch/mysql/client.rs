//! A connection to a MySQL or MariaDB server that asks and never changes: it logs in by password
//! and sends queries as text. It holds no more than [`LONGEST_ANSWER`] of what a server says.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};

use super::answers::Table;
use super::packet::{self, Channel, Greeting, LoginAnswer, QueryAnswer, RowAnswer, ServerError};
use super::password::{self, Plugin};
use crate::socket;

/// The answer to one query, in bytes. Real ones have less than 100,000; InnoDB's status has 1 MB at
/// most.
const LONGEST_ANSWER: usize = 4 << 20;
/// The columns of one answer; that of `SHOW REPLICA STATUS` has about sixty.
const MOST_COLUMNS: u64 = 1000;
/// The values of one answer: there are about two thousand in that of `SHOW VARIABLES`, and each takes
/// memory even where it is empty.
const MOST_VALUES: usize = 50_000;
/// Packets of one login: the greeting, a change of plugin, a key, and the welcome.
const MOST_STEPS: usize = 6;
/// `COM_QUIT` and `COM_QUERY`
const QUIT: u8 = 1;
const QUERY: u8 = 3;

/// Why a server does not answer as it should.
#[derive(Debug)]
pub(super) enum Fault {
    /// Reading or writing failed.
    Io(io::Error),
    /// The server refused; it may be asked other things if this was no login.
    Refused(ServerError),
    /// What it said is not understood, or not taken.
    Odd(String),
}

/// A server that has greeted, and waits for a login.
pub(super) struct Greeted {
    greeting: Greeting,
    /// The number of the packet that comes next.
    sequence: u8,
    channel: Channel,
}

/// A connection that is logged in.
pub(super) struct Client<S> {
    stream: BufStream<S>,
    /// Counts the packets of one exchange.
    sequence: u8,
    /// How many bytes the server may yet say in this exchange.
    left: usize,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    /// In words that a person can act on.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Io(error) => socket::reason(error),
            Self::Refused(error) => format!("ERROR {}: {}", error.code, error.text.trim_end()),
            Self::Odd(what) => what.clone(),
        }
    }

    fn odd(packet: &[u8]) -> Self {
        let said = socket::beginning(packet);
        Self::Odd(format!("not MySQL's protocol: {said}"))
    }
}

impl Greeted {
    /// Reads the greeting, and not a byte more: TLS may begin behind it.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, Fault> {
        let mut header = [0; 4];
        stream.read_exact(&mut header).await?;
        // Other servers that speak first do so in words.
        let [a, b, 0, sequence @ 0..=1] = header else {
            let mut said = header.to_vec();
            stream.take(76).read_buf(&mut said).await?;
            return Err(Fault::odd(&said));
        };
        let packet = body(stream, usize::from(u16::from_le_bytes([a, b]))).await?;
        if let Some(error) = ServerError::of(&packet) {
            return Err(Fault::Refused(error));
        }
        let greeting = Greeting::parse(&packet).ok_or_else(|| Fault::odd(&packet))?;
        if greeting.capabilities & packet::capability::PROTOCOL_41 == 0 {
            return Err(Fault::Odd("the server is older than MySQL 4.1".to_owned()));
        }
        Ok(Self { greeting, sequence: sequence + 1, channel: Channel::Open })
    }

    /// Tells the server that TLS begins.
    pub(super) async fn ask_for_tls(
        self,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Self, Fault> {
        let Some(packet) = self.greeting.ask_for_tls() else {
            return Err(Fault::Odd("the server has no TLS, and tls is true".to_owned()));
        };
        stream.write_all(&framed(self.sequence, &packet)).await?;
        Ok(Self { sequence: self.sequence + 1, channel: Channel::Private, ..self })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Logs in over the connection on which the server has greeted, or over what TLS made of it.
    pub(super) async fn log_in(
        stream: S,
        greeted: Greeted,
        user: &str,
        password: &str,
    ) -> Result<Self, Fault> {
        let Greeted { greeting, sequence, channel } = greeted;
        let mut client = Self { stream: BufStream::new(stream), sequence, left: LONGEST_ANSWER };
        // A plugin that is not known here may be the server's and yet not this user's.
        let mut plugin = Plugin::named(&greeting.plugin).unwrap_or(Plugin::Native);
        let mut nonce = greeting.nonce.clone();
        let proof = plugin.proof(password, &nonce);
        client.send(&greeting.login(channel, user, plugin.name(), &proof)).await?;
        for _ in 0..MOST_STEPS {
            let packet = client.packet().await?;
            match LoginAnswer::parse(&packet) {
                Some(LoginAnswer::Welcome) => return Ok(client),
                Some(LoginAnswer::Refused(error)) => return Err(Fault::Refused(error)),
                Some(LoginAnswer::Switch { plugin: name, nonce: other }) => {
                    plugin = Plugin::named(&name).ok_or_else(|| {
                        Fault::Odd(format!(
                            "user '{user}' logs in by the plugin {name}; known here are {} and {}",
                            Plugin::Native.name(),
                            Plugin::CachingSha2.name()
                        ))
                    })?;
                    nonce = other;
                    client.send(&plugin.proof(password, &nonce)).await?;
                }
                Some(LoginAnswer::More(word)) if plugin == Plugin::CachingSha2 => {
                    match word.as_slice() {
                        // The proof was good: the welcome follows.
                        [3] => {}
                        // The server does not know this user's proof yet, and wants the password:
                        // as it is, or encrypted with a key to be asked for.
                        [4] if channel == Channel::Private => {
                            client.send(&[password.as_bytes(), &[0]].concat()).await?;
                        }
                        [4] => client.send(&[2]).await?,
                        key => {
                            let encrypted =
                                password::encrypted(password, &nonce, key).map_err(Fault::Odd)?;
                            client.send(&encrypted).await?;
                        }
                    }
                }
                _ => return Err(Fault::odd(&packet)),
            }
        }
        Err(Fault::Odd("the login does not come to an end".to_owned()))
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn query(&mut self, query: &str) -> Result<Table, Fault> {
        self.sequence = 0;
        self.left = LONGEST_ANSWER;
        self.send(&[&[QUERY], query.as_bytes()].concat()).await?;
        let packet = self.packet().await?;
        let columns = match QueryAnswer::parse(&packet) {
            Some(QueryAnswer::Done) => return Ok(Table::default()),
            Some(QueryAnswer::Refused(error)) => return Err(Fault::Refused(error)),
            Some(QueryAnswer::Columns(columns @ 1..=MOST_COLUMNS)) => columns,
            Some(QueryAnswer::Columns(columns)) => {
                return Err(Fault::Odd(format!("it answers {columns} columns")));
            }
            None => return Err(Fault::odd(&packet)),
        };
        let mut table = Table::default();
        for _ in 0..columns {
            let packet = self.packet().await?;
            table.names.push(packet::column_name(&packet).ok_or_else(|| Fault::odd(&packet))?);
        }
        let packet = self.packet().await?;
        if !packet::is_end(&packet) {
            return Err(Fault::odd(&packet));
        }
        loop {
            let packet = self.packet().await?;
            match RowAnswer::parse(&packet, table.names.len()) {
                Some(RowAnswer::Row(row)) if (table.rows.len() + 1) * row.len() <= MOST_VALUES => {
                    table.rows.push(row);
                }
                Some(RowAnswer::Row(_)) => {
                    return Err(Fault::Odd(format!(
                        "its answer has more than {MOST_VALUES} values"
                    )));
                }
                Some(RowAnswer::End) => return Ok(table),
                Some(RowAnswer::Refused(error)) => return Err(Fault::Refused(error)),
                None => return Err(Fault::odd(&packet)),
            }
        }
    }

    /// Takes leave, so that the server does not count an aborted client.
    pub(super) async fn quit(mut self) {
        self.sequence = 0;
        // A server that has gone needs no farewell.
        let _ = self.send(&[QUIT]).await;
    }

    async fn send(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(&framed(self.sequence, body)).await?;
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.flush().await?;
        Ok(())
    }

    async fn packet(&mut self) -> Result<Vec<u8>, Fault> {
        let [a, b, c, sequence] = {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header).await?;
            header
        };
        if sequence != self.sequence {
            return Err(Fault::odd(&[a, b, c, sequence]));
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.body(usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16).await
    }

    async fn body(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        // Empty packets count too, or there would be no end of them.
        match self.left.checked_sub(length + 4) {
            Some(left) => self.left = left,
            None => {
                return Err(Fault::Odd(format!(
                    "its answer is longer than {LONGEST_ANSWER} bytes"
                )));
            }
        }
        body(&mut self.stream, length).await
    }
}

/// A packet with its header; what is sent here has less than 2^24 bytes.
fn framed(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [a, b, c, ..] = body.len().to_le_bytes();
    [&[a, b, c, sequence], body].concat()
}

/// The body of a packet. Takes memory as bytes come, not as the server says that they will.
async fn body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(body)
}
