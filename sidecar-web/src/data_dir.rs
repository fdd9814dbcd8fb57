//! The directory of the RRD files: whether the one in the configuration is the one that Redis writes
//! to, and whether it can be read.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use site::{Config, data_dir_warning};

use crate::files::unreadable;

/// What is wrong with where pages look for files, in words for people. `said` is where Redis writes.
/// Looks at disks, and may ask for the address of a name.
#[must_use]
pub fn fault(config: &Config, said: Option<&Path>) -> Option<String> {
    if let Some(warning) = said.and_then(|said| data_dir_warning(config, said)) {
        return Some(format!("Graphs are drawn from where Redis does not write: {warning}."));
    }
    let configured = config.data_dir.as_deref();
    let used = configured.or(said)?;
    let inside = used.join("-");
    let why = match (fs::metadata(used), fs::metadata(&inside)) {
        (Err(error), _) => unreadable(used, &error),
        (_, Err(error)) if error.kind() == ErrorKind::PermissionDenied => {
            unreadable(&inside, &error)
        }
        _ => return None,
    };
    Some(match configured {
        Some(_) => format!("No graph can be drawn. The directory of config data_dir: {why}."),
        None => format!("No graph can be drawn. The directory that Redis writes to: {why}."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Redis is on this machine.
    fn fault(configured: Option<&Path>, said: Option<&Path>) -> Option<String> {
        let mut config = Config::new(Path::new("/etc/kurado.yml"));
        config.data_dir = configured.map(Path::to_owned);
        super::fault(&config, said)
    }

    #[test]
    fn where_redis_does_not_write_no_graph_is_drawn_and_what_can_not_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let gone = folder.path().join("gone");
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        for (configured, said) in [
            (Some(&one), Some(&one)),
            (Some(&one), None),
            (None, Some(&one)),
            (None, None),
            // In a container, where it has another name.
            (Some(&one), Some(&gone)),
        ] {
            let (configured, said) = (configured.map(AsRef::as_ref), said.map(AsRef::as_ref));
            assert_eq!(fault(configured, said), None, "{configured:?} {said:?}");
        }
        for configured in [&other, &gone] {
            let text = fault(Some(configured), Some(&one)).unwrap();
            assert!(text.contains(configured.to_str().unwrap()), "{text}");
            assert!(text.contains(one.to_str().unwrap()), "{text}");
        }
        let text = fault(Some(&gone), None).unwrap();
        assert!(text.contains("config data_dir") && text.contains("No such file"), "{text}");
        assert!(fault(None, Some(&gone)).unwrap().contains("that Redis writes to"));
    }
}
