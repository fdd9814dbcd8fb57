//! A plugin's definition (TOML), and what it shows of a host.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use line_protocol::Identifier;
use site::{Definitions, Meta};
use tempfile::TempDir;

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let directory = directory.expect("a directory");
    // In the place of the built-in ones, so that just the input is read.
    for (name, _) in Definitions::load(&[]).expect("the built-in ones").iter() {
        fs::write(directory.path().join(format!("{name}.toml")), "").expect("a file");
    }
    directory
});

fuzz_target!(|source: &[u8]| {
    let path = DIRECTORY.path().join("base.toml");
    fs::write(&path, source).expect("a file");
    let definitions = match Definitions::load(&[DIRECTORY.path().to_owned()]) {
        Ok(definitions) => definitions,
        Err(fault) => {
            for error in fault.all() {
                assert_eq!(error.file.parent(), Some(DIRECTORY.path() as &Path));
            }
            return;
        }
    };
    let definition = definitions.get("base").expect("it was loaded");
    for text in ["base", "base:80:a b/%&", "base::::"] {
        let identifier = Identifier::parse(text).expect("an identifier");
        for value in ["", "eth0,eth1", "a:b,\\,'\"%", "1"] {
            let names = ["disk-devices", "traffic-interfaces", "a", "version"];
            let meta: Meta = names.map(|name| (name.to_owned(), value.to_owned())).into();
            for group in definition.groups(&identifier, &meta) {
                for graph in &group.graphs {
                    let _ = definition.graph(&identifier, graph, &meta);
                }
            }
        }
    }
});
