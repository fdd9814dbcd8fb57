//! A small OpenID Connect provider: it knows one client and one user, whom it never asks anything.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

pub const CLIENT: &str = "kurado";
pub const SECRET: &str = "hush-hush";

/// The provider; it ends when it is dropped.
pub struct Provider {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    keys: [RsaPrivateKey; 2],
    stops: AtomicBool,
    behaviour: Mutex<Behaviour>,
    /// By code: what was asked for it.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
}

/// What it does, which tests change.
pub struct Behaviour {
    /// Claims of ID tokens beside the usual ones, or in their place; null leaves one out.
    pub claims: Map<String, Json>,
    /// Claims of its user info.
    pub user_info: Map<String, Json>,
    /// The key that its JWKS has.
    pub published: usize,
    /// The key that it signs with; none leaves tokens unsigned, with `alg` `none`.
    pub signs_with: Option<usize>,
    /// The token for its user info.
    pub access_token: String,
    /// Whether it answers when it is asked for user info.
    pub tells_user_info: bool,
    /// Where its metadata say that a log out leads.
    pub log_out: Option<String>,
    /// How often its JWKS was asked for.
    pub asked_for_keys: usize,
}

impl Provider {
    /// In clear.
    pub fn start() -> Self {
        Self::start_by(None)
    }

    /// By TLS, with files `certificate` and `key` of this folder.
    pub fn start_with_certificate(folder: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(folder.join("certificate")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        Self::start_by(Some(Arc::new(config.unwrap())))
    }

    fn start_by(tls: Option<Arc<ServerConfig>>) -> Self {
        let keys = [(); 2].map(|()| RsaPrivateKey::new(&mut OsRng, 1024).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour = Behaviour {
            claims: Map::new(),
            user_info: Map::new(),
            published: 0,
            signs_with: Some(0),
            access_token: "access".to_owned(),
            tells_user_info: true,
            log_out: None,
            asked_for_keys: 0,
        };
        let shared = Arc::new(Shared {
            keys,
            stops: false.into(),
            behaviour: behaviour.into(),
            codes: Mutex::default(),
        });
        let mut provider = Self { address, tls, shared, thread: None };
        provider.serve(listener);
        provider
    }

    pub fn issuer(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/realm", self.address)
    }

    pub fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.shared.behaviour.lock().unwrap()
    }

    /// Stops to listen.
    pub fn go_away(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.stops.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address);
            thread.join().unwrap();
        }
    }

    /// Listens again, at the same port.
    pub fn come_back(&mut self) {
        self.shared.stops.store(false, Ordering::SeqCst);
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    fn serve(&mut self, listener: TcpListener) {
        let (shared, tls, issuer) = (Arc::clone(&self.shared), self.tls.clone(), self.issuer());
        self.thread = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stops.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away in between is no matter.
                let mut stream = stream.unwrap();
                let _ = match &tls {
                    Some(tls) => {
                        let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
                        shared.answer(&issuer, &mut StreamOwned::new(connection, stream))
                    }
                    None => shared.answer(&issuer, &mut stream),
                };
            }
        }));
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// Status, a header and the body of an answer.
type Answer = (u16, String, String);

