//! What a view program prints: groups, and what a graph draws.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use line_protocol::Identifier;
use site::GraphDefinition;
use site::graph::{resolve, sources};
use site::program::{groups, list};

fuzz_target!(|output: &[u8]| {
    let output = String::from_utf8_lossy(output);
    if let Ok(groups) = groups(&output) {
        let _ = list(&groups);
    }
    let Ok(definition) = GraphDefinition::parse(&output) else { return };
    let plugin = Identifier::parse("shop:80").expect("an identifier");
    let own = ("2001:db8::1", &plugin);
    for source in sources(&definition, own).unwrap_or_default() {
        let path = source.path(Path::new("/data"));
        // Data, address, plugin and key: none can lead elsewhere.
        assert_eq!(path.components().count(), 5, "{path:?}");
        assert!(path.starts_with("/data"), "{path:?}");
    }
    let _ = resolve(&definition, own, Path::new("/data"));
});
