//! Requests to the provider: HTTP/1.1, a connection each, by TLS, bounded in time, size and number.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A whole request takes so long at most, its answer included.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 512 << 10;

/// Longest header of an answer, in bytes.
const MAX_HEADER: usize = 64 << 10;

/// Requests at a time; the next ones wait, within their limit of time.
const MAX_REQUESTS: usize = 8;

/// Why the provider gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RequestFault(String);

/// Asks the provider.
pub struct HttpClient {
    tls: TlsConnector,
    places: Semaphore,
}

impl HttpClient {
    /// Trusts the authorities that the system trusts, or those of SSL_CERT_FILE.
    ///
    /// # Errors
    /// Where TLS can't be set up.
    pub fn new() -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!("a certificate of the system's authorities can't be read: {error}");
        }
        roots.add_parsable_certificates(found.certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let places = Semaphore::new(MAX_REQUESTS);
        Ok(Self { tls: Arc::new(config).into(), places })
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, RequestFault> {
        let server = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        match timeout(REQUEST_LIMIT, self.exchange(request)).await {
            Ok(answered) => answered.map_err(|fault| RequestFault(format!("{server}: {fault}"))),
            Err(_) => {
                let seconds = REQUEST_LIMIT.as_secs();
                Err(RequestFault(format!("{server} gave no answer within {seconds} s")))
            }
        }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, String> {
        let _place = self.places.acquire().await.map_err(text)?;
        let uri = request.uri();
        check_address(uri)?;
        let has_tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if has_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(text)?;
        if has_tls {
            let name = ServerName::try_from(host).map_err(text)?;
            let stream = self.tls.connect(name, stream).await.map_err(text)?;
            speak(stream, request).await
        } else {
            speak(stream, request).await
        }
    }
}

/// Gives the answer, whatever its status; no redirection is followed. Where there is none within the
/// bounds the error names the server and says nothing secret.
impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = RequestFault;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, RequestFault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Holds an address of the provider against the rule: what goes there is secret, and what comes from
/// there is believed.
///
/// # Errors
/// Names the address and the rule.
pub fn check_address(uri: &Uri) -> Result<(), String> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(()),
        Some("http") if is_here => Ok(()),
        _ => Err(format!("address {uri} must begin with https://, or http:// on this machine")),
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: HttpRequest,
) -> Result<HttpResponse, String> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEADER);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(text)?;
    // Ends with this request, however that ends.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let (mut parts, body) = request.into_parts();
    let host = parts.uri.authority().map(|host| HeaderValue::from_str(host.as_str()));
    parts.headers.insert(header::HOST, host.ok_or("no host")?.map_err(text)?);
    parts.uri = match parts.uri.path_and_query() {
        Some(path) => path.as_str().parse().map_err(text)?,
        None => Uri::from_static("/"),
    };
    let request = hyper::Request::from_parts(parts, Full::new(Bytes::from(body)));
    let answer = sender.send_request(request).await.map_err(text)?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(text)?;
    Ok(HttpResponse::from_parts(parts, body.to_bytes().to_vec()))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_by_tls_but_on_this_machine() {
        for (address, is_taken) in [
            ("https://id.example/realms/x", true),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost/", true),
            ("http://id.example/", false),
            ("http://127.0.0.1.id.example/", false),
            ("/realms", false),
        ] {
            assert_eq!(check_address(&address.parse().unwrap()).is_ok(), is_taken, "{address}");
        }
    }
}
