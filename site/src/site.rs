//! `kurado.yml` as a whole: settings, services, hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use line_protocol::address;
use serde_json::{Map, Value as Json};

use crate::config::Config;
use crate::error::{Fault, SiteError};
use crate::host_address;
use crate::roll::{self, Roll};
use crate::sources::Sources;
use crate::unknown::Unknown;
use crate::written::{WrittenRoll, WrittenSettings};
use crate::yaml::{self, Node};

/// A site: its settings, and the services and hosts that are watched.
#[derive(Clone)]
pub struct Site {
    config: Config,
    metrics_config: Map<String, Json>,
    services: Vec<Service>,
    hosts: BTreeMap<String, Arc<Host>>,
    rolls: Vec<WrittenRoll>,
    settings: Vec<WrittenSettings>,
    /// The addresses that were read, by the host that they mean.
    meant: BTreeMap<String, String>,
    address_faults: Vec<SiteError>,
    warnings: Vec<SiteError>,
    secret_faults: Vec<SiteError>,
}

/// What reading brings beside the site.
#[derive(Default)]
pub(crate) struct Notes {
    /// The files that were read.
    pub sources: Sources,
    /// What keeps the configuration from being taken; at most [`Fault::MOST`].
    pub faults: Vec<SiteError>,
    pub warnings: Vec<SiteError>,
    pub secret_faults: Vec<SiteError>,
    pub settings: Vec<WrittenSettings>,
}

