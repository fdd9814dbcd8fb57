//! What each plugin shows: definitions are data, one TOML file a plugin.
//!
//! The format is explained at the top of `plugins/base.toml`.

mod condition;
pub(crate) mod drawing;
mod expression;
pub(crate) mod file;
mod keys;
pub(crate) mod meta;
mod template;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use line_protocol::Identifier;

use crate::error::{Fault, SiteError};
use crate::graph::GraphDefinition;
use crate::nearest::did_you_mean;
use crate::program::{self, Program, Purpose};
use crate::prometheus;
use crate::site::{Host, Notes};
use crate::text;
use condition::Condition;
use drawing::Graph;
use keys::DrawnKey;
use meta::{Format, Selection};
use template::{Scope, Template};

/// What is known of one plugin of a host, without history: names and values.
pub type Meta = BTreeMap<String, String>;

const BUILTIN: &[(&str, &str)] = &[
    ("base", include_str!("../../../plugins/base.toml")),
    ("gaurun", include_str!("../../../plugins/gaurun.toml")),
    ("goapp", include_str!("../../../plugins/goapp.toml")),
    ("http", include_str!("../../../plugins/http.toml")),
    ("jolokia", include_str!("../../../plugins/jolokia.toml")),
    ("kurado", include_str!("../../../plugins/kurado.toml")),
    ("linux", include_str!("../../../plugins/linux.toml")),
    ("memcached", include_str!("../../../plugins/memcached.toml")),
    ("mysql", include_str!("../../../plugins/mysql.toml")),
    ("nginx", include_str!("../../../plugins/nginx.toml")),
    ("opcache", include_str!("../../../plugins/opcache.toml")),
    ("redis", include_str!("../../../plugins/redis.toml")),
    ("squid", include_str!("../../../plugins/squid.toml")),
];

/// What is known of all plugins, by name: their definitions, and users' programs.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    definitions: BTreeMap<String, Arc<Definition>>,
    fetch: BTreeMap<String, Program>,
    view: BTreeMap<String, Program>,
    /// Files that look like programs of a plugin, but may not be run.
    not_executable: Vec<(String, PathBuf)>,
}

/// What says what a plugin shows.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// Data: they are read, and need nothing else.
    Data(Data<'a>),
    /// A user's program.
    Program(&'a Program),
}

/// Data that say what a plugin shows.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// A definition.
    Definition(&'a Definition),
    /// The mapping in the host's `metrics_config`: [`crate::prometheus::definition`].
    Mapping,
}

impl Data<'_> {
    /// The groups that a plugin of a host shows, in order.
    ///
    /// # Errors
    /// Where the host's settings do not say what.
    pub fn groups(
        self,
        host: &Host,
        identifier: &Identifier,
        meta: &Meta,
    ) -> Result<Vec<Group>, String> {
        Ok(self.definition(host, identifier, meta)?.groups(identifier, meta))
    }

    /// What a graph of a plugin of a host draws; `None` where the plugin has none of that name.
    ///
    /// # Errors
    /// As [`Self::groups`].
    pub fn graph(
        self,
        host: &Host,
        identifier: &Identifier,
        graph: &str,
        meta: &Meta,
    ) -> Result<Option<GraphDefinition>, String> {
        Ok(self.definition(host, identifier, meta)?.graph(identifier, graph, meta))
    }

    fn definition(
        &self,
        host: &Host,
        identifier: &Identifier,
        meta: &Meta,
    ) -> Result<Cow<'_, Definition>, String> {
        match self {
            Data::Definition(definition) => Ok(Cow::Borrowed(definition)),
            Data::Mapping => {
                prometheus::definition(&host.roll.metrics_config, identifier, meta).map(Cow::Owned)
            }
        }
    }
}

impl Definitions {
    /// Those in the folders given (`<dir>/<plugin>.toml`; the first one found wins), and the
    /// built-in ones for the rest: `load(&[])` gives just these. A folder that is not there is as
    /// an empty one. Programs in `<dir>/fetch` and `<dir>/view` are found as well.
    ///
    /// # Errors
    /// All faults: the first of each file.
    pub fn load(dirs: &[PathBuf]) -> Result<Self, Fault> {
        let mut notes = Notes::default();
        let read = Self::read(dirs, &mut notes);
        notes.outcome(Some(read))
    }

