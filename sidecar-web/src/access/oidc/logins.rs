//! Logins that have begun and not come back from the provider yet, by their `state`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openidconnect::{Nonce, PkceCodeVerifier};
use sha2::{Digest, Sha256};

/// A login must come back within so long.
pub const LOGIN_LIMIT: Duration = Duration::from_secs(600);

/// Logins at a time; one more ends the oldest.
const MAX_LOGINS: usize = 4000;

/// The page that was asked for is remembered up to this length, in bytes; else it is the first one.
const MAX_NEXT: usize = 8000;

/// All of them.
#[derive(Default)]
pub struct Logins(Mutex<HashMap<String, Login>>);

/// One login.
pub struct Login {
    /// Of the secret of the browser that has begun it.
    browser: [u8; 32],
    begun: Instant,
    /// What the ID token must bring.
    pub nonce: Nonce,
    /// What proves to the provider that the code is asked for by who began.
    pub verifier: PkceCodeVerifier,
    /// The page to go on to.
    pub next: String,
}

impl Logins {
    /// Remembers one.
    pub fn begin(
        &self,
        state: String,
        browser: &str,
        nonce: Nonce,
        verifier: PkceCodeVerifier,
        next: &str,
    ) {
        let begun = Instant::now();
        let next = if next.len() <= MAX_NEXT { next.to_owned() } else { String::new() };
        let login = Login { browser: hash(browser), begun, nonce, verifier, next };
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= MAX_LOGINS {
            logins.retain(|_, login| login.begun.elapsed() <= LOGIN_LIMIT);
        }
        if logins.len() >= MAX_LOGINS
            && let Some(oldest) = logins.iter().min_by_key(|(_, login)| login.begun)
        {
            let oldest = oldest.0.clone();
            logins.remove(&oldest);
        }
        logins.insert(state, login);
    }

    /// Takes one out, for the browser that has begun it: each comes back once.
    pub fn take(&self, state: &str, browser: &str) -> Option<Login> {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.get(state)?.browser != hash(browser) {
            return None;
        }
        logins.remove(state).filter(|login| login.begun.elapsed() <= LOGIN_LIMIT)
    }
}

fn hash(browser: &str) -> [u8; 32] {
    Sha256::digest(browser).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(logins: &Logins, state: &str, browser: &str) {
        let verifier = PkceCodeVerifier::new("v".repeat(43));
        logins.begin(state.to_owned(), browser, Nonce::new("n".to_owned()), verifier, "server");
    }

    #[test]
    fn a_login_comes_back_once_and_to_its_browser_alone() {
        let logins = Logins::default();
        begin(&logins, "one", "browser");
        begin(&logins, "two", "browser");
        assert!(
            logins.take("one", "another").is_none() && logins.take("three", "browser").is_none()
        );
        assert_eq!(logins.take("one", "browser").unwrap().next, "server");
        assert!(logins.take("one", "browser").is_none());
        assert!(logins.take("two", "browser").is_some());
    }

    #[test]
    fn one_too_many_ends_the_oldest() {
        let logins = Logins::default();
        for n in 0..=MAX_LOGINS {
            begin(&logins, &n.to_string(), "browser");
        }
        assert!(logins.take("0", "browser").is_none() && logins.take("1", "browser").is_some());
    }
}
