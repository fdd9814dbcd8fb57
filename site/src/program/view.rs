//! What view programs print: a list of groups, or a graph's definition. And the list printed back.

use std::fmt::Write;

use super::ProgramError;
use crate::definition::Group;
use crate::graph::GraphDefinition;

/// What marks a value that is HTML.
const HTML: &str = ">||";

/// Reads the list that a view program prints: `#Label TAB name TAB value…` begins a group, each
/// other line names a graph of it; `//` begins a comment.
///
/// HTML in a value becomes the text that it would show: what comes from hosts must not be able to
/// put anything else on a page.
///
/// # Errors
/// Where a graph stands before the first group, or there is no group at all.
pub fn groups(output: &str) -> Result<Vec<Group>, ProgramError> {
    let mut groups: Vec<Group> = Vec::new();
    for line in output.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")) {
        if let Some(head) = line.strip_prefix('#') {
            let mut columns = head.split('\t');
            let label = columns.next().unwrap_or_default().trim().to_owned();
            let mut meta = Vec::new();
            while let Some(name) = columns.next() {
                let value = columns.next().unwrap_or_default();
                meta.push((name.to_owned(), as_text(value)));
            }
            groups.push(Group { label, meta, graphs: Vec::new() });
        } else if let Some(group) = groups.last_mut() {
            group.graphs.push(line.trim().to_owned());
        } else {
            let line: String = line.chars().take(80).collect();
            return Err(ProgramError::Misprinted(format!(
                "printed '{line}' before the first group; a group begins with #Label"
            )));
        }
    }
    if groups.is_empty() {
        let message = "printed no group; a group is a line #Label, and below it its graphs";
        return Err(ProgramError::Misprinted(message.to_owned()));
    }
    Ok(groups)
}

/// Groups as a view program prints them.
#[must_use]
pub fn list(groups: &[Group]) -> String {
    let mut text = String::new();
    for group in groups {
        // Writing to a String can't fail.
        let _ = write!(text, "#{}", group.label);
        for (name, value) in &group.meta {
            let _ = write!(text, "\t{name}\t{value}");
        }
        text.push('\n');
        for graph in &group.graphs {
            let _ = writeln!(text, "{graph}");
        }
    }
    text
}

impl GraphDefinition {
    /// Reads the definition that a view program prints: the vertical label, unless the first line
    /// begins with `DEF:` or `CDEF:`, then rrdgraph's arguments, one a line. Lines that begin with
    /// `#` or `//` are comments.
    ///
    /// # Errors
    /// Where nothing is drawn.
    pub fn parse(output: &str) -> Result<Self, ProgramError> {
        let mut lines = output
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"))
            .peekable();
        let is_argument = |line: &&str| line.starts_with("DEF:") || line.starts_with("CDEF:");
        let vertical_label = lines.next_if(|line| !is_argument(line)).unwrap_or_default();
        let arguments: Vec<String> = lines.map(str::to_owned).collect();
        if arguments.is_empty() {
            let message =
                "printed no definition; it is a label, then arguments of rrdgraph, one a line";
            return Err(ProgramError::Misprinted(message.to_owned()));
        }
        Ok(Self { vertical_label: vertical_label.trim_end().to_owned(), arguments })
    }
}

impl std::fmt::Display for GraphDefinition {
    /// As a view program prints it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.vertical_label)?;
        self.arguments.iter().try_for_each(|argument| writeln!(f, "{argument}"))
    }
}

/// A value as a text: without the tags of one that is HTML, and with the characters that it names.
fn as_text(value: &str) -> String {
    if !value.contains(HTML) {
        return value.to_owned();
    }
    let html = value.strip_prefix(HTML).unwrap_or(value);
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        // A tag parts words, as <br> does.
        text.push(' ');
        rest = tag.split_once('>').map_or("", |(_, behind)| behind);
    }
    text.push_str(rest);
    for (name, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(name, character);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn groups_have_a_label_meta_and_graphs() {
        let groups =
            groups("// mine\n#Shop (80)\tversion\t1.2\twarn\n\nreqs\nbusy \n#Empty\n").unwrap();
        assert_eq!(groups[0].label, "Shop (80)");
        assert_eq!(groups[0].meta, pairs(&[("version", "1.2"), ("warn", "")]));
        assert_eq!(groups[0].graphs, ["reqs", "busy"]);
        assert_eq!((groups[1].label.as_str(), groups[1].graphs.len()), ("Empty", 0));
    }

    #[test]
    fn html_in_a_value_becomes_the_text_that_it_shows() {
        let groups = groups(
            "#x\ta\t>||<b>5 &lt; 6</b><br/>&amp;lt;\tb\t<b>no mark: as it is</b>\tc\t>||1 <script>x\n",
        )
        .unwrap();
        assert_eq!(
            groups[0].meta,
            pairs(&[("a", "5 < 6 &lt;"), ("b", "<b>no mark: as it is</b>"), ("c", "1 x")])
        );
    }

    #[test]
    fn a_list_that_is_none_is_a_fault() {
        assert_eq!(
            groups("reqs\n").unwrap_err().to_string(),
            "printed 'reqs' before the first group; a group begins with #Label"
        );
        assert!(groups("\n// nothing\n").unwrap_err().to_string().starts_with("printed no group"));
    }

    #[test]
    fn a_definition_has_its_label_first_or_none() {
        let with = GraphDefinition::parse(
            "Requests\r\n# old\n//\nDEF:a=<%RRD a.gauge %>:n:AVERAGE\n  LINE1:a#00ff00:two  \n",
        )
        .unwrap();
        assert_eq!(with.vertical_label, "Requests");
        assert_eq!(with.arguments, ["DEF:a=<%RRD a.gauge %>:n:AVERAGE", "LINE1:a#00ff00:two  "]);
        for first in ["DEF:a=<%RRD a.gauge %>:n:AVERAGE", "CDEF:a=1"] {
            let without = GraphDefinition::parse(first).unwrap();
            assert_eq!(
                (without.vertical_label.as_str(), without.arguments[0].as_str()),
                ("", first)
            );
        }
        assert!(GraphDefinition::parse("Requests\n").is_err());
    }

    proptest! {
        #[test]
        fn a_printed_list_reads_back(
            parts in prop::collection::vec(
                (
                    "[A-Za-z][a-z()]{0,8}",
                    prop::collection::vec(("[a-z]{1,5}", "[a-z0-9 :.]{0,8}"), 0..3),
                    prop::collection::vec("[a-z][a-z0-9-]{0,8}", 0..4),
                ),
                1..4,
            )
        ) {
            let made: Vec<Group> = parts
                .into_iter()
                .map(|(label, meta, graphs)| Group { label, meta, graphs })
                .collect();
            prop_assert_eq!(groups(&list(&made)).unwrap(), made);
        }

        #[test]
        fn no_tag_is_left_of_html(value in ".{0,40}") {
            let text = as_text(&format!("{HTML}{}", value.replace('&', "")));
            prop_assert!(!text.contains('<'));
        }
    }
}
