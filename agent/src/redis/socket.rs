//! A connection's socket, with a limit on how long each step may take as a whole: a peer that sends a
//! byte now and then would pass any limit on single reads.

use std::io::{self, IoSlice, Read, Write};
use std::mem::zeroed;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A socket and the end of the step that is under way; past it each read and write fails with
/// `TimedOut`.
pub struct Socket {
    stream: Stream,
    until: Instant,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects within `limit`; the first step may take as long again.
    pub fn tcp(address: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        // Requests are written whole; the last bytes of one should not wait for an answer.
        stream.set_nodelay(true)?;
        Ok(Self { stream: Stream::Tcp(stream), until: Instant::now() + limit })
    }

    /// Connects to a socket of this machine within `limit`; the first step may take as long again.
    pub fn unix(path: &Path, limit: Duration) -> io::Result<Self> {
        let stream = connect_unix(path, limit).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                io::Error::new(io::ErrorKind::TimedOut, "connection timed out")
            }
            _ => error,
        })?;
        Ok(Self { stream: Stream::Unix(stream), until: Instant::now() + limit })
    }

    /// Whether others may listen.
    pub fn is_tcp(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }

    /// Begins a step that may take so long.
    pub fn begin_step(&mut self, limit: Duration) {
        self.until = Instant::now() + limit;
    }

    /// How much of the step is left.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // The kernel counts in microseconds, and takes zero for no limit.
        Ok(left.max(Duration::from_millis(1)))
    }
}

/// As `UnixStream::connect`, which waits without end where the server accepts nobody and as many wait
/// already as it lets.
fn connect_unix(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    // SAFETY: all zeros are an address, with an empty path.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    let path = path.as_os_str().as_bytes();
    // A zero byte ends it.
    if path.len() >= address.sun_path.len() {
        let most = address.sun_path.len() - 1;
        let error = format!("a socket's path has at most {most} bytes, not {}", path.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (place, byte) in address.sun_path.iter_mut().zip(path) {
        *place = *byte as libc::c_char;
    }
    // SAFETY: it takes numbers.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened here, and nobody else has it.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(socket) });
    // Of sockets of this kind it is the limit on connecting too.
    stream.set_write_timeout(Some(limit))?;
    let len = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: the address lives through the call and is as long as that.
    match unsafe { libc::connect(socket, (&raw const address).cast(), len) } {
        0 => Ok(stream),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What the kernel says where a limit is passed.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
        }
        .map_err(timed_out)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// A flight of TLS is several pieces: they go as one packet.
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_write_timeout(left)?;
                stream.write_vectored(pieces)
            }
            Stream::Unix(stream) => {
                stream.set_write_timeout(left)?;
                stream.write_vectored(pieces)
            }
        }
        .map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_peer_that_says_nothing_or_takes_nothing_ends_the_step() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut socket = Socket::tcp(address, Duration::from_secs(60)).unwrap();
        let _peer = listener.accept().unwrap();
        socket.begin_step(Duration::from_millis(20));
        assert_eq!(socket.read(&mut [0; 10]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        socket.begin_step(Duration::from_millis(20));
        let without_end = vec![0; 1024 * 1024];
        let error = loop {
            if let Err(error) = socket.write_all(&without_end) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_socket_that_nobody_accepts_from_and_where_others_wait_ends_the_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        // SAFETY: it takes numbers; it changes how many may wait.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let limit = Duration::from_millis(50);
        // The first one may wait.
        let _first = Socket::unix(&path, limit).unwrap();
        let error = Socket::unix(&path, limit).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "connection timed out");
    }

    #[test]
    fn a_path_that_is_no_socket_or_too_long_for_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let limit = Duration::from_secs(60);
        let error = Socket::unix(&directory.path().join("none"), limit).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = Socket::unix(Path::new(&"x".repeat(108)), limit).err().unwrap();
        assert_eq!(error.to_string(), "a socket's path has at most 107 bytes, not 108");
    }

    #[test]
    fn a_peer_that_sends_a_byte_now_and_then_does_not_prolong_the_step() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let limit = Duration::from_millis(50);
        let mut socket = Socket { stream: Stream::Unix(ours), until: Instant::now() + limit };
        let peer = std::thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let error = socket.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(socket);
        peer.join().unwrap();
    }
}
