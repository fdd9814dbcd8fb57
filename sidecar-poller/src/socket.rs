//! TCP for the fetchers that speak their server's protocol themselves.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dns;

/// From looking up the name until the connection stands.
const CONNECT: Duration = Duration::from_secs(4);

/// Connects, within four seconds, to an address or a name.
///
/// # Errors
/// Why not, in words that a person can act on.
pub async fn connect(address: &str, port: u16) -> Result<TcpStream, String> {
    let connecting = async { TcpStream::connect(&dns::lookup((address, port)).await?[..]).await };
    match timeout(CONNECT, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
    }
}

/// Why reading, writing or connecting failed, in words that a person can act on.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::UnexpectedEof => "the connection was closed in the middle".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the connection was closed".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The beginning of what a server said instead of what was expected, for a message: its first 80
/// bytes, as far as they can be printed, in one line.
pub fn beginning(answer: &[u8]) -> String {
    let shown = answer.get(..80).unwrap_or(answer);
    let text = String::from_utf8_lossy(shown);
    let text = text.replace(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER, " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [] if answer.is_empty() => "it is empty".to_owned(),
        [] => format!("{} bytes that can't be printed", answer.len()),
        words => words.join(" "),
    }
}
