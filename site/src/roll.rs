//! Roll files: what is measured on the hosts that name them.

use std::path::Path;

use line_protocol::Identifier;
use serde_json::{Map, Value as Json};

use crate::error::SiteError;
use crate::yaml::{self, Node};

/// A roll file: what is measured on the hosts that name it.
#[derive(Debug, Clone, PartialEq)]
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
        warnings: &mut Vec<SiteError>,
    ) -> Result<Self, SiteError> {
        let file = rolls_dir.join(name);
        let documents = yaml::read(&file)?;
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
                "metrics_config" => roll.metrics_config.extend(metrics_config(&file, value)?),
                "metrics" => {
                    for item in value.items(&file, "metrics")? {
                        let text = item.text(&file, "a plugin in metrics")?;
                        let plugin = Identifier::parse(text).map_err(|error| {
                            SiteError::new(&file, Some(item.line), error.to_string())
                        })?;
                        if roll.plugins.contains(&plugin) {
                            let message =
                                format!("plugin '{plugin}' stands here twice; once is enough");
                            warnings.push(SiteError::new(&file, Some(item.line), message));
                        } else {
                            roll.plugins.push(plugin);
                        }
                    }
                }
                unknown => warnings.push(SiteError::new(
                    &file,
                    Some(key.line),
                    format!("a roll has no '{unknown}'; it has metrics_config and metrics"),
                )),
            }
        }
        Ok(roll)
    }
}

/// Settings for plugins, by plugin.
pub(crate) fn metrics_config(file: &Path, node: &Node) -> Result<Map<String, Json>, SiteError> {
    Ok(node
        .entries(file, "metrics_config")?
        .iter()
        .map(|(key, value)| (key.name.clone(), value.to_json()))
        .collect())
}
