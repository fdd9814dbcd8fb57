//! `kurado.yml` as a whole: settings, services, hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use line_protocol::address;
use serde_json::{Map, Value as Json};

use crate::config::Config;
use crate::error::SiteError;
use crate::roll::{self, Roll};
use crate::sources::Sources;
use crate::yaml::{self, Node};

/// A site: its settings, and the services and hosts that are watched.
#[derive(Clone)]
pub struct Site {
    config: Config,
    metrics_config: Map<String, Json>,
    services: Vec<Service>,
    hosts: BTreeMap<String, Arc<Host>>,
    warnings: Vec<SiteError>,
    secret_faults: Vec<SiteError>,
}

/// What reading brings beside the site.
#[derive(Default)]
pub(crate) struct Notes {
    /// The files that were read, up to the first fault.
    pub sources: Sources,
    pub warnings: Vec<SiteError>,
    pub secret_faults: Vec<SiteError>,
}

/// A service: hosts that belong together.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its hosts in sections, in the order of the file.
    pub sections: Vec<Section>,
}

impl Service {
    /// All its hosts, in the order of the file.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.sections.iter().flat_map(|section| &section.hosts)
    }
}

/// Hosts of a service under one label.
#[derive(Debug, Clone)]
pub struct Section {
    /// `None` only for the first one of a service: a group without a label joins the one before.
    pub label: Option<String>,
    /// In the order of the file.
    pub hosts: Vec<Arc<Host>>,
}

/// A host that is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// IPv4 or IPv6 address, or a name: unique in the site.
    pub address: String,
    /// What people call it; the address where none is given.
    pub hostname: String,
    /// The rest of its line; may be empty.
    pub comments: String,
    /// The service that it belongs to.
    pub service: String,
    /// The label of its section.
    pub label: Option<String>,
    /// What is measured on it.
    pub roll: Arc<Roll>,
}

impl Site {
    /// Reads `kurado.yml` and the rolls that its hosts name.
    ///
    /// # Errors
    /// At the first fault: file, line, what was found, what is allowed.
    pub fn load(file: &Path) -> Result<Self, SiteError> {
        Self::read(file, &mut Notes::default())
    }

    pub(crate) fn read(file: &Path, notes: &mut Notes) -> Result<Self, SiteError> {
        let documents = yaml::read(file, &mut notes.sources)?;
        let Some((head, services)) = documents.split_first() else {
            let message = "is empty; its first document has 'config:', each further one 'service:' and 'servers:'";
            return Err(SiteError::new(file, None, message));
        };
        let mut site = Self::read_head(file, head, notes)?;
        let mut rolls = BTreeMap::new();
        for document in services {
            site.read_service(file, document, &mut rolls, notes)?;
        }
        site.services.sort_by_cached_key(|service| service.name.to_lowercase());
        if let Some(address) = &site.config.poller_address
            && !site.hosts.contains_key(address)
        {
            let message = format!(
                "config poller_address is '{address}'; it must be the address of a host that stands below"
            );
            return Err(SiteError::new(file, site.config.poller_address_line, message));
        }
        site.warnings = std::mem::take(&mut notes.warnings);
        site.secret_faults = std::mem::take(&mut notes.secret_faults);
        Ok(site)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Settings for plugins that all rolls share.
    #[must_use]
    pub fn metrics_config(&self) -> &Map<String, Json> {
        &self.metrics_config
    }

    /// The services, by name without regard to case.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The host of that address, as the file writes it.
    #[must_use]
    pub fn host(&self, address: &str) -> Option<&Arc<Host>> {
        self.hosts.get(address)
    }

    /// All hosts, by address.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.hosts.values()
    }

