//! Deleting files: those of a host, of one of its plugins, or of one series.
//!
//! Each writer thread deletes the files that are its own, those included that memory knows nothing
//! of; the last one removes the directories that are empty then. A file that is made meanwhile, for
//! points that came after the deletion, belongs to a thread that has done its part, so it stays.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use line_protocol::key::key_of_file_name;

use crate::data_dir::DataDir;
use crate::writers::Target;

/// Behind the name of a file that is being made, which has a dot in front as well.
const UNFINISHED: &str = ".new";

/// What is deleted. The names were checked: they become a path.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The host's address.
    pub address: Arc<str>,
    /// Escaped identifier; `None` for all plugins.
    pub plugin: Option<Arc<str>>,
    /// With its type suffix; `None` for all series.
    pub key: Option<Arc<str>>,
}

/// Series by plugin: escaped identifier, and keys with their type suffix.
pub type SeriesNames = HashMap<Arc<str>, HashSet<Arc<str>>>;

/// What became of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Files deleted whose series the owner of the points did not know.
    pub unknown: usize,
    /// Files and directories that could not be deleted or read.
    pub failed: usize,
    /// The first of them, with the reason.
    pub first_error: Option<String>,
}

/// A deletion under way, shared by the threads.
#[derive(Debug)]
pub struct Deletion {
    scope: Scope,
    known: SeriesNames,
    parts_left: AtomicUsize,
    deleted: Mutex<Deleted>,
}

impl Scope {
    /// Whether a series is in it.
    #[must_use]
    pub fn takes(&self, target: &Target) -> bool {
        self.address == target.address
            && self.plugin.as_ref().is_none_or(|plugin| *plugin == target.plugin)
            && self.key.as_ref().is_none_or(|key| *key == target.key)
    }
}

