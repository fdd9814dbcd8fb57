//! Roll files: what is measured on the hosts that name them.

use std::fmt;
use std::path::Path;

use line_protocol::Identifier;
use serde_json::{Map, Value as Json};

use crate::error::SiteError;
use crate::prometheus::{self, Mapping};
use crate::secrets;
use crate::site::Notes;
use crate::yaml::{self, Node};

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
    pub(crate) fn read(
        rolls_dir: &Path,
        name: &str,
        shared: &Map<String, Json>,
        notes: &mut Notes,
    ) -> Result<Self, SiteError> {
        let file = rolls_dir.join(name);
        let documents = yaml::read(&file, &mut notes.sources)?;
        let Some(document) = documents.first() else {
            return Err(SiteError::new(
                &file,
                None,
                "is empty; a roll has 'metrics:', a list of plugins",
            ));
        };
        let mut roll =
            Self { file: name.to_owned(), metrics_config: shared.clone(), plugins: Vec::new() };
        for (key, value) in document.entries(&file, "a roll")? {
            match key.name.as_str() {
                "metrics_config" => {
                    roll.metrics_config.extend(metrics_config(&file, value, notes)?)
                }
                "metrics" => {
                    for item in value.items(&file, "metrics")? {
                        let text = item.text(&file, "a plugin in metrics")?;
                        let plugin = Identifier::parse(text).map_err(|error| {
                            SiteError::new(&file, Some(item.line), error.to_string())
                        })?;
                        if roll.plugins.contains(&plugin) {
                            let message =
                                format!("plugin '{plugin}' stands here twice; once is enough");
                            notes.warnings.push(SiteError::new(&file, Some(item.line), message));
                        } else {
                            roll.plugins.push(plugin);
                        }
                    }
                }
                unknown => notes.warnings.push(SiteError::new(
                    &file,
                    Some(key.line),
                    format!("a roll has no '{unknown}'; it has metrics_config and metrics"),
                )),
            }
        }
        Ok(roll)
    }
}

impl fmt::Debug for Roll {
    /// Without the settings for plugins: there are passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, plugins) = (&self.file, &self.plugins);
        f.debug_struct("Roll").field("file", file).field("plugins", plugins).finish_non_exhaustive()
    }
}

/// Settings for plugins, by plugin.
pub(crate) fn metrics_config(
    file: &Path,
    node: &Node,
    notes: &mut Notes,
) -> Result<Map<String, Json>, SiteError> {
    let entries = node.entries(file, "metrics_config")?;
    for (key, value) in entries {
        if key.name.eq_ignore_ascii_case(prometheus::PLUGIN) {
            Mapping::check(file, value)?;
        }
    }
    let json =
        entries.iter().map(|(key, value)| (key.name.clone(), secrets::to_json(file, value, notes)));
    Ok(json.collect())
}
