//! Who has logged in, by a random token of which only the hash is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::users::User;
use super::{hex, random};

/// A session that nobody uses ends after so long.
const IDLE: Duration = Duration::from_secs(12 * 3600);

/// Every session ends after so long.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Sessions at a time; one more ends the one that was not used for longest.
const MAX_SESSIONS: usize = 10_000;

/// The sessions of all users.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

struct Session {
    name: String,
    /// As it was at the login: where the password changes, the session ends.
    user: User,
    begun: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) > IDLE || now.duration_since(self.begun) > LONGEST
    }
}

impl Sessions {
    /// Begins one; gives its token.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn begin(&self, name: &str, user: User) -> Result<String, String> {
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
        let session = Session { name: name.to_owned(), user, begun: now, used: now };
        sessions.insert(key(&token), session);
        Ok(token)
    }

    /// Whose session it is, and what the file said of that one at the login.
    pub fn get(&self, token: &str) -> Option<(String, User)> {
        let now = Instant::now();
        let mut sessions = self.lock();
        let session = sessions.get_mut(&key(token))?;
        if session.is_over(now) {
            sessions.remove(&key(token));
            return None;
        }
        session.used = now;
        Some((session.name.clone(), session.user.clone()))
    }

    /// Ends one.
    pub fn end(&self, token: &str) {
        self.lock().remove(&key(token));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
