//! Connections that send commands made beforehand and count the replies: the same for each server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Result;
use crate::resp::{Commands, Replies};

/// A server that is silent for so long has failed.
const SILENCE: Duration = Duration::from_secs(120);

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// A port of 127.0.0.1.
    Tcp(u16),
}

/// One connection.
pub enum Connection {
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over loopback.
    Tcp(TcpStream),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn open(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SILENCE))?;
                Ok(Self::Unix(stream))
            }
            Endpoint::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SILENCE))?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    /// A second handle of the connection.
    ///
    /// # Errors
    /// Where the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
        }
    }

    /// Ends both directions, so that who waits at another handle wakes up.
    pub fn shutdown(&self) {
        // It may be closed already.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends all commands over one connection as fast as it takes them, and counts replies meanwhile.
///
/// # Errors
/// Where the connection fails.
pub fn pipelined(endpoint: &Endpoint, commands: &Commands) -> Result<(Duration, Replies)> {
    let mut reader = Connection::open(endpoint)?;
    let mut writer = reader.try_clone()?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || writer.write_all(commands.bytes()));
        let mut replies = Replies::default();
        let received = read_until(&mut reader, &mut replies, commands.len());
        let elapsed = start.elapsed();
        if received.is_err() {
            reader.shutdown();
        }
        sending.join().map_err(|_| "the sending thread panicked")??;
        received?;
        Ok((elapsed, replies))
    })
}

/// Sends the commands in turn over so many connections, each with one command under way at most.
///
/// # Errors
/// Where a connection fails.
pub fn in_turn(
    endpoint: &Endpoint,
    commands: &Commands,
    connections: usize,
) -> Result<(Duration, Replies)> {
    let mut open = (0..connections)
        .map(|_| Connection::open(endpoint))
        .collect::<io::Result<Vec<Connection>>>()?;
    let each: Vec<&[u8]> = commands.each().collect();
    let mut replies = Replies::default();
    let start = Instant::now();
    for under_way in each.chunks(connections) {
        for (connection, command) in open.iter_mut().zip(under_way) {
            connection.write_all(command)?;
        }
        for connection in open.iter_mut().take(under_way.len()) {
            let wanted = replies.count + 1;
            read_until(connection, &mut replies, wanted)?;
        }
    }
    Ok((start.elapsed(), replies))
}

/// Sends one command and waits for its reply.
///
/// # Errors
/// Where the connection fails, or the reply is an error.
pub fn ask(connection: &mut Connection, command: &[u8]) -> Result<Replies> {
    connection.write_all(command)?;
    let mut replies = Replies::default();
    read_until(connection, &mut replies, 1)?;
    match replies.error {
        Some(error) => Err(error.into()),
        None => Ok(replies),
    }
}

fn read_until(connection: &mut Connection, replies: &mut Replies, count: usize) -> Result<()> {
    let mut buffer = [0; 64 * 1024];
    while replies.count < count {
        match connection.read(&mut buffer)? {
            0 => return Err(format!("closed after {} of {count} replies", replies.count).into()),
            length => replies.take(&buffer[..length]),
        }
    }
    Ok(())
}
