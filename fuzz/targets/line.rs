//! A payload as agents push it, and each of its texts as identifier, key, address and plugin's output.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line_protocol::expected::{Before, Beginning, parse_expected};
use line_protocol::line::{MAX_CANONICAL_LEN, parse_canonical_line};
use line_protocol::output::parse_output;
use line_protocol::{
    DataSourceType, Identifier, Line, Record, address, identifier, key, parse_line, payload_lines,
};

fuzz_target!(|payload: &[u8]| {
    the_quick_way_reads_the_same(payload);
    for (_, bytes) in payload_lines(payload) {
        if let Ok(Some(line)) = parse_line(bytes) {
            canonical_form_reads_back_the_same(&line);
        }
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        output_is_whole(text);
        for part in text.split(['\t', '.']).chain(text.split('\t')) {
            names_stay_in_their_directory(part);
        }
    }
});

/// A line that is as expected is read without a look into most of it.
fn the_quick_way_reads_the_same(payload: &[u8]) {
    let (mut address, mut plugins, mut before) = (None, Vec::new(), Before::default());
    for (_, bytes) in payload_lines(payload) {
        let Ok(Some(line)) = parse_line(bytes) else { continue };
        let Record::Metric { key, data_source_type, value } = &line.record else { continue };
        if line.address != address {
            (address, before) = (line.address, Before::default());
            plugins.clear();
        }
        let known = plugins.iter().position(|plugin| *plugin == line.plugin);
        let beginning = Beginning {
            address: address.unwrap_or("10.0.0.1"),
            plugin: line.plugin,
            plugin_number: known.unwrap_or(plugins.len()),
            key: key.as_bytes(),
            data_source_type: *data_source_type,
        };
        if known.is_none() {
            plugins.push(line.plugin);
        }
        let rest = &payload[bytes.as_ptr().addr() - payload.as_ptr().addr()..];
        if let Some((quick, time, behind)) = parse_expected(rest, &beginning, &mut before) {
            assert_eq!((&quick, time), (value, line.time));
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
            assert_eq!(behind.len(), rest.len() - end);
        }
    }
}

/// What is accepted is replicated in this form: a replica must take it, as one line.
fn canonical_form_reads_back_the_same(line: &Line<'_>) {
    let expected = Line { address: line.address.or(Some("10.0.0.1")), ..line.clone() };
    let mut canonical = String::new();
    line.write_to(&mut canonical, "10.0.0.1");
    if let Some(address) = line.address {
        canonical.clear();
        line.write_to(&mut canonical, address);
    }
    let mut lines = payload_lines(canonical.as_bytes());
    let (_, bytes) = lines.next().expect("a line");
    assert_eq!(lines.next().map(|(_, rest)| rest), Some(&b""[..]), "one line");
    assert!(bytes.len() <= MAX_CANONICAL_LEN);
    let again = parse_canonical_line(bytes).expect("a good line").expect("no comment");
    assert_eq!(again, expected);
    let mut twice = String::new();
    again.write_to(&mut twice, again.address.expect("an address"));
    assert_eq!(twice, canonical);
    if let Record::Metric { key, data_source_type, .. } = &again.record {
        assert_eq!(DataSourceType::of_key(key), Some(*data_source_type));
        assert!(key::is_valid(key) && is_name_of_one_file(&key::file_name(key)));
    }
    assert!(identifier::is_escaped(again.plugin));
}

fn output_is_whole(text: &str) {
    if let Ok(Some(output)) = parse_output(text, "1404873350") {
        let kinds = ["metrics.", "meta.", "warn."];
        assert!(kinds.iter().any(|kind| output.key.starts_with(kind)));
        if output.key.starts_with("metrics.") {
            assert!(DataSourceType::of_key(&output.key).is_some());
        }
        let line = format!("base.{}\t{}\t{}", output.key, output.value, output.time);
        if let Ok(Some(line)) = parse_line(line.as_bytes()) {
            canonical_form_reads_back_the_same(&line);
        }
    }
}

fn names_stay_in_their_directory(text: &str) {
    if let Ok(known) = Identifier::parse(text) {
        let escaped = known.escaped();
        assert!(identifier::is_escaped(&escaped) && is_name_of_one_file(&escaped));
        assert_eq!(Identifier::from_escaped(&escaped), Ok(known));
    }
    if identifier::is_escaped(text) {
        assert!(is_name_of_one_file(text));
    }
    if let Ok(known) = Identifier::from_escaped(text) {
        assert_eq!(identifier::unescape_identifier(&known.escaped()), known.as_str());
    }
    if address::is_valid(text) {
        assert!(is_name_of_one_file(text));
    }
    assert_eq!(key::key_of_file_name(&key::file_name(text)).as_deref(), Some(text));
    if key::is_valid(text) {
        assert!(is_name_of_one_file(&key::file_name(text)));
    }
}

fn is_name_of_one_file(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.bytes().any(|byte| matches!(byte, b'/' | 0))
}
