//! What stands where in the files, for those who check what only they understand: the arguments of
//! plugins, and their settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::roll::Roll;

/// A roll, and where its plugins stand.
#[derive(Debug, Clone)]
pub struct WrittenRoll {
    /// Where it was read from.
    pub file: PathBuf,
    /// What was read.
    pub roll: Arc<Roll>,
    /// The line of each of its plugins, in their order.
    pub lines: Vec<u64>,
}

/// Settings of one plugin in a `metrics_config`. Not to be printed: there are passwords among them.
#[derive(Clone)]
pub struct WrittenSettings {
    /// Where they stand: `kurado.yml` or a roll.
    pub file: PathBuf,
    /// The line of the plugin's name.
    pub line: u64,
    /// The plugin's name as it is written there, such as `MySQL`.
    pub plugin: String,
    /// What stands below it, with its secrets in their places: in that of `password_file` is the
    /// `password`.
    pub value: Json,
    /// Where it is a mapping, the lines of its keys, as they are written.
    pub lines: BTreeMap<String, u64>,
}
