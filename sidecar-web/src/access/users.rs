//! The users file: `name:hash[:role]` a line, as htpasswd writes it; read again when it has changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::identity::Role;
use super::random;

/// The file is looked at so often at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Dearer hashes of bcrypt would make a login take minutes.
const MAX_BCRYPT_COST: u32 = 15;

/// Memory that checking one hash of argon2 may take, in KiB.
const MAX_ARGON2_MEMORY: u32 = 256 << 10;

/// Passes over that memory.
const MAX_ARGON2_PASSES: u32 = 20;

/// Passwords that are checked at a time: each takes a core, and argon2 memory.
const CHECKS_AT_A_TIME: usize = 2;

/// A password that was right is not checked again for so long.
const RIGHT_HOLDS: Duration = Duration::from_secs(300);

/// Passwords of which that is remembered.
const MAX_RIGHT: usize = 1000;

/// Longest password, in bytes; bcrypt takes 72.
const MAX_PASSWORD: usize = 1000;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    hash: String,
    /// As the line says it; viewer where it says nothing.
    pub role: Role,
}

impl User {
    /// Whether both have the same password, as far as the file says.
    pub fn has_password_of(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

/// The users of a file.
pub struct Users {
    path: PathBuf,
    read: Mutex<Read>,
    checks: Semaphore,
    /// What was right lately, by a keyed hash: scripts bring their password with each request.
    right: Mutex<HashMap<[u8; 32], Instant>>,
    key: [u8; 32],
}

struct Read {
    looked: Instant,
    modified: Option<(SystemTime, u64)>,
    users: HashMap<String, User>,
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// Where it can't be read or has a fault: the text names the file and the line.
    pub fn open(path: &Path) -> Result<Self, String> {
        let modified = modified(path);
        let users = read(path)?;
        let read = Read { looked: Instant::now(), modified, users };
        Ok(Self {
            path: path.to_owned(),
            read: Mutex::new(read),
            checks: Semaphore::new(CHECKS_AT_A_TIME),
            right: Mutex::default(),
            key: random()?,
        })
    }

    /// The user of that name, as the file is now. A faulty file leaves the users of before in force,
    /// and the log says so.
    pub fn get(&self, name: &str) -> Option<User> {
        self.current().users.get(name).cloned()
    }

    /// The user of that name, where the password is right. An unknown name takes as long as a wrong
    /// password.
    pub async fn check(&self, name: &str, password: &str) -> Option<User> {
        if password.len() > MAX_PASSWORD {
            return None;
        }
        let (user, hash) = {
            let read = self.current();
            let user = read.users.get(name).cloned();
            // Any user's hash takes the time that a hash of this file takes.
            let hash = user.as_ref().or_else(|| read.users.values().next());
            let hash = hash.map(|user| user.hash.clone())?;
            (user, hash)
        };
        let _turn = self.checks.acquire().await.ok()?;
        let remembered = self.keyed(name, password, &hash);
        let password = password.to_owned();
        let checked = tokio::task::spawn_blocking(move || is_right(&password, &hash)).await;
        let user = user.filter(|_| checked.unwrap_or(false))?;
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= MAX_RIGHT {
            right.clear();
        }
        right.insert(remembered, Instant::now());
        Some(user)
    }

    /// The same without any work, where it was found to be right a short time ago.
    pub fn recently_right(&self, name: &str, password: &str) -> Option<User> {
        let user = self.get(name)?;
        let keyed = self.keyed(name, password, &user.hash);
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.get(&keyed).is_some_and(|since| since.elapsed() < RIGHT_HOLDS).then_some(user)
    }

    /// Reads the file now; gives how many users it has.
    ///
    /// # Errors
    /// As [`Self::open`]; then the users of before hold.
    pub fn read_again(&self) -> Result<usize, String> {
        let modified = modified(&self.path);
        let users = read(&self.path);
        let mut held = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        held.looked = Instant::now();
        held.modified = modified;
        held.users = users?;
        Ok(held.users.len())
    }

    fn keyed(&self, name: &str, password: &str, hash: &str) -> [u8; 32] {
        let mut digest = Sha256::new_with_prefix(self.key);
        for part in [name, password, hash] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn current(&self) -> MutexGuard<'_, Read> {
        let mut held = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() < LOOK_EVERY {
            return held;
        }
        held.looked = Instant::now();
        let modified = modified(&self.path);
        if modified != held.modified {
            held.modified = modified;
            match read(&self.path) {
                Ok(users) => {
                    tracing::info!("users read anew: {} of them", users.len());
                    held.users = users;
                }
                Err(fault) => tracing::warn!("{fault}; the users of before hold"),
            }
        }
        held
    }
}

fn modified(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> Result<HashMap<String, User>, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("users file {}: {error}", path.display()))?;
    parse(&text).map_err(|(line, fault)| format!("users file {}:{line}: {fault}", path.display()))
}

/// No fault repeats what stands in the place of a hash: it may be a password.
fn parse(text: &str) -> Result<HashMap<String, User>, (usize, String)> {
    let mut users = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |text: String| (number, text);
        let mut parts = line.splitn(3, ':');
        let (Some(name), Some(hash)) = (parts.next(), parts.next()) else {
            return Err(fault("a line must be name:hash or name:hash:role".to_owned()));
        };
        check_name(name).map_err(fault)?;
        check_hash(hash).map_err(|text| fault(format!("user '{name}': {text}")))?;
        let role = parts.next().map_or(Ok(Role::Viewer), str::parse).map_err(fault)?;
        if users.insert(name.to_owned(), User { hash: hash.to_owned(), role }).is_some() {
            return Err(fault(format!("user '{name}' stands there twice")));
        }
    }
    Ok(users)
}