    /// The host on which the poller's own numbers are shown, as `plugin`: the one that
    /// `poller_address` names, else the one that has the plugin in its roll. Where several have it:
    /// 127.0.0.1, or the machine itself, by its name.
    #[must_use]
    pub fn poller_address(&self, plugin: &str, machine: &str) -> Option<&str> {
        if let Some(address) = &self.config.poller_address {
            return Some(address);
        }
        let has_plugin = |host: &&Arc<Host>| {
            host.roll.plugins.iter().any(|identifier| identifier.as_str() == plugin)
        };
        let with_plugin: Vec<&str> =
            self.hosts().filter(has_plugin).map(|host| host.address.as_str()).collect();
        match with_plugin.as_slice() {
            [only] => Some(only),
            several => ["127.0.0.1", machine]
                .into_iter()
                .find_map(|own| several.iter().find(|address| **address == own).copied()),
        }
    }

    /// What is odd in the files but stops nothing, such as settings that nobody knows.
    #[must_use]
    pub fn warnings(&self) -> &[SiteError] {
        &self.warnings
    }

    /// Secrets of `metrics_config` that could not be had: variables that are not set, files that
    /// can't be read. In their places is null.
    #[must_use]
    pub fn secret_faults(&self) -> &[SiteError] {
        &self.secret_faults
    }

    fn read_head(file: &Path, head: &Node, notes: &mut Notes) -> Result<Self, SiteError> {
        let mut config = None;
        let mut metrics_config = Map::new();
        for (key, value) in head.entries(file, "the first document")? {
            match key.name.as_str() {
                "config" => config = Some(Config::read(file, value, &mut notes.warnings)?),
                "metrics_config" => metrics_config = roll::metrics_config(file, value, notes)?,
                unknown => notes.warnings.push(SiteError::new(
                    file,
                    Some(key.line),
                    format!(
                        "the first document has no '{unknown}'; it has config and metrics_config"
                    ),
                )),
            }
        }
        let Some(config) = config else {
            let message = "the first document has no 'config:'; it must, and services follow behind a line '---'";
            return Err(SiteError::new(file, Some(head.line), message));
        };
        Ok(Self {
            config,
            metrics_config,
            services: Vec::new(),
            hosts: BTreeMap::new(),
            warnings: Vec::new(),
            secret_faults: Vec::new(),
        })
    }

    fn read_service(
        &mut self,
        file: &Path,
        document: &Node,
        rolls: &mut BTreeMap<String, Arc<Roll>>,
        notes: &mut Notes,
    ) -> Result<(), SiteError> {
        let mut name = None;
        let mut groups: &[Node] = &[];
        for (key, value) in document.entries(file, "a service")? {
            match key.name.as_str() {
                "service" => name = Some((key.line, value.text(file, "service")?)),
                "servers" => groups = value.items(file, "servers")?,
                unknown => notes.warnings.push(SiteError::new(
                    file,
                    Some(key.line),
                    format!("a service has no '{unknown}'; it has service and servers"),
                )),
            }
        }
        let Some((line, name)) = name.filter(|(_, name)| !name.is_empty()) else {
            let message = "this document has no 'service:' with a name; each but the first must";
            return Err(SiteError::new(file, Some(document.line), message));
        };
        if self.services.iter().any(|service| service.name == name) {
            let message = format!("service '{name}' stands here for the second time");
            return Err(SiteError::new(file, Some(line), message));
        }
        let mut sections: Vec<Section> = Vec::new();
        let mut labels = BTreeSet::new();
        for group in groups {
            let (label, lines, roll) = Self::read_group(file, group, notes)?;
            if let Some(label) = label
                && !labels.insert(label)
            {
                let message =
                    format!("label '{label}' stands in service '{name}' for the second time");
                return Err(SiteError::new(file, Some(group.line), message));
            }
            if label.is_some() || sections.is_empty() {
                sections.push(Section { label: label.map(str::to_owned), hosts: Vec::new() });
            }
            // There is one: an unlabelled group joins the section before it.
            let Some(section) = sections.last_mut() else { continue };
            for line in lines {
                let roll = match rolls.get(roll) {
                    Some(roll) => Arc::clone(roll),
                    None => {
                        let read = Arc::new(Roll::read(
                            &self.config.rolls_dir,
                            roll,
                            &self.metrics_config,
                            notes,
                        )?);
                        rolls.insert(roll.to_owned(), Arc::clone(&read));
                        read
                    }
                };
                let host = Arc::new(read_host(file, line, name, section.label.clone(), roll)?);
                if let Some(first) = self.hosts.insert(host.address.clone(), Arc::clone(&host)) {
                    let message = format!(
                        "address {} stands here for the second time; the first is '{}' in service '{}'",
                        first.address, first.hostname, first.service
                    );
                    return Err(SiteError::new(file, Some(line.line), message));
                }
                section.hosts.push(host);
            }
        }
        self.services.push(Service { name: name.to_owned(), sections });
        Ok(())
    }

