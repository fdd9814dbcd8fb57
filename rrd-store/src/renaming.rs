//! Giving the files of a host to another address: its directory gets another name.
//!
//! Each thread comes to a barrier when its write has ended, and goes on when the directory has its
//! new name: so nothing is made below either name in between, and what is submitted later finds the
//! files in their new place.
//!
//! Renamings have numbers that go up. The last one that was done stands in the data directory, as a
//! journal that is replayed after a crash must not do it again: by then another host may have files
//! at the address of before.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Barrier, Condvar, Mutex, PoisonError};

use crate::data_dir::DataDir;
use crate::disk::rename_new;
use crate::writers::Target;

/// In the data directory: the last renaming that was done.
const DONE_FILE: &str = ".kurado.renamed";
/// The same while it is being written.
const UNFINISHED_FILE: &str = ".kurado.renamed.new";
/// In the data directory: what was replaced, until it is deleted.
const REPLACED: &str = ".kurado.replaced";

/// A renaming. The addresses were checked: they become paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// Higher than that of all before.
    pub number: u64,
    /// The address of before.
    pub from: Arc<str>,
    /// The address from now on.
    pub to: Arc<str>,
}

/// What becomes of files that the new address has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and it fails.
    Refuse,
    /// They are deleted.
    Delete,
    /// They are deleted where the address of before has files too: else, in a replay, they may be
    /// those that were moved.
    DeleteForOthers,
}

/// A renaming under way, shared by the threads.
#[derive(Debug)]
pub struct SharedRenaming {
    renaming: Renaming,
    existing: Existing,
    barrier: Barrier,
    is_permitted: Mutex<bool>,
    permitted: Condvar,
}

/// Lets the threads go on to a renaming when it is dropped.
#[must_use]
pub struct Permit(Arc<SharedRenaming>);

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.is_permitted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.permitted.notify_all();
    }
}

impl Renaming {
    /// Whether a series is of one of the two hosts.
    #[must_use]
    pub fn concerns(&self, target: &Target) -> bool {
        [&self.from, &self.to].contains(&&target.address)
    }

    /// The last one that was done in a data directory.
    #[must_use]
    pub fn last_done(data: &DataDir) -> Option<Self> {
        let text = fs::read_to_string(data.path().join(DONE_FILE)).ok()?;
        let mut words = text.split_ascii_whitespace();
        let (number, from, to) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        Some(Self { number, from: from.into(), to: to.into() })
    }

    fn note_done(&self, data: &DataDir) -> io::Result<()> {
        let unfinished = data.path().join(UNFINISHED_FILE);
        fs::write(&unfinished, format!("{} {} {}\n", self.number, self.from, self.to))?;
        fs::rename(unfinished, data.path().join(DONE_FILE))
    }

    /// Moves the directory, while no thread writes.
    fn run(&self, existing: Existing, data: &DataDir) -> Result<(), String> {
        let [from, to] = [&self.from, &self.to].map(|address| data.path().join(&**address));
        let replaced = data.path().join(REPLACED);
        let has_files = from.symlink_metadata().is_ok();
        let deletes = match existing {
            Existing::Refuse => false,
            Existing::Delete => true,
            Existing::DeleteForOthers => has_files,
        };
        if deletes {
            // What a killed server left.
            delete(&replaced)?;
            match fs::rename(&to, &replaced) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(told(&to, "can't be put aside", &error));
                }
                _ => {}
            }
        }
        if has_files && let Err(error) = rename_new(&from, &to) {
            // No better than before.
            let _ = fs::rename(&replaced, &to);
            return Err(told(&from, &format!("can't become {}", to.display()), &error));
        }
        self.note_done(data)
            .map_err(|error| told(&data.path().join(DONE_FILE), "can't be written", &error))
    }
}

impl SharedRenaming {
    pub(crate) fn new(
        renaming: Renaming,
        existing: Existing,
        threads: usize,
    ) -> (Arc<Self>, Permit) {
        let shared = Arc::new(Self {
            renaming,
            existing,
            barrier: Barrier::new(threads),
            is_permitted: Mutex::new(false),
            permitted: Condvar::new(),
        });
        let permit = Permit(Arc::clone(&shared));
        (shared, permit)
    }

