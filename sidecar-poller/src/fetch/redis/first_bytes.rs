//! The first bytes that a server says, to tell what else it is when it is no Redis.

use std::io::Result;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::socket;

/// How many of them are kept.
const MOST: usize = 80;
/// What answers of Redis's protocol begin with.
const REPLIES: &[u8] = b"+-:$*_#,(!=%~>|";

/// What was said first; all clones are of the same.
#[derive(Clone, Default)]
pub struct FirstBytes(Arc<Mutex<Vec<u8>>>);

/// Passes on what is read, and keeps the first bytes of it.
pub struct Kept<R> {
    inner: R,
    first: FirstBytes,
}

impl FirstBytes {
    /// Keeps those of what is read from here.
    pub fn of<R>(&self, inner: R) -> Kept<R> {
        Kept { inner, first: self.clone() }
    }

    /// That no Redis answers so; `None` where one may.
    pub fn not_redis(&self) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = bytes.first().is_some_and(|byte| !REPLIES.contains(byte));
        is_other.then(|| format!("not a Redis server: it answered '{}'", socket::beginning(&bytes)))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Kept<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let mut first = self.first.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = MOST - first.len();
        let read = buffer.filled().get(before..).unwrap_or_default();
        first.extend(read.iter().take(missing));
        polled
    }
}
