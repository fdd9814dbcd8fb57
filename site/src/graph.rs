//! From a graph's definition to rrdgraph arguments with the paths of RRD files.
//!
//! A definition names no path. `DEF:in=<%RRD traffic-eth0-rxbytes.derive %>:n:AVERAGE` means a
//! series of the graph's own host and plugin (`<%RRD_FOR … %>` is the same);
//! `<%RRD_EXTEND plugin address key %>` (or `RRD_EX`) means another's.

use std::path::{Path, PathBuf};

use line_protocol::{Identifier, address, key};

/// What a graph draws: rrdgraph arguments in which placeholders stand for RRD files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphDefinition {
    /// What stands at the vertical axis.
    pub vertical_label: String,
    /// Options of rrdgraph first (`--base`, `--upper-limit`, …), then DEF, CDEF, AREA and so on.
    /// To be put behind the caller's own options, so that these here win.
    pub arguments: Vec<String>,
}

/// A series that a graph draws from, and so an RRD file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The host.
    pub address: String,
    /// The plugin.
    pub plugin: Identifier,
    /// The key with its type.
    pub key: String,
}

impl Source {
    /// The RRD file: `<data_dir>/<address>/<escaped plugin>/<escaped key>.rrd`. It can't lie
    /// outside `data_dir`, as no part of it can hold a slash.
    #[must_use]
    pub fn path(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(&self.address).join(self.plugin.escaped()).join(key::file_name(&self.key))
    }
}

/// Why a definition can't be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A `DEF` without a placeholder, or with one that is not understood.
    #[error(
        "'{0}' must be DEF:name=<%RRD key %>:n:AVERAGE, or with <%RRD_EXTEND plugin address key %>"
    )]
    Def(String),
    /// A placeholder where no file belongs.
    #[error("'{0}' has a placeholder; only a DEF may")]
    Outside(String),
    /// A host, plugin or key that can't name a file below the data directory.
    #[error("'{argument}' names no series: {reason}")]
    Series {
        /// The whole argument.
        argument: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The arguments with each placeholder replaced by the path of its file, escaped for rrdgraph, and
/// the data source of each DEF made `n`. `own` is the host's address and the plugin that
/// `<%RRD key %>` means.
///
/// # Errors
/// Where a DEF has no placeholder, or one that names no series below `data_dir`.
pub fn resolve(
    definition: &GraphDefinition,
    own: (&str, &Identifier),
    data_dir: &Path,
) -> Result<Vec<String>, GraphError> {
    definition
        .arguments
        .iter()
        .map(|argument| {
            Ok(match Def::parse(argument, own)? {
                Some(def) => {
                    let path = escape(&def.source.path(data_dir).to_string_lossy());
                    format!("DEF:{}={path}:n:{}", def.name, def.rest)
                }
                None => argument.clone(),
            })
        })
        .collect()
}

/// The series that a graph draws from, each once, sorted: those to flush before drawing, and those
/// whose files may be missing.
///
/// # Errors
/// As [`resolve`].
pub fn sources(
    definition: &GraphDefinition,
    own: (&str, &Identifier),
) -> Result<Vec<Source>, GraphError> {
    let mut sources = Vec::new();
    for argument in &definition.arguments {
        sources.extend(Def::parse(argument, own)?.map(|def| def.source));
    }
    sources.sort();
    sources.dedup();
    Ok(sources)
}

/// Escapes a text for a place in rrdgraph's arguments where a colon would end it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(':', "\\:")
}

/// `DEF:name=<%placeholder%>:data-source:rest`
struct Def<'a> {
    name: &'a str,
    source: Source,
    /// The consolidation function, and what may stand behind it.
    rest: &'a str,
}

impl<'a> Def<'a> {
    /// `None` for an argument that is no DEF.
    fn parse(argument: &'a str, own: (&str, &Identifier)) -> Result<Option<Self>, GraphError> {
        let Some(def) = argument.strip_prefix("DEF:") else {
            if argument.contains("<%RRD") {
                return Err(GraphError::Outside(argument.to_owned()));
            }
            return Ok(None);
        };
        let parts = || {
            let (name, rest) = def.split_once('=')?;
            let (placeholder, rest) = rest.strip_prefix("<%")?.split_once("%>")?;
            let (_data_source, rest) = rest.strip_prefix(':')?.split_once(':')?;
            let words: Vec<&str> = placeholder.split_whitespace().collect();
            Some((name, words, rest))
        };
        let Some((name, words, rest)) = parts() else {
            return Err(GraphError::Def(argument.to_owned()));
        };
        let source = match words.as_slice() {
            ["RRD" | "RRD_FOR", key] => source(own.0, Ok(own.1.clone()), key),
            ["RRD_EXTEND" | "RRD_EX", plugin, address, key] => {
                // Written as in a roll, or escaped as in a path.
                let identifier = Identifier::parse(plugin).or_else(|error| {
                    Identifier::from_escaped(plugin).map_err(|_| error.to_string())
                });
                source(address, identifier, key)
            }
            _ => return Err(GraphError::Def(argument.to_owned())),
        };
        match source {
            Ok(source) => Ok(Some(Self { name, source, rest })),
            Err(reason) => Err(GraphError::Series { argument: argument.to_owned(), reason }),
        }
    }
}

