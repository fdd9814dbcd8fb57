//! The page of a Prometheus exporter, line by line.
#![no_main]

#[path = "../../sidecar-poller/src/exposition.rs"]
mod exposition;

use exposition::{Line, line, sample};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|page: &[u8]| {
    let page = String::from_utf8_lossy(page);
    for text in page.lines() {
        let Line::Sample { name, rest } = line(text) else { continue };
        assert!(text.trim().starts_with(name) && !name.is_empty());
        let Ok(read) = sample(rest) else { continue };
        // What was read, written as the format has it, reads back the same.
        let labels: Vec<String> = read
            .labels
            .iter()
            .map(|(name, value)| {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                format!("{name}=\"{value}\"")
            })
            .collect();
        let again = format!("{{{}}} {}", labels.join(","), read.value);
        let again = sample(&again).expect("what was written");
        assert_eq!(again.labels, read.labels);
        assert!(again.value == read.value || again.value.is_nan() && read.value.is_nan());
    }
});
