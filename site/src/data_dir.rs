//! Whether `data_dir` of `kurado.yml` is where Redis keeps its files.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::Config;

/// What is wrong with `data_dir`, where `of_redis` is the directory that Redis has
/// (`kurado_data_dir` of `INFO kurado`). Directories are compared, not their names. `None` where they
/// are the same, where none is configured, and where that can't be seen from here: Redis is on
/// another machine, or in a container of its own.
///
/// Looks at disks and may ask for the address of a name: not to be called where that would hold
/// others up.
#[must_use]
pub fn data_dir_warning(config: &Config, of_redis: &Path) -> Option<String> {
    let configured = config.data_dir.as_deref()?;
    let redis = of_redis.metadata().ok()?;
    if !config.redis_address().to_socket_addrs().ok()?.any(|address| is_here(address.ip())) {
        return None;
    }
    let why = match configured.metadata() {
        Ok(found) if is_same(&found, &redis) => return None,
        Ok(_) => "another directory",
        Err(error) if error.kind() == ErrorKind::NotFound => "which is not there",
        // Who may not look can't tell.
        Err(_) => return None,
    };
    Some(format!(
        "config data_dir is '{}', {why}; Redis at {} keeps its files in '{}': correct data_dir in kurado.yml, or leave it out",
        configured.display(),
        config.redis,
        of_redis.display()
    ))
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether an address is one of this machine: then it is its own way there. Nothing is sent.
fn is_here(ip: IpAddr) -> bool {
    let any: IpAddr = if ip.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let way = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    ip.is_loopback() || way.is_ok_and(|way| way.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn warning(redis: &str, data_dir: Option<PathBuf>, of_redis: &Path) -> Option<String> {
        let mut config = Config::new(Path::new("/etc/kurado/kurado.yml"));
        config.redis = redis.to_owned();
        config.data_dir = data_dir;
        data_dir_warning(&config, of_redis)
    }

    const HERE: &str = "127.0.0.1:6379";

    #[test]
    fn one_directory_by_two_names_is_no_fault_and_another_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("data")).unwrap();
        std::fs::create_dir(path("other")).unwrap();
        std::os::unix::fs::symlink(path("data"), path("link")).unwrap();
        for same in ["data", "link", "other/../data", "data/."] {
            assert_eq!(warning(HERE, Some(path(same)), &path("data")), None, "{same}");
        }
        let text = warning(HERE, Some(path("other")), &path("data")).unwrap();
        assert!(text.contains("other', another directory; Redis at 127.0.0.1:6379"), "{text}");
        let text = warning(HERE, Some(path("none")), &path("data")).unwrap();
        assert!(text.contains("none', which is not there; Redis"), "{text}");
    }

    #[test]
    fn what_can_not_be_compared_is_no_fault() {
        let dir = tempfile::tempdir().unwrap();
        let other = Some(dir.path().join("other"));
        assert_eq!(warning(HERE, None, dir.path()), None);
        assert_eq!(warning(HERE, other.clone(), Path::new("/nonexistent/of/a/container")), None);
        // Of a network for documentation, which is nowhere.
        assert_eq!(warning("192.0.2.1:6379", other, dir.path()), None);
    }
}
