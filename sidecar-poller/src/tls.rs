//! TLS to servers that are watched, by the settings of their plugin:
//! `tls: true, ca_file: …, cert_file: …, key_file: …`, files of PEM.
//!
//! The server's certificate must be valid, for the host's address as the configuration names it, and
//! signed by what stands in `ca_file`, or, without that, by an authority that the system trusts.
//! `cert_file` and `key_file` are shown to a server that asks for them. There is no way around that.
//!
//! A server is asked every minute, and a whole handshake is most of what a fetch costs both sides:
//! what a server gave for the next one is kept, in a bounded number.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use site::regular_file;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::socket;

/// How many different configurations are kept, each with its sessions.
const MOST_CONFIGS: usize = 32;
/// Sessions of one configuration, of which a server may give eight.
const MOST_SESSIONS: usize = 8192;
/// Whom the system trusts may change: after so long a configuration is made anew.
const FRESH: Duration = Duration::from_secs(3600);

/// Those that were made, the oldest first.
static MADE: Mutex<Vec<Made>> = Mutex::new(Vec::new());

/// How the bytes travel.
pub enum Transport {
    /// As they are.
    Plain,
    /// By TLS 1.2 or 1.3.
    Tls(Tls),
}

/// How TLS begins.
pub struct Tls {
    /// Whose settings say so.
    plugin: &'static str,
    config: Arc<ClientConfig>,
}

/// A configuration for later fetches.
struct Made {
    at: Instant,
    /// The port, as sessions are kept by the server's address alone, and what the files hold, as
    /// they may be renewed.
    by: (u16, [u8; 32]),
    config: Arc<ClientConfig>,
}

impl Transport {
    /// Reads the settings of a plugin, for the servers at this port.
    ///
    /// # Errors
    /// Which setting is wrong, and how.
    pub fn of(plugin: &'static str, settings: &Json, port: u16) -> Result<Self, String> {
        let config = config(settings, port)
            .map_err(|fault| format!("in metrics_config, {plugin}: {{…}}, {}", fault.reason))?;
        Ok(config.map_or(Self::Plain, |config| Self::Tls(Tls { plugin, config })))
    }
}

/// Holds that the settings of a plugin can work: that their files are there, and of the right kind.
///
/// # Errors
/// Which can't, and why.
pub fn check(settings: &Json) -> Result<(), Fault> {
    match files(settings)? {
        Some(files) => make(files).map(drop),
        None => Ok(()),
    }
}

/// Why settings can't work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting that it is about.
    pub setting: &'static str,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

/// What stands in `ca_file`, `cert_file` and `key_file`; `None` where the settings say nothing of TLS.
fn files(settings: &Json) -> Result<Option<[Option<Pem>; 3]>, Fault> {
    let file = |name: &'static str| Pem::of(settings, name);
    let files = || Ok(Some([file("ca_file")?, file("cert_file")?, file("key_file")?]));
    match settings.get("tls") {
        Some(Json::Bool(true)) => files(),
        None | Some(Json::Null | Json::Bool(false)) => {
            let is_named = |name: &&'static str| match settings.get(*name) {
                None | Some(Json::Null) => false,
                Some(path) => path != "",
            };
            // Whoever names a certificate expects that nobody listens.
            let named = ["ca_file", "cert_file", "key_file"].into_iter().find(is_named);
            named.map_or(Ok(None), |setting| {
                let reason = "certificates stand without tls: true".to_owned();
                Err(Fault { setting, reason })
            })
        }
        Some(other) => {
            let reason = format!("tls is {other}; it must be true or false");
            Err(Fault { setting: "tls", reason })
        }
    }
}

/// `None` where the settings say nothing of TLS.
fn config(settings: &Json, port: u16) -> Result<Option<Arc<ClientConfig>>, Fault> {
    let Some(files) = files(settings)? else { return Ok(None) };
    let by = (port, digest(&files));
    if let Some(config) = made(by) {
        return Ok(Some(config));
    }
    let config = Arc::new(make(files)?);
    Ok(Some(keep(by, config)))
}

fn digest(files: &[Option<Pem>; 3]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for file in files {
        let content = file.as_ref().map(|file| file.content.as_slice());
        digest.update(content.map_or(u64::MAX, |content| content.len() as u64).to_le_bytes());
        digest.update(content.unwrap_or_default());
    }
    digest.finalize().into()
}

/// One that was made not long ago.
fn made(by: (u16, [u8; 32])) -> Option<Arc<ClientConfig>> {
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.iter().find(|made| made.by == by && made.at.elapsed() < FRESH)?;
    Some(Arc::clone(&made.config))
}

/// Keeps one in place of the oldest; gives it, or the one that another fetch has made meanwhile.
fn keep(by: (u16, [u8; 32]), config: Arc<ClientConfig>) -> Arc<ClientConfig> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.retain(|made| made.at.elapsed() < FRESH);
    if let Some(other) = made.iter().find(|made| made.by == by) {
        return Arc::clone(&other.config);
    }
    if made.len() >= MOST_CONFIGS {
        made.remove(0);
    }
    made.push(Made { at: Instant::now(), by, config: Arc::clone(&config) });
    config
}