impl Notes {
    /// What was read, or its fault noted, so that the rest can be read as well.
    pub(crate) fn or_fault<T>(&mut self, read: Result<T, SiteError>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(fault) => {
                if self.faults.len() < Fault::MOST {
                    self.faults.push(fault);
                }
                None
            }
        }
    }

    /// What was read, where nothing had a fault.
    pub(crate) fn outcome<T>(self, read: Option<T>) -> Result<T, Fault> {
        match (Fault::of(self.faults), read) {
            (Some(fault), _) => Err(fault),
            (None, Some(read)) => Ok(read),
            // Whoever reads nothing notes why.
            (None, None) => Err(SiteError::new(Path::new(""), None, "can not be read").into()),
        }
    }
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
    /// All faults that could be found: file, line, what was found, what is allowed.
    pub fn load(file: &Path) -> Result<Self, Fault> {
        let mut notes = Notes::default();
        let site = Self::read(file, &mut notes);
        notes.outcome(site)
    }

    /// Reads what can be read; what has a fault is left out, and noted. `None` where there is nothing
    /// to go on with.
    pub(crate) fn read(file: &Path, notes: &mut Notes) -> Option<Self> {
        let documents = yaml::read(file, &mut notes.sources);
        let documents = notes.or_fault(documents)?;
        let Some((head, services)) = documents.split_first() else {
            let message = "is empty; its first document has 'config:', each further one 'service:' and 'servers:'";
            return notes.or_fault(Err(SiteError::new(file, None, message)));
        };
        let mut site = Self::read_head(file, head, notes)?;
        for document in services {
            let read = site.read_service(file, document, notes);
            notes.or_fault(read);
        }
        site.services.sort_by_cached_key(|service| service.name.to_lowercase());
        if let Some(address) = &site.config.poller_address
            && !site.hosts.contains_key(address)
        {
            let message = format!(
                "config poller_address is '{address}'; it must be the address of a host that stands below"
            );
            let line = site.config.poller_address_line;
            notes.or_fault::<()>(Err(SiteError::new(file, line, message)));
        }
        site.warnings = std::mem::take(&mut notes.warnings);
        site.secret_faults = std::mem::take(&mut notes.secret_faults);
        site.settings = std::mem::take(&mut notes.settings);
        Some(site)
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

    /// Addresses of hosts that can't be right. The others go on.
    #[must_use]
    pub fn address_faults(&self) -> &[SiteError] {
        &self.address_faults
    }

    /// The rolls that hosts have, each once, in the order in which they are first named.
    #[must_use]
    pub fn rolls(&self) -> &[WrittenRoll] {
        &self.rolls
    }

    /// All settings for plugins, as they are written: the shared ones, and those of rolls.
    #[must_use]
    pub fn settings(&self) -> &[WrittenSettings] {
        &self.settings
    }

    fn read_head(file: &Path, head: &Node, notes: &mut Notes) -> Option<Self> {
        const KNOWN: [&str; 2] = ["config", "metrics_config"];
        let mut config = None;
        let mut metrics_config = Map::new();
        let mut unknown = Unknown::default();
        for (key, value) in notes.or_fault(head.entries(file, "the first document"))? {
            match key.name.as_str() {
                "config" => config = Some(Config::read(file, value, notes)),
                "metrics_config" => metrics_config = roll::metrics_config(file, value, notes),
                _ => unknown.note(key),
            }
        }
        unknown.warn(file, "the first document", &KNOWN, notes);
        let Some(config) = config else {
            let message = format!(
                "the first document has no 'config:'; it must, and services follow behind a line '---'{}",
                unknown.instead_of("config")
            );
            return notes.or_fault(Err(SiteError::new(file, Some(head.line), message)));
        };
        // Where the line between them is missing, the service would vanish with all its hosts.
        if let Some(key) = unknown.0.iter().find(|key| ["service", "servers"].contains(&&*key.name))
        {
            let message = format!(
                "'{}:' stands in the first document, which has {}; a line '---' must stand before each service",
                key.name,
                KNOWN.join(" and ")
            );
            return notes.or_fault(Err(SiteError::new(file, Some(key.line), message)));
        }
        Some(Self {
            config,
            metrics_config,
            services: Vec::new(),
            hosts: BTreeMap::new(),
            rolls: Vec::new(),
            settings: Vec::new(),
            meant: BTreeMap::new(),
            address_faults: Vec::new(),
            warnings: Vec::new(),
            secret_faults: Vec::new(),
        })
    }

    fn read_service(
        &mut self,
        file: &Path,
        document: &Node,
        notes: &mut Notes,
    ) -> Result<(), SiteError> {
        const KNOWN: [&str; 2] = ["service", "servers"];
        let mut name = None;
        let mut groups: Option<&[Node]> = None;
        let mut unknown = Unknown::default();
        for (key, value) in document.entries(file, "a service")? {
            match key.name.as_str() {
                "service" => name = Some((key.line, value.text(file, "service")?)),
                "servers" => {
                    let items = notes.or_fault(value.items(file, "servers"));
                    groups = Some(items.unwrap_or_default());
                }
                _ => unknown.note(key),
            }
        }
        unknown.warn(file, "a service", &KNOWN, notes);
        let Some((line, name)) = name.filter(|(_, name)| !name.is_empty()) else {
            let message = format!(
                "this document has no 'service:' with a name; each but the first must{}",
                unknown.instead_of("service")
            );
            return Err(SiteError::new(file, Some(document.line), message));
        };
        if groups.is_none() {
            unknown.refuse_instead_of("servers", file, &format!("service '{name}'"), notes);
        }
        if self.services.iter().any(|service| service.name == name) {
            let message = format!("service '{name}' stands here for the second time");
            notes.or_fault::<()>(Err(SiteError::new(file, Some(line), message)));
        }
        let mut sections: Vec<Section> = Vec::new();
        let mut labels = BTreeSet::new();
        for node in groups.unwrap_or_default() {
            let read = Self::read_group(file, node, notes);
            let Some(group) = notes.or_fault(read) else { continue };
            if let Some(label) = group.label
                && !labels.insert(label)
            {
                let message =
                    format!("label '{label}' stands in service '{name}' for the second time");
                notes.or_fault::<()>(Err(SiteError::new(file, Some(node.line), message)));
            }
            if group.label.is_some() || sections.is_empty() {
                sections.push(Section { label: group.label.map(str::to_owned), hosts: Vec::new() });
            }
            // There is one: an unlabelled group joins the section before it.
            let Some(section) = sections.last_mut() else { continue };
            // That of a group without hosts need not be there.
            if group.hosts.is_empty() {
                continue;
            }
            let roll = self.roll(file, &group, notes);
            for line in group.hosts {
                let host = read_host(file, line, name, section.label.clone(), Arc::clone(&roll));
                let Some(host) = notes.or_fault(host) else { continue };
                let host = Arc::new(host);
                if let Some(fault) = host_address::fault(&host.address) {
                    self.address_faults.push(SiteError::new(file, Some(line.line), fault));
                }
                let meant = host_address::meant(&host.address);
                let first = self.meant.entry(meant).or_insert_with(|| host.address.clone());
                if *first != host.address {
                    let message = format!(
                        "'{}' is the same host as '{first}'; each host may stand once",
                        host.address
                    );
                    notes.warnings.push(SiteError::new(file, Some(line.line), message));
                }
                if let Some(first) = self.hosts.insert(host.address.clone(), Arc::clone(&host)) {
                    let message = format!(
                        "address {} stands here for the second time; the first is '{}' in service '{}'",
                        first.address, first.hostname, first.service
                    );
                    notes.or_fault::<()>(Err(SiteError::new(file, Some(line.line), message)));
                }
                section.hosts.push(host);
            }
        }
        self.services.push(Service { name: name.to_owned(), sections });
        Ok(())
    }

    fn read_group<'a>(
        file: &Path,
        group: &'a Node,
        notes: &mut Notes,
    ) -> Result<Group<'a>, SiteError> {
        const KNOWN: [&str; 3] = ["roll", "label", "hosts"];
        let mut read = Group { label: None, hosts: &[], roll: "", roll_line: 0 };
        let mut unknown = Unknown::default();
        for (key, value) in group.entries(file, "a group of servers")? {
            match key.name.as_str() {
                "roll" => {
                    read.roll = value.text(file, "roll")?;
                    read.roll_line = value.line;
                }
                "label" if matches!(value.value, yaml::Value::Null) => {}
                "label" => {
                    let label = value.text(file, "label")?;
                    read.label = Some(label).filter(|label| !label.is_empty());
                }
                "hosts" => read.hosts = value.items(file, "hosts")?,
                _ => unknown.note(key),
            }
        }
        unknown.warn(file, "a group of servers", &KNOWN, notes);
        if read.roll.is_empty() {
            let message = format!(
                "this group of servers has no 'roll:'; it must name a file in rolls_dir{}",
                unknown.instead_of("roll")
            );
            return Err(SiteError::new(file, Some(group.line), message));
        }
        Ok(read)
    }

    /// The roll of that name, read where it is named for the first time.
    fn roll(&mut self, file: &Path, group: &Group<'_>, notes: &mut Notes) -> Arc<Roll> {
        let (name, line) = (group.roll, group.roll_line);
        let known = self.rolls.iter().find(|known| known.roll.file == name);
        if let Some(known) = known {
            return Arc::clone(&known.roll);
        }
        let (dir, shared) = (&self.config.rolls_dir, &self.metrics_config);
        let read = Roll::read(dir, name, (file, line), shared, notes);
        let roll = Arc::clone(&read.roll);
        self.rolls.push(read);
        roll
    }
}