impl Deletion {
    pub(crate) fn new(scope: Scope, known: SeriesNames, parts: usize) -> Self {
        let parts_left = AtomicUsize::new(parts);
        Self { scope, known, parts_left, deleted: Mutex::default() }
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Deletes those files of which `is_own` (plugin, key) says that they are this thread's.
    pub(crate) fn delete_own(&self, data: &DataDir, is_own: impl Fn(&str, &str) -> bool) {
        for plugin in self.plugins(data) {
            if let Some(key) = &self.scope.key {
                let file = data.file(&self.scope.address, &plugin, key);
                if is_own(&plugin, key) && self.delete(&file) && !self.knows(&plugin, Some(key)) {
                    self.deleted().unknown += 1;
                }
                continue;
            }
            let directory = self.host_directory(data).join(&plugin);
            for name in self.names_in(&directory) {
                // What a killed server left of a new file goes with it, and does not count.
                let unfinished =
                    name.strip_prefix('.').and_then(|name| name.strip_suffix(UNFINISHED));
                let file = unfinished.unwrap_or(&name);
                if !file.ends_with(".rrd") {
                    continue;
                }
                // One that no series can have is any thread's, so the hash of its name decides too.
                let key = key_of_file_name(file);
                if !is_own(&plugin, key.as_deref().unwrap_or(file)) {
                    continue;
                }
                let path = directory.join(&name);
                let is_gone = self.delete(&path);
                if is_gone && unfinished.is_none() && !self.knows(&plugin, key.as_deref()) {
                    self.deleted().unknown += 1;
                }
            }
        }
    }

    /// To be called by each thread when its part is done. Gives the outcome to the last one, which
    /// removes the directories that are empty.
    pub(crate) fn finish_part(&self, data: &DataDir) -> Option<Deleted> {
        if self.parts_left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        let host = self.host_directory(data);
        for plugin in self.plugins(data) {
            // It may have other files, or be gone.
            let _ = fs::remove_dir(host.join(plugin));
        }
        let _ = fs::remove_dir(host);
        Some(std::mem::take(&mut *self.deleted()))
    }

    fn host_directory(&self, data: &DataDir) -> PathBuf {
        data.path().join(&*self.scope.address)
    }

    fn plugins(&self, data: &DataDir) -> Vec<String> {
        match &self.scope.plugin {
            Some(plugin) => vec![plugin.to_string()],
            None => self.names_in(&self.host_directory(data)).collect(),
        }
    }

    /// The names in a directory that are text, as all are that this program makes.
    fn names_in(&self, directory: &Path) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(directory)
            .inspect_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                _ => self.failed(directory, "read", error),
            })
            .ok();
        entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok())
    }

    fn knows(&self, plugin: &str, key: Option<&str>) -> bool {
        key.is_some_and(|key| self.known.get(plugin).is_some_and(|keys| keys.contains(key)))
    }

    /// Whether there was such a file, and is no longer.
    fn delete(&self, file: &Path) -> bool {
        match fs::remove_file(file) {
            Ok(()) => return true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.failed(file, "delete", &error),
        }
        false
    }

    fn failed(&self, path: &Path, doing: &str, error: &io::Error) {
        let mut deleted = self.deleted();
        deleted.failed += 1;
        deleted
            .first_error
            .get_or_insert_with(|| format!("{}: can't {doing}: {error}", path.display()));
    }

    fn deleted(&self) -> MutexGuard<'_, Deleted> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::data_with;

    fn scope(address: &str, plugin: Option<&str>, key: Option<&str>) -> Scope {
        Scope { address: address.into(), plugin: plugin.map(Arc::from), key: key.map(Arc::from) }
    }

    fn run(data: &DataDir, scope: Scope, known: &[(&str, &str)]) -> Deleted {
        let mut names = SeriesNames::new();
        for (plugin, key) in known {
            names.entry(Arc::from(*plugin)).or_default().insert(Arc::from(*key));
        }
        let deletion = Deletion::new(scope, names, 2);
        // Two threads, of which the first has all keys that begin with a.
        deletion.delete_own(data, |_, key| key.starts_with('a'));
        assert_eq!(deletion.finish_part(data), None);
        deletion.delete_own(data, |_, key| !key.starts_with('a'));
        deletion.finish_part(data).unwrap()
    }

    #[test]
    fn all_files_of_a_host_go_with_its_directories_and_no_others() {
        let (directory, data) = data_with(&[
            "h/base/a.gauge.rrd",
            "h/base/b%2Fc.gauge.rrd",
            "h/http%3A80/a.gauge.rrd",
            "h/http%3A80/%zz.rrd",
            "h/http%3A80/.b.gauge.rrd.new",
            "h2/base/a.gauge.rrd",
        ]);
        let known = [("base", "a.gauge"), ("base", "b/c.gauge"), ("base", "no-file.gauge")];
        let deleted = run(&data, scope("h", None, None), &known);
        assert_eq!(deleted, Deleted { unknown: 2, ..Deleted::default() });
        assert!(!directory.path().join("h").exists());
        assert!(directory.path().join("h2/base/a.gauge.rrd").exists());
    }

    #[test]
    fn a_plugin_or_a_series_goes_alone_and_other_files_stay() {
        let (directory, data) = data_with(&[
            "h/base/a.gauge.rrd",
            "h/base/b.gauge.rrd",
            "h/http/a.gauge.rrd",
            "h/http/notes.txt",
        ]);
        let at = |name: &str| directory.path().join("h").join(name).exists();
        assert_eq!(run(&data, scope("h", Some("base"), Some("a.gauge")), &[]).unknown, 1);
        assert!(!at("base/a.gauge.rrd") && at("base/b.gauge.rrd"));
        assert_eq!(run(&data, scope("h", Some("http"), None), &[]).unknown, 1);
        assert!(at("http/notes.txt"));
        assert_eq!(run(&data, scope("h", Some("base"), Some("b.gauge")), &[]).unknown, 1);
        assert!(!at("base") && at("http/notes.txt"));
        assert_eq!(run(&data, scope("none", None, None), &[]), Deleted::default());
    }

    #[test]
    fn what_can_not_be_deleted_is_named_and_the_rest_goes() {
        let (directory, data) = data_with(&["h/base/b.gauge.rrd", "h/base/a.gauge.rrd/x"]);
        let deleted = run(&data, scope("h", None, None), &[]);
        assert_eq!((deleted.unknown, deleted.failed), (1, 1));
        let error = deleted.first_error.unwrap();
        assert!(error.contains("h/base/a.gauge.rrd: can't delete: Is a directory"), "{error}");
        assert!(directory.path().join("h/base/a.gauge.rrd/x").exists());
    }
}