    /// A group of `servers:`: its label, the lines of its hosts, the name of its roll.
    fn read_group<'a>(
        file: &Path,
        group: &'a Node,
        notes: &mut Notes,
    ) -> Result<(Option<&'a str>, &'a [Node], &'a str), SiteError> {
        let mut label = None;
        let mut hosts: &[Node] = &[];
        let mut roll = "";
        for (key, value) in group.entries(file, "a group of servers")? {
            match key.name.as_str() {
                "roll" => roll = value.text(file, "roll")?,
                "label" if matches!(value.value, yaml::Value::Null) => {}
                "label" => label = Some(value.text(file, "label")?).filter(|text| !text.is_empty()),
                "hosts" => hosts = value.items(file, "hosts")?,
                unknown => notes.warnings.push(SiteError::new(
                    file,
                    Some(key.line),
                    format!("a group of servers has no '{unknown}'; it has roll, label and hosts"),
                )),
            }
        }
        if roll.is_empty() {
            let message = "this group of servers has no 'roll:'; it must name a file in rolls_dir";
            return Err(SiteError::new(file, Some(group.line), message));
        }
        Ok((label, hosts, roll))
    }
}

impl fmt::Debug for Site {
    /// Without the settings for plugins: there are passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (config, services) = (&self.config, &self.services);
        let mut site = f.debug_struct("Site");
        site.field("config", config).field("services", services).finish_non_exhaustive()
    }
}

/// Reads `address hostname comments…`.
fn read_host(
    file: &Path,
    node: &Node,
    service: &str,
    label: Option<String>,
    roll: Arc<Roll>,
) -> Result<Host, SiteError> {
    const RULE: &str = "'address hostname comments…', in quotes where it holds ': ' or ' #'";
    let yaml::Value::Scalar(scalar) = &node.value else {
        return Err(node.fault(file, "a host", RULE));
    };
    let (address, rest) = first_word(&scalar.text);
    let (hostname, comments) = first_word(rest);
    if !address::is_valid(address) {
        let message =
            format!("address '{address}' of a host must be an IPv4 or IPv6 address, or a name");
        return Err(SiteError::new(file, Some(node.line), message));
    }
    Ok(Host {
        address: address.to_owned(),
        hostname: if hostname.is_empty() { address } else { hostname }.to_owned(),
        comments: comments.trim_end().to_owned(),
        service: service.to_owned(),
        label,
        roll,
    })
}

/// The first word, and what stands behind it.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// A folder with `kurado.yml` of this text and a few rolls.
    fn folder(source: &str) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kurado.yml"), source).unwrap();
        fs::create_dir(dir.path().join("rolls")).unwrap();
        for (name, text) in [
            ("base.yml", "---\nmetrics_config:\nmetrics:\n- base\n"),
            (
                "db.yml",
                "metrics_config: {MySQL: {user: kurado}}\nmetrics: [base, 'mysql:3307', redis]\n",
            ),
            ("bad.yml", "metrics:\n- base\n- ../etc\n"),
        ] {
            fs::write(dir.path().join("rolls").join(name), text).unwrap();
        }
        dir
    }

    fn load(source: &str) -> Result<Site, String> {
        let dir = folder(source);
        Site::load(&dir.path().join("kurado.yml"))
            .map_err(|error| error.to_string().replace(&format!("{}/", dir.path().display()), ""))
    }

    fn error(services: &str) -> String {
        load(&format!("config: {{}}\n---\n{services}")).unwrap_err()
    }

    const WHOLE: &str = "---
