//! What the module says of itself: the section `kurado` of `INFO`, read.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The directory of the RRD files.
    pub data_dir: PathBuf,
    /// What survives a crash, in words.
    pub durability: String,
    /// All that are whole numbers, by their names without `kurado_`.
    numbers: BTreeMap<String, u64>,
}

impl Info {
    /// Reads the section; `None` where it is none of ours: the module is not loaded.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut info = Self::default();
        let fields = text.lines().filter_map(|line| line.strip_prefix("kurado_")?.split_once(':'));
        for (name, value) in fields {
            match name {
                "data_dir" => info.data_dir = PathBuf::from(value.trim_end()),
                "durability" => info.durability = value.trim_end().to_owned(),
                _ => info.numbers.extend(value.trim_end().parse().map(|n| (name.to_owned(), n))),
            }
        }
        (!info.data_dir.as_os_str().is_empty()).then_some(info)
    }

    /// A number by its name; zero where the module does not know it.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        self.numbers.get(name).copied().unwrap_or_default()
    }

    /// Those that begin so and are not zero: their names, and the rest of them in words.
    pub fn reasons<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, String)> + 'a {
        let all = self.numbers.iter().filter(|(_, number)| **number > 0);
        all.filter_map(move |(name, _)| {
            Some((name.as_str(), name.strip_prefix(prefix)?.replace('_', " ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_read_and_what_is_no_section_of_ours_is_none() {
        let text = "# kurado\r\nkurado_data_dir:/data/a:b\r\nkurado_durability:aof, everysec\r\n\
                    kurado_rejected_too_old:3\r\nkurado_rejected_key:0\r\nkurado_hosts:60\r\n";
        let info = Info::read(text).unwrap();
        assert_eq!(info.data_dir, PathBuf::from("/data/a:b"));
        assert_eq!(info.durability, "aof, everysec");
        assert_eq!((info.number("hosts"), info.number("nothing")), (60, 0));
        let reasons: Vec<_> = info.reasons("rejected_").collect();
        assert_eq!(reasons, [("rejected_too_old", "too old".to_owned())]);
        assert_eq!(Info::read("# kurado\r\n"), None);
    }
}
