//! `GET /servers?address=…&address=…`: several hosts side by side.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use line_protocol::Identifier;
use site::Host;

use crate::app::{App, Known};
use crate::error::PageError;
use crate::languages;
use crate::links::Link;
use crate::pages::controls::{Controls, Shown, asked_comparison, asked_range};
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::host_graphs::{self, PluginView, Shape};
use crate::pages::html;
use crate::parameters::{Parameters, quoted};
use crate::program_views::PAGE_LIMIT;
use crate::status::Status;

/// Hosts on one page.
const MAX_HOSTS: usize = 500;

/// Width of the canvas of each graph, in pixels.
const WIDTH: u32 = 420;

#[derive(Template)]
#[template(path = "servers.html")]
struct ServersPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    controls: Controls,
    columns: Vec<Column<'a>>,
}

struct Column<'a> {
    host: &'a Host,
    link: String,
    status: Status,
    plugins: Vec<PluginView>,
}

/// The hosts in the order asked for; those that nobody configured are left out.
pub async fn page(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    theme: ChosenTheme,
) -> Result<Response, PageError> {
    let hosts = asked_hosts(&app, &parameters)?;
    let mut plugins: Vec<&Identifier> = Vec::new();
    for plugin in hosts.iter().flat_map(|host| &host.roll.plugins) {
        if !plugins.contains(&plugin) {
            plugins.push(plugin);
        }
    }
    let only = parameters.get("plugin_identifier").map(|text| {
        let found = plugins.iter().find(|plugin| plugin.as_str() == text);
        found.copied().ok_or_else(|| {
            PageError::not_found(format!(
                "plugin_identifier '{}' is of none of these hosts",
                quoted(text)
            ))
        })
    });
    let only = only.transpose()?;
    let now = App::now();
    let asked = asked_range(&app, &parameters, now)?;
    let until = Instant::now() + PAGE_LIMIT;
    let compared = asked_comparison(&parameters)?;
    let text = languages::text();
    let shape = Shape { asked, ranges: vec![asked], compared, width: WIDTH, theme, text, until };
    let known = app.known(&hosts).await;
    let addresses: Vec<&str> = hosts.iter().map(|host| host.address.as_str()).collect();
    let shown = Shown {
        page: "servers",
        addresses: &addresses,
        plugins: &plugins,
        only,
        graph: None,
        range: asked,
        compared,
    };
    let controls = Controls::new(&app, &shown, now);
    let notices = app.notices(Known::away(&known)).await;
    let shown = host_graphs::plugins(&app, &hosts, &known, only, &shape).await;
    let columns = std::iter::zip(hosts, &known)
        .zip(shown)
        .map(|((host, known), plugins)| Column {
            host,
            link: Link::to("server")
                .with("address", &host.address)
                .over(&asked, &app.zone)
                .compared(compared)
                .finish(),
            status: app.status(host, known, now),
            plugins,
        })
        .collect();
    html(&ServersPage { frame: Frame::new(theme, &app.zone), notices, controls, columns })
}

/// The distinct hosts that the request names.
fn asked_hosts<'a>(app: &'a App, parameters: &Parameters) -> Result<Vec<&'a Arc<Host>>, PageError> {
    let mut addresses: Vec<&str> = Vec::new();
    for address in parameters.all("address").filter(|a| !a.is_empty()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if !(1..=MAX_HOSTS).contains(&addresses.len()) {
        return Err(PageError::bad_request(format!(
            "{} addresses; the page shows 1 to {MAX_HOSTS}",
            addresses.len()
        )));
    }
    Ok(addresses.into_iter().filter_map(|address| app.site.host(address)).collect())
}
