//! Files of a configuration, read whole: the one place where that is done.
//!
//! Only regular files are read, at most so much of them: a pipe would keep whoever opens it waiting for
//! ever, and a device may have no end.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{Error, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Longest file that is read, in bytes, where whoever reads it has no narrower rule: 16 MiB.
pub const MAX_LEN: u64 = 16 << 20;

/// Reads a regular file of at most [`MAX_LEN`] bytes; links are followed.
///
/// # Errors
/// As the system says it; or what else the path leads to, or how long the file is, and the rule.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LEN {
        // One that is being written may have grown since.
        let length = path.metadata()?.len().max(bytes.len() as u64);
        let message = format!("it has {length} bytes; at most {MAX_LEN} (16 MiB) are read");
        return Err(Error::other(message));
    }
    Ok(bytes)
}

/// Opens a regular file; links are followed.
///
/// # Errors
/// As the system says it, or what else the path leads to.
pub(crate) fn open(path: &Path) -> Result<File> {
    // Before it is opened, as that may do something to a device.
    expect_regular(&path.metadata()?)?;
    // It may have become another since: then opening it does not wait.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

fn expect_regular(meta: &Metadata) -> Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    let what = kind(meta.file_type());
    Err(Error::other(format!("it is {what}; only regular files are read")))
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe (FIFO)"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    #[test]
    fn what_is_no_regular_file_is_told_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        let _socket = UnixListener::bind(path("socket")).unwrap();
        symlink("/dev/zero", path("zero")).unwrap();
        symlink("fifo", path("link")).unwrap();
        for (name, what) in [
            ("fifo", "a named pipe (FIFO)"),
            ("link", "a named pipe (FIFO)"),
            ("socket", "a socket"),
            ("zero", "a device"),
            (".", "a folder"),
        ] {
            let error = read(&path(name)).unwrap_err().to_string();
            assert_eq!(error, format!("it is {what}; only regular files are read"), "{name}");
        }
    }

    #[test]
    fn no_more_than_the_longest_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        let file = File::create(&path).unwrap();
        file.set_len(MAX_LEN).unwrap();
        assert_eq!(read(&path).unwrap().len() as u64, MAX_LEN);
        file.set_len(MAX_LEN + 5).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert_eq!(error, "it has 16777221 bytes; at most 16777216 (16 MiB) are read");
    }
}
