//! The graph that a request asks for: each parameter checked against the host's own configuration,
//! its pending points flushed, its files found.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use line_protocol::Identifier;
use site::graph::{GraphError, Source, resolve, sources};
use site::{GraphDefinition, Host, View};

use crate::app::{App, Known};
use crate::error::PageError;
use crate::files::{self, Absent, Received};
use crate::graph::drawing::{
    self, CANVAS_HEIGHT, CANVAS_HEIGHTS, CANVAS_WIDTHS, Form, ImageFormat, Legend, Look,
};
use crate::graph::outputs::Key;
use crate::graph::protocol::Request;
use crate::graph::theme::Theme;
use crate::graph::{drawn, numbers, previous};
use crate::held::Held;
use crate::languages;
use crate::pages::controls::{asked_comparison, asked_range};
use crate::pages::host_graphs;
use crate::parameters::{Parameters, quoted};
use crate::program_views::PAGE_LIMIT;
use crate::redis_away::RedisAway;
use crate::term::{Previous, Range};

/// Plans of graphs by address, plugin and name, and the language in which a failure is told. They hold
/// nothing of the range, nor of who asks.
pub type Plans = Held<(String, Identifier, String, &'static str), Arc<Ready>, PageError>;

/// Width of the canvas where none is asked for.
const DEFAULT_WIDTH: u32 = 500;

/// What a request asks for.
pub struct AskedGraph {
    /// The host.
    pub host: Arc<Host>,
    /// The plugin, which the host's roll names.
    pub identifier: Identifier,
    /// The graph's name.
    pub name: String,
    /// The period.
    pub range: Range,
    /// With what it is compared.
    pub compared: Option<Previous>,
    /// How large, and what stands around.
    pub form: Form,
    /// Pixels of the picture a pixel of the page.
    pub scale: u32,
    /// Colours around the data.
    pub theme: Theme,
}

/// A graph that can be drawn.
pub struct Ready {
    /// What it draws, without paths.
    pub definition: GraphDefinition,
    /// rrdgraph's arguments of the definition, with paths.
    pub arguments: Vec<String>,
    /// When each of its files was last written, in nanoseconds since 1970.
    pub written: Vec<u128>,
    /// Why the newest points may be missing.
    pub stale: Option<RedisAway>,
    /// What is known of the host.
    pub known: Known,
}

impl Ready {
    /// What it takes in memory, in bytes; `None` where it is of no use to others, as Redis is away.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        if self.stale.is_some() || self.known.away.is_some() {
            return None;
        }
        let arguments = self.definition.arguments.iter().chain(&self.arguments);
        let texts: usize = arguments.map(|text| text.len() + 40).sum();
        let state = self.known.state.as_ref().map_or(0, |state| state.bytes());
        Some(texts + self.definition.vertical_label.len() + self.written.len() * 16 + state)
    }
}

impl AskedGraph {
    /// Reads `address`, `plugin_identifier`, `graph`, `term`, `from`, `to`, `width`, `height`, `legend`,
    /// `scale`, `theme` and `compare`.
    ///
    /// # Errors
    /// 400 where a parameter breaks its rule, 404 where it names what is not there.
    pub fn read(app: &App, parameters: &Parameters) -> Result<Self, PageError> {
        let host = app.host(parameters.required("address")?)?;
        let identifier = plugin_of(host, parameters.required("plugin_identifier")?)?;
        let theme = parameters.get("theme").map(|text| Theme::parse(&quoted(text)));
        Ok(Self {
            host: Arc::clone(host),
            identifier: identifier.clone(),
            name: parameters.required("graph")?.to_owned(),
            range: asked_range(app, parameters, App::now())?,
            compared: asked_comparison(parameters)?,
            form: Form {
                width: parameters.number("width", CANVAS_WIDTHS, DEFAULT_WIDTH)?,
                height: parameters.number("height", CANVAS_HEIGHTS, CANVAS_HEIGHT)?,
                legend: legend(parameters)?,
            },
            scale: parameters.number("scale", 1..=2, 1)?,
            theme: theme.transpose().map_err(PageError::bad_request)?.unwrap_or(Theme::Light),
        })
    }

    /// Finds what the graph draws, flushes it, and finds its files; where that was done up to
    /// [`crate::held::HOLDS`] ago, what was found then.
    ///
    /// # Errors
    /// 404 where there is no such graph or no data of it yet; 500 where its definition is faulty;
    /// 503 where its program is not ready, or Redis never said where the files are.
    pub async fn prepare(&self, app: &App) -> Result<Arc<Ready>, PageError> {
        let Self { host, identifier, name, .. } = self;
        let language = languages::text().tag;
        let question = (host.address.clone(), identifier.clone(), name.clone(), language);
        app.plans.get(question, async || self.plan(app).await.map(Arc::new)).await
    }

