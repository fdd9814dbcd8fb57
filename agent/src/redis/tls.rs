//! TLS to the server, of versions 1.2 and 1.3, where its URL is `rediss://`. Its certificate must be
//! valid, for the host as the URL names it, and signed by an authority in `--tls-ca` or by one that
//! the system trusts. There is no way around that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
    StreamOwned,
};

use super::socket::Socket;

/// Whom the system trusts may change: after so long all files are read anew.
const FRESH: Duration = Duration::from_secs(3600);

/// Sessions that are kept, of one server.
const MAX_SESSIONS: usize = 8;

/// Files of PEM.
#[derive(Debug, Default)]
pub struct TlsFiles {
    /// The authorities that may have signed the server's certificate, in place of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate that the server is shown, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How TLS to one server begins.
#[derive(Debug)]
pub struct Tls {
    name: ServerName<'static>,
    files: TlsFiles,
    /// Kept for the sessions in it: a handshake that goes on from the one before costs less.
    made: Mutex<Option<(Instant, Arc<ClientConfig>)>>,
}

impl Tls {
    /// Reads nothing yet.
    ///
    /// # Errors
    /// Where no certificate can be for this host.
    pub fn new(host: &str, files: TlsFiles) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("no certificate can be for the host '{host}'"))?;
        Ok(Self { name, files, made: Mutex::new(None) })
    }

    /// Does the handshake.
    ///
    /// # Errors
    /// Of kind `InvalidInput` where a file can't be used; others are for [`Tls::explain`].
    pub fn begin(&self, mut socket: Socket) -> io::Result<StreamOwned<ClientConnection, Socket>> {
        let config = self.config()?;
        let mut connection =
            ClientConnection::new(config, self.name.clone()).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            if let Err(fault) = connection.complete_io(&mut socket) {
                return Err(alert(&mut connection, &mut socket).unwrap_or(fault));
            }
        }
        Ok(StreamOwned::new(connection, socket))
    }

    /// Has the files read anew next time: whatever went wrong, they may have been mended by then.
    pub fn forget(&self) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What an error of the connection means, where it is one of TLS, and what to do.
    pub fn explain(&self, error: &io::Error) -> Option<String> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(match error {
            Error::InvalidMessage(_) => {
                "the server does not speak TLS there; without, it is redis://".to_owned()
            }
            Error::InvalidCertificate(fault) => self.explain_certificate(fault),
            Error::AlertReceived(alert) => self.explain_alert(*alert),
            other => other.to_string(),
        })
    }

    fn explain_certificate(&self, fault: &CertificateError) -> String {
        match fault {
            CertificateError::UnknownIssuer => {
                let advice = match &self.files.ca {
                    Some(path) => format!("by none in --tls-ca {}", path.display()),
                    None => "name its file with --tls-ca".to_owned(),
                };
                format!("its certificate is signed by an authority that is not trusted: {advice}")
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let expected = expected.to_str();
                if presented.is_empty() {
                    return format!(
                        "its certificate has no names (subjectAltName), and should have {expected}"
                    );
                }
                let presented: Vec<_> = presented.iter().map(|name| plain_name(name)).collect();
                let presented = presented.join(", ");
                format!(
                    "its certificate is not for {expected}, but for {presented}: name the server so"
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired, or the clock of this machine is wrong".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet, or the clock of this machine is wrong".to_owned()
            }
            // What `openssl x509 -req` makes without -extfile.
            CertificateError::Other(other) if other.to_string() == "UnsupportedCertVersion" => {
                "its certificate is of X.509 version 1, which has no names: make it anew with a \
                 subjectAltName"
                    .to_owned()
            }
            other => format!("its certificate is not valid: {other}"),
        }
    }

    fn explain_alert(&self, alert: AlertDescription) -> String {
        match &self.files.client {
            // By TLS 1.2 servers say the latter.
            None if matches!(
                alert,
                AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure
            ) =>
            {
                "the server asks for a client certificate: --tls-cert and --tls-key".to_owned()
            }
            Some((path, _)) => format!(
                "the server does not accept the certificate of --tls-cert {}: it says {alert:?}",
                path.display()
            ),
            None => format!("the server says {alert:?}"),
        }
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = made.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(config));
        }
        let config = make(&self.files)
            .map(Arc::new)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidInput, fault))?;
        *made = Some((Instant::now(), Arc::clone(&config)));
        Ok(config)
    }
}

