//! Keys of a mapping that nobody knows: warnings, and what may have been meant.

use std::path::Path;

use crate::error::SiteError;
use crate::nearest::did_you_mean;
use crate::site::Notes;
use crate::yaml::Key;

/// Keys that nobody knows, where a few are known.
#[derive(Default)]
pub(crate) struct Unknown<'a>(pub Vec<&'a Key>);

impl<'a> Unknown<'a> {
    pub(crate) fn note(&mut self, key: &'a Key) {
        self.0.push(key);
    }

    /// Warns of each: they stop nothing, as existing files may have some.
    pub(crate) fn warn(&self, file: &Path, what: &str, known: &[&str], notes: &mut Notes) {
        let allowed = match known {
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
            [] => String::new(),
        };
        for key in &self.0 {
            let name = &key.name;
            let near = did_you_mean(name, known.iter().copied());
            let message = format!("{what} has no '{name}'; it has {allowed}{near}");
            notes.warnings.push(SiteError::new(file, Some(key.line), message));
        }
    }

    /// An error where one of them may have been meant for the key that is missing: what stands below
    /// it would vanish.
    pub(crate) fn refuse_instead_of(
        &self,
        missing: &str,
        file: &Path,
        what: &str,
        notes: &mut Notes,
    ) {
        let near = |key: &&&Key| !did_you_mean(&key.name, [missing]).is_empty();
        if let Some(key) = self.0.iter().find(near) {
            let message =
                format!("{what} has '{}:' and no '{missing}:': did you mean that?", key.name);
            notes.or_fault::<()>(Err(SiteError::new(file, Some(key.line), message)));
        }
    }

    /// That one of them may have been meant for the key that is missing.
    pub(crate) fn instead_of(&self, missing: &str) -> String {
        let near = |key: &&&Key| !did_you_mean(&key.name, [missing]).is_empty();
        match self.0.iter().find(near) {
            Some(key) => {
                format!("; line {} has '{}:': did you mean '{missing}:'?", key.line, key.name)
            }
            None => String::new(),
        }
    }
}
