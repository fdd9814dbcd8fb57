//! Who has logged in, by a random token of which only the hash is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::users::User;
use super::{Role, hex, random};

/// A session that nobody uses ends after so long.
const IDLE: Duration = Duration::from_secs(12 * 3600);

/// Every session ends after so long.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// One that a provider vouched for ends after so long: then it is asked again who may what.
const LONGEST_OF_PROVIDER: Duration = Duration::from_secs(12 * 3600);

/// Sessions at a time; one more ends the one that was not used for longest.
const MAX_SESSIONS: usize = 10_000;

/// The sessions of all users.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

/// By what somebody logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// A password: as the file was then. Where the password changes, the session ends.
    OfFile(User),
    /// What an OIDC provider said.
    OfProvider {
        /// What the user may do.
        role: Role,
        /// By which the provider knows whom to log out.
        id_token: Option<String>,
    },
}

struct Session {
    name: String,
    account: Account,
    begun: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        let longest = match self.account {
            Account::OfFile(_) => LONGEST,
            Account::OfProvider { .. } => LONGEST_OF_PROVIDER,
        };
        now.duration_since(self.used) > IDLE || now.duration_since(self.begun) > longest
    }
}

impl Sessions {
    /// Begins one; gives its token.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn begin(&self, name: &str, account: Account) -> Result<String, String> {
        let token = hex(&random::<32>()?);
        let now = Instant::now();
        let mut sessions = self.lock();
        if sessions.len() >= MAX_SESSIONS {
            sessions.retain(|_, session| !session.is_over(now));
        }
        if sessions.len() >= MAX_SESSIONS
            && let Some(oldest) =
                sessions.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            sessions.remove(&oldest);
        }
        let session = Session { name: name.to_owned(), account, begun: now, used: now };
        sessions.insert(key(&token), session);
        Ok(token)
    }

    /// Whose session it is, and by what that one logged in.
    pub fn get(&self, token: &str) -> Option<(String, Account)> {
        let now = Instant::now();
        let mut sessions = self.lock();
        let session = sessions.get_mut(&key(token))?;
        if session.is_over(now) {
            sessions.remove(&key(token));
            return None;
        }
        session.used = now;
        Some((session.name.clone(), session.account.clone()))
    }

    /// Ends one; gives by what it had begun.
    pub fn end(&self, token: &str) -> Option<Account> {
        self.lock().remove(&key(token)).map(|session| session.account)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
