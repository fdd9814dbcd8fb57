//! Which numbers of a Prometheus exporter become metrics, and what is shown of them:
//!
//! ```yaml
//! metrics_config:
//!   Prometheus:
//!     9100:
//!     - {metric: node_network_receive_bytes_total, labels: {device: "!lo"}, key: "rx-{device}", times: 8}
//! ```
//!
//! `docs/plugins.md` explains it.

use std::collections::BTreeMap;
use std::path::Path;

use line_protocol::{DataSourceType, Identifier};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::definition::meta::Selection;
use crate::definition::{Definition, Meta, drawing::Unit, file};
use crate::error::SiteError;
use crate::site::Notes;
use crate::yaml::Node;

/// The plugin's name.
pub const PLUGIN: &str = "prometheus";
/// The port where the identifier has none: that of the node exporter.
pub const DEFAULT_PORT: u16 = 9100;
/// The meta with the keys of a family begin so; behind it stands the family's name.
pub const KEYS: &str = "keys-";

/// How many series one graph draws.
const SERIES_A_GRAPH: usize = 30;

/// Which numbers are taken, in the order of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping(Vec<Rule>);

/// Samples of one metric that become metrics of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The name on the exporter's page.
    pub metric: String,
    labels: Vec<(String, Selection)>,
    key: Vec<Part>,
    /// `None`: as the page says.
    pub kind: Option<DataSourceType>,
    /// A factor.
    pub times: f64,
    label: Option<String>,
    unit: String,
    draw: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    /// The value of a label.
    Label(String),
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    metric: String,
    #[serde(default)]
    labels: BTreeMap<String, Patterns>,
    key: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    times: Option<f64>,
    label: Option<String>,
    unit: Option<String>,
    #[serde(default)]
    draw: Shape,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a label must be a text, or a list of texts")]
