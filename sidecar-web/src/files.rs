//! The RRD files that a graph draws from: when they were written, and why one can't be drawn from.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use line_protocol::Identifier;
use site::graph::Source;

use crate::languages::Texts;

/// Series that [`Absent::reason`] names before it only counts.
const NAMED: usize = 3;

/// When each of these series' files was last written, in nanoseconds since 1970.
///
/// # Errors
/// Which can't be drawn from.
pub fn written(sources: &[Source], data_dir: &Path) -> Result<Vec<u128>, Absent> {
    let mut times = Vec::with_capacity(sources.len());
    let mut missing = Vec::new();
    for source in sources {
        let path = source.path(data_dir);
        // Opened, as there are files that one may look at and not read.
        match File::open(&path).and_then(|file| file.metadata()?.modified()) {
            Ok(time) => {
                times.push(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => missing.push(source.clone()),
            Err(error) => return Err(Absent::Unreadable(unreadable(&path, &error))),
        }
    }
    if missing.is_empty() { Ok(times) } else { Err(Absent::Missing(missing)) }
}

/// Why a graph has no files to be drawn from.
#[derive(Debug, PartialEq, Eq)]
pub enum Absent {
    /// These series have none.
    Missing(Vec<Source>),
    /// There is one that can't be read: why, in words for people.
    Unreadable(String),
}

/// What is known of how the plugin of a host came to Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Redis is away: nobody knows.
    Unknown,
    /// Redis does not know the host.
    NoHost,
    /// The host's other plugins alone.
    NoPlugin,
    /// Something of it came.
    Some,
    /// Something of it came, and may wait in Redis: why it is not in files, in words for people.
    Waits(String),
}

impl Absent {
    /// What stands in the place of a graph of a host's plugin. A series of another host or plugin is
    /// named in full.
    #[must_use]
    pub fn reason(
        &self,
        text: &Texts,
        address: &str,
        plugin: &Identifier,
        received: &Received,
    ) -> String {
        let missing = match self {
            Self::Unreadable(why) => return why.clone(),
            Self::Missing(missing) => missing,
        };
        let is_own = |source: &Source| source.address == address && source.plugin == *plugin;
        let all_own = missing.iter().all(is_own);
        let names = names(text, missing, is_own);
        match received {
            Received::NoHost if all_own => (text.nothing_of_host)(&address),
            Received::NoPlugin if all_own => (text.nothing_of_plugin)(plugin),
            Received::Unknown => (text.no_file_yet)(&names),
            Received::Waits(why) => (text.no_file_yet_waits)(&names, why),
            Received::Some | Received::NoHost | Received::NoPlugin => {
                (text.series_never_received)(missing.len(), &names)
            }
        }
    }
}

fn names(text: &Texts, missing: &[Source], is_own: impl Fn(&Source) -> bool) -> String {
    let named = missing.iter().take(NAMED).map(|source| match is_own(source) {
        true => source.key.clone(),
        false => format!("{} {} {}", source.address, source.plugin, source.key),
    });
    let names = named.collect::<Vec<_>>().join(", ");
    match missing.len().saturating_sub(NAMED) {
        0 => names,
        more => (text.and_more_series)(&names, &more),
    }
}

/// Why a file or directory can't be read: what of its path it is that denies it, and to whom.
#[must_use]
pub fn unreadable(path: &Path, error: &io::Error) -> String {
    if error.kind() != ErrorKind::PermissionDenied {
        return format!("{} can't be read: {error}", path.display());
    }
    // The uppermost that can't be looked at lies in the directory that denies it.
    let denied = path
        .ancestors()
        .take_while(|part| {
            fs::symlink_metadata(part).is_err_and(|e| e.kind() == ErrorKind::PermissionDenied)
        })
        .last();
    match denied.and_then(Path::parent) {
        Some(directory) => format!(
            "{} may not be entered by {}, as whom kurado-web runs",
            directory.display(),
            user()
        ),
        None => {
            format!("{} may not be read by {}, as whom kurado-web runs", path.display(), user())
        }
    }
}

/// Who this process is.
fn user() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    // Of the real, effective, saved and file system user, the last one is asked for files.
    let id = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().last());
    let Some(id) = id else {
        return "the user".to_owned();
    };
    let users = fs::read_to_string(PathBuf::from("/etc/passwd")).unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then_some(name)
    });
    name.map_or_else(|| format!("user {id}"), |name| format!("user {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::text;

    fn source(address: &str, key: &str) -> Source {
        Source {
            address: address.to_owned(),
            plugin: Identifier::parse("base").unwrap(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn what_is_missing_is_named_by_key_and_in_full_where_it_is_of_another_host() {
        let directory = tempfile::tempdir().unwrap();
        let here = source("10.0.0.1", "here.gauge");
        let folder = directory.path().join("10.0.0.1/base");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("here.gauge.rrd"), b"").unwrap();
        let base = Identifier::parse("base").unwrap();
        let reason = |sources: &[Source]| {
            let absent = written(sources, directory.path()).unwrap_err();
            absent.reason(text(), "10.0.0.1", &base, &Received::Some)
        };

        assert_eq!(written(std::slice::from_ref(&here), directory.path()).unwrap().len(), 1);
        assert_eq!(
            reason(&[here.clone(), source("10.0.0.1", "gone.derive")]),
            "no data yet: gone.derive was never received"
        );
        assert_eq!(
            reason(&[here, source("10.0.0.1", "a.gauge"), source("::1", "b.gauge")]),
            "no data yet: a.gauge, ::1 base b.gauge were never received"
        );
        assert_eq!(
            reason(&["a", "b", "c", "d", "e"].map(|key| source("10.0.0.1", key))),
            "no data yet: a, b, c and 2 more were never received"
        );
    }

    #[test]
    fn what_was_received_decides_what_a_missing_file_means() {
        let base = Identifier::parse("base").unwrap();
        let absent = Absent::Missing(vec![source("h", "a.gauge")]);
        let other = Absent::Missing(vec![source("elsewhere", "a.gauge")]);
        for (received, own, of_other) in [
            (Received::Unknown, "no file yet: a.gauge", "no file yet: elsewhere base a.gauge"),
            (
                Received::NoHost,
                "no data yet: nothing was ever received of host h",
                "no data yet: elsewhere base a.gauge was never received",
            ),
            (
                Received::NoPlugin,
                "no data yet: nothing was ever received of plugin base of this host",
                "no data yet: elsewhere base a.gauge was never received",
            ),
            (
                Received::Some,
                "no data yet: a.gauge was never received",
                "no data yet: elsewhere base a.gauge was never received",
            ),
            (
                Received::Waits("writing is paused".into()),
                "no file yet: a.gauge. What came may wait: writing is paused",
                "no file yet: elsewhere base a.gauge. What came may wait: writing is paused",
            ),
        ] {
            assert_eq!(absent.reason(text(), "h", &base, &received), own);
            assert_eq!(other.reason(text(), "h", &base, &received), of_other);
        }
    }

    #[test]
    fn a_file_that_can_not_be_read_is_named_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("10.0.0.1"), b"").unwrap();
        let absent = written(&[source("10.0.0.1", "a.gauge")], directory.path()).unwrap_err();
        let reason =
            absent.reason(text(), "10.0.0.1", &Identifier::parse("base").unwrap(), &Received::Some);
        let path = directory.path().join("10.0.0.1/base/a.gauge.rrd");
        assert_eq!(
            reason,
            format!("{} can't be read: Not a directory (os error 20)", path.display())
        );
    }
}
