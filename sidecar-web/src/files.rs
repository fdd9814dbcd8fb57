//! The RRD files that a graph draws from: when they were written, and which are missing.

use std::path::Path;
use std::time::UNIX_EPOCH;

use site::graph::Source;

/// When each of these series' files was last written, in nanoseconds since 1970.
///
/// # Errors
/// The keys of the series that have no file.
pub fn written<'a>(sources: &'a [Source], data_dir: &Path) -> Result<Vec<u128>, Vec<&'a Source>> {
    let mut times = Vec::with_capacity(sources.len());
    let mut missing = Vec::new();
    for source in sources {
        match std::fs::metadata(source.path(data_dir)).and_then(|about| about.modified()) {
            Ok(time) => {
                times.push(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()))
            }
            Err(_) => missing.push(source),
        }
    }
    if missing.is_empty() { Ok(times) } else { Err(missing) }
}

/// Series that [`no_data`] names before it only counts.
const NAMED: usize = 3;

/// What stands in the place of a graph whose files are missing. A series of another host or plugin
/// is named in full.
#[must_use]
pub fn no_data(missing: &[&Source], address: &str, plugin: &line_protocol::Identifier) -> String {
    let mut names: Vec<String> = missing
        .iter()
        .map(|source| {
            if source.address == address && source.plugin == *plugin {
                source.key.clone()
            } else {
                format!("{} {} {}", source.address, source.plugin, source.key)
            }
        })
        .collect();
    let were = if names.len() == 1 { "was" } else { "were" };
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("no data yet: {}{more} {were} never received", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Identifier;

    fn source(address: &str, key: &str) -> Source {
        Source {
            address: address.to_owned(),
            plugin: Identifier::parse("base").unwrap(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn what_is_missing_is_named_by_key_and_in_full_where_it_is_of_another_host() {
        let directory = tempfile::tempdir().unwrap();
        let here = source("10.0.0.1", "here.gauge");
        let folder = directory.path().join("10.0.0.1/base");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("here.gauge.rrd"), b"").unwrap();
        let base = Identifier::parse("base").unwrap();

        let sources = [here.clone()];
        assert_eq!(written(&sources, directory.path()).unwrap().len(), 1);

        let sources = [here.clone(), source("10.0.0.1", "gone.derive")];
        let missing = written(&sources, directory.path()).unwrap_err();
        assert_eq!(
            no_data(&missing, "10.0.0.1", &base),
            "no data yet: gone.derive was never received"
        );

        let sources = [here, source("10.0.0.1", "a.gauge"), source("::1", "b.gauge")];
        let missing = written(&sources, directory.path()).unwrap_err();
        assert_eq!(
            no_data(&missing, "10.0.0.1", &base),
            "no data yet: a.gauge, ::1 base b.gauge were never received"
        );

        let sources = ["a", "b", "c", "d", "e"].map(|key| source("10.0.0.1", key));
        let missing = written(&sources, directory.path()).unwrap_err();
        assert_eq!(
            no_data(&missing, "10.0.0.1", &base),
            "no data yet: a, b, c and 2 more were never received"
        );
    }
}
