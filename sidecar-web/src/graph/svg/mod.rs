//! Pictures as SVG, drawn here: what rrdgraph's arguments ask for as far as definitions use it, with
//! the values that librrd reads and calculates. What is not understood is left to librrd, whose
//! drawing takes ten times as long.

mod legend;
mod number;
mod options;
mod path;
mod picture;
mod plan;
mod points;
mod x_axis;
mod y_axis;

use jiff::tz::TimeZone;

use super::librrd;
use super::protocol::Picture;
use plan::Plan;

/// Draws one picture, where `arguments` ask for an SVG and are understood; else `None`.
///
/// # Errors
/// librrd's own words about what is wrong with the values.
pub fn draw(arguments: &[String]) -> Option<Result<Picture, String>> {
    let plan = Plan::read(arguments)?;
    let ticks = x_axis::ticks(&plan.options, &TimeZone::system())?;
    let rows = match librrd::export(&plan.export()) {
        Ok(rows) => rows,
        Err(reason) => return Some(Err(reason)),
    };
    Some(Ok(picture::draw(&plan, &rows, &ticks)))
}

/// librrd's own SVG, measured as ours: its sizes are in points, of which a page would make other
/// pixels than those that its canvas is told in.
#[must_use]
pub fn in_pixels(mut picture: Picture) -> Picture {
    const HEAD: usize = 300;
    let head = picture.image.get(..HEAD.min(picture.image.len())).unwrap_or_default();
    let Ok(head) = std::str::from_utf8(head) else {
        return picture;
    };
    if let Some(at) = head.find("<svg")
        && let Some(end) = head.get(at..).and_then(|tag| tag.find('>'))
        && let Some(tag) = head.get(at..at + end)
    {
        let replaced = tag.replace("pt\"", "\"");
        picture.image.splice(at..at + end, replaced.into_bytes());
    }
    picture
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use line_protocol::Identifier;
    use site::{Definitions, Meta};

    use super::*;
    use crate::graph::drawing::{Form, ImageFormat, Look, arguments};
    use crate::graph::theme::Theme;
    use crate::graph::{drawn, previous};
    use crate::term::{Previous, Range, Term};

    /// The names of a definition's graphs, with something in place of a loop's variable.
    fn graphs(text: &str) -> Vec<String> {
        let heads = text.lines().filter_map(|line| line.strip_prefix("[graph.")?.strip_suffix(']'));
        heads
            .map(|name| {
                name.trim_matches('"').replace("{device}", "vda").replace("{interface}", "eth0")
            })
            .collect()
    }

    #[test]
    fn each_graph_of_the_definitions_that_are_built_in_is_drawn_by_ourselves() {
        let definitions = Definitions::load(&[]).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let plugin = path.file_stem().unwrap().to_str().unwrap();
            let identifier = Identifier::parse(plugin).unwrap();
            let definition = definitions.get(plugin).unwrap();
            for name in graphs(&std::fs::read_to_string(&path).unwrap()) {
                let graph = definition.graph(&identifier, &name, &Meta::new());
                let graph = graph.unwrap_or_else(|| panic!("{plugin} has no graph {name}"));
                let own = ("10.0.0.1", &identifier);
                let mut all = site::graph::resolve(&graph, own, Path::new("/data")).unwrap();
                for term in Term::NAMED {
                    let range =
                        Range::new(term, None, None, 1_404_864_000, &TimeZone::UTC).unwrap();
                    let look = Look {
                        hostname: "web-1",
                        range_title: term.label(),
                        range: &range,
                        form: Form::of_width(500),
                        theme: Theme::Dark,
                        scale: 1,
                        format: ImageFormat::Svg,
                    };
                    let words = arguments(&look, &graph.vertical_label, all.clone());
                    let plan = Plan::read(&words);
                    let plan = plan.unwrap_or_else(|| panic!("{plugin} {name}: {words:#?}"));
                    assert!(x_axis::ticks(&plan.options, &TimeZone::UTC).is_some(), "{words:#?}");
                    count += 1;
                    // Compared with before as well.
                    if term == Term::Hour {
                        let lines = previous::lines(&drawn::series(&all));
                        all.extend(previous::definitions(&all, &range, Previous::Week));
                        all.extend(lines);
                    }
                }
            }
        }
        assert!(count > 300, "{count}");
    }
}
