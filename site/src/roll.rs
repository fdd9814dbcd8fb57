//! Roll files: what is measured on the hosts that name them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use line_protocol::Identifier;
use serde_json::{Map, Value as Json};

use crate::error::SiteError;
use crate::prometheus::{self, Mapping};
use crate::secrets;
use crate::site::Notes;
use crate::unknown::Unknown;
use crate::written::{WrittenRoll, WrittenSettings};
use crate::yaml::{self, Node, Value};

/// A roll file: what is measured on the hosts that name it.
#[derive(Clone, PartialEq)]
pub struct Roll {
    /// Its name as `kurado.yml` writes it.
    pub file: String,
    /// Settings for plugins: the shared ones, with this roll's own in their place (not merged
    /// deeper than the first level).
    pub metrics_config: Map<String, Json>,
    /// What is measured, in order, each once.
    pub plugins: Vec<Identifier>,
}

impl Roll {
    /// Reads a roll that is named at `named`, a line of another file. What has a fault is left out.
    pub(crate) fn read(
        rolls_dir: &Path,
        name: &str,
        named: (&Path, u64),
        shared: &Map<String, Json>,
        notes: &mut Notes,
    ) -> WrittenRoll {
        let file = rolls_dir.join(name);
        let mut roll =
            Self { file: name.to_owned(), metrics_config: shared.clone(), plugins: Vec::new() };
        let mut lines = Vec::new();
        let documents = yaml::read(&file, &mut notes.sources).map_err(|fault| match fault.line {
            Some(_) => fault,
            // It isn't there: what is to be mended is the name.
            None => SiteError::new(
                named.0,
                Some(named.1),
                format!("roll '{name}': {} {}", file.display(), fault.message),
            ),
        });
        if let Some(documents) = notes.or_fault(documents) {
            let read = match documents.first() {
                Some(document) => roll.read_document(&file, document, &mut lines, notes),
                None => Err(SiteError::new(
                    &file,
                    None,
                    "is empty; a roll has 'metrics:', a list of plugins",
                )),
            };
            notes.or_fault(read);
        }
        WrittenRoll { file, roll: Arc::new(roll), lines }
    }

    fn read_document(
        &mut self,
        file: &Path,
        document: &Node,
        lines: &mut Vec<u64>,
        notes: &mut Notes,
    ) -> Result<(), SiteError> {
        const KNOWN: [&str; 2] = ["metrics_config", "metrics"];
        let mut unknown = Unknown::default();
        let mut has_metrics = false;
        for (key, value) in document.entries(file, "a roll")? {
            match key.name.as_str() {
                "metrics_config" => self.metrics_config.extend(metrics_config(file, value, notes)),
                "metrics" => {
                    has_metrics = true;
                    let items = notes.or_fault(value.items(file, "metrics"));
                    for item in items.unwrap_or_default() {
                        let Some(plugin) = notes.or_fault(plugin(file, item)) else { continue };
                        if self.plugins.contains(&plugin) {
                            let message =
                                format!("plugin '{plugin}' stands here twice; once is enough");
                            notes.warnings.push(SiteError::new(file, Some(item.line), message));
                        } else {
                            self.plugins.push(plugin);
                            lines.push(item.line);
                        }
                    }
                }
                _ => unknown.note(key),
            }
        }
        unknown.warn(file, "a roll", &KNOWN, notes);
        if !has_metrics {
            unknown.refuse_instead_of("metrics", file, "a roll", notes);
        }
        Ok(())
    }
}

fn plugin(file: &Path, item: &Node) -> Result<Identifier, SiteError> {
    let text = item.text(file, "a plugin in metrics")?;
    Identifier::parse(text)
        .map_err(|error| SiteError::new(file, Some(item.line), error.to_string()))
}

impl fmt::Debug for Roll {
    /// Without the settings for plugins: there are passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, plugins) = (&self.file, &self.plugins);
        f.debug_struct("Roll").field("file", file).field("plugins", plugins).finish_non_exhaustive()
    }
}

/// Settings for plugins, by plugin.
pub(crate) fn metrics_config(file: &Path, node: &Node, notes: &mut Notes) -> Map<String, Json> {
    let entries = notes.or_fault(node.entries(file, "metrics_config")).unwrap_or_default();
    let mut config = Map::new();
    for (key, value) in entries {
        if key.name.eq_ignore_ascii_case(prometheus::PLUGIN) {
            Mapping::check(file, value, notes);
        }
        let json = secrets::to_json(file, value, notes);
        let lines = match &value.value {
            Value::Map(entries) => {
                entries.iter().map(|(key, _)| (key.name.clone(), key.line)).collect()
            }
            _ => BTreeMap::new(),
        };
        notes.settings.push(WrittenSettings {
            file: file.to_owned(),
            line: key.line,
            plugin: key.name.clone(),
            value: json.clone(),
            lines,
        });
        config.insert(key.name.clone(), json);
    }
    config
}
