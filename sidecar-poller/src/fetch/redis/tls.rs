//! TLS to Redis servers, by the settings that name certificates.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How the bytes travel.
pub(super) enum Transport {
    /// As they are.
    Plain,
    /// By TLS 1.2 or 1.3.
    Tls(Arc<ClientConfig>),
}

impl Transport {
    /// Reads the settings. An error says which one is wrong.
    pub(super) fn of(settings: &Json) -> Result<Self, String> {
        let file = |name: &'static str| Pem::of(settings, name);
        let files = [file("ca_file"), file("cert_file"), file("key_file")];
        match settings.get("tls") {
            Some(Json::Bool(true)) => {}
            None | Some(Json::Null | Json::Bool(false)) => {
                // Whoever names a certificate expects that nobody listens.
                return match files.iter().all(|file| matches!(file, Ok(None))) {
                    true => Ok(Self::Plain),
                    false => Err("certificates stand without tls: true".to_owned()),
                };
            }
            Some(other) => return Err(format!("tls is {other}; it must be true or false")),
        }
        let [ca, certificate, key] = files;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(authorities(ca?)?);
        let config = match (certificate?, key?) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificate.certificates()?;
                let key = PrivateKeyDer::from_pem_slice(&key.content)
                    .map_err(|error| key.fault(&error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| certificate.fault(&error))?
            }
            _ => return Err("of cert_file and key_file stands only one".to_owned()),
        };
        Ok(Self::Tls(Arc::new(config)))
    }
}

/// Who may sign a server's certificate: those in the file, or those that the system trusts.
fn authorities(file: Option<Pem>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in file.certificates()? {
                store.add(certificate).map_err(|error| file.fault(&error))?;
            }
        }
        // Some of the system's may be odd: the others count.
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

/// A file that a setting names.
struct Pem {
    setting: &'static str,
    path: String,
    content: Vec<u8>,
}

impl Pem {
    fn of(settings: &Json, setting: &'static str) -> Result<Option<Self>, String> {
        let Some(path) = super::text(settings, setting) else {
            return Ok(None);
        };
        // Nobody knows in which folder the poller was started.
        if !path.starts_with('/') {
            return Err(format!("{setting} '{path}' must be a whole path, which begins with '/'"));
        }
        match std::fs::read(&path) {
            Ok(content) => Ok(Some(Self { setting, path, content })),
            Err(error) => Err(format!("{setting} '{path}' can't be read: {error}")),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(|error| self.fault(&error))?;
        if certificates.is_empty() {
            return Err(self.fault(&"it has no certificate in PEM"));
        }
        Ok(certificates)
    }

    fn fault(&self, error: &dyn std::fmt::Display) -> String {
        format!("{} '{}' can't be used: {error}", self.setting, self.path)
    }
}

/// Begins TLS on a connection, and checks that the server's certificate is for this address. An
/// error says why not, and what to do.
pub(super) async fn begin(
    config: Arc<ClientConfig>,
    address: &str,
    stream: TcpStream,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(address.to_owned())
        .map_err(|_| format!("no certificate can be for the address '{address}'"))?;
    match timeout(limit, TlsConnector::from(config).connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.to_string().contains("invalid peer certificate") => {
            Err(format!("{error}; see metrics_config, Redis: {{ca_file: …}}"))
        }
        Ok(Err(error)) => Err(format!("TLS: {}", super::socket::reason(&error))),
        Err(_) => Err(format!("connected, but no TLS within {} s", limit.as_secs())),
    }
}