/// Holds a user's name against the rule.
///
/// # Errors
/// Names the rule.
pub fn check_name(name: &str) -> Result<(), String> {
    if !name.is_empty()
        && name.len() <= 100
        && !name.contains([':', ','])
        && !name.chars().any(char::is_control)
    {
        return Ok(());
    }
    Err("a user's name must have 1 to 100 bytes without colon, comma and control characters".into())
}

fn check_hash(hash: &str) -> Result<(), String> {
    if is_bcrypt(hash) {
        let cost = hash.parse::<bcrypt::HashParts>().ok().map(|parts| parts.get_cost());
        return match cost {
            Some(cost) if cost <= MAX_BCRYPT_COST => Ok(()),
            Some(cost) => Err(format!("bcrypt's cost {cost} must be {MAX_BCRYPT_COST} at most")),
            None => Err("its hash is damaged".to_owned()),
        };
    }
    if !hash.starts_with("$argon2id$") {
        return Err("its hash must be of bcrypt ($2y$…) or of argon2id ($argon2id$…): \
             'kurado-web hash-password NAME' makes one"
            .to_owned());
    }
    let damaged = |_| "its hash is damaged".to_owned();
    let parts = PasswordHash::new(hash).map_err(damaged)?;
    if parts.salt.is_none() || parts.hash.is_none() {
        return Err("its hash is damaged".to_owned());
    }
    let parameters = argon2::Params::try_from(&parts).map_err(damaged)?;
    if parameters.m_cost() > MAX_ARGON2_MEMORY || parameters.t_cost() > MAX_ARGON2_PASSES {
        return Err(format!(
            "argon2's m and t must be {MAX_ARGON2_MEMORY} and {MAX_ARGON2_PASSES} at most"
        ));
    }
    Ok(())
}

fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|start| hash.starts_with(start))
}

fn is_right(password: &str, hash: &str) -> bool {
    if is_bcrypt(hash) {
        return bcrypt::verify(password, hash).unwrap_or(false);
    }
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// A line of the file for this password, with argon2id.
///
/// # Errors
/// Where the name or the password breaks a rule.
pub fn line(name: &str, password: &str, role: Option<&str>) -> Result<String, String> {
    check_name(name)?;
    role.map_or(Ok(Role::Viewer), str::parse)?;
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(format!("a password must have 1 to {MAX_PASSWORD} bytes"));
    }
    let fault = |error: argon2::password_hash::Error| error.to_string();
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(fault)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(fault)?;
    let role = role.map(|role| format!(":{role}")).unwrap_or_default();
    Ok(format!("{name}:{hash}{role}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_made_lets_its_password_in_and_no_other() {
        let line = line("ann", "a b:c", Some("operator")).unwrap();
        let users = parse(&line).unwrap();
        assert_eq!(users["ann"].role, Role::Operator);
        assert!(is_right("a b:c", &users["ann"].hash));
        assert!(!is_right("a b:d", &users["ann"].hash) && !is_right("", &users["ann"].hash));
    }

    #[test]
    fn what_htpasswd_writes_is_read() {
        // Of 'htpasswd -nbB bob secret'.
        let hash = bcrypt::hash_with_result("secret", 4).unwrap();
        let line = format!("# users\n\nbob:{}\n", hash.format_for_version(bcrypt::Version::TwoY));
        let users = parse(&line).unwrap();
        assert_eq!(users["bob"].role, Role::Viewer);
        assert!(is_right("secret", &users["bob"].hash) && !is_right("Secret", &users["bob"].hash));
    }

    #[test]
    fn a_faulty_line_is_named_and_never_shows_what_may_be_a_password() {
        let good = line("ann", "x", None).unwrap();
        for (text, says) in [
            ("ann", "must be name:hash"),
            (":x", "a user's name must"),
            ("ann:hunter2", "must be of bcrypt"),
            ("ann:$apr1$hunter2$x", "must be of bcrypt"),
            ("ann:$2y$hunter2", "damaged"),
            ("ann:$argon2id$hunter2", "damaged"),
            (&format!("{good}:king"), "role 'king' must be viewer or operator"),
            (&format!("{good}\n{good}"), "twice"),
        ] {
            let (_, fault) = parse(text).unwrap_err();
            assert!(fault.contains(says) && !fault.contains("hunter2"), "{text}: {fault}");
        }
    }
}