config:
  redis: 127.0.0.1:6379
  host_roll_dir: rolls
metrics_config:
  MySQL: {user: root, password: 0123}
  Redis: {password: x}
---
service: web
servers:
- roll: base.yml
  hosts:
  - 192.168.55.10 dev1
  - 192.168.55.11
---
service: Admin
servers:
- roll: base.yml
  label: www
  hosts:
  - 2001:db8::1 www1  the first one
- roll: db.yml
  hosts:
  - db-1.example.org db1
- roll: db.yml
  label: db
  hosts:
  - ::1 db2
- roll: no-such-file.yml
  label: none
";

    #[test]
    fn services_are_sorted_without_regard_to_case() {
        let site = load(WHOLE).unwrap();
        let names: Vec<_> = site.services().iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["Admin", "web"]);
        assert!(site.warnings().is_empty(), "{:?}", site.warnings());
    }

    #[test]
    fn a_group_without_a_label_joins_the_one_before_it() {
        let site = load(WHOLE).unwrap();
        let sections: Vec<_> = site.services()[0]
            .sections
            .iter()
            .map(|s| (s.label.as_deref(), s.hosts.len()))
            .collect();
        assert_eq!(sections, [(Some("www"), 2), (Some("db"), 1), (Some("none"), 0)]);
        assert_eq!(site.services()[1].sections[0].label, None);
        assert_eq!(site.host("db-1.example.org").unwrap().label.as_deref(), Some("www"));
    }

    #[test]
    fn a_host_line_is_address_hostname_comments() {
        let site = load(WHOLE).unwrap();
        let host = site.host("2001:db8::1").unwrap();
        assert_eq!((host.hostname.as_str(), host.comments.as_str()), ("www1", "the first one"));
        assert_eq!(site.host("192.168.55.11").unwrap().hostname, "192.168.55.11");
        assert_eq!(site.host("::1").unwrap().hostname, "db2");
        assert_eq!(site.hosts().count(), 5);
    }

    #[test]
    fn a_rolls_settings_replace_shared_ones_at_the_first_level_only() {
        let site = load(WHOLE).unwrap();
        let shared = &site.host("192.168.55.10").unwrap().roll.metrics_config;
        assert_eq!(shared["MySQL"]["password"], "0123");
        let merged = &site.host("::1").unwrap().roll.metrics_config;
        assert_eq!(merged["MySQL"], serde_json::json!({"user": "kurado"}));
        assert_eq!(merged["Redis"]["password"], "x");
    }

    #[test]
    fn a_roll_is_shared_by_its_hosts() {
        let site = load(WHOLE).unwrap();
        let one = &site.host("::1").unwrap().roll;
        assert!(Arc::ptr_eq(one, &site.host("db-1.example.org").unwrap().roll));
        let names: Vec<_> = one.plugins.iter().map(|p| p.as_str()).collect();
        assert_eq!(names, ["base", "mysql:3307", "redis"]);
    }

    #[test]
    fn twice_the_same_service_label_or_address_is_an_error() {
        let group = "servers: [{roll: base.yml, hosts: [10.0.0.1 a]}]";
        assert_eq!(
            error(&format!("service: x\n{group}\n---\nservice: x\n")),
            "kurado.yml:6: service 'x' stands here for the second time"
        );
        assert_eq!(
            error(&format!("service: x\n{group}\n---\nservice: y\n{group}\n")),
            "kurado.yml:7: address 10.0.0.1 stands here for the second time; the first is 'a' in service 'x'"
        );
        assert_eq!(
            error(
                "service: x\nservers:\n- {roll: base.yml, label: l}\n- {roll: base.yml, label: l}\n"
            ),
            "kurado.yml:6: label 'l' stands in service 'x' for the second time"
        );
    }

    #[test]
    fn faults_name_file_line_what_was_found_and_what_is_allowed() {
        assert_eq!(
            load("config: {}\n---\n- x\n").unwrap_err(),
            "kurado.yml:3: a service is a list of 1; it must be a mapping"
        );
        assert_eq!(
            load("service: x\n").unwrap_err(),
            "kurado.yml:1: the first document has no 'config:'; it must, and services follow behind a line '---'"
        );
        assert_eq!(
            error("servers: []\n"),
            "kurado.yml:3: this document has no 'service:' with a name; each but the first must"
        );
        assert_eq!(
            error("service: x\nservers:\n- hosts: [10.0.0.1 a]\n"),
            "kurado.yml:5: this group of servers has no 'roll:'; it must name a file in rolls_dir"
        );
        assert_eq!(
            error("service: x\nservers:\n- roll: base.yml\n  hosts:\n  - ../x a\n"),
            "kurado.yml:7: address '../x' of a host must be an IPv4 or IPv6 address, or a name"
        );
        assert_eq!(
            error("service: x\nservers:\n- roll: base.yml\n  hosts:\n  - 10.0.0.1 a role: db\n"),
            "kurado.yml:7: a host is a mapping that begins with '10.0.0.1 a role:'; it must be 'address hostname comments…', in quotes where it holds ': ' or ' #'"
        );
        assert_eq!(
            error("service: x\nservers: [{roll: bad.yml, hosts: [10.0.0.1]}]\n"),
            "rolls/bad.yml:3: plugin name '../etc' holds '.'; only letters, digits, '_' and '-' may stand in it"
        );
        assert_eq!(
            error("service: x\nservers: [{roll: none.yml, hosts: [10.0.0.1]}]\n"),
            "rolls/none.yml: can not be read: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn what_nobody_knows_is_a_warning_with_its_line() {
        let site = load("config: {}\n---\nservice: x\nserver: []\n").unwrap();
        assert_eq!(site.warnings().len(), 1);
        assert!(
            site.warnings()[0]
                .to_string()
                .ends_with("kurado.yml:4: a service has no 'server'; it has service and servers")
        );
    }

    #[test]
    fn the_pollers_own_numbers_belong_to_the_host_that_has_their_plugin_or_is_named() {
        let of = |config: &str, hosts: &[&str]| {
            let hosts = hosts.join(", ");
            load(&format!(
                "config: {config}\n---\nservice: x\nservers:\n- {{roll: base.yml, hosts: [{hosts}]}}\n- {{roll: db.yml, hosts: [h3]}}\n"
            ))
            .map(|site| site.poller_address("base", "h2").map(str::to_owned))
        };
        assert_eq!(of("{}", &["10.0.0.1"]).unwrap(), None, "db.yml has it too");
        assert_eq!(of("{}", &[]).unwrap().as_deref(), Some("h3"));
        assert_eq!(of("{}", &["h1", "h2"]).unwrap().as_deref(), Some("h2"));
        assert_eq!(of("{}", &["h1", "h2", "127.0.0.1"]).unwrap().as_deref(), Some("127.0.0.1"));
        let named = "{poller_address: h1}";
        assert_eq!(of(named, &["h1", "127.0.0.1"]).unwrap().as_deref(), Some("h1"));
        assert_eq!(
            of(named, &["h2"]).unwrap_err(),
            "kurado.yml:1: config poller_address is 'h1'; it must be the address of a host that stands below"
        );
    }

    #[test]
    fn no_secret_is_in_what_is_printed_for_programmers() {
        let site = load(WHOLE).unwrap();
        let text = format!("{site:?} {:?}", site.host("::1").unwrap());
        assert!(text.contains("db.yml") && !text.contains("0123") && !text.contains("password"));
    }

    #[test]
    fn thousands_of_hosts_load() {
        let mut source =
            "config: {}\n---\nservice: x\nservers:\n- roll: base.yml\n  hosts:\n".to_owned();
        for n in 0..5000 {
            source.push_str(&format!("  - 10.0.{}.{} host{n}\n", n / 250, n % 250));
        }
        assert_eq!(load(&source).unwrap().hosts().count(), 5000);
    }
}
