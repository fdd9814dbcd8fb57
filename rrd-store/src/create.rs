//! New files: made whole in memory, first points included, and written in one go under another
//! name, so that a file of its own name is always complete.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::disk;
use crate::header::{Header, UNKNOWN};

/// All may read it, whatever the umask: as librrd makes files.
const MODE: u32 = 0o644;
/// A directory may go away between its making and its use.
const TRIES: u32 = 3;

/// The row pointers of a new file: different for each, so that files that were made together do
/// not begin new pages together.
pub(crate) fn first_row(path: &Path) -> impl Fn(usize, u32) -> u32 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    move |index, rows| {
        let mut hasher = hasher.clone();
        index.hash(&mut hasher);
        u32::try_from(hasher.finish() % u64::from(rows)).unwrap_or_default()
    }
}

/// All bytes of a new file: its header, and its rows, of which all but the new ones are unknown.
pub(crate) fn image(mut header: Header) -> Vec<u8> {
    let size = usize::try_from(header.file_size()).unwrap_or_default();
    let mut bytes = UNKNOWN.to_ne_bytes().repeat(size / 8);
    let mut put = |at: u64, what: &[u8]| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let place = at.checked_add(what.len()).and_then(|end| bytes.get_mut(at..end));
        if let Some(place) = place {
            place.copy_from_slice(what);
        }
        Ok::<(), Infallible>(())
    };
    let Ok(()) = header.write_out(&mut put);
    let Ok(()) = put(0, header.encode());
    bytes
}

/// Writes a new file, with its directories where they lack.
///
/// # Errors
/// `AlreadyExists` where there is a file of that name; it stays as it is. No other file is left
/// behind either.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // The same each time, so that the next try replaces what a killed one left.
    let unfinished = unfinished(path);
    let mut tries_left = TRIES;
    loop {
        let result = write_whole(&unfinished, bytes)
            .and_then(|()| disk::rename_new(&unfinished, path))
            .inspect_err(|_| {
                // It may not even be there.
                let _ = fs::remove_file(&unfinished);
            });
        tries_left -= 1;
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries_left > 0 => {
                fs::create_dir_all(directory)?;
            }
            result => return result,
        }
    }
}

/// Beside the file; five bytes longer, where librrd takes six.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_somebody_else_made_meanwhile_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k.gauge.rrd");
        fs::write(&path, "precious").unwrap();
        let error = write_new(&path, b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn directories_are_made_where_they_lack() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("10.0.0.1/base/k.gauge.rrd");
        write_new(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn archives_begin_at_rows_of_their_own() {
        let rows: Vec<u32> = (0..8).map(|n| first_row(Path::new("a"))(n, 2880)).collect();
        let other: Vec<u32> = (0..8).map(|n| first_row(Path::new("b"))(n, 2880)).collect();
        assert!(rows.iter().chain(&other).all(|row| *row < 2880));
        assert!(rows != other && rows.iter().any(|row| *row != rows[0]));
        assert_eq!(rows, (0..8).map(|n| first_row(Path::new("a"))(n, 2880)).collect::<Vec<_>>());
    }
}