impl Shared {
    fn answer(&self, issuer: &str, stream: &mut (impl Read + Write)) -> std::io::Result<()> {
        let mut reader = BufReader::new(&mut *stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let found = head.iter().filter_map(|line| line.split_once(": "));
            found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v).next()
        };
        let mut body = vec![0; header("content-length").map_or(0, |n| n.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let read = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect();
        let (query, form): (HashMap<_, _>, HashMap<_, _>) = (read(query.as_bytes()), read(&body));
        let (status, extra, body) = match path {
            "/realm/.well-known/openid-configuration" => ok(&json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "userinfo_endpoint": format!("{issuer}/userinfo"),
                "jwks_uri": format!("{issuer}/jwks"),
                "end_session_endpoint": self.behaviour.lock().unwrap().log_out.clone()
                    .unwrap_or_else(|| format!("{issuer}/logout")),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "none"],
            })),
            "/realm/jwks" => ok(&self.jwks()),
            "/realm/authorize" => self.authorize(&query),
            "/realm/token" => self.tokens(issuer, header("authorization"), &form),
            "/realm/userinfo" if !self.behaviour.lock().unwrap().tells_user_info => return Ok(()),
            "/realm/userinfo" => {
                let mut claims = self.behaviour.lock().unwrap().user_info.clone();
                claims.insert("sub".to_owned(), json!("7"));
                if header("authorization") == Some("Bearer access") {
                    ok(&claims.into())
                } else {
                    refused("invalid_token")
                }
            }
            "/realm/logout" => redirect(&query["post_logout_redirect_uri"]),
            _ => (404, String::new(), String::new()),
        };
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{extra}\r\n\r\n{body}",
            body.len()
        )?;
        stream.flush()
    }

    fn jwks(&self) -> Json {
        let mut behaviour = self.behaviour.lock().unwrap();
        behaviour.asked_for_keys += 1;
        let key = &self.keys[behaviour.published];
        let base64 = |bytes| BASE64_URL_SAFE_NO_PAD.encode::<Vec<u8>>(bytes);
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": format!("k{}", behaviour.published),
            "n": base64(key.n().to_bytes_be()), "e": base64(key.e().to_bytes_be()),
        }]})
    }

    /// As if the user had a session here.
    fn authorize(&self, query: &HashMap<String, String>) -> Answer {
        let is = |name: &str, value: &str| query.get(name).is_some_and(|found| found == value);
        let scopes = query.get("scope").map_or("", String::as_str);
        if !(is("response_type", "code")
            && is("client_id", CLIENT)
            && is("code_challenge_method", "S256")
            && scopes.split(' ').any(|scope| scope == "openid"))
        {
            return refused("invalid_request");
        }
        let mut codes = self.codes.lock().unwrap();
        let code = format!("code-{}", codes.len());
        codes.insert(code.clone(), query.clone());
        let back = form_urlencoded::Serializer::new(format!("{}?", query["redirect_uri"]))
            .append_pair("code", &code)
            .append_pair("state", &query["state"])
            .finish();
        redirect(&back)
    }

    fn tokens(
        &self,
        issuer: &str,
        authorization: Option<&str>,
        form: &HashMap<String, String>,
    ) -> Answer {
        let basic = BASE64_STANDARD.encode(format!("{CLIENT}:{SECRET}"));
        if authorization != Some(format!("Basic {basic}").as_str()) {
            return refused("invalid_client");
        }
        // What was asked for stays, so that codes stay different, but each works once.
        let asked = self.codes.lock().unwrap().get_mut(&form["code"]).map(std::mem::take);
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            return refused("invalid_grant");
        };
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        if asked["code_challenge"] != challenge || asked["redirect_uri"] != form["redirect_uri"] {
            return refused("invalid_grant");
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = now.as_secs();
        let mut claims = json!({
            "iss": issuer, "aud": CLIENT, "sub": "7", "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], "preferred_username": "ann", "roles": ["viewer"],
        });
        let behaviour = self.behaviour.lock().unwrap();
        for (name, value) in &behaviour.claims {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let alg = if behaviour.signs_with.is_some() { "RS256" } else { "none" };
        let header = json!({"alg": alg, "typ": "JWT", "kid": format!("k{}", behaviour.published)});
        let base64 = |part: &Json| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", base64(&header), base64(&claims));
        let signature = behaviour.signs_with.map_or_else(Vec::new, |key| {
            let hashed = Sha256::digest(&signed);
            self.keys[key].sign(Pkcs1v15Sign::new::<Sha256>(), &hashed).unwrap()
        });
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        ok(&json!({
            "access_token": behaviour.access_token, "token_type": "Bearer", "expires_in": 300,
            "id_token": format!("{signed}.{signature}"),
        }))
    }
}

fn ok(body: &Json) -> Answer {
    (200, "content-type: application/json".to_owned(), body.to_string())
}

fn refused(error: &str) -> Answer {
    (400, "content-type: application/json".to_owned(), json!({ "error": error }).to_string())
}

fn redirect(address: &str) -> Answer {
    (302, format!("location: {address}"), String::new())
}
