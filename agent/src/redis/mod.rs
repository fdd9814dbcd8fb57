//! The way to the server: a Redis client of the few commands that an agent sends.
//!
//! A connection serves one round, and is closed. Kept until the next one, 3,000 agents would save the
//! server nothing: a connection and a push took it 0.058 ms of CPU and a push alone 0.013, so 0.14 s a
//! minute, against 0.12 s a minute for 3,000 idle clients, and 6 MB. By TLS it was 0.76 ms (0.58 where
//! the handshake goes on from the one before, as it does here) and 0.06: 1.6 s a minute, 3 % of a core,
//! against 30 KB for each idle client, 89 MB in all. For that, each agent would be one of the server's
//! `maxclients` all the time, and firewalls and `timeout`, which forget what is idle, would cost a
//! payload its first try.

mod connection;
mod options;
mod password;
mod refusal;
mod reply;
mod socket;
mod tls;
mod url;

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

pub use connection::Connection;
pub use options::{PASSWORD_VARIABLE, SERVER_VARIABLE, ServerOptions};
pub use url::shown;

use password::{PasswordError, PasswordSource};
use socket::Socket;
use tls::Tls;
use url::Endpoint;

/// Limit on connecting, on the handshake of TLS, on each request and on each reply.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Most addresses of a name that are tried, in the order of the system, which begins with IPv6 where
/// this machine has it.
const MAX_ADDRESSES: usize = 8;

/// Where to send.
#[derive(Debug)]
pub struct Server {
    /// What logs call it: without user and password.
    pub address: String,
    endpoint: Endpoint,
    user: Option<String>,
    password: PasswordSource,
    db: u32,
    tls: Option<Arc<Tls>>,
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
    /// There is no password where one should be.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The handshake failed, or a file that it needs.
    #[error("TLS: {0}")]
    Tls(String),
    /// The connection broke, or nothing came in time.
    #[error("connection lost: {0}")]
    Connection(#[from] io::Error),
    /// The server took longer than the limit.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The server answered with an error.
    #[error("{command} refused: {}", refusal::with_advice(command, error))]
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

impl Server {
    /// Connects, says who this is, and chooses the database.
    pub fn connect(&self) -> Result<Connection, SendError> {
        let password = self.password.password()?;
        let mut connection = match (self.socket()?, &self.tls) {
            (socket, Some(tls)) => Connection::tls(socket, tls)?,
            (socket, None) => Connection::plain(socket),
        };
        if let Some(password) = &password {
            connection.authenticate(self.user.as_deref(), password)?;
        }
        if self.db > 0 {
            connection.select(self.db)?;
        }
        Ok(connection)
    }

    fn socket(&self) -> Result<Socket, SendError> {
        let (host, port) = match &self.endpoint {
            Endpoint::Unix(path) => {
                return Socket::unix(path, TIMEOUT).map_err(SendError::Connect);
            }
            Endpoint::Plain(host, port) | Endpoint::Tls(host, port) => (host.as_str(), *port),
        };
        let addresses = (host, port).to_socket_addrs().map_err(SendError::Lookup)?;
        let mut fault = io::Error::other("the name has no address");
        for address in addresses.take(MAX_ADDRESSES) {
            match Socket::tcp(address, TIMEOUT) {
                Ok(socket) => return Ok(socket),
                Err(error) => fault = error,
            }
        }
        Err(SendError::Connect(fault))
    }

    /// One at `address`, `host:port`.
    #[cfg(test)]
    pub fn at(address: &str) -> Self {
        let url: url::Url = address.parse().unwrap();
        let address = address.to_owned();
        let password = PasswordSource::Nowhere;
        Self { address, endpoint: url.endpoint, user: None, password, db: 0, tls: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
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
        (Server::at(&address), thread)
    }

    fn secret() -> PasswordSource {
        PasswordSource::Given(password::Password::new(b"secret".to_vec()).unwrap())
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
            "KURADO.PUSH refused: LOADING Redis is loading the dataset in memory; the server has just \
             been started, and reads its data"
        );
        thread.join().unwrap();
    }

    #[test]
    fn the_password_is_sent_first_and_never_shown() {
        let (mut server, thread) = server(&["-WRONGPASS invalid username-password pair\r\n"]);
        server.password = secret();
        let error = server.connect().err().unwrap();
        assert_eq!(error.to_string(), "AUTH refused: WRONGPASS invalid username-password pair");
        assert_eq!(thread.join().unwrap(), "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
    }

    #[test]
    fn an_answer_that_repeats_the_password_is_not_shown() {
        for answers in [
            &["-ERR unknown command 'AUTH', with args beginning with: 'secret' \r\n"],
            &["*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"],
            &["secret\r\n"],
        ] {
            let (mut server, thread) = server(answers);
            server.password = secret();
            let error = server.connect().err().unwrap();
            assert!(matches!(error, SendError::Unexpected { command: "AUTH", .. }));
            assert!(!format!("{error}{error:?}").contains("secret"), "{error:?}");
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_user_and_a_database_are_named_before_anything_is_sent() {
        let (mut server, thread) = server(&["+OK\r\n", "-ERR DB index is out of range\r\n"]);
        server.user = Some("agent".to_owned());
        server.password = secret();
        server.db = 99;
        let error = server.connect().err().unwrap();
        assert_eq!(error.to_string(), "SELECT refused: ERR DB index is out of range");
        assert_eq!(
            thread.join().unwrap(),
            "*3\r\n$4\r\nAUTH\r\n$5\r\nagent\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n"
        );
    }

    #[test]
    fn a_missing_right_to_push_is_told_and_nothing_goes_to_the_list() {
        let (server, thread) =
            server(&["-NOPERM this user has no permissions to run the 'kurado.push' command\r\n"]);
        let mut connection = server.connect().unwrap();
        let error = connection.push("a").unwrap_err().to_string();
        assert!(error.ends_with("; its user needs +kurado.push and ~kurado:{ADDRESS}"), "{error}");
        assert!(!connection.uses_list());
        assert!(!thread.join().unwrap().contains("RPUSH"));
    }

    #[test]
    fn each_address_of_a_name_is_tried() {
        // Only one of the addresses of localhost listens, whichever comes first.
        let (mut server, thread) = server(&["+OK\r\n"]);
        let port = server.address.rsplit_once(':').unwrap().1.parse().unwrap();
        server.endpoint = Endpoint::Plain("localhost".to_owned(), port);
        server.password = secret();
        assert!(server.connect().is_ok());
        thread.join().unwrap();
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
        assert!(matches!(Server::at(&address).connect(), Err(SendError::Connect(_))));
    }
}
