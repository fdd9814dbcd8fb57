//! How a client proves to a MySQL server that it knows a password, without sending it.

use rsa::pkcs8::DecodePublicKey;
use rsa::rand_core::OsRng;
use rsa::{Oaep, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The ways to log in that are known here, by the names of the server's plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugin {
    /// Of MySQL since 4.1 and MariaDB.
    Native,
    /// The default of MySQL since 8.0.
    CachingSha2,
}

impl Plugin {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Native, Self::CachingSha2].into_iter().find(|plugin| plugin.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// What is sent for a password and the server's random bytes; nothing where there is none.
    pub(super) fn proof(self, password: &str, nonce: &[u8]) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Native => {
                let once = Sha1::digest(password);
                let twice = Sha1::digest(once);
                xor(&once, &Sha1::new().chain_update(nonce).chain_update(twice).finalize())
            }
            Self::CachingSha2 => {
                let once = Sha256::digest(password);
                let twice = Sha256::digest(once);
                xor(&once, &Sha256::new().chain_update(twice).chain_update(nonce).finalize())
            }
        }
    }
}

/// The password for the server's eyes only, by its public key in PEM: what it asks for when it has
/// not seen this user since its start.
///
/// # Errors
/// Where that is no key that can be used.
pub(super) fn encrypted(password: &str, nonce: &[u8], key: &[u8]) -> Result<Vec<u8>, String> {
    let unusable = "the server's public key can't be used";
    let pem = std::str::from_utf8(key).map_err(|_| format!("{unusable}: it is no text"))?;
    let key = RsaPublicKey::from_public_key_pem(pem.trim_end_matches('\0'))
        .map_err(|error| format!("{unusable}: {error}"))?;
    let with_end = [password.as_bytes(), &[0]].concat();
    let mask: Vec<u8> = nonce.iter().copied().cycle().take(with_end.len()).collect();
    key.encrypt(&mut OsRng, Oaep::new::<Sha1>(), &xor(&with_end, &mask))
        .map_err(|error| format!("{unusable}: {error}"))
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rsa::RsaPrivateKey;
    use rsa::pkcs8::{EncodePublicKey, LineEnding};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn no_password_has_no_proof() {
        assert!(Plugin::Native.proof("", &[1; 20]).is_empty());
        assert!(Plugin::CachingSha2.proof("", &[1; 20]).is_empty());
    }

    #[test]
    fn a_server_can_check_a_proof_with_the_hash_that_it_stores() {
        let nonce = b"abcdefghijklmnopqrst";
        // PASSWORD('secret') of a real server.
        let stored = Sha1::digest(Sha1::digest("secret"));
        assert_eq!(hex(&stored), "14e65567abdb5135d0cfd9a70b3032c179a49ee7");
        let mixed = Sha1::new().chain_update(nonce).chain_update(stored).finalize();
        let once = xor(&Plugin::Native.proof("secret", nonce), &mixed);
        assert_eq!(Sha1::digest(once), stored);

        let stored = Sha256::digest(Sha256::digest("secret"));
        let mixed = Sha256::new().chain_update(stored).chain_update(nonce).finalize();
        let once = xor(&Plugin::CachingSha2.proof("secret", nonce), &mixed);
        assert_eq!(Sha256::digest(once), stored);
    }

    #[test]
    fn an_encrypted_password_is_read_by_who_has_the_key() {
        let private = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
        let public = private.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
        let nonce = b"abcdefghijklmnopqrst";
        let password = "longer than the nonce is, by far";
        let sent = encrypted(password, nonce, public.as_bytes()).unwrap();
        let read = private.decrypt(Oaep::new::<Sha1>(), &sent).unwrap();
        let mask: Vec<u8> = nonce.iter().copied().cycle().take(read.len()).collect();
        assert_eq!(xor(&read, &mask), [password.as_bytes(), &[0]].concat());
        let too_long = "x".repeat(200);
        assert!(encrypted(&too_long, nonce, public.as_bytes()).unwrap_err().contains("public key"));
    }

    proptest! {
        #[test]
        fn whatever_key_a_server_sends_nothing_panics(
            key in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "[A-Za-z0-9+/]{0,40}={0,2}".prop_map(|text| format!(
                    "-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"
                ).into_bytes()),
            ],
        ) {
            prop_assert!(encrypted("secret", &[1; 20], &key).is_err());
        }
    }
}
