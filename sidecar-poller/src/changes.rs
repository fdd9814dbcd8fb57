//! What a configuration that was read anew has changed: hosts and plugins that came and went.

use std::collections::{BTreeMap, BTreeSet};

use site::Site;

/// So many names of each kind are told.
const NAMES: usize = 10;

/// Hosts and plugins that came and went, in words; empty where none did. A plugin is told of hosts
/// that were there before and still are.
#[must_use]
pub fn changes(before: &Site, after: &Site) -> String {
    let mut parts = Vec::new();
    for (what, names) in [
        ("hosts added", hosts_without(after, before)),
        ("hosts removed", hosts_without(before, after)),
        ("plugins added", plugins_without(after, before)),
        ("plugins removed", plugins_without(before, after)),
    ] {
        if !names.is_empty() {
            parts.push(format!("{what}: {}", some(&names)));
        }
    }
    parts.join("; ")
}

fn hosts_without(of: &Site, other: &Site) -> Vec<String> {
    let new = of.hosts().filter(|host| other.host(&host.address).is_none());
    new.map(|host| match host.hostname == host.address {
        true => host.address.clone(),
        false => format!("{} ({})", host.address, host.hostname),
    })
    .collect()
}

/// Each with the host that has it, or with how many have it.
fn plugins_without(of: &Site, other: &Site) -> Vec<String> {
    let mut plugins: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in of.hosts() {
        let Some(there) = other.host(&host.address) else { continue };
        let known: BTreeSet<_> = there.roll.plugins.iter().map(|plugin| plugin.as_str()).collect();
        for plugin in &host.roll.plugins {
            if !known.contains(plugin.as_str()) {
                plugins.entry(plugin.as_str()).or_default().push(&host.address);
            }
        }
    }
    let of_hosts = |(plugin, hosts): (&str, Vec<&str>)| match hosts.as_slice() {
        [host] => format!("{plugin} of {host}"),
        hosts => format!("{plugin} of {} hosts", hosts.len()),
    };
    plugins.into_iter().map(of_hosts).collect()
}

fn some(names: &[String]) -> String {
    let told = names[..names.len().min(NAMES)].join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A site of hosts, each with the plugins of its roll.
    fn site(hosts: &[(&str, &str)]) -> Site {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("rolls")).unwrap();
        let mut text = "config: {}\n---\nservice: x\nservers:\n".to_owned();
        for (number, (host, plugins)) in hosts.iter().enumerate() {
            let roll = format!("metrics: [{plugins}]");
            std::fs::write(dir.path().join(format!("rolls/{number}.yml")), roll).unwrap();
            text.push_str(&format!(
                "- {{label: l{number}, roll: {number}.yml, hosts: [{host}]}}\n"
            ));
        }
        std::fs::write(dir.path().join("kurado.yml"), text).unwrap();
        Site::load(&dir.path().join("kurado.yml")).unwrap()
    }

    #[test]
    fn hosts_and_plugins_that_came_and_went_are_named() {
        let before = site(&[("h1 web-1", "base, redis"), ("h2", "base"), ("h3", "base")]);
        let after =
            site(&[("h1 web-1", "base, nginx"), ("h2", "base, nginx"), ("h4 db-4", "base, redis")]);
        assert_eq!(
            changes(&before, &after),
            "hosts added: h4 (db-4); hosts removed: h3; plugins added: nginx of 2 hosts; plugins removed: redis of h1"
        );
        assert_eq!(changes(&before, &before), "");
    }

    #[test]
    fn of_many_the_first_ten_are_named() {
        let names: Vec<String> = (0..47).map(|n| format!("h{n}")).collect();
        let hosts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "base")).collect();
        let text = changes(&site(&[]), &site(&hosts));
        assert!(
            text.starts_with("hosts added: h0, h1, h10, ") && text.ends_with(" and 37 more"),
            "{text}"
        );
    }
}