/// A group of `servers:`, as it is written.
struct Group<'a> {
    label: Option<&'a str>,
    /// The lines of its hosts.
    hosts: &'a [Node],
    /// The name of its roll.
    roll: &'a str,
    /// Where that stands.
    roll_line: u64,
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
        let rule = match node.value {
            yaml::Value::List(_) => &format!("{RULE}; an IPv6 address stands without brackets"),
            _ => RULE,
        };
        return Err(node.fault(file, "a host", rule));
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
            "kurado.yml:4: roll 'none.yml': rolls/none.yml can not be read: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_roll_may_lie_anywhere_and_a_file_that_is_none_is_told_by_its_beginning() {
        let dir = folder(
            "config: {}\n---\nservice: x\nservers:\n- {roll: ../other/web.yml, hosts: [h1]}\n",
        );
        fs::create_dir(dir.path().join("other")).unwrap();
        fs::write(dir.path().join("other/web.yml"), "metrics: [base]\n").unwrap();
        let file = dir.path().join("kurado.yml");
        assert_eq!(Site::load(&file).unwrap().host("h1").unwrap().roll.plugins.len(), 1);

        let passwd = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/bin/sh\n";
        fs::write(dir.path().join("other/web.yml"), passwd).unwrap();
        let error = Site::load(&file).unwrap_err().to_string();
        let (_, told) = error.split_once("other/web.yml").unwrap();
        assert_eq!(
            told,
            ":1: a roll is 'root:x:0:0:root:/root:/bin/bash daemon:x:1:1:daemon:/usr/sbi…'; it must be a mapping"
        );
    }

    #[test]
    fn a_misspelt_key_is_named_where_what_it_stands_for_is_missing() {
        for (services, told) in [
            (
                "services: x\nservers: []\n",
                "kurado.yml:3: this document has no 'service:' with a name; each but the first must; line 3 has 'services:': did you mean 'service:'?",
            ),
            (
                "service: x\nservers:\n- label: y\n  rol: base.yml\n",
                "kurado.yml:5: this group of servers has no 'roll:'; it must name a file in rolls_dir; line 6 has 'rol:': did you mean 'roll:'?",
            ),
        ] {
            assert_eq!(error(services), told);
        }
        assert!(
            load("confg: {}\n")
                .unwrap_err()
                .ends_with("line 1 has 'confg:': did you mean 'config:'?")
        );
    }

    /// All faults, each without the folder.
    fn faults(source: &str) -> Vec<String> {
        let dir = folder(source);
        let fault = Site::load(&dir.path().join("kurado.yml")).unwrap_err();
        let here = format!("{}/", dir.path().display());
        fault.all().map(|fault| fault.to_string().replace(&here, "")).collect()
    }

    #[test]
    fn all_faulty_settings_services_groups_hosts_and_rolls_are_told_in_one_run() {
        let told = faults(
            "config: {web_worker: 0}\n---\nservice: x\nservers:\n- hosts: [h1]\n- roll: none.yml\n  hosts: [h2, ../h3, h4]\n- {roll: bad.yml, label: l, hosts: [h5]}\n- {roll: none.yml, label: l, hosts: [h2]}\n---\nservers: []\n---\nservice: x\n",
        );
        let begins = [
            "kurado.yml:1: config web_worker is '0'",
            "kurado.yml:5: this group of servers has no 'roll:'",
            "kurado.yml:6: roll 'none.yml': rolls/none.yml can not be read",
            "kurado.yml:7: address '../h3' of a host",
            "rolls/bad.yml:3: plugin name '../etc'",
            "kurado.yml:9: label 'l' stands in service 'x' for the second time",
            "kurado.yml:9: address h2 stands here for the second time",
            "kurado.yml:11: this document has no 'service:'",
            "kurado.yml:13: service 'x' stands here for the second time",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (told, begins) in told.iter().zip(begins) {
            assert!(told.starts_with(begins), "{told}");
        }
    }

    #[test]
    fn a_host_in_brackets_is_told_how_an_ipv6_address_stands() {
        let told = faults(
            "config: {}\n---\nservice: x\nservers:\n- roll: base.yml\n  hosts:\n  - [::1]\n",
        );
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert!(told.starts_with("kurado.yml:7: a host is a list"), "{told}");
        assert!(told.ends_with("; an IPv6 address stands without brackets"), "{told}");
    }

    #[test]
    fn past_a_bound_no_more_faults_are_told_and_the_first_says_how_many_there_are() {
        let mut source =
            "config: {}\n---\nservice: x\nservers:\n- roll: base.yml\n  hosts:\n".to_owned();
        for _ in 0..1000 {
            source.push_str("  - a/b\n");
        }
        assert_eq!(faults(&source).len(), Fault::MOST);
        let first = load(&source).unwrap_err();
        assert!(first.starts_with("kurado.yml:7: address 'a/b'"), "{first}");
        assert!(first.ends_with(" (and 49 more, see kurado-poller check)"), "{first}");
    }

    #[test]
    fn what_nobody_knows_is_a_warning_with_its_line() {
        let site = load("config: {}\n---\nservice: x\nowner: me\n").unwrap();
        let [warning] = site.warnings() else { panic!("{:?}", site.warnings()) };
        let warning = warning.to_string();
        assert!(
            warning.ends_with("kurado.yml:4: a service has no 'owner'; it has service and servers"),
            "{warning}"
        );
    }

    #[test]
    fn a_mistyped_key_never_makes_hosts_vanish() {
        for (text, says) in [
            (
                "config: {}\n---\nservice: x\nserver: []\n",
                "kurado.yml:4: service 'x' has 'server:' and no 'servers:': did you mean that?",
            ),
            (
                "config: {}\nservice: x\nservers: []\n",
                "kurado.yml:2: 'service:' stands in the first document, which has config and metrics_config; a line '---' must stand before each service",
            ),
        ] {
            let fault = load(text).unwrap_err().to_string();
            assert!(fault.ends_with(says), "{fault}");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("rolls")).unwrap();
        fs::write(dir.path().join("rolls/a.yml"), "metric: [base]\n").unwrap();
        let file = dir.path().join("kurado.yml");
        let text = "config: {}\n---\nservice: x\nservers:\n- roll: a.yml\n  hosts: [a b]\n";
        fs::write(&file, text).unwrap();
        let fault = Site::load(&file).unwrap_err().to_string();
        let says = "rolls/a.yml:1: a roll has 'metric:' and no 'metrics:': did you mean that?";
        assert!(fault.ends_with(says), "{fault}");
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
