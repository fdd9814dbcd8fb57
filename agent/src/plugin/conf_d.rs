//! `conf.d/*.toml`: which commands there are.
//!
//! ```toml
//! [plugin.metrics.NAME]
//! command = "…"
//! ```

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use line_protocol::Identifier;
use serde::Deserialize;

/// A command whose output is metrics.
#[derive(Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The escaped identifier that stands in front of its keys.
    pub name: String,
    /// What `/bin/sh -c` is given.
    pub command: String,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub struct ConfD {
    /// The plugins of all files that are well, in the order of the files' names.
    pub plugins: Vec<Plugin>,
    /// What is wrong with the others, each with the file's path.
    pub faults: Vec<String>,
}

/// Tables of other names are left alone: other tools keep theirs in the same files.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    plugin: Kinds,
}

#[derive(Default, Deserialize)]
struct Kinds {
    #[serde(default)]
    metrics: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    command: String,
}

impl ConfD {
    /// Reads each `*.toml` of a directory. A bad file is named and the rest goes on.
    pub fn read(directory: &Path) -> Self {
        let mut conf_d = Self::default();
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                let fault = format!("cannot read {}: {error}", directory.display());
                conf_d.faults.push(fault);
                return conf_d;
            }
        };
        let mut paths: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension() == Some(OsStr::new("toml")))
            .collect();
        paths.sort_unstable();
        for path in paths {
            let plugins = std::fs::read_to_string(&path)
                .map_err(|error| error.to_string())
                .and_then(|text| parse(&text));
            match plugins {
                Ok(plugins) => {
                    for plugin in plugins {
                        if conf_d.plugins.iter().any(|known| known.name == plugin.name) {
                            conf_d.faults.push(format!(
                                "{}: plugin '{}' is in an earlier file already",
                                path.display(),
                                plugin.name
                            ));
                        } else {
                            conf_d.plugins.push(plugin);
                        }
                    }
                }
                Err(fault) => conf_d.faults.push(format!("{}: {fault}", path.display())),
            }
        }
        conf_d
    }
}

fn parse(text: &str) -> Result<Vec<Plugin>, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        format!("line {}: {}", before.matches('\n').count() + 1, error.message())
    })?;
    file.plugin
        .metrics
        .into_iter()
        .map(|(name, entry)| {
            // A name may be written as a roll has it, or as keys have it.
            let identifier = Identifier::parse(&name)
                .or_else(|fault| Identifier::from_escaped(&name).map_err(|_| fault.to_string()))?;
            Ok(Plugin { name: identifier.escaped(), command: entry.command })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn each_table_is_a_plugin_and_other_files_and_tables_are_left_alone() {
        let directory = directory(&[
            ("b.toml", "[plugin.metrics.process]\ncommand = \"echo \\\"fork.derive\\t\\\"\"\n"),
            ("a.toml", "[plugin.metrics.\"http:80\"]\ncommand = 'x'\n[plugin.checks.y]\nz = 1\n"),
            ("c.toml.bak", "nonsense"),
        ]);
        let conf_d = ConfD::read(directory.path());
        let names: Vec<_> = conf_d.plugins.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["http%3A80", "process"]);
        assert_eq!(conf_d.plugins[1].command, "echo \"fork.derive\t\"");
        assert!(conf_d.faults.is_empty());
    }

    #[test]
    fn an_escaped_name_is_not_escaped_again() {
        let plugins = parse("[plugin.metrics.\"http%3A80\"]\ncommand = 'x'\n").unwrap();
        assert_eq!(plugins[0].name, "http%3A80");
    }

    #[test]
    fn a_bad_file_is_named_with_its_line_and_the_rest_goes_on() {
        let directory = directory(&[
            ("bad.toml", "\n[plugin.metrics.x\ncommand = 'y'\n"),
            ("good.toml", "[plugin.metrics.good]\ncommand = 'x'\n"),
            ("lacks.toml", "[plugin.metrics.x]\ncomand = 'y'\n"),
            ("name.toml", "[plugin.metrics.'../x']\ncommand = 'y'\n"),
            ("twice.toml", "[plugin.metrics.good]\ncommand = 'y'\n"),
        ]);
        let conf_d = ConfD::read(directory.path());
        assert_eq!(conf_d.plugins.len(), 1);
        assert_eq!(conf_d.plugins[0].command, "x");
        let faults = conf_d.faults.join("\n");
        assert_eq!(conf_d.faults.len(), 4, "{faults}");
        assert!(faults.contains("bad.toml: line 2: "), "{faults}");
        assert!(faults.contains("missing field `command`"), "{faults}");
        assert!(faults.contains("plugin name '../x'"), "{faults}");
        assert!(faults.contains("twice.toml: plugin 'good'"), "{faults}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_fault() {
        let conf_d = ConfD::read(Path::new("/nowhere/conf.d"));
        assert!(conf_d.faults[0].starts_with("cannot read /nowhere/conf.d"));
    }
}
