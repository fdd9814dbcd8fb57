//! The directory of the RRD files: whether the one in the configuration is the one that Redis writes
//! to, and whether it can be read.

use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::files::unreadable;

/// What is wrong with where pages look for files, in words for people. `said` is where Redis writes,
/// which means something only where Redis is on this machine.
#[must_use]
pub fn fault(configured: Option<&Path>, said: Option<&Path>) -> Option<String> {
    let there = |directory: &Path| fs::metadata(directory).map(|about| (about.dev(), about.ino()));
    if let (Some(configured), Some(said)) = (configured, said)
        && configured != said
        // Where Redis is in a container its directory has another name here.
        && let Ok(theirs) = there(said)
        && there(configured).ok() != Some(theirs)
    {
        return Some(format!(
            "Graphs are drawn from another directory than Redis writes to: config data_dir is {}, \
             and Redis says {}. Correct data_dir in kurado.yml, or leave it out: then Redis is asked.",
            configured.display(),
            said.display()
        ));
    }
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

/// Whether a server at `address` (`host:port`) is on this machine: whether its address is one of ours.
pub async fn is_here(address: &str) -> bool {
    match tokio::net::lookup_host(address).await {
        Ok(mut found) => found.any(|address| UdpSocket::bind((address.ip(), 0)).is_ok()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_one_directory_are_no_fault_and_two_directories_are() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let (link, gone) = (folder.path().join("link"), folder.path().join("gone"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();

        for (configured, said) in [
            (Some(&one), Some(&one)),
            (Some(&one), Some(&link)),
            (Some(&one), None),
            (None, Some(&one)),
            (None, None),
            // In a container, where it has another name.
            (Some(&one), Some(&gone)),
        ] {
            let said = said.map(AsRef::as_ref);
            assert_eq!(fault(configured.map(AsRef::as_ref), said), None, "{configured:?} {said:?}");
        }
        for configured in [&other, &gone] {
            let text = fault(Some(configured), Some(&one)).unwrap();
            assert!(text.contains(configured.to_str().unwrap()), "{text}");
            assert!(text.contains(one.to_str().unwrap()), "{text}");
            assert!(text.contains("Correct data_dir in kurado.yml, or leave it out"), "{text}");
        }
        let text = fault(Some(&gone), None).unwrap();
        assert!(text.contains("config data_dir") && text.contains("No such file"), "{text}");
        assert!(fault(None, Some(&gone)).unwrap().contains("that Redis writes to"));
    }

    #[tokio::test]
    async fn an_address_of_this_machine_is_here_and_one_of_another_is_not() {
        assert!(is_here("127.0.0.1:6379").await);
        assert!(is_here("localhost:6379").await);
        // Set aside for documentation: nobody's.
        assert!(!is_here("192.0.2.1:6379").await);
        assert!(!is_here("no port").await);
    }
}
