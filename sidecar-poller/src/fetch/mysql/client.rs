//! A connection to a MySQL or MariaDB server that asks and never changes: it logs in by password
//! and sends queries as text. It holds no more than [`LONGEST_ANSWER`] of what a server says.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};

use super::packet::{self, Greeting, LoginAnswer, QueryAnswer, RowAnswer, ServerError};
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

/// The answer to a query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The names of its columns.
    pub names: Vec<String>,
    /// As many values as columns each; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
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
        Self::Odd(format!("it says '{said}', which is not MySQL's protocol"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Logs in over a connection that stands.
    pub(super) async fn log_in(stream: S, user: &str, password: &str) -> Result<Self, Fault> {
        let mut client = Self { stream: BufStream::new(stream), sequence: 0, left: LONGEST_ANSWER };
        let greeting = client.greeting().await?;
        // A plugin that is not known here may be the server's and yet not this user's.
        let mut plugin = Plugin::named(&greeting.plugin).unwrap_or(Plugin::Native);
        let mut nonce = greeting.nonce.clone();
        let proof = plugin.proof(password, &nonce);
        client.send(&greeting.login(user, plugin.name(), &proof)).await?;
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
                        // The server does not know this user's proof yet: ask for its key.
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

    async fn greeting(&mut self) -> Result<Greeting, Fault> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).await?;
        // Other servers that speak first do so in words.
        let [a, b, 0, sequence @ 0..=1] = header else {
            let mut said = header.to_vec();
            (&mut self.stream).take(76).read_buf(&mut said).await?;
            return Err(Fault::odd(&said));
        };
        self.sequence = sequence + 1;
        let packet = self.body(usize::from(u16::from_le_bytes([a, b]))).await?;
        if let Some(error) = ServerError::of(&packet) {
            return Err(Fault::Refused(error));
        }
        let greeting = Greeting::parse(&packet).ok_or_else(|| Fault::odd(&packet))?;
        if greeting.capabilities & packet::capability::PROTOCOL_41 == 0 {
            return Err(Fault::Odd("the server is older than MySQL 4.1".to_owned()));
        }
        Ok(greeting)
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
        // What is sent here has less than 2^24 bytes.
        let [a, b, c, ..] = body.len().to_le_bytes();
        self.stream.write_all(&[a, b, c, self.sequence]).await?;
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(body).await?;
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

    /// The body of a packet. Takes memory as bytes come, not as the server says that they will.
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
        let mut body = Vec::new();
        (&mut self.stream).take(length as u64).read_to_end(&mut body).await?;
        if body.len() < length {
            return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(body)
    }
}
