//! Serving: HTTP/1.1 and HTTP/2 on one port, connections with limits, and a graceful stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::idle::Idle;
use crate::tls::{self, Tls};

/// A client that has not sent its header by then is cut off; so is one that asks for nothing more.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// A connection on which no byte moves for so long is cut off, whatever it waits for: longer than
/// any answer takes.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Longest header that is read, in bytes: 500 addresses of `/servers` fit well.
const MAX_HEADER: u32 = 128 << 10;

/// Connections at a time, well below the usual limit of open files; the next ones wait in the
/// kernel's queue.
const MAX_CONNECTIONS: usize = 512;

/// Requests at a time on one connection of HTTP/2.
const MAX_STREAMS: u32 = 100;

/// Requests that a client of HTTP/2 may take back before they are begun; one that takes back more is
/// cut off.
const MAX_RESETS: usize = 20;

/// On a stop, requests under way have so long to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(15);

/// With what a client of HTTP/2 begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// From where a request came, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end of the connection, which may be a proxy.
    pub address: SocketAddr,
    /// Whether the connection itself is by TLS.
    pub has_tls: bool,
}

/// Serves `router` until `stop` is ready, then lets the requests under way end.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let connections = Arc::new(Connections::new(router));
    let graceful = GracefulShutdown::new();
    let (stopping, stopped) = watch::channel(());
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, connection) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let (stream, address) = match connection {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: some will be closed in a moment.
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (connections, watcher) = (Arc::clone(&connections), graceful.watcher());
        let mut stopped = stopped.clone();
        let _ = stream.set_nodelay(true);
        let peer = Peer { address, has_tls: tls.is_some() };
        let acceptor = tls.as_deref().map(Tls::acceptor);
        tokio::spawn(async move {
            // One that has asked for nothing yet does not hold up a stop.
            let begun = async {
                match acceptor {
                    Some(acceptor) => by_tls(acceptor, stream).await.map(Begun::ByTls),
                    None => in_clear(stream).await.map(Begun::InClear),
                }
            };
            let begun = tokio::select! {
                begun = begun => begun,
                _ = stopped.changed() => return,
            };
            let ended = match begun {
                Ok(Begun::ByTls((stream, version))) => {
                    connections.serve(stream, version, peer, watcher).await
                }
                Ok(Begun::InClear((stream, version))) => {
                    connections.serve(stream, version, peer, watcher).await
                }
                Err(error) => Err(error.into()),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    drop(stopping);
    if timeout(DRAIN_LIMIT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end within {} s", DRAIN_LIMIT.as_secs());
    }
}

/// How client and server talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// A connection of which the version is known.
enum Begun<T, C> {
    ByTls(T),
    InClear(C),
}

/// Greets a client, which chooses the version.
///
/// # Errors
/// Where that fails or takes too long.
async fn by_tls(
    acceptor: TlsAcceptor,
    stream: TcpStream,
) -> io::Result<(impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Version)> {
    let greeted = timeout(HEADER_LIMIT, acceptor.accept(stream)).await;
    let stream = greeted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2);
    let version = if is_http2 { Version::Http2 } else { Version::Http1 };
    Ok((Idle::new(stream, IDLE_LIMIT), version))
}

/// Tells the version by the first bytes, which the stream then brings again.
///
/// # Errors
/// Where they do not come in time.
async fn in_clear(
    mut stream: TcpStream,
) -> io::Result<(impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Version)> {
    let mut first = Vec::with_capacity(PREFACE.len());
    let version = timeout(HEADER_LIMIT, async {
        loop {
            let left = PREFACE.len() - first.len();
            if left == 0 {
                return Ok(Version::Http2);
            }
            // No byte more than the preface has: what is behind it stays where it is.
            if (&mut stream).take(left as u64).read_buf(&mut first).await? == 0
                || !PREFACE.starts_with(&first)
            {
                return Ok::<_, io::Error>(Version::Http1);
            }
        }
    });
    let version = version.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (rest, out) = stream.into_split();
    let stream = tokio::io::join(io::Cursor::new(first).chain(rest), out);
    Ok((Idle::new(stream, IDLE_LIMIT), version))
}

/// What all connections share.
struct Connections {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    router: Router,
}

impl Connections {
    fn new(router: Router) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_LIMIT)
            .max_buf_size(MAX_HEADER as usize);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEADER)
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .max_local_error_reset_streams(MAX_RESETS);
        Self { http1, http2, router }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        version: Version,
        peer: Peer,
        watcher: Watcher,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let router = self.router.clone();
        let with_peer = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        };
        let service = TowerToHyperService::new(router.map_request(with_peer));
        let stream = TokioIo::new(stream);
        match version {
            Version::Http1 => watcher.watch(self.http1.serve_connection(stream, service)).await?,
            Version::Http2 => watcher.watch(self.http2.serve_connection(stream, service)).await?,
        }
        Ok(())
    }
}
