//! `GET /graph?address=&plugin_identifier=&graph=&term=&from=&to=&width=`: one graph as a PNG.
//! `theme` (`light`, `dark`) and `scale` (`1`, `2`) adapt it to the page.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use line_protocol::Identifier;
use site::graph::{GraphError, Source, resolve, sources};
use site::{GraphDefinition, Host, View};

use crate::app::{App, Known};
use crate::error::PageError;
use crate::files::{self, Absent, Received};
use crate::graph::drawing::{self, CANVAS_WIDTHS, Look};
use crate::graph::pictures::Key;
use crate::graph::theme::Theme;
use crate::pages::controls::asked_range;
use crate::pages::host_graphs;
use crate::parameters::{Parameters, quoted};
use crate::program_views::PAGE_LIMIT;
use crate::redis_away::RedisAway;

/// Set where the picture may lack the newest points: says why.
const NOTICE: HeaderName = HeaderName::from_static("kurado-notice");

/// Width of the canvas where none is asked for.
const DEFAULT_WIDTH: u32 = 500;

/// Checks every parameter against the host's own configuration, flushes, and draws.
pub async fn page(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let parameters = Parameters::read(query.unwrap_or_default().as_bytes());
    let host = app.host(parameters.required("address")?)?;
    let identifier = plugin_of(host, parameters.required("plugin_identifier")?)?;
    let graph = parameters.required("graph")?;
    let range = asked_range(&app, &parameters, App::now())?;
    let width = parameters.number("width", CANVAS_WIDTHS, DEFAULT_WIDTH)?;
    let scale = parameters.number("scale", 1..=2, 1)?;
    let theme = parameters.get("theme").map_or(Ok(Theme::Light), |text| {
        Theme::parse(&quoted(text)).map_err(PageError::bad_request)
    })?;

    let known = app.known(&[host]).await.pop().ok_or_else(|| PageError::internal("no state"))?;
    let definition = definition_of(&app, host, identifier, graph, &known).await?;
    let own = (host.address.as_str(), identifier);
    let fault = |error: GraphError| PageError::internal(format!("graph '{graph}': {error}"));
    let sources = sources(&definition, own).map_err(fault)?;
    let stale = flush(&app, &sources).await.err();
    let data_dir = app
        .data_dir()
        .await
        .map_err(|away| PageError::unavailable(format!("where the data is is unknown: {away}")))?;
    let written = {
        let data_dir = data_dir.clone();
        let received = match (host_graphs::received(&known, identifier), &stale) {
            (Received::Some, Some(away)) => Received::Waits(away.to_string()),
            (received, _) => received,
        };
        tokio::task::spawn_blocking(move || files::written(&sources, &data_dir))
            .await
            .map_err(|error| PageError::internal(error.to_string()))?
            .map_err(|absent| {
                let reason = absent.reason(&host.address, identifier, &received);
                match absent {
                    Absent::Missing(_) => PageError::not_found(reason),
                    Absent::Unreadable(_) => PageError::internal(reason),
                }
            })?
    };
    let look = Look {
        hostname: &host.hostname,
        range_title: &range.title(&app.zone),
        range: &range,
        width,
        theme,
        scale,
    };
    let resolved = resolve(&definition, own, &data_dir).map_err(fault)?;
    let key =
        Key { arguments: drawing::arguments(&look, &definition.vertical_label, resolved), written };

    let tag = key.entity_tag();
    let mut answer = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let picture = app.pictures.get(key).await?;
        ([(CONTENT_TYPE, "image/png")], picture).into_response()
    };
    let out = answer.headers_mut();
    // The browser may keep it, and asks each time whether it still is the same.
    out.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = tag.parse() {
        out.insert(ETAG, tag);
    }
    if let Some(Ok(notice)) = stale.map(|away| format!("not flushed: {away}").parse()) {
        out.insert(NOTICE, notice);
    }
    Ok(answer)
}

/// The plugin of that identifier, where the host's roll names it.
///
/// # Errors
/// 404 where it does not.
pub fn plugin_of<'a>(host: &'a Host, text: &str) -> Result<&'a Identifier, PageError> {
    let plugins = &host.roll.plugins;
    let found = plugins.iter().find(|plugin| plugin.as_str() == text);
    found.ok_or_else(|| {
        PageError::not_found(format!(
            "plugin_identifier '{}' must be one of host {}: {}",
            quoted(text),
            host.address,
            plugins.iter().map(Identifier::as_str).collect::<Vec<_>>().join(", ")
        ))
    })
}

/// The definition of a graph of one of the host's plugins.
async fn definition_of(
    app: &App,
    host: &Arc<Host>,
    identifier: &Identifier,
    graph: &str,
    known: &Known,
) -> Result<GraphDefinition, PageError> {
    let Some(view) = app.definitions.view(identifier.name()) else {
        return Err(PageError::not_found(format!(
            "plugin '{identifier}' has no definition, so it has no graphs"
        )));
    };
    let no_such_graph = || {
        PageError::not_found(format!("graph '{}' is none of plugin '{identifier}'", quoted(graph)))
    };
    let meta = known
        .state
        .as_ref()
        .and_then(|state| state.plugins.get(&identifier.escaped()))
        .map(|plugin| plugin.meta.clone())
        .unwrap_or_default();
    let until = Instant::now() + PAGE_LIMIT;
    if let View::Program(_) = view {
        // No text of whoever asks becomes an argument of a program: only names that it printed.
        let groups = host_graphs::groups(app, host, identifier, &meta, until).await;
        let groups = groups.map_err(PageError::internal)?;
        if !groups.iter().flat_map(|group| &group.graphs).any(|name| name == graph) {
            return Err(no_such_graph());
        }
    }
    match host_graphs::graph(app, host, identifier, graph, &meta, until).await {
        Some(drawn) => drawn.map_err(PageError::internal),
        None => Err(no_such_graph()),
    }
}

/// Brings the pending points of these series into their files. A failure is no reason not to draw
/// what the files have.
async fn flush(app: &App, sources: &[Source]) -> Result<(), RedisAway> {
    let mut last: Option<&Source> = None;
    for source in sources {
        // Sorted by host and plugin.
        let is_new = last
            .is_none_or(|last| (&last.address, &last.plugin) != (&source.address, &source.plugin));
        if is_new {
            app.redis.flush(&source.address, &source.plugin.escaped()).await?;
        }
        last = Some(source);
    }
    Ok(())
}

/// Whether the browser has the picture of that tag already.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}