enum Patterns {
    One(String),
    Number(i64),
    Many(Vec<String>),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Gauge,
    Counter,
    Derive,
    Absolute,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum Shape {
    #[default]
    Line,
    Area,
    Stack,
}

impl Mapping {
    /// The mapping for an identifier `prometheus:port[:path]`: that below `port:path`, or below
    /// `port`.
    ///
    /// # Errors
    /// Where there is none, or one with a fault.
    pub fn of(metrics_config: &Map<String, Json>, identifier: &Identifier) -> Result<Self, String> {
        let port = port(identifier);
        let (_, whole) = identifier.as_str().split_once(':').unwrap_or_default();
        let rules = metrics_config
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(PLUGIN))
            .and_then(|(_, ports)| ports.get(whole).or_else(|| ports.get(&port)));
        let Some(rules) = rules else {
            return Err(format!(
                "metrics_config does not say which metrics of port {port} to take: Prometheus: {{{port}: [{{metric: …}}]}}"
            ));
        };
        let rules = rules.as_array().ok_or_else(|| {
            format!("metrics_config Prometheus {port} must be a list of {{metric: …, key: …}}")
        })?;
        let read = rules.iter().enumerate().map(|(index, rule)| {
            Rule::read(rule).map_err(|fault| {
                format!("metrics_config Prometheus {port}, entry {}: {fault}", index + 1)
            })
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Notes faults where their lines are known.
    pub(crate) fn check(file: &Path, node: &Node, notes: &mut Notes) {
        let ports = notes.or_fault(node.entries(file, "metrics_config Prometheus"));
        for (port, rules) in ports.unwrap_or_default() {
            let what = format!("metrics_config Prometheus {}", port.name);
            for rule in notes.or_fault(rules.items(file, &what)).unwrap_or_default() {
                notes.or_fault(Rule::read(&rule.to_json()).map_err(|fault| {
                    SiteError::new(file, Some(rule.line), format!("{what}: {fault}"))
                }));
            }
        }
    }

    /// All rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}

impl Rule {
    fn read(json: &Json) -> Result<Self, String> {
        let table: Table = serde_json::from_value(json.clone()).map_err(|e| e.to_string())?;
        if table.metric.is_empty() || !table.metric.bytes().all(is_name_byte) {
            return Err(format!(
                "metric '{}' must be a name of letters, digits, '_' and ':'",
                table.metric
            ));
        }
        if table.times.is_some_and(|times| !times.is_finite() || times == 0.0) {
            return Err("times must be a number other than 0".to_owned());
        }
        let unit = table.unit.unwrap_or_else(|| "count".to_owned());
        serde_json::from_value::<Unit>(Json::from(unit.as_str())).map_err(|e| e.to_string())?;
        let labels = table.labels.into_iter().map(|(name, patterns)| {
            let mut patterns = match patterns {
                Patterns::One(one) => vec![one],
                Patterns::Number(number) => vec![number.to_string()],
                Patterns::Many(many) => many,
            };
            // Just what not means: all others.
            if patterns.iter().all(|pattern| pattern.starts_with('!')) {
                patterns.insert(0, "*".to_owned());
            }
            match Selection::parse(&patterns) {
                Ok(selection) => Ok((name, selection)),
                Err(fault) => Err(format!("label {name}: {fault}")),
            }
        });
        let labels = labels.collect::<Result<_, _>>()?;
        Ok(Self {
            key: parts(table.key.as_deref().unwrap_or(&table.metric))?,
            labels,
            kind: table.kind.map(|kind| match kind {
                Kind::Gauge => DataSourceType::Gauge,
                Kind::Counter => DataSourceType::Counter,
                Kind::Derive => DataSourceType::Derive,
                Kind::Absolute => DataSourceType::Absolute,
            }),
            times: table.times.unwrap_or(1.0),
            label: table.label,
            unit,
            draw: match table.draw {
                Shape::Line => "line",
                Shape::Area => "area",
                Shape::Stack => "stack",
            }
            .to_owned(),
            metric: table.metric,
        })
    }

    /// The key of a sample, without its type; `None` where the sample's labels are not those asked
    /// for. A label that a sample does not have counts as empty.
    #[must_use]
    pub fn key(&self, labels: &[(&str, String)]) -> Option<String> {
        let value = |name: &str| {
            labels.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
        };
        if !self.labels.iter().all(|(name, selection)| selection.shows(value(name))) {
            return None;
        }
        let mut key = String::new();
        for part in &self.key {
            match part {
                Part::Text(text) => key.push_str(text),
                Part::Label(name) => {
                    let word = value(name).chars();
                    key.extend(word.map(|c| if is_key_char(c) { c } else { '_' }));
                }
            }
        }
        Some(key)
    }

    /// The name of what this rule's keys have in common, which names their graph as well: the key
    /// with the names of labels in their places.
    #[must_use]
    pub fn family(&self) -> String {
        let parts = self.key.iter().map(|part| match part {
            Part::Text(text) | Part::Label(text) => text.as_str(),
        });
        parts.collect()
    }
}

/// The port of an identifier, as text.
fn port(identifier: &Identifier) -> String {
    identifier.argument(0).map_or_else(|| DEFAULT_PORT.to_string(), str::to_owned)
}

/// What is shown where no one wrote a definition: a graph a family, each with its keys, which the
/// meta `keys-FAMILY` lists.
///
/// # Errors
/// Where the mapping is missing or has a fault.
pub fn definition(
    metrics_config: &Map<String, Json>,
    identifier: &Identifier,
    meta: &Meta,
) -> Result<Definition, String> {
    let mapping = Mapping::of(metrics_config, identifier)?;
    let mut names: Vec<Json> = Vec::new();
    let mut graphs = String::new();
    for rule in mapping.rules() {
        let family = rule.family();
        let keys = meta.get(&format!("{KEYS}{family}")).map_or("", String::as_str);
        let keys = keys.split(',').filter(|key| key.chars().all(is_key_char));
        let mut keys: Vec<&str> = keys.filter(|k| DataSourceType::of_key(k).is_some()).collect();
        let all = keys.len();
        keys.truncate(SERIES_A_GRAPH);
        if keys.is_empty() || names.iter().any(|name| *name == family.as_str()) {
            continue;
        }
        let label = rule.label.as_deref().unwrap_or(&rule.metric);
        let label = label.replace('{', "{{").replace('}', "}}");
        graphs.push_str(&format!(
            "[graph.{}]\nlabel = {}\nunit = {}\ndraw = [\n",
            quoted(&family),
            quoted(&label),
            quoted(&rule.unit)
        ));
        for (index, key) in keys.iter().enumerate() {
            let (name, _) = key.rsplit_once('.').unwrap_or((key, ""));
            let draw = match rule.draw.as_str() {
                "stack" if index == 0 => "area",
                other => other,
            };
            // After a restart the change is not what was counted.
            let limit = if key.ends_with(".derive") { ", limit = [0, 1e15]" } else { "" };
            let (key, name) = (quoted(key), quoted(name));
            graphs.push_str(&format!("{{ {draw} = {key}, name = {name}{limit} }},\n"));
        }
        graphs.push_str("]\n");
        if all > SERIES_A_GRAPH {
            let note = format!(
                "COMMENT:{SERIES_A_GRAPH} of {all} series shown; labels in the mapping choose which\\l"
            );
            graphs.push_str(&format!("rrdgraph = [{}]\n", quoted(&note)));
        }
        names.push(Json::from(family));
    }
    let group = if names.is_empty() {
        // A loop over nothing says so.
        format!(
            "label = \"\"\neach = \"nothing in {KEYS}\"\nnone = {{ label = {}, warn = \"none of the metrics chosen was fetched yet\" }}\ngraphs = []\n",
            quoted(&heading(identifier))
        )
    } else {
        format!(
            "label = {}\nmeta = [\"*\", \"!{KEYS}*\"]\ngraphs = {}\n",
            quoted(&heading(identifier)),
            Json::from(names)
        )
    };
    file::parse(Path::new("prometheus.toml"), &format!("[[group]]\n{group}{graphs}"))
        .map_err(|error| error.to_string())
}

fn heading(identifier: &Identifier) -> String {
    format!("Prometheus ({})", port(identifier)).replace('{', "{{").replace('}', "}}")
}

/// A text in TOML: JSON's quotes and escapes are TOML's too.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "")
}

/// Reads `text{label}text`.
fn parts(key: &str) -> Result<Vec<Part>, String> {
    let fault = |why: &str| Err(format!("key '{key}' {why}"));
    let mut parts = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        let (text, behind) = rest.split_once('{').unwrap_or((rest, ""));
        if !text.chars().all(is_key_char) {
            return fault("must be of letters, digits, '_', '-', '.', '~' and {label}");
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        rest = behind;
        if text.len() < key.len() && rest.is_empty() && key.ends_with('{') {
            return fault("has a '{' without its '}'");
        }
        if !behind.is_empty() {
            let Some((label, after)) = behind.split_once('}') else {
                return fault("has a '{' without its '}'");
            };
            if label.is_empty() || !label.bytes().all(is_name_byte) {
                return fault("has a label whose name is none: {label}");
            }
            parts.push(Part::Label(label.to_owned()));
            rest = after;
        }
    }
    if parts.is_empty() {
        return fault("is empty");
    }
    if DataSourceType::of_key(key).is_some() {
        return fault("ends in a type, which belongs in 'type'");
    }
    Ok(parts)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rules: Json) -> Map<String, Json> {
        serde_json::json!({"Prometheus": {"9100": rules}}).as_object().unwrap().clone()
    }

    fn rule(json: Json) -> Result<Rule, String> {
        Rule::read(&json)
    }

    fn id(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn labels_select_and_fill_parts_of_the_key() {
        let rule = rule(serde_json::json!({
            "metric": "rx", "labels": {"device": ["!lo", "!veth*"]}, "key": "in-{device}.{none}x",
        }))
        .unwrap();
        let key = |device: &str| rule.key(&[("a", "b".to_owned()), ("device", device.to_owned())]);
        assert_eq!(key("eth0").as_deref(), Some("in-eth0.x"));
        assert_eq!(key("a/b é").as_deref(), Some("in-a_b__.x"));
        assert_eq!(key("lo"), None);
        assert_eq!(key("veth1"), None);
        assert_eq!(rule.family(), "in-device.nonex");
        let only = self::rule(serde_json::json!({"metric": "x", "labels": {"code": 200}})).unwrap();
        assert_eq!(only.key(&[("code", "200".to_owned())]).as_deref(), Some("x"));
        assert_eq!(only.key(&[]), None);
    }

    #[test]
    fn a_mapping_is_that_of_port_and_path_or_of_the_port() {
        let config = serde_json::json!({"prometheus": {
            "9100": [{"metric": "a"}], "8080:/x": [{"metric": "b"}], "8080": [{"metric": "c"}],
        }});
        let config = config.as_object().unwrap();
        let first = |identifier| {
            let mapping = Mapping::of(config, &id(identifier));
            mapping.map(|mapping| mapping.rules().next().unwrap().metric.clone())
        };
        assert_eq!(first("prometheus").unwrap(), "a");
        assert_eq!(first("prometheus:9100:/metrics").unwrap(), "a");
        assert_eq!(first("prometheus:8080:/x").unwrap(), "b");
        assert_eq!(first("prometheus:8080").unwrap(), "c");
        assert!(first("prometheus:1").unwrap_err().contains("Prometheus: {1: [{metric: …}]}"));
    }

    #[test]
    fn faults_name_value_and_rule() {
        let fault = |json| rule(json).unwrap_err();
        assert_eq!(
            fault(serde_json::json!({"metrc": "x"})),
            "unknown field `metrc`, expected one of `metric`, `labels`, `key`, `type`, `times`, `label`, `unit`, `draw`"
        );
        for (key, said) in [
            ("a b", "key 'a b' must be of letters"),
            ("a{b", "key 'a{b' has a '{' without its '}'"),
            ("a{", "key 'a{' has a '{' without its '}'"),
            ("a{}", "key 'a{}' has a label whose name is none"),
            ("", "key '' is empty"),
            ("a.gauge", "key 'a.gauge' ends in a type"),
            ("a}", "key 'a}' must be of letters"),
        ] {
            let text = fault(serde_json::json!({"metric": "x", "key": key}));
            assert!(text.starts_with(said), "{key}: {text}");
        }
        for json in [
            serde_json::json!({"metric": "a b"}),
            serde_json::json!({"metric": "a", "type": "histogram"}),
            serde_json::json!({"metric": "a", "times": 0}),
            serde_json::json!({"metric": "a", "unit": "megs"}),
            serde_json::json!({"metric": "a", "labels": {"b": "x*y"}}),
        ] {
            assert!(rule(json.clone()).is_err(), "{json}");
        }
    }

    #[test]
    fn without_a_definition_each_family_has_a_graph_of_its_keys() {
        let rules = serde_json::json!([
            {"metric": "cpu", "key": "cpu-{mode}", "label": "CPU {x} \"q\"", "draw": "stack"},
            {"metric": "other", "key": "cpu-{mode}"},
            {"metric": "load", "unit": "plain"},
            {"metric": "never"},
        ]);
        let meta: Meta = [
            ("keys-cpu-mode", "cpu-idle.derive,cpu-user.derive,broken,b d.gauge"),
            ("keys-load", "load.gauge"),
            ("missing", "never"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let plugin = id("prometheus:9100");
        let shown = definition(&config(rules.clone()), &plugin, &meta).unwrap();
        let groups = shown.groups(&plugin, &meta);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].label, "Prometheus (9100)");
        assert_eq!(groups[0].meta, [("missing".to_owned(), "never".to_owned())]);
        assert_eq!(groups[0].graphs, ["cpu-mode", "load"]);
        let graph = shown.graph(&plugin, "cpu-mode", &meta).unwrap();
        assert_eq!(graph.vertical_label, "CPU {x} \"q\"");
        let sources = crate::graph::sources(&graph, ("h", &plugin)).unwrap();
        let keys: Vec<&str> = sources.iter().map(|source| source.key.as_str()).collect();
        assert_eq!(keys, ["cpu-idle.derive", "cpu-user.derive"]);

        let shown = definition(&config(rules), &plugin, &Meta::new()).unwrap();
        let groups = shown.groups(&plugin, &Meta::new());
        assert_eq!(groups[0].label, "Prometheus (9100)");
        assert_eq!(groups[0].meta[0].0, "warn");
    }

    #[test]
    fn a_graph_that_shows_a_part_of_its_series_says_so_in_its_legend() {
        let rules = config(serde_json::json!([{"metric": "cpu", "key": "cpu-{cpu}"}]));
        let plugin = id("prometheus:9100");
        let drawn = |count: usize| {
            let keys: Vec<String> = (0..count).map(|n| format!("cpu-{n}.gauge")).collect();
            let meta: Meta = [("keys-cpu-cpu".to_owned(), keys.join(","))].into();
            let shown = definition(&rules, &plugin, &meta).unwrap();
            shown.graph(&plugin, "cpu-cpu", &meta).unwrap().arguments
        };
        let all = drawn(SERIES_A_GRAPH);
        assert!(!all.iter().any(|argument| argument.contains("series shown")), "{all:?}");
        let part = drawn(84);
        let lines = part.iter().filter(|argument| argument.starts_with("LINE"));
        assert_eq!(lines.count(), 30, "{part:?}");
        assert_eq!(
            part.last().unwrap(),
            "COMMENT:30 of 84 series shown; labels in the mapping choose which\\l"
        );
    }

    #[test]
    fn the_loader_names_file_and_line_of_each_fault() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kurado.yml");
        let text = "config: {}\nmetrics_config:\n  Prometheus:\n    9100:\n    - metric: a\n    - metric: b\n      kye: x\n    - metric: c\n      times: 0\n";
        std::fs::write(&file, text).unwrap();
        let fault = crate::Site::load(&file).unwrap_err();
        let lines: Vec<_> = fault.all().map(|fault| fault.line).collect();
        assert_eq!(lines, [Some(6), Some(8)]);
        let error = fault.all().next().unwrap().to_string();
        assert!(
            error.ends_with("kurado.yml:6: metrics_config Prometheus 9100: unknown field `kye`, expected one of `metric`, `labels`, `key`, `type`, `times`, `label`, `unit`, `draw`"),
            "{error}"
        );
    }
}
