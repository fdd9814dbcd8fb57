//! `conf.d/*.toml`: the files of a directory, each with its definitions.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use super::definition::{Definitions, MAX_PLUGINS, Plugin, Rules};

/// Longest file that is read, in bytes.
const MAX_FILE_LEN: u64 = 1024 * 1024;

/// Most files that are read.
const MAX_FILES: usize = 1000;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct ConfD {
    /// The plugins that are well, in the order of the files' names and of their lines.
    pub plugins: Vec<Plugin>,
    /// What is wrong with the others, each with file and line.
    pub faults: Vec<Remark>,
    /// What was passed over, each with file and line.
    pub warnings: Vec<Remark>,
}

/// Something to be said of a file. The same text is another remark when the file was changed.
#[derive(Debug, Hash)]
pub struct Remark {
    /// For a person.
    pub text: String,
    /// When the file was changed last; `None` where that is not known.
    changed: Option<SystemTime>,
}

impl ConfD {
    /// Reads each `*.toml` of a directory. A fault costs what it is in, and the rest goes on.
    ///
    /// # Errors
    /// Where the directory itself can't be read.
    pub fn read(directory: &Path, rules: Rules) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot read {}: {error}", directory.display());
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if is_wanted(&path) {
                paths.push(path);
            }
        }
        paths.sort_unstable();
        let mut conf_d = Self::default();
        if paths.len() > MAX_FILES {
            let text = format!(
                "{}: {} files; the first {MAX_FILES} are read",
                directory.display(),
                paths.len()
            );
            conf_d.faults.push(Remark { text, changed: None });
        }
        for path in paths.iter().take(MAX_FILES) {
            conf_d.read_file(path, rules);
        }
        Ok(conf_d)
    }

    fn read_file(&mut self, path: &Path, rules: Rules) {
        let shown = path.display();
        let changed = path.metadata().and_then(|metadata| metadata.modified()).ok();
        let remark = |text| Remark { text, changed };
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => return self.faults.push(remark(format!("{shown}: {error}"))),
        };
        let file = Definitions::parse(&text, rules);
        let of_file = |text: &String| remark(format!("{shown}:{text}"));
        self.faults.extend(file.faults.iter().map(of_file));
        self.warnings.extend(file.warnings.iter().map(of_file));
        for (line, plugin) in file.plugins {
            if self.plugins.iter().any(|known| known.name == plugin.name) {
                let fault = format!(
                    "{shown}:{line}: plugin '{}' was defined before; the first one counts",
                    plugin.name
                );
                self.faults.push(remark(fault));
            } else if self.plugins.len() >= MAX_PLUGINS {
                let fault = format!(
                    "{shown}:{line}: plugin '{}' is past the {MAX_PLUGINS} that run",
                    plugin.name
                );
                self.faults.push(remark(fault));
            } else {
                self.plugins.push(plugin);
            }
        }
    }
}

/// Whether a path is that of a definition: what editors leave behind begins with a dot or `#`.
fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".toml") && !name.starts_with(b".") && !name.starts_with(b"#")
}

/// The text of a regular file; links are followed. A pipe would keep who opens it waiting, and a
/// device may have no end.
fn read_text(path: &Path) -> io::Result<String> {
    // Before it is opened, as that may do something to a device.
    expect_regular(&path.metadata()?)?;
    // It may have become another since: then opening it does not wait.
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    expect_regular(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(io::Error::other(format!(
            "more than {MAX_FILE_LEN} bytes; no file is so long"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = good.filter(|byte| **byte == b'\n').count() + 1;
        io::Error::other(format!("line {line} is not UTF-8 text"))
    })
}

fn expect_regular(metadata: &std::fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::other(format!("it is {what}; only regular files are read")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(directory: &Path) -> Result<ConfD, String> {
        ConfD::read(directory, Rules { tick: Duration::from_secs(60), uid: 0 })
    }

    fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn plugins_come_by_file_and_line_and_links_are_followed() {
        let directory = directory(&[
            ("b.toml", b"[plugin.metrics.z]\ncommand = 'x'\n[plugin.metrics.a]\ncommand = 'x'\n"),
            ("a.other", b"[plugin.metrics.linked]\ncommand = 'x'\n"),
        ]);
        std::os::unix::fs::symlink("a.other", directory.path().join("a.toml")).unwrap();
        let conf_d = read(directory.path()).unwrap();
        let names: Vec<_> = conf_d.plugins.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["linked", "z", "a"]);
        assert!(conf_d.faults.is_empty() && conf_d.warnings.is_empty());
    }

    #[test]
    fn what_editors_leave_behind_is_no_definition() {
        let directory = directory(&[
            ("a.toml~", b"nonsense"),
            ("#a.toml#", b"nonsense"),
            (".a.toml.swp", b"nonsense"),
            ("a.toml.bak", b"nonsense"),
        ]);
        // What Emacs locks a file by leads nowhere.
        std::os::unix::fs::symlink("me@here.1", directory.path().join(".#a.toml")).unwrap();
        let conf_d = read(directory.path()).unwrap();
        assert!(conf_d.faults.is_empty() && conf_d.plugins.is_empty());
    }

    #[test]
    fn a_bad_file_is_named_with_its_line_and_the_rest_goes_on() {
        let long = vec![b'#'; 1024 * 1024 + 1];
        let directory = directory(&[
            ("bad.toml", b"\n[plugin.metrics.x\ncommand = 'y'\n"),
            ("bytes.toml", b"# one\n\xff\n"),
            ("good.toml", b"[plugin.metrics.good]\ncommand = 'x'\n"),
            ("long.toml", &long),
            ("twice.toml", b"\n[plugin.metrics.good]\ncommand = 'y'\n"),
        ]);
        std::fs::create_dir(directory.path().join("folder.toml")).unwrap();
        std::os::unix::fs::symlink("nowhere", directory.path().join("gone.toml")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", directory.path().join("device.toml")).unwrap();
        let pipe = std::ffi::CString::new(
            directory.path().join("pipe.toml").as_os_str().as_encoded_bytes(),
        )
        .unwrap();
        // SAFETY: the path ends in a zero byte and lives through the call.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);

        let conf_d = read(directory.path()).unwrap();
        assert_eq!(conf_d.plugins.len(), 1);
        assert_eq!(conf_d.plugins[0].command, "x");
        let expected = [
            "bad.toml:2: ",
            "bytes.toml: line 2 is not UTF-8 text",
            "device.toml: it is a device",
            "folder.toml: it is a directory",
            "gone.toml: No such file",
            "long.toml: more than 1048576 bytes",
            "pipe.toml: it is a named pipe",
            "twice.toml:2: plugin 'good' was defined before",
        ];
        assert_eq!(conf_d.faults.len(), expected.len(), "{:?}", conf_d.faults);
        for (fault, part) in conf_d.faults.iter().zip(expected) {
            assert!(fault.text.contains(part), "{fault:?}: {part}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let fault = read(Path::new("/nowhere/conf.d")).unwrap_err();
        assert!(fault.starts_with("cannot read /nowhere/conf.d"), "{fault}");
    }
}
