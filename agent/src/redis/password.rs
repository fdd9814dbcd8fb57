//! The server's password: what it is, and where it comes from.

use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

use tracing::warn;

/// Most bytes that a password has.
const MAX_LEN: u64 = 4096;

/// A password that is not empty. Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    /// `None` where it is empty.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// As the server gets it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether a text repeats it, or its beginning: a server may say what it did not understand,
    /// and cuts that short.
    pub fn is_in(&self, text: &str) -> bool {
        let password = String::from_utf8_lossy(&self.0);
        let beginning: String = password.chars().take(16).collect();
        text.contains(&beginning)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Where the password comes from.
#[derive(Debug)]
pub enum PasswordSource {
    /// There is none.
    Nowhere,
    /// It was given at start.
    Given(Password),
    /// It is read at each connection, so that it can be changed.
    File(PasswordFile),
}

impl PasswordSource {
    /// The password as it is now.
    ///
    /// # Errors
    /// Where its file can't be read, or holds none.
    pub fn password(&self) -> Result<Option<Password>, PasswordError> {
        match self {
            Self::Nowhere => Ok(None),
            Self::Given(password) => Ok(Some(password.clone())),
            Self::File(file) => file.read().map(Some),
        }
    }
}

/// A file with a password on its one line.
#[derive(Debug)]
pub struct PasswordFile {
    path: PathBuf,
    warned: Once,
}

/// Why a file gives no password.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the password file {}: {reason}", .path.display())]
pub struct PasswordError {
    path: PathBuf,
    reason: String,
}

impl PasswordFile {
    /// Reads nothing yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), warned: Once::new() }
    }

    fn read(&self) -> Result<Password, PasswordError> {
        let fault = |reason: String| PasswordError { path: self.path.clone(), reason };
        let (content, mode) = read_file(&self.path).map_err(|error| fault(error.to_string()))?;
        if mode & 0o004 != 0 {
            self.warned.call_once(|| {
                let path = self.path.display();
                warn!(
                    "every user of this machine can read the password file {path}: chmod o= {path}"
                );
            });
        }
        let line = content.strip_suffix(b"\n").unwrap_or(&content);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if content.len() as u64 > MAX_LEN {
            return Err(fault(format!("it has more than {MAX_LEN} bytes")));
        }
        if line.contains(&b'\n') {
            return Err(fault("it must have one line".to_owned()));
        }
        Password::new(line.to_owned()).ok_or_else(|| fault("it is empty".to_owned()))
    }
}

/// What stands in a file, up to one byte more than is allowed, and its permissions.
fn read_file(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    // Before it is opened, which a pipe would make us wait for.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it must be a regular file"));
    }
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(MAX_LEN + 1).read_to_end(&mut content)?;
    Ok((content, metadata.permissions().mode()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Password, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        PasswordFile::new(file.path()).read().map_err(|error| error.reason)
    }

    #[test]
    fn a_password_is_shown_by_nothing() {
        let source = PasswordSource::Given(Password::new(b"secret".to_vec()).unwrap());
        assert_eq!(format!("{source:?}"), "Given(Password(…))");
    }

    #[test]
    fn the_end_of_the_line_is_no_part_of_the_password() {
        for content in ["se cret", "se cret\n", "se cret\r\n"] {
            assert_eq!(read(content.as_bytes()).unwrap().as_bytes(), b"se cret");
        }
    }

    #[test]
    fn a_file_that_holds_none_is_refused() {
        for (content, reason) in [
            (b"".to_vec(), "it is empty"),
            (b"\n".to_vec(), "it is empty"),
            (b"a\nb\n".to_vec(), "it must have one line"),
            (vec![b'x'; 5000], "it has more than 4096 bytes"),
        ] {
            assert_eq!(read(&content).unwrap_err(), reason);
        }
        let error = PasswordFile::new(Path::new("/dev/null")).read().unwrap_err().to_string();
        assert_eq!(error, "cannot read the password file /dev/null: it must be a regular file");
        let error = PasswordFile::new(Path::new("/none/such")).read().unwrap_err().to_string();
        assert!(error.starts_with("cannot read the password file /none/such: No such"), "{error}");
    }

    #[test]
    fn the_file_is_read_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = PasswordSource::File(PasswordFile::new(file.path()));
        for password in ["old", "new"] {
            std::fs::write(file.path(), password).unwrap();
            assert_eq!(source.password().unwrap().unwrap().as_bytes(), password.as_bytes());
        }
    }
}
