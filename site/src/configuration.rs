//! A configuration as a whole, and how programs follow its files while they run.

use std::path::{Path, PathBuf};

use crate::definition::Definitions;
use crate::error::Fault;
use crate::site::{Notes, Site};
use crate::sources::Sources;

/// All that is configured.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// What is watched.
    pub site: Site,
    /// What is shown of it.
    pub definitions: Definitions,
}

impl Configuration {
    /// Reads `kurado.yml` and all that it names.
    ///
    /// # Errors
    /// All faults that could be found.
    pub fn load(file: &Path) -> Result<Self, Fault> {
        let mut notes = Notes::default();
        let read = Self::read(file, &mut notes);
        notes.outcome(read)
    }

    fn read(file: &Path, notes: &mut Notes) -> Option<Self> {
        let site = Site::read(file, notes)?;
        let dirs = &site.config().metrics_plugin_dir;
        let definitions = Definitions::read(dirs, notes);
        for dir in dirs {
            // Programs: which plugins there are follows from these.
            notes.sources.note_programs(&dir.join("fetch"));
            notes.sources.note_programs(&dir.join("view"));
        }
        Some(Self { site, definitions })
    }

    /// For programs that need the secrets of `metrics_config`: one that can't be had is a fault.
    /// (The web runs without.)
    ///
    /// # Errors
    /// All of these.
    pub fn with_secrets(self) -> Result<Self, Fault> {
        match Fault::of(self.site.secret_faults().to_vec()) {
            Some(fault) => Err(fault),
            None => Ok(self),
        }
    }
}

/// Follows the files of a configuration: looks at their times and lengths, so that it does not
/// matter how an editor replaces them or where they are mounted.
pub struct Watcher {
    file: PathBuf,
    /// The files of the last reading.
    seen: Sources,
    /// How they were at the last look, where that differed.
    changing: Option<Sources>,
    /// Whether files had changed between the last reading and the one before.
    found_changes: bool,
}

