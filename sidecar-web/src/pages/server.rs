//! `GET /server?address=`: all graphs of one host.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use line_protocol::Identifier;
use site::Host;

use crate::app::{App, Known};
use crate::error::PageError;
use crate::links::Link;
use crate::pages::asked_graph::plugin_of;
use crate::pages::controls::{Controls, Shown, shape};
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::host_graphs::{self, PluginView, WarningView};
use crate::pages::html;
use crate::pages::list::service_link;
use crate::parameters::Parameters;
use crate::status::Status;

#[derive(Template)]
#[template(path = "server.html")]
struct ServerPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    host: &'a Host,
    service_link: String,
    forget_link: String,
    rename_link: String,
    status: Status,
    controls: Controls,
    warnings: Vec<WarningView>,
    plugins: Vec<PluginView>,
}

/// The host's plugins, or the one that `plugin_identifier` names.
pub async fn page(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    theme: ChosenTheme,
) -> Result<Response, PageError> {
    let host = app.host(parameters.required("address")?)?;
    let only = parameters.get("plugin_identifier").map(|text| plugin_of(host, text)).transpose()?;
    let now = App::now();
    let shape = shape(&app, &parameters, now, theme)?;
    let mut known = app.known(&[host]).await;
    let notices = app.notices(Known::away(&known)).await;
    let known = known.pop().ok_or_else(|| PageError::internal("no state"))?;
    let plugins: Vec<&Identifier> = host.roll.plugins.iter().collect();
    let alone = std::slice::from_ref(&known);
    let shown = host_graphs::plugins(&app, &[host], alone, only, &shape).await.pop();
    html(&ServerPage {
        frame: Frame::new(theme, &app.zone),
        notices,
        host,
        service_link: service_link(&host.service),
        forget_link: Link::to("forget").with("address", &host.address).finish(),
        rename_link: Link::to("rename").with("address", &host.address).finish(),
        status: app.status(host, &known, now),
        controls: Controls::new(
            &app,
            &Shown {
                page: "server",
                addresses: &[&host.address],
                plugins: &plugins,
                only,
                graph: None,
                range: shape.asked,
                compared: shape.compared,
            },
            now,
        ),
        warnings: host_graphs::warnings(&app, host, &known, now),
        plugins: shown.unwrap_or_default(),
    })
}