    /// Reads what can be read; a definition with a fault is left out, and the fault noted.
    pub(crate) fn read(dirs: &[PathBuf], notes: &mut Notes) -> Self {
        let mut definitions = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for dir in dirs {
            notes.sources.note(dir);
            for (name, path) in notes.or_fault(files(dir)).unwrap_or_default() {
                if !taken.insert(name.clone()) {
                    continue;
                }
                notes.sources.note(&path);
                let read = text::read(&path).and_then(|source| file::parse(&path, &source));
                if let Some(definition) = notes.or_fault(read) {
                    definitions.insert(name, Arc::new(definition));
                }
            }
        }
        for &(name, source) in BUILTIN {
            if !taken.contains(name)
                && let Some(definition) = notes.or_fault(builtin(name, source))
            {
                definitions.insert(name.to_owned(), Arc::new(definition));
            }
        }
        let fetch = program::find(dirs, Purpose::Fetch);
        let view = program::find(dirs, Purpose::View);
        let found = [(Purpose::Fetch, &fetch), (Purpose::View, &view)];
        let not_executable = found.into_iter().flat_map(|(purpose, found)| {
            let mut others = program::not_executable(dirs, purpose);
            others.retain(|(name, _)| !found.contains_key(name));
            others
        });
        let not_executable = not_executable.collect();
        Self { definitions, fetch, view, not_executable }
    }

    /// Files in `fetch` and `view` that look like programs of a plugin, by its name, but may not be
    /// run, where there is none that may.
    pub fn not_executable(&self, name: &str) -> impl Iterator<Item = &Path> {
        let of_plugin = self.not_executable.iter().filter(move |(plugin, _)| plugin == name);
        of_plugin.map(|(_, path)| path.as_path())
    }

    /// Whether a definition says that agents push the plugin, by its name: `push = true`.
    #[must_use]
    pub fn says_push(&self, name: &str) -> bool {
        self.definitions.get(name).is_some_and(|definition| definition.is_pushed)
    }

    /// What a user's definition of a built-in plugin draws that the built-in one does not, other than
    /// `also`: keys that the plugin's fetcher does not store.
    #[must_use]
    pub fn unknown_keys(&self, name: &str, also: &[&str]) -> Vec<SiteError> {
        let source = BUILTIN.iter().find(|(known, _)| *known == name);
        let (Some(own), Some(Ok(builtin))) =
            (self.definitions.get(name), source.map(|(name, source)| builtin(name, source)))
        else {
            return Vec::new();
        };
        let patterns = builtin.keys.iter().map(|key| key.pattern.as_str());
        let known: BTreeSet<&str> = patterns.chain(also.iter().copied()).collect();
        let unknown = own.keys.iter().filter(|key| !known.iter().any(|known| key.may_be(known)));
        unknown
            .map(|key| {
                let text = key.text();
                let whole = known.iter().filter(|known| !known.contains(template::PLACE));
                let near = did_you_mean(&text, whole.copied());
                let message = format!("'{text}' is no key that the fetcher of {name} stores{near}");
                SiteError::new(&own.file, Some(key.line), message)
            })
            .collect()
    }

    /// The definition of a plugin, by its name (`redis`, not `redis:6379`).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Definition>)> {
        self.definitions.iter().map(|(name, definition)| (name.as_str(), definition))
    }

    /// The user's program that fetches a plugin, by its name.
    #[must_use]
    pub fn fetch_program(&self, name: &str) -> Option<&Program> {
        self.fetch.get(name)
    }

    /// What says what a plugin shows, by its name: a user's program, else a definition.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<View<'_>> {
        match (self.view.get(name), self.definitions.get(name)) {
            (Some(program), _) => Some(View::Program(program)),
            (None, Some(definition)) => Some(View::Data(Data::Definition(definition))),
            (None, None) if name == prometheus::PLUGIN => Some(View::Data(Data::Mapping)),
            (None, None) => None,
        }
    }

    /// Whether agents push a plugin, so that silence is a fault of its own: its definition says so,
    /// or it has only a program that shows it. What a poller fetches has a warning when fetching
    /// fails.
    #[must_use]
    pub fn is_pushed(&self, name: &str) -> bool {
        !self.fetch.contains_key(name)
            && match self.definitions.get(name) {
                Some(definition) => definition.is_pushed,
                None => self.view.contains_key(name),
            }
    }
}

/// The definitions in a folder: names and paths, by name.
fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>, SiteError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(dir, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(dir, &error))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.and_then(|name| name.strip_suffix(".toml")) {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> SiteError {
    SiteError::new(path, None, format!("can not be read: {error}"))
}

fn builtin(name: &str, source: &str) -> Result<Definition, SiteError> {
    file::parse(Path::new(&format!("plugins/{name}.toml")), source)
}

/// What one plugin shows.
#[derive(Debug, Clone)]
pub struct Definition {
    file: PathBuf,
    is_pushed: bool,
    /// Names and defaults of the identifier's arguments.
    arguments: Vec<(String, String)>,
    /// How meta are written, by name.
    formats: BTreeMap<String, Format>,
    groups: Vec<GroupRule>,
    graphs: Vec<Graph>,
    /// What the graphs draw.
    keys: Vec<DrawnKey>,
}

/// A group as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its heading. It may hold what an agent sent: escape it for HTML.
    pub label: String,
    /// Names and values as a person reads them, in order; escape them too. An entry named `warn`
    /// says why the group is empty (`no interfaces`).
    pub meta: Vec<(String, String)>,
    /// Names of graphs, in order.
    pub graphs: Vec<String>,
}

