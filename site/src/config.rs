//! The settings below `config:`.

use std::path::{Path, PathBuf};

use crate::error::SiteError;
use crate::yaml::Node;

/// The settings of `config:`. Paths are made whole: relative ones start at the file's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The Redis that everything is pushed to and read from, `host:port` (`[::1]:6379`).
    pub redis: String,
    /// Where the RRD files are; `None`: not said here, so Redis knows
    /// (`CONFIG GET kurado.data-dir`).
    pub data_dir: Option<PathBuf>,
    /// Where the roll files are.
    pub rolls_dir: PathBuf,
    /// Where users' own plugins are; the first one found wins.
    pub metrics_plugin_dir: Vec<PathBuf>,
    /// How many processes draw graphs; at least 1.
    pub web_worker: usize,
    /// Read for the sake of existing files; nothing needs it.
    pub update_worker: usize,
    /// How many fetch workers the poller has; at least 1.
    pub fetch_worker: usize,
    /// The host on which the poller's own numbers are shown; `None`: see
    /// [`crate::Site::poller_address`].
    pub poller_address: Option<String>,
    /// Where that stands.
    pub(crate) poller_address_line: Option<u64>,
}

impl Config {
    /// Host and port of [`Self::redis`], the host without brackets.
    #[must_use]
    pub fn redis_address(&self) -> (&str, u16) {
        let (host, port) = self.redis.rsplit_once(':').unwrap_or((&self.redis, ""));
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        (bare.unwrap_or(host), port.parse().unwrap_or(6379))
    }
}

const KNOWN: &str = "redis, data_dir, rolls_dir, metrics_plugin_dir, web_worker, update_worker, fetch_worker, poller_address";

impl Config {
    /// The settings of a file that says nothing.
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            redis: "127.0.0.1:6379".to_owned(),
            data_dir: None,
            rolls_dir: beside(file, "rolls"),
            metrics_plugin_dir: vec![
                beside(file, "metrics_plugins"),
                beside(file, "metrics_site_plugins"),
            ],
            web_worker: 5,
            update_worker: 2,
            fetch_worker: 4,
            poller_address: None,
            poller_address_line: None,
        }
    }

    /// Reads what stands below `config:`. A setting that nobody knows is a warning, as existing
    /// files may have some.
    pub(crate) fn read(
        file: &Path,
        node: &Node,
        warnings: &mut Vec<SiteError>,
    ) -> Result<Self, SiteError> {
        let mut config = Self::new(file);
        for (key, value) in node.entries(file, "config")? {
            let what = format!("config {}", key.name);
            match key.name.as_str() {
                "redis" => config.redis = redis(file, value)?,
                "data_dir" => config.data_dir = Some(path(file, value, &what)?),
                // `host_roll_dir` is its name in Kurado's own sample.
                "rolls_dir" | "host_roll_dir" => config.rolls_dir = path(file, value, &what)?,
                "metrics_plugin_dir" => {
                    config.metrics_plugin_dir = value
                        .items(file, &what)?
                        .iter()
                        .map(|item| path(file, item, &what))
                        .collect::<Result<_, _>>()?;
                }
                "web_worker" => config.web_worker = natural(file, value, &what)?,
                "update_worker" => config.update_worker = natural(file, value, &what)?,
                "fetch_worker" => config.fetch_worker = natural(file, value, &what)?,
                "poller_address" => {
                    config.poller_address = Some(value.text(file, &what)?.to_owned());
                    config.poller_address_line = Some(key.line);
                }
                unknown => warnings.push(SiteError::new(
                    file,
                    Some(key.line),
                    format!("config has no setting '{unknown}'; it has {KNOWN}"),
                )),
            }
        }
        Ok(config)
    }
}

fn path(file: &Path, node: &Node, what: &str) -> Result<PathBuf, SiteError> {
    match node.text(file, what)? {
        "" => Err(node.fault(file, what, "a path")),
        text => Ok(beside(file, text)),
    }
}

/// A path as seen from the file's folder.
fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

fn natural(file: &Path, node: &Node, what: &str) -> Result<usize, SiteError> {
    match node.text(file, what)?.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(node.fault(file, what, "a whole number from 1")),
    }
}

fn redis(file: &Path, node: &Node) -> Result<String, SiteError> {
    let text = node.text(file, "config redis")?;
    let valid = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // An IPv6 address needs its brackets, or its last group would be taken for the port.
        let host_is_valid = match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.contains(':') && line_protocol::address::is_valid(host),
        };
        host_is_valid && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if valid {
        Ok(text.to_owned())
    } else {
        Err(node.fault(file, "config redis", "host:port, such as 127.0.0.1:6379 or [::1]:6379"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Result<(Config, Vec<SiteError>), SiteError> {
        let file = Path::new("/etc/kurado/kurado.yml");
        let nodes = crate::yaml::parse(file, source)?;
        let mut warnings = Vec::new();
        let config = Config::read(file, &nodes[0], &mut warnings)?;
        Ok((config, warnings))
    }

    fn error(source: &str) -> String {
        read(source).unwrap_err().to_string()
    }

    #[test]
    fn relative_paths_start_at_the_files_folder() {
        let (config, _) =
            read("data_dir: data\nrolls_dir: /srv/rolls\nmetrics_plugin_dir: [a, /b]").unwrap();
        assert_eq!(config.data_dir, Some("/etc/kurado/data".into()));
        assert_eq!(config.rolls_dir, PathBuf::from("/srv/rolls"));
        assert_eq!(
            config.metrics_plugin_dir,
            [PathBuf::from("/etc/kurado/a"), PathBuf::from("/b")]
        );
    }

    #[test]
    fn redis_is_host_and_port() {
        for good in ["127.0.0.1:6379", "'[::1]:6380'", "redis.example.org:1"] {
            assert!(read(&format!("redis: {good}")).is_ok(), "{good}");
        }
        let (config, _) = read("redis: '[::1]:6380'").unwrap();
        assert_eq!(config.redis_address(), ("::1", 6380));
        for bad in ["localhost", "localhost:0", "'::1:6379'", "a/b:1", "localhost:x"] {
            assert!(read(&format!("redis: {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_name_line_value_and_rule() {
        assert_eq!(
            error("redis: a:1\nfetch_worker: many"),
            "/etc/kurado/kurado.yml:2: config fetch_worker is 'many'; it must be a whole number from 1"
        );
        assert_eq!(
            error("data_dir: [x]"),
            "/etc/kurado/kurado.yml:1: config data_dir is a list of 1; it must be a text"
        );
    }

    #[test]
    fn an_unknown_setting_is_a_warning() {
        let (_, warnings) = read("redis: a:1\nrols_dir: x").unwrap();
        assert_eq!(
            warnings[0].to_string(),
            "/etc/kurado/kurado.yml:2: config has no setting 'rols_dir'; it has redis, data_dir, rolls_dir, metrics_plugin_dir, web_worker, update_worker, fetch_worker, poller_address"
        );
    }
}