    async fn plan(&self, app: &App) -> Result<Ready, PageError> {
        let known = app.recently_known(&self.host).await;
        let definition =
            definition_of(app, &self.host, &self.identifier, &self.name, &known).await?;
        let own = (self.host.address.as_str(), &self.identifier);
        let name = &self.name;
        let fault = |error: GraphError| PageError::internal(format!("graph '{name}': {error}"));
        let sources = sources(&definition, own).map_err(fault)?;
        let stale = flush(app, &sources).await.err();
        let data_dir = app.data_dir().await.map_err(|away| {
            PageError::unavailable(format!("where the data is is unknown: {away}"))
        })?;
        let received = match (host_graphs::received(&known, &self.identifier), &stale) {
            (Received::Some, Some(away)) => Received::Waits(away.to_string()),
            (received, _) => received,
        };
        let written = self.written(sources, &data_dir, &received).await?;
        let arguments = resolve(&definition, own, &data_dir).map_err(fault)?;
        Ok(Ready { definition, arguments, written, stale, known })
    }

    async fn written(
        &self,
        sources: Vec<Source>,
        data_dir: &Path,
        received: &Received,
    ) -> Result<Vec<u128>, PageError> {
        let (data_dir, text) = (data_dir.to_owned(), languages::text());
        tokio::task::spawn_blocking(move || files::written(&sources, &data_dir))
            .await
            .map_err(|error| PageError::internal(error.to_string()))?
            .map_err(|absent| {
                let reason = absent.reason(text, &self.host.address, &self.identifier, received);
                match absent {
                    Absent::Missing(_) => PageError::not_found(reason).translated(),
                    Absent::Unreadable(_) => PageError::internal(reason),
                }
            })
    }

    /// What draws it.
    #[must_use]
    pub fn picture(&self, app: &App, ready: &Ready, format: ImageFormat) -> Key {
        let title = self.title(app);
        let look = Look {
            hostname: &self.host.hostname,
            range_title: &title,
            range: &self.range,
            form: self.form,
            theme: self.theme,
            scale: self.scale,
            format,
        };
        let mut drawn = ready.arguments.clone();
        if let Some(compared) = self.compared {
            drawn.extend(previous::definitions(&ready.arguments, &self.range, compared));
            drawn.extend(previous::lines(&drawn::series(&ready.arguments)));
        }
        let arguments = drawing::arguments(&look, &ready.definition.vertical_label, drawn);
        Key { request: Request::Draw(arguments), written: ready.written.clone() }
    }

    /// What reads its numbers, in `rows` rows at most.
    ///
    /// # Errors
    /// 404 where it has none.
    pub fn numbers(&self, ready: &Ready, rows: u32) -> Result<(numbers::Plan, Key), PageError> {
        let plan = numbers::Plan::new(&ready.arguments, &self.range, rows, self.compared);
        let Some((plan, arguments)) = plan else {
            return Err(PageError::not_found(format!(
                "graph '{}' draws no series, so it has no numbers",
                quoted(&self.name)
            )));
        };
        Ok((plan, Key { request: Request::Export(arguments), written: ready.written.clone() }))
    }

    /// What its title says of the range, and with what it is compared.
    #[must_use]
    pub fn title(&self, app: &App) -> String {
        let title = self.range.title(&app.zone);
        match self.compared {
            Some(compared) => format!("{title} and {} (pale)", compared.title()),
            None => title,
        }
    }
}

/// The parameter `legend`: `below`, or `none`.
fn legend(parameters: &Parameters) -> Result<Legend, PageError> {
    match parameters.get("legend") {
        None | Some("below") => Ok(Legend::Below),
        Some("none") => Ok(Legend::None),
        Some(other) => {
            Err(PageError::bad_request(format!("legend '{}' must be below or none", quoted(other))))
        }
    }
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
    let (text, until) = (languages::text(), Instant::now() + PAGE_LIMIT);
    if let View::Program(_) = view {
        // No text of whoever asks becomes an argument of a program: only names that it printed.
        let groups = host_graphs::groups(app, host, identifier, &meta, text, until).await;
        let groups = groups?;
        if !groups.iter().flat_map(|group| &group.graphs).any(|name| name == graph) {
            return Err(no_such_graph());
        }
    }
    match host_graphs::graph(app, host, identifier, graph, &meta, text, until).await {
        Some(drawn) => Ok(drawn?),
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
            app.redis.flush_recent(&source.address, &source.plugin.escaped()).await?;
        }
        last = Some(source);
    }
    Ok(())
}
