//! Lines to a stream that perhaps nobody reads. A pipe whose reader hangs takes 64 KiB, and would then
//! hold whoever writes to it: such a line is dropped and counted, as nothing waits for its log.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Most bytes of a line. A pipe that is ready takes as many at once (`PIPE_BUF`).
pub const MAX_LINE_LEN: usize = 4096;

/// How long a reader that is merely slow is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// A stream, and how many lines it did not take.
pub struct Lines<W> {
    stream: W,
    missed: u64,
}

impl<W: Write + AsFd> Lines<W> {
    /// Writes to this stream.
    pub fn to(stream: W) -> Self {
        Self { stream, missed: 0 }
    }

    /// How many lines were dropped since this was last asked; none where the stream still takes none.
    pub fn missed(&mut self) -> Option<u64> {
        (self.missed > 0 && self.is_ready()).then(|| std::mem::take(&mut self.missed))
    }

    /// Writes a line of at most [`MAX_LINE_LEN`] bytes, or drops it.
    pub fn write(&mut self, line: &str) {
        if self.is_ready() {
            // In one piece, so that lines of two processes don't mix. Nobody can be told of a failure.
            let _ = self.stream.write_all(line.as_bytes());
        } else {
            self.missed += 1;
        }
    }

    /// Whether a line can be written at once. A stream that took nothing before is not waited for.
    fn is_ready(&self) -> bool {
        let wait = if self.missed > 0 { 0 } else { PATIENCE.as_millis() };
        let fd = self.stream.as_fd().as_raw_fd();
        let mut polled = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: the one entry lives through the call.
        let ready = unsafe { libc::poll(&raw mut polled, 1, i32::try_from(wait).unwrap_or(0)) };
        // What can't be asked is tried.
        ready != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, pipe};

    #[test]
    fn a_pipe_that_nobody_reads_holds_nobody_and_what_it_missed_is_counted() {
        let (mut reader, writer) = pipe().unwrap();
        let mut lines = Lines::to(writer);
        let line = "x".repeat(MAX_LINE_LEN);
        // A pipe has 1 MiB at most, where no root has made it larger.
        for _ in 0..1024 {
            lines.write(&line);
        }
        assert_eq!(lines.missed(), None);
        let missed = lines.missed;
        assert!(missed > 0);
        let taken = (1024 - usize::try_from(missed).unwrap()) * MAX_LINE_LEN;
        reader.read_exact(&mut vec![0; taken]).unwrap();
        assert_eq!(lines.missed(), Some(missed));
        assert_eq!(lines.missed(), None);
        lines.write("back\n");
        let mut back = [0; 5];
        reader.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"back\n");
    }

    #[test]
    fn a_pipe_without_a_reader_ends_nothing() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut lines = Lines::to(writer);
        lines.write("lost\n");
        assert_eq!(lines.missed(), None);
    }
}