#[derive(Debug, Clone)]
struct GroupRule {
    each: Option<Each>,
    none: Option<NothingThere>,
    /// The first one that holds.
    label: Vec<Alternative>,
    when: Option<Condition>,
    meta: Selection,
    /// Taken away from the front of the names of meta.
    strip: String,
    graphs: Vec<Template>,
}

/// One group for each item of a meta that is a list with commas.
#[derive(Debug, Clone)]
struct Each {
    variable: String,
    list: Template,
}

/// What stands in place of a loop that had no item.
#[derive(Debug, Clone)]
struct NothingThere {
    label: Template,
    warn: String,
}

#[derive(Debug, Clone)]
struct Alternative {
    text: Template,
    when: Option<Condition>,
}

impl Definition {
    /// The groups for an identifier and its meta, in order.
    #[must_use]
    pub fn groups(&self, identifier: &Identifier, meta: &Meta) -> Vec<Group> {
        let mut groups = Vec::new();
        for rule in &self.groups {
            let scope = self.scope(identifier, meta);
            let Some(each) = &rule.each else {
                groups.extend(self.group(rule, &scope));
                continue;
            };
            let list = scope.meta(&each.list.fill(&scope));
            let mut items = list.split(',').map(str::trim).filter(|item| is_item(item)).peekable();
            if items.peek().is_none()
                && let Some(none) = &rule.none
            {
                groups.push(Group {
                    label: none.label.fill(&scope),
                    meta: vec![("warn".to_owned(), none.warn.clone())],
                    graphs: Vec::new(),
                });
            }
            for item in items {
                let mut scope = self.scope(identifier, meta);
                scope.variables.push((each.variable.clone(), item.to_owned()));
                groups.extend(self.group(rule, &scope));
            }
        }
        groups
    }

    /// What the graph of that name draws; `None` where the plugin has no such graph. Graphs of
    /// devices are found by their names, so that they can be drawn when the meta have expired.
    #[must_use]
    pub fn graph(
        &self,
        identifier: &Identifier,
        graph: &str,
        meta: &Meta,
    ) -> Option<GraphDefinition> {
        let (graph, item) = self.find(graph)?;
        let mut scope = self.scope(identifier, meta);
        scope.variables.extend(item);
        Some(graph.definition(&scope))
    }

    /// The graph of that name, and the loop's variable with its value.
    fn find(&self, name: &str) -> Option<(&Graph, Option<(String, String)>)> {
        if let Some(graph) = self.graphs.iter().find(|graph| graph.name.literal() == Some(name)) {
            return Some((graph, None));
        }
        self.graphs
            .iter()
            .filter_map(|graph| {
                let (before, variable, behind) = graph.name.around_variable()?;
                let item = name.strip_prefix(before)?.strip_suffix(behind)?;
                let value = (variable.to_owned(), item.to_owned());
                is_item(item).then_some((before.len(), graph, value))
            })
            // `disk-io-count-{device}` rather than `disk-{device}`.
            .max_by_key(|(specific, ..)| *specific)
            .map(|(_, graph, value)| (graph, Some(value)))
    }

    fn scope<'a>(&self, identifier: &Identifier, meta: &'a Meta) -> Scope<'a> {
        let variables = self.arguments.iter().enumerate().map(|(index, (name, default))| {
            let value = identifier.argument(index).unwrap_or(default);
            (name.clone(), value.to_owned())
        });
        Scope { variables: variables.collect(), meta }
    }

    fn group(&self, rule: &GroupRule, scope: &Scope<'_>) -> Option<Group> {
        let holds = |when: &Option<Condition>| when.as_ref().is_none_or(|when| when.holds(scope));
        if !holds(&rule.when) {
            return None;
        }
        let label = rule.label.iter().find(|alternative| holds(&alternative.when))?;
        let mut meta: Vec<(String, String)> = rule
            .meta
            .of(scope.meta)
            .map(|(name, value)| {
                let shown = name.strip_prefix(rule.strip.as_str()).unwrap_or(name);
                let value = match self.formats.get(name) {
                    Some(format) => format.text(value),
                    None => value.to_owned(),
                };
                (shown.to_owned(), value)
            })
            .collect();
        meta::sort(&mut meta);
        let graphs = rule
            .graphs
            .iter()
            .map(|name| name.fill(scope))
            .filter(|name| self.find(name).is_some_and(|(graph, _)| holds(&graph.when)));
        Some(Group { label: label.text.fill(scope), graphs: graphs.collect(), meta })
    }
}

/// Whether a text may be an item of a list that graphs are made for: it stands in names of graphs
/// and keys, so it must be a word.
fn is_item(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.~@+/".contains(&byte))
}

#[cfg(test)]
mod tests;
