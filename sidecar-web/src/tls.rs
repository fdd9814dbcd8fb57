//! TLS by a certificate and a key in files, which are read again when they have changed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The files are looked at so often at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The protocols that a client may choose, the better first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];

/// What a client says that speaks HTTP/2.
pub const HTTP_2: &[u8] = b"h2";

/// Certificate and key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    looked: Instant,
    modified: [Option<SystemTime>; 2],
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Where one can't be read or they do not fit; the text names them.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, String> {
        let modified = modified([&certificate, &key]);
        let config = config(&certificate, &key)?;
        let held = Mutex::new(Held { looked: Instant::now(), modified, config });
        Ok(Self { certificate, key, held })
    }

    /// Reads the files now.
    ///
    /// # Errors
    /// As [`Self::open`]; then those of before hold.
    pub fn read_again(&self) -> Result<(), String> {
        let modified = modified([&self.certificate, &self.key]);
        let config = config(&self.certificate, &self.key);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.looked = Instant::now();
        held.modified = modified;
        held.config = config?;
        Ok(())
    }

    /// What greets the next client. Faulty files leave those of before in force, and the log says so.
    pub fn acceptor(&self) -> TlsAcceptor {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() >= LOOK_EVERY {
            held.looked = Instant::now();
            let modified = modified([&self.certificate, &self.key]);
            if modified != held.modified {
                held.modified = modified;
                match config(&self.certificate, &self.key) {
                    Ok(config) => {
                        tracing::info!("certificate and key read anew");
                        held.config = config;
                    }
                    Err(fault) => tracing::warn!("{fault}; the certificate of before holds"),
                }
            }
        }
        Arc::clone(&held.config).into()
    }
}

fn modified(paths: [&PathBuf; 2]) -> [Option<SystemTime>; 2] {
    paths.map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

fn config(certificate: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, String> {
    let of_certificate = format!("TLS certificate {}", certificate.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{of_certificate}: {error}"))?;
    let of_key = format!("TLS key {}", key.display());
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{of_key}: {error}"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("{of_certificate} with {of_key}: {error}"))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}
