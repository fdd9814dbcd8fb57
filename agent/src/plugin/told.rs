//! What the log has said of a directory's files, so that hangups, however many, repeat none of it.

use std::hash::{DefaultHasher, Hash, Hasher};

use tracing::{error, warn};

use super::conf_d::ConfD;

/// Most remarks that the log gets of one reading.
const MAX_TOLD: usize = 100;

/// Most remarks of a reading that are looked at.
const MAX_KNOWN: usize = 10_000;

/// The remarks of the last reading, by their hashes.
#[derive(Default)]
pub struct Told(Vec<u64>);

impl Told {
    /// Logs what this reading found that the one before did not, or of a file that was changed since; how
    /// many of its faults are such.
    pub fn tell(&mut self, conf_d: &ConfD) -> usize {
        let (mut found, mut new, mut new_faults) = (Vec::new(), 0usize, 0);
        let remarks = conf_d.faults.iter().chain(&conf_d.warnings);
        for (index, remark) in remarks.take(MAX_KNOWN).enumerate() {
            let mut hasher = DefaultHasher::new();
            remark.hash(&mut hasher);
            let hash = hasher.finish();
            found.push(hash);
            if self.0.contains(&hash) {
                continue;
            }
            let is_fault = index < conf_d.faults.len();
            new += 1;
            new_faults += usize::from(is_fault);
            match is_fault {
                _ if new > MAX_TOLD => {}
                true => error!("{}", remark.text),
                false => warn!("{}", remark.text),
            }
        }
        if let Some(untold @ 1..) = new.checked_sub(MAX_TOLD) {
            warn!("faults and warnings that are not named here, but by --check: {untold}");
        }
        self.0 = found;
        new_faults
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::Rules;
    use super::*;
    use std::fs::{File, write};
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_fault_is_told_once_until_its_file_is_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let read = || {
            let rules = Rules { tick: Duration::from_secs(60), uid: 0 };
            ConfD::read(directory.path(), rules).unwrap()
        };
        write(path("a.toml"), "[plugin.metrics.a]\n").unwrap();
        write(path("b.toml"), "[plugin.metrics.b]\nomand = 1\n").unwrap();
        let mut told = Told::default();
        assert_eq!(told.tell(&read()), 2);
        for _ in 0..3 {
            assert_eq!(told.tell(&read()), 0);
        }
        // Changed, and as bad as before.
        let later = SystemTime::now() + Duration::from_secs(5);
        File::options().write(true).open(path("a.toml")).unwrap().set_modified(later).unwrap();
        assert_eq!(told.tell(&read()), 1);
        // Mended, and bad again.
        let bad = std::fs::read(path("b.toml")).unwrap();
        std::fs::remove_file(path("b.toml")).unwrap();
        assert_eq!(told.tell(&read()), 0);
        write(path("b.toml"), bad).unwrap();
        assert_eq!(told.tell(&read()), 1);
    }
}
