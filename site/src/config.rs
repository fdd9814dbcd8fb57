//! The settings below `config:`.

use std::path::{Path, PathBuf};

use crate::error::SiteError;
use crate::nearest::did_you_mean;
use crate::site::Notes;
use crate::yaml::{Key, Node};

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

const KNOWN: [&str; 8] = [
    "redis",
    "data_dir",
    "rolls_dir",
    "metrics_plugin_dir",
    "web_worker",
    "update_worker",
    "fetch_worker",
    "poller_address",
];

impl Config {
    /// The settings of a file that says nothing.
    #[must_use]
    pub fn new(file: &Path) -> Self {
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

    /// Reads what stands below `config:`. A setting with a fault keeps its default, so that those of
    /// others are found as well. One that nobody knows is a warning, as existing files may have some.
    pub(crate) fn read(file: &Path, node: &Node, notes: &mut Notes) -> Self {
        let mut config = Self::new(file);
        for (key, value) in notes.or_fault(node.entries(file, "config")).unwrap_or_default() {
            let read = config.read_setting(file, key, value, notes);
            notes.or_fault(read);
        }
        config
    }

    fn read_setting(
        &mut self,
        file: &Path,
        key: &Key,
        value: &Node,
        notes: &mut Notes,
    ) -> Result<(), SiteError> {
        let what = format!("config {}", key.name);
        match key.name.as_str() {
            "redis" => self.redis = redis(file, value)?,
            "data_dir" => self.data_dir = Some(path(file, value, &what)?),
            // `host_roll_dir` is its name in Kurado's own sample.
            "rolls_dir" | "host_roll_dir" => self.rolls_dir = path(file, value, &what)?,
            "metrics_plugin_dir" => {
                let dirs = value.items(file, &what)?;
                self.metrics_plugin_dir =
                    dirs.iter().map(|item| path(file, item, &what)).collect::<Result<_, _>>()?;
                for (item, dir) in dirs.iter().zip(&self.metrics_plugin_dir) {
                    if !dir.is_dir() {
                        let message = format!("{what}: there is no folder {}", dir.display());
                        notes.warnings.push(SiteError::new(file, Some(item.line), message));
                    }
                }
            }
            "web_worker" => self.web_worker = natural(file, value, &what)?,
            "update_worker" => self.update_worker = natural(file, value, &what)?,
            "fetch_worker" => self.fetch_worker = natural(file, value, &what)?,
            "poller_address" => {
                self.poller_address = Some(value.text(file, &what)?.to_owned());
                self.poller_address_line = Some(key.line);
            }
            unknown => notes.warnings.push(SiteError::new(
                file,
                Some(key.line),
                format!(
                    "config has no setting '{unknown}'; it has {}{}",
                    KNOWN.join(", "),
                    did_you_mean(unknown, KNOWN)
                ),
            )),
        }
        Ok(())
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

    /// The settings, and the warnings; the first fault.
    fn read(source: &str) -> Result<(Config, Vec<SiteError>), SiteError> {
        let (config, notes) = noted(source);
        match notes.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok((config, notes.warnings)),
        }
    }

    fn noted(source: &str) -> (Config, Notes) {
        let file = Path::new("/etc/kurado/kurado.yml");
        let nodes = crate::yaml::parse(file, source).unwrap();
        let mut notes = Notes::default();
        (Config::read(file, &nodes[0], &mut notes), notes)
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
            "/etc/kurado/kurado.yml:2: config has no setting 'rols_dir'; it has redis, data_dir, rolls_dir, metrics_plugin_dir, web_worker, update_worker, fetch_worker, poller_address; did you mean 'rolls_dir'?"
        );
    }

    #[test]
    fn each_faulty_setting_is_told() {
        let (_, notes) = noted("redis: here\nweb_worker: 0\ndata_dir: x\nfetch_worker: []");
        let lines: Vec<_> = notes.faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [Some(1), Some(2), Some(4)]);
    }

    #[test]
    fn a_plugin_folder_that_is_named_and_not_there_is_a_warning_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().display();
        let (_, warnings) =
            read(&format!("metrics_plugin_dir:\n- {there}\n- {there}/none")).unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            warnings[0].to_string(),
            format!(
                "/etc/kurado/kurado.yml:3: config metrics_plugin_dir: there is no folder {there}/none"
            )
        );
        assert!(read("redis: a:1").unwrap().1.is_empty(), "nobody named the default ones");
    }
}