    /// To be called by each thread; one of them does it, and gets the outcome.
    pub(crate) fn take_part(&self, data: &DataDir) -> Option<Result<(), String>> {
        if !self.barrier.wait().is_leader() {
            self.barrier.wait();
            return None;
        }
        let is_permitted = self.is_permitted.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.permitted.wait_while(is_permitted, |is_permitted| !*is_permitted));
        let result = self.renaming.run(self.existing, data);
        self.barrier.wait();
        // The others need not wait for this.
        Some(result.and_then(|()| delete(&data.path().join(REPLACED))))
    }
}

/// Deletes what was replaced before a server was killed.
///
/// # Errors
/// Where it can't be deleted.
pub(crate) fn delete_replaced(data_dir: &Path) -> Result<(), String> {
    delete(&data_dir.join(REPLACED))
}

fn delete(directory: &Path) -> Result<(), String> {
    let deleted = match fs::remove_dir_all(directory) {
        // Somebody's file of a host's name.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(directory),
        deleted => deleted,
    };
    match deleted {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(told(directory, "can't be deleted", &error))
        }
        _ => Ok(()),
    }
}

fn told(path: &Path, what: &str, error: &io::Error) -> String {
    format!("{} {what}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::data_with;

    fn renaming(number: u64) -> Renaming {
        Renaming { number, from: "a".into(), to: "b".into() }
    }

    /// By two threads, as soon as it may.
    fn run(data: &DataDir, number: u64, existing: Existing) -> Result<(), String> {
        let (shared, permit) = SharedRenaming::new(renaming(number), existing, 2);
        let outcome = std::thread::scope(|scope| {
            let threads = [0, 1].map(|_| scope.spawn(|| shared.take_part(data)));
            assert!(shared.renaming.concerns(&Target {
                address: "a".into(),
                generation: 1,
                plugin: "p".into(),
                key: "k".into()
            }));
            drop(permit);
            threads.map(|thread| thread.join().unwrap())
        });
        let [outcome] = outcome.into_iter().flatten().collect::<Vec<_>>().try_into().unwrap();
        outcome
    }

    #[test]
    fn a_directory_moves_whole_and_the_last_renaming_is_remembered() {
        let (directory, data) = data_with(&["a/base/x.gauge.rrd", "a/http/notes.txt", "c/y"]);
        assert_eq!(Renaming::last_done(&data), None);
        run(&data, 7, Existing::Refuse).unwrap();
        let at = |name: &str| directory.path().join(name).exists();
        assert!(at("b/base/x.gauge.rrd") && at("b/http/notes.txt") && at("c/y") && !at("a"));
        assert_eq!(Renaming::last_done(&data), Some(renaming(7)));
        // A host without files has nothing to move.
        run(&data, 8, Existing::Refuse).unwrap();
        assert!(at("b/base/x.gauge.rrd"));
        assert_eq!(Renaming::last_done(&data), Some(renaming(8)));
    }

    #[test]
    fn files_at_the_new_address_stay_where_they_are_not_to_be_deleted() {
        let (directory, data) = data_with(&["a/base/x", "b/base/y"]);
        let error = run(&data, 7, Existing::Refuse).unwrap_err();
        assert!(error.contains("/a can't become ") && error.contains("File exists"), "{error}");
        let at = |name: &str| directory.path().join(name).exists();
        assert!(at("a/base/x") && at("b/base/y"));
        assert_eq!(Renaming::last_done(&data), None);
    }

    #[test]
    fn files_at_the_new_address_are_replaced_and_nothing_of_them_is_left() {
        for existing in [Existing::Delete, Existing::DeleteForOthers] {
            let (directory, data) =
                data_with(&["a/base/x", "b/base/y", ".kurado.replaced/base/left-by-a-kill"]);
            run(&data, 7, existing).unwrap();
            let at = |name: &str| directory.path().join(name).exists();
            assert!(at("b/base/x") && !at("b/base/y") && !at("a") && !at(REPLACED));
        }
    }

    #[test]
    fn a_replay_that_finds_no_files_to_move_deletes_none() {
        let (directory, data) = data_with(&["b/base/x"]);
        run(&data, 7, Existing::DeleteForOthers).unwrap();
        assert!(directory.path().join("b/base/x").exists());
        run(&data, 8, Existing::Delete).unwrap();
        assert!(!directory.path().join("b").exists());
    }

    #[test]
    fn what_a_killed_server_had_replaced_is_gone_at_the_next_start() {
        let (directory, data) = data_with(&[".kurado.replaced/base/x"]);
        assert!(!directory.path().join(REPLACED).exists());
        drop(data);
    }
}