impl Watcher {
    /// A watcher of that `kurado.yml`; [`Self::read`] it first.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            seen: Sources::default(),
            changing: None,
            found_changes: false,
        }
    }

    /// Reads it, whether it has changed or not.
    ///
    /// # Errors
    /// All faults that could be found. What was read before goes on to hold, and its files are looked at too.
    pub fn read(&mut self) -> Result<Configuration, Fault> {
        let before = self.seen.now();
        let mut notes = Notes::default();
        let read = Configuration::read(&self.file, &mut notes);
        self.changing = None;
        self.found_changes = before != self.seen;
        let sources = std::mem::take(&mut notes.sources);
        let result = notes.outcome(read);
        self.seen = match &result {
            Ok(_) => sources,
            Err(_) => before.and(sources),
        };
        result
    }

    /// Whether the last reading found files that had changed since the one before.
    #[must_use]
    pub fn found_changes(&self) -> bool {
        self.found_changes
    }

    /// Reads it where a file has changed since the last reading, and not since the last look: it
    /// may be half-written. To be called every few seconds.
    pub fn look(&mut self) -> Option<Result<Configuration, Fault>> {
        let now = self.seen.now();
        if now == self.seen {
            self.changing = None;
            return None;
        }
        if self.changing.as_ref() == Some(&now) {
            return Some(self.read());
        }
        self.changing = Some(now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    struct Files(TempDir);

    impl Files {
        /// A `kurado.yml` with one host.
        fn new() -> Self {
            let files = Self(tempfile::tempdir().unwrap());
            for folder in ["rolls", "own"] {
                fs::create_dir(files.path(folder)).unwrap();
            }
            files.write("rolls/a.yml", "metrics: [base]\n");
            files.write_hosts(&["h1"]);
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// As editors do: a new file takes the old one's name.
        fn write(&self, name: &str, text: &str) {
            fs::write(self.path("new"), text).unwrap();
            fs::rename(self.path("new"), self.path(name)).unwrap();
        }

        fn write_hosts(&self, hosts: &[&str]) {
            self.write(
                "kurado.yml",
                &format!(
                    "config: {{metrics_plugin_dir: [own]}}\n---\nservice: x\nservers: [{{roll: a.yml, hosts: [{}]}}]\n",
                    hosts.join(", ")
                ),
            );
        }

        fn watcher(&self) -> Watcher {
            let mut watcher = Watcher::new(&self.path("kurado.yml"));
            watcher.read().unwrap();
            watcher
        }
    }

    /// What two looks bring; nothing by the first one.
    fn look_twice(watcher: &mut Watcher) -> Option<Result<Configuration, Fault>> {
        assert!(watcher.look().is_none());
        watcher.look()
    }

    #[test]
    fn nothing_is_read_while_nothing_changes() {
        let files = Files::new();
        let mut watcher = files.watcher();
        for _ in 0..3 {
            assert!(watcher.look().is_none());
        }
    }

    #[test]
    fn changes_of_all_files_are_seen() {
        let files = Files::new();
        let mut watcher = files.watcher();
        files.write_hosts(&["h1", "h2"]);
        let read = look_twice(&mut watcher).unwrap().unwrap();
        assert_eq!(read.site.hosts().count(), 2);

        files.write("rolls/a.yml", "metrics: [base, redis]\n");
        let read = look_twice(&mut watcher).unwrap().unwrap();
        assert_eq!(read.site.host("h1").unwrap().roll.plugins.len(), 2);

        files.write("own/shop.toml", "push = true\n");
        let read = look_twice(&mut watcher).unwrap().unwrap();
        assert!(read.definitions.is_pushed("shop"));

        files.write("own/shop.toml", "push = false\n");
        let read = look_twice(&mut watcher).unwrap().unwrap();
        assert!(!read.definitions.is_pushed("shop"));

        fs::create_dir(files.path("own/fetch")).unwrap();
        assert!(look_twice(&mut watcher).is_some());
        files.write("own/fetch/shop", "");
        assert!(look_twice(&mut watcher).is_some());
        fs::set_permissions(files.path("own/fetch/shop"), fs::Permissions::from_mode(0o755))
            .unwrap();
        assert!(look_twice(&mut watcher).is_some());
        fs::write(files.path("own/fetch/shop"), "#!/bin/sh").unwrap();
        assert!(look_twice(&mut watcher).is_none(), "programs are not read");
    }

    #[test]
    fn a_reading_tells_whether_files_had_changed() {
        let files = Files::new();
        let mut watcher = files.watcher();
        watcher.read().unwrap();
        assert!(!watcher.found_changes());
        files.write("rolls/a.yml", "metrics: [base\n");
        watcher.read().unwrap_err();
        assert!(watcher.found_changes());
        watcher.read().unwrap_err();
        assert!(!watcher.found_changes());
    }

    #[test]
    fn a_file_that_is_still_being_written_is_not_read_yet() {
        let files = Files::new();
        let mut watcher = files.watcher();
        for count in 2..5 {
            files.write_hosts(&["h1", "h2", "h3", "h4", "h5"][..count]);
            assert!(watcher.look().is_none());
        }
        assert_eq!(watcher.look().unwrap().unwrap().site.hosts().count(), 4);
    }

    #[test]
    fn a_fault_is_told_once_and_its_mending_is_seen_wherever_it_is() {
        let files = Files::new();
        let mut watcher = files.watcher();
        // A roll that was not there before, behind a change of kurado.yml itself.
        let text = fs::read_to_string(files.path("kurado.yml")).unwrap();
        files.write("kurado.yml", &text.replace("a.yml", "b.yml"));
        let fault = look_twice(&mut watcher).unwrap().unwrap_err().to_string();
        assert!(fault.contains("rolls/b.yml can not be read"), "{fault}");
        assert!(look_twice(&mut watcher).is_none());

        files.write("rolls/b.yml", "metrics: [base\n");
        let fault = look_twice(&mut watcher).unwrap().unwrap_err().to_string();
        assert!(fault.contains("rolls/b.yml:"), "{fault}");
        assert!(look_twice(&mut watcher).is_none());

        files.write("rolls/b.yml", "metrics: [base]\n");
        assert!(look_twice(&mut watcher).unwrap().is_ok());
    }

    #[test]
    fn a_fault_in_one_file_does_not_hide_changes_of_others() {
        let files = Files::new();
        let mut watcher = files.watcher();
        files.write("own/shop.toml", "push = 5\n");
        assert!(look_twice(&mut watcher).unwrap().is_err());
        files.write("rolls/a.yml", "metrics: [base, redis]\n");
        assert!(look_twice(&mut watcher).unwrap().is_err());
        fs::remove_file(files.path("own/shop.toml")).unwrap();
        let read = look_twice(&mut watcher).unwrap().unwrap();
        assert_eq!(read.site.host("h1").unwrap().roll.plugins.len(), 2);
    }

    #[test]
    fn secrets_are_a_fault_only_to_those_who_need_them() {
        let files = Files::new();
        files.write(
            "rolls/a.yml",
            "metrics: [redis]\nmetrics_config:\n  Redis: {password_file: none}\n",
        );
        let read = Configuration::load(&files.path("kurado.yml")).unwrap();
        let fault = read.with_secrets().unwrap_err().to_string();
        assert!(fault.contains("rolls/a.yml:3: password_file"), "{fault}");
        assert!(fault.contains("rolls/none can not be read"), "{fault}");
    }
}
