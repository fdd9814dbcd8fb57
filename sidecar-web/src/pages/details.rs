//! `GET /details?address=&plugin_identifier=&graph=&term=&from=&to=&compare=`: one graph alone and
//! large, with its numbers, what defines it, and how to have it elsewhere. `width`, `height` and `legend`
//! as of `/graph`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::error::PageError;
use crate::graph::drawing::{Form, ImageFormat, Legend};
use crate::graph::numbers::{Numbers, NumbersOfSeries};
use crate::graph::protocol::Request;
use crate::graph::theme::Theme;
use crate::languages;
use crate::links::{GraphLink, Link};
use crate::pages::asked_graph::{AskedGraph, Ready};
use crate::pages::controls::{Controls, Shown};
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::host_graphs::{self, PictureView};
use crate::pages::html;
use crate::pages::list::service_link;
use crate::parameters::Parameters;

/// The table says what a legend would.
const FORM: Form = Form { width: 1100, height: 300, legend: Legend::None };

#[derive(Template)]
#[template(path = "details.html")]
struct DetailsPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    asked: &'a AskedGraph,
    service_link: String,
    host_link: String,
    controls: Controls,
    picture: PictureView,
    /// The table, or why there is none.
    table: Result<Vec<TableRow>, String>,
    /// Formats and their links.
    downloads: Vec<(&'static str, String)>,
    definition: String,
    command: String,
}

struct TableRow {
    name: String,
    /// Its place among the colours of the page's style; the colour itself.
    color: String,
    /// Last, average, least, highest, as the legend writes them.
    numbers: [String; 4],
}

/// The graph, where the host has it.
pub async fn page(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    theme: ChosenTheme,
) -> Result<Response, PageError> {
    let mut asked = AskedGraph::read(&app, &parameters)?;
    if parameters.get("width").is_none() {
        asked.form = FORM;
    }
    let ready = asked.prepare(&app).await?;
    let table = table(&app, &asked, &ready).await.map_err(|error| error.text().to_owned());
    let AskedGraph { host, identifier, range, compared, .. } = &asked;
    let link = GraphLink {
        address: &host.address,
        plugin: identifier.as_str(),
        graph: &asked.name,
        range,
        compared: *compared,
    };
    let download = |(name, format): (&'static str, &str)| {
        let link = link.to("graph", &app.zone).with("format", format);
        let is_picture = matches!(format, "png" | "svg");
        let link =
            if is_picture { link.with("width", &asked.form.width.to_string()) } else { link };
        (name, link.finish())
    };
    let formats = [("PNG", "png"), ("SVG", "svg"), ("CSV", "csv"), ("JSON", "json")];
    let host_link = Link::to("server")
        .with("address", &host.address)
        .with("plugin_identifier", identifier.as_str())
        .over(range, &app.zone)
        .compared(*compared)
        .finish();
    let shown = Shown {
        page: "details",
        addresses: &[&host.address],
        plugins: &[],
        only: Some(identifier),
        graph: Some(&asked.name),
        range: *range,
        compared: *compared,
    };
    let text = languages::text();
    html(&DetailsPage {
        frame: Frame::new(theme, &app.zone),
        notices: app.notices(ready.known.away.as_ref()).await,
        service_link: service_link(&host.service),
        host_link,
        controls: Controls::new(&app, &shown, App::now()),
        // A click leads to the picture itself.
        picture: PictureView {
            details: link.picture(asked.form, theme.0.unwrap_or(Theme::Light), &app.zone),
            ..host_graphs::picture(&app, host, &link, &ready.definition, (asked.form, theme), text)
        },
        table,
        downloads: formats.into_iter().map(download).collect(),
        definition: ready.definition.arguments.join("\n"),
        command: command(&asked, &app, &ready),
        asked: &asked,
    })
}

async fn table(app: &App, asked: &AskedGraph, ready: &Ready) -> Result<Vec<TableRow>, PageError> {
    let (plan, key) = asked.numbers(ready, asked.form.width)?;
    let numbers = plan.numbers(&*app.outputs.rows(key).await?);
    let Numbers { base, series, .. } = numbers;
    let row = |series: NumbersOfSeries| TableRow {
        numbers: [series.last, series.average, series.min, series.max]
            .map(|number| series.format.show(number, base)),
        name: series.name,
        color: series.color.get(..7).unwrap_or_default().to_owned(),
    };
    Ok(series.into_iter().map(row).collect())
}

/// The command that draws the same picture.
fn command(asked: &AskedGraph, app: &App, ready: &Ready) -> String {
    let Request::Draw(arguments) = asked.picture(app, ready, ImageFormat::Png).request else {
        return String::new();
    };
    let mut text = "rrdtool graph graph.png".to_owned();
    // The command's name and the file's are in the line above.
    let mut arguments = arguments.iter().skip(2).peekable();
    while let Some(argument) = arguments.next() {
        text.push_str(" \\\n  ");
        text.push_str(&shell_word(argument));
        // An option and its value stand in one line.
        let takes_value = |next: &&String| argument.starts_with("--") && !next.starts_with("--");
        let is_flag = FLAGS.contains(&argument.as_str());
        if let Some(value) = arguments.next_if(|next| !is_flag && takes_value(next)) {
            text.push(' ');
            text.push_str(&shell_word(value));
        }
    }
    text
}

/// Options without a value.
const FLAGS: [&str; 5] =
    ["--no-legend", "--slope-mode", "--dynamic-labels", "--disable-rrdtool-tag", "--rigid"];

/// As a shell takes it for one word.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+=:,./%@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_command_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(shell_word("DEF:a=/x/y.rrd:n:MAX"), "DEF:a=/x/y.rrd:n:MAX");
        assert_eq!(shell_word("AREA:a#112233"), "'AREA:a#112233'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
