//! The file that says which process the agent is.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file with this process's id; removed when dropped.
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file.
    pub fn create(path: PathBuf) -> Result<Self, String> {
        // A pipe that nobody reads would be waited for.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes the file where it names this process: another agent may have taken it since.
pub fn remove(path: &Path) {
    let ours = std::fs::read_to_string(path)
        .is_ok_and(|text| text.trim() == std::process::id().to_string());
    if ours {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_its_place_is_an_error_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.pid");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(PidFile::create(path).is_err());
    }

    #[test]
    fn the_file_goes_with_the_agent_unless_another_has_taken_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.pid");

        drop(PidFile::create(path.clone()).unwrap());
        assert!(!path.exists());

        let file = PidFile::create(path.clone()).unwrap();
        std::fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
    }
}