/// A name of a certificate, which rustls shows as DnsName("a.example") or IpAddress(10.0.0.9).
fn plain_name(shown: &str) -> &str {
    let name = shown.split_once('(').and_then(|(_, name)| name.strip_suffix(')'));
    name.map_or(shown, |name| name.trim_matches('"'))
}

/// What the server said before it closed, where that was seen by writing: it comes before the end.
fn alert(connection: &mut ClientConnection, socket: &mut Socket) -> Option<io::Error> {
    while connection.read_tls(socket).ok()? > 0 {
        if let Err(error) = connection.process_new_packets() {
            return Some(io::Error::new(io::ErrorKind::InvalidData, error));
        }
    }
    None
}

fn make(files: &TlsFiles) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(authorities(files.ca.as_deref())?);
    let mut config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("--tls-cert", certificate)?;
            let fault = |path: &Path, error: &dyn std::fmt::Display| {
                format!("--tls-key {} cannot be used: {error}", path.display())
            };
            let content = read("--tls-key", key)?;
            let der =
                PrivateKeyDer::from_pem_slice(&content).map_err(|error| fault(key, &error))?;
            builder.with_client_auth_cert(chain, der).map_err(|error| match error {
                Error::InconsistentKeys(_) => {
                    fault(key, &format!("it is not the key of {}", certificate.display()))
                }
                error => fault(key, &error),
            })?
        }
    };
    config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
    Ok(config)
}

/// Who may sign the server's certificate: those in the file, or those that the system trusts.
fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let Some(path) = file else {
        // Some of the system's may be odd: the others count.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return match store.is_empty() {
            true => Err("this system trusts no authority (are its ca-certificates installed?): \
                         name one with --tls-ca"
                .to_owned()),
            false => Ok(store),
        };
    };
    for certificate in certificates("--tls-ca", path)? {
        store
            .add(certificate)
            .map_err(|error| format!("--tls-ca {} cannot be used: {error}", path.display()))?;
    }
    Ok(store)
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(option, path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{option} {} cannot be used: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("{option} {} has no certificate in PEM", path.display()));
    }
    Ok(certificates)
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path)
        .map_err(|error| format!("{option} {} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::HandshakeKind;
    use std::io::{Read, Write};
    use test_redis::certificates::Certificates;
    use test_redis::{RedisServer, free_port};

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn the_handshake_of_the_round_before_is_gone_on_with_until_something_failed() {
        let files = Certificates::new();
        let port = free_port();
        let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|name| files.path(name));
        let options = [
            ["--tls-port", &port.to_string()],
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
        ];
        let _server = RedisServer::start(&options.concat());
        let client = Some((files.path("client.pem").into(), files.path("client.key").into()));
        let tls = Tls::new("127.0.0.1", TlsFiles { ca: Some(ca.into()), client }).unwrap();
        let kind = || {
            let socket = Socket::tcp(([127, 0, 0, 1], port).into(), LIMIT).unwrap();
            let mut stream = tls.begin(socket).unwrap();
            stream.write_all(b"PING\r\n").unwrap();
            let mut answer = [0; 7];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"+PONG\r\n");
            stream.conn.handshake_kind().unwrap()
        };
        assert_eq!(kind(), HandshakeKind::Full);
        assert_eq!(kind(), HandshakeKind::Resumed);
        tls.forget();
        assert_eq!(kind(), HandshakeKind::Full);
    }
}
