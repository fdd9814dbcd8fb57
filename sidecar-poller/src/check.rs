//! `kurado-poller check`: what the configuration says, as tables.

use std::fmt::Write;

use site::{Definitions, Site, View};

use crate::own_report::OWN_PLUGIN;
use crate::targets::{Way, plugins};

/// Hosts a service, and the plugins found: whether their graphs are defined, and how their numbers
/// come.
#[must_use]
pub fn tables(site: &Site, definitions: &Definitions) -> String {
    let services: Vec<[String; 2]> = site
        .services()
        .iter()
        .map(|service| [service.name.clone(), service.hosts().count().to_string()])
        .collect();
    let plugins: Vec<[String; 3]> = plugins(site)
        .into_iter()
        .map(|name| {
            let shown = match definitions.view(name) {
                Some(View::Definition(_) | View::Mapping) => "yes",
                Some(View::Program(_)) => "by a program",
                None => "no definition",
            };
            let numbers = match Way::of(name, definitions) {
                Way::Fetched(_) => "fetched",
                Way::Pushed if name == OWN_PLUGIN => "the poller's own",
                Way::Pushed => "pushed by agents",
                Way::Program(_) => "fetched by a program",
                Way::Unknown => "not known",
            };
            [name, shown, numbers].map(str::to_owned)
        })
        .collect();
    let mut text = table(["SERVICE", "HOSTS"], &services);
    text.push('\n');
    text.push_str(&table(["PLUGIN", "GRAPHS", "NUMBERS"], &plugins));
    text
}

/// What a person should look at, one a line.
#[must_use]
pub fn warnings(site: &Site, definitions: &Definitions) -> Vec<String> {
    let of_files = site.warnings().iter().map(ToString::to_string);
    let of_plugins =
        plugins(site).into_iter().filter_map(|name| Way::of(name, definitions).warning(name));
    of_files.chain(of_plugins).collect()
}

fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&heading]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} ")).collect();
        cells.join("|").trim_end().to_owned()
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(text, "{}\n{}", line(&heading), rule.join("+"));
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_a_service_and_plugins_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rolls")).unwrap();
        std::fs::write(dir.path().join("rolls/a.yml"), "metrics: [base, kurado, redis, nobody]")
            .unwrap();
        let file = dir.path().join("kurado.yml");
        std::fs::write(
            &file,
            "config: {colour: red}\n---\nservice: zoo\nservers:\n- {roll: a.yml, hosts: [h1, h2]}\n---\nservice: Admin\n",
        )
        .unwrap();
        let site = Site::load(&file).unwrap();
        let definitions = Definitions::load(&[]).unwrap();
        assert_eq!(
            tables(&site, &definitions),
            concat!(
                " SERVICE | HOSTS\n",
                "---------+-------\n",
                " Admin   | 0\n",
                " zoo     | 2\n",
                "\n",
                " PLUGIN | GRAPHS        | NUMBERS\n",
                "--------+---------------+------------------\n",
                " base   | yes           | pushed by agents\n",
                " kurado | yes           | the poller's own\n",
                " nobody | no definition | not known\n",
                " redis  | yes           | fetched\n",
            )
        );
        let warnings = warnings(&site, &definitions);
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].contains("kurado.yml:1: config has no setting 'colour'"),
            "{warnings:?}"
        );
    }
}