fn make([ca, certificate, key]: [Option<Pem>; 3]) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault { setting: "tls", reason: error.to_string() })?
        .with_root_certificates(authorities(ca)?);
    let mut config = match (certificate, key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificate.certificates()?;
            let key =
                PrivateKeyDer::from_pem_slice(&key.content).map_err(|error| key.fault(&error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| certificate.fault(&error))?
        }
        (certificate, _) => {
            let setting = if certificate.is_some() { "cert_file" } else { "key_file" };
            let reason = "of cert_file and key_file stands only one".to_owned();
            return Err(Fault { setting, reason });
        }
    };
    config.resumption = Resumption::in_memory_sessions(MOST_SESSIONS);
    Ok(config)
}

/// Who may sign a server's certificate: those in the file, or those that the system trusts.
fn authorities(file: Option<Pem>) -> Result<RootCertStore, Fault> {
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
    fn of(settings: &Json, setting: &'static str) -> Result<Option<Self>, Fault> {
        let fault = |reason| Fault { setting, reason };
        let path = match settings.get(setting) {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::String(path)) if path.is_empty() => return Ok(None),
            Some(Json::String(path)) => path.clone(),
            Some(other) => {
                return Err(fault(format!("{setting} is {other}; it must be a path")));
            }
        };
        match regular_file::read(Path::new(&path)) {
            Ok(content) => Ok(Some(Self { setting, path, content })),
            Err(error) => Err(fault(format!("{setting} '{path}' can't be read: {error}"))),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Fault> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(|error| self.fault(&error))?;
        if certificates.is_empty() {
            return Err(self.fault(&"it has no certificate in PEM"));
        }
        Ok(certificates)
    }

    fn fault(&self, error: &dyn std::fmt::Display) -> Fault {
        let reason = format!("{} '{}' can't be used: {error}", self.setting, self.path);
        Fault { setting: self.setting, reason }
    }
}

impl Tls {
    /// Begins TLS on a connection, and checks that the server's certificate is for this address.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn begin(
        &self,
        address: &str,
        stream: TcpStream,
        until: Instant,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(address.to_owned())
            .map_err(|_| format!("no certificate can be for the address '{address}'"))?;
        let begun = Instant::now();
        let connector = TlsConnector::from(Arc::clone(&self.config));
        match timeout_at(until, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if error.to_string().contains("invalid peer certificate") => {
                Err(format!("{error}; see metrics_config, {}: {{ca_file: …}}", self.plugin))
            }
            Ok(Err(error)) if is_no_tls(&error) => {
                Err("the server does not speak TLS there".to_owned())
            }
            Ok(Err(error)) => Err(format!("TLS: {}", socket::reason(&error))),
            Err(_) => {
                let waited = begun.elapsed().as_secs_f64();
                Err(format!("connected, but no TLS within {waited:.0} s"))
            }
        }
    }
}

/// Whether a server answered with something else than TLS.
fn is_no_tls(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidMessage(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::HandshakeKind;
    use serde_json::json;
    use test_redis::certificates::Certificates;
    use test_redis::{RedisServer, free_port};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn tls(settings: &Json, port: u16) -> Tls {
        match Transport::of("Redis", settings, port) {
            Ok(Transport::Tls(tls)) => tls,
            Ok(Transport::Plain) => panic!("plain"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Asks a server once, as a fetch does; gives how TLS began.
    async fn asked(settings: &Json, port: u16) -> HandshakeKind {
        let stream = socket::connect("127.0.0.1", port).await.unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let mut stream = tls(settings, port).begin("127.0.0.1", stream, until).await.unwrap();
        stream.write_all(b"PING\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 100]).await.unwrap() > 0);
        stream.get_ref().1.handshake_kind().unwrap()
    }

    #[tokio::test]
    async fn the_handshake_of_the_minute_before_is_gone_on_with() {
        let files = Certificates::new();
        let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|name| files.path(name));
        let ports = [free_port(), free_port()].map(|port| port.to_string());
        let options = ports.each_ref().map(|port| {
            let named =
                [("--tls-port", port), ("--tls-cert-file", &cert), ("--tls-key-file", &key)];
            let mut options: Vec<&str> =
                named.into_iter().flat_map(|(name, value)| [name, value.as_str()]).collect();
            options.extend(["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"]);
            options
        });
        let _servers = options.map(|options| RedisServer::start(&options));
        let settings = json!({"tls": true, "ca_file": ca});
        let ports = ports.map(|port| port.parse::<u16>().unwrap());
        // By turns, as one session is no use at the other one.
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            for port in ports {
                assert_eq!(asked(&settings, port).await, kind, "{port}");
            }
        }
    }

    #[test]
    fn files_that_are_renewed_count_from_then_on() {
        let (files, renewed) = (Certificates::new(), Certificates::new());
        let settings = json!({"tls": true, "ca_file": files.path("ca.pem")});
        let config = |settings: &Json, port| config(settings, port).unwrap().unwrap();
        let first = config(&settings, 1);
        assert!(Arc::ptr_eq(&first, &config(&settings, 1)));
        assert!(!Arc::ptr_eq(&first, &config(&settings, 2)));
        std::fs::copy(renewed.path("ca.pem"), files.path("ca.pem")).unwrap();
        assert!(!Arc::ptr_eq(&first, &config(&settings, 1)));
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let files = Certificates::new();
        let settings = json!({"tls": true, "ca_file": files.path("ca.pem")});
        for port in 1000..1000 + 2 * MOST_CONFIGS as u16 {
            tls(&settings, port);
            assert!(MADE.lock().unwrap().len() <= MOST_CONFIGS);
        }
    }
}
