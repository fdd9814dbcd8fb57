//! For the tests of fetchers: what the built-in definition of their plugin draws.

use std::collections::BTreeSet;

use line_protocol::Identifier;
use site::{Definitions, Meta, graph};

/// The keys, with their types, of all series that the graphs of a plugin are drawn from, as far as
/// this meta shows them.
pub(super) fn drawn_keys(plugin: &str, meta: &Meta) -> BTreeSet<String> {
    let definitions = Definitions::load(&[]).unwrap();
    let definition = definitions.get(plugin).unwrap();
    let identifier = Identifier::parse(plugin).unwrap();
    let groups = definition.groups(&identifier, meta);
    let keys = groups.iter().flat_map(|group| &group.graphs).flat_map(|name| {
        let graph = definition.graph(&identifier, name, meta).unwrap();
        graph::sources(&graph, ("h", &identifier)).unwrap()
    });
    keys.map(|source| source.key).collect()
}
