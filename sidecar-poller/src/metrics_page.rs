//! `GET /metrics` and `GET /healthz`, for other monitoring systems.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::metrics::Snapshot;

/// A client that has not sent its header by then is cut off.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// Longest header that is read, in bytes.
const MAX_HEADER: usize = 16 << 10;
/// Connections at a time; the next ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16;

/// Serves until it is dropped; `metrics` gives the numbers.
pub async fn serve(listener: TcpListener, metrics: impl Fn() -> Snapshot + Clone + Send + 'static) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT).max_buf_size(MAX_HEADER);
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: some will be closed in a moment.
                warn!("can't accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let metrics = metrics.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = answer(request.method(), request.uri().path(), &metrics);
            async { Ok::<_, Infallible>(response) }
        });
        let connection = server.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!("a connection ended: {error}");
            }
            drop(place);
        });
    }
}

fn answer(method: &Method, path: &str, metrics: &impl Fn() -> Snapshot) -> Response<String> {
    let (status, kind, text) = match (path, method) {
        ("/metrics" | "/healthz", method) if method != Method::GET && method != Method::HEAD => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET and HEAD are understood\n".into())
        }
        ("/metrics", _) => (StatusCode::OK, "text/plain; version=0.0.4", metrics().prometheus()),
        ("/healthz", _) => match metrics().health() {
            Ok(state) => (StatusCode::OK, "text/plain", format!("{state}\n")),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{reason}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "text/plain", "there are /metrics and /healthz\n".into()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::push::Waiting;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn asked(request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            tokio::spawn(serve(listener, || Metrics::default().snapshot(Waiting::default())));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer
    }

    #[tokio::test]
    async fn metrics_and_health_are_told() {
        let answer = asked("GET /metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("text/plain; version=0.0.4\r\n"), "{answer}");
        assert!(answer.contains("\nkurado_poller_targets 0\n"), "{answer}");
        assert!(asked("GET /healthz?x").await.ends_with("\r\n\r\nok\n"));
        assert!(asked("HEAD /metrics").await.ends_with("\r\n\r\n"));
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused() {
        assert!(asked("GET /").await.starts_with("HTTP/1.1 404 "));
        assert!(asked("POST /metrics").await.starts_with("HTTP/1.1 405 "));
    }
}