fn source(address: &str, plugin: Result<Identifier, String>, key: &str) -> Result<Source, String> {
    if !address::is_valid(address) {
        return Err(format!("'{address}' is no address"));
    }
    if key::file_name(key).len() > key::MAX_FILE_NAME_LEN {
        return Err(format!("key of {} bytes is too long for a file's name", key.len()));
    }
    Ok(Source { address: address.to_owned(), plugin: plugin?, key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(argument: &str) -> Result<String, GraphError> {
        let definition =
            GraphDefinition { vertical_label: String::new(), arguments: vec![argument.to_owned()] };
        let plugin = Identifier::parse("http:80").unwrap();
        resolve(&definition, ("2001:db8::1", &plugin), Path::new("/data"))
            .map(|mut arguments| arguments.remove(0))
    }

    #[test]
    fn a_placeholder_becomes_the_escaped_path_of_its_own_series() {
        for name in ["RRD", "RRD_FOR"] {
            assert_eq!(
                resolved(&format!("DEF:a=<%{name} busy.gauge %>:n:AVERAGE")).unwrap(),
                r"DEF:a=/data/2001\:db8\:\:1/http%3A80/busy.gauge.rrd:n:AVERAGE"
            );
        }
    }

    #[test]
    fn another_plugin_and_host_may_be_named() {
        for plugin in ["nginx:8080", "nginx%3A8080"] {
            assert_eq!(
                resolved(&format!(
                    "DEF:a=<%RRD_EXTEND {plugin} 10.0.0.1 reqs.derive %>:x:MAX:step=60"
                ))
                .unwrap(),
                r"DEF:a=/data/10.0.0.1/nginx%3A8080/reqs.derive.rrd:n:MAX:step=60"
            );
        }
        assert!(resolved("DEF:a=<%RRD_EX base 10.0.0.1 a.gauge %>:n:MAX").is_ok());
    }

    #[test]
    fn the_data_source_is_always_n() {
        assert!(
            resolved("DEF:a=<%RRD busy.gauge%>:sum:LAST")
                .unwrap()
                .ends_with("busy.gauge.rrd:n:LAST")
        );
    }

    #[test]
    fn nothing_leaves_the_data_directory() {
        assert_eq!(
            resolved("DEF:a=<%RRD ../../x.gauge %>:n:MAX").unwrap(),
            r"DEF:a=/data/2001\:db8\:\:1/http%3A80/..%2F..%2Fx.gauge.rrd:n:MAX"
        );
        for bad in [
            "DEF:a=/etc/secret.rrd:n:MAX",
            "DEF:a=<%RRD_EXTEND base ../.. x.gauge %>:n:MAX",
            "DEF:a=<%RRD_EXTEND base .. x.gauge %>:n:MAX",
            "DEF:a=<%RRD_EXTEND .. 10.0.0.1 x.gauge %>:n:MAX",
            "DEF:a=<%RRD_EXTEND %2E%2E 10.0.0.1 x.gauge %>:n:MAX",
            "DEF:a=<%RRD %>:n:MAX",
            "DEF:a=<%RRD a b %>:n:MAX",
            "DEF:a=<%RRD a.gauge %>",
            "COMMENT:<%RRD a.gauge %>",
        ] {
            assert!(resolved(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_arguments_stay_as_they_are() {
        assert_eq!(resolved(r"COMMENT:a\: b\l").unwrap(), r"COMMENT:a\: b\l");
    }

    #[test]
    fn sources_are_listed_once() {
        let plugin = Identifier::parse("base").unwrap();
        let definition = GraphDefinition {
            vertical_label: String::new(),
            arguments: [
                "--base",
                "1024",
                "DEF:b=<%RRD b.gauge %>:n:AVERAGE",
                "DEF:a=<%RRD a.gauge %>:n:AVERAGE",
                "DEF:c=<%RRD b.gauge %>:n:MAX",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        let sources = sources(&definition, ("10.0.0.1", &plugin)).unwrap();
        let keys: Vec<_> = sources.iter().map(|source| source.key.as_str()).collect();
        assert_eq!(keys, ["a.gauge", "b.gauge"]);
    }
}
