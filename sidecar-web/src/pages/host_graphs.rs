//! What a page shows of one host: its plugins with their groups, meta, graphs and warnings.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use line_protocol::Identifier;
use site::graph::{Source, sources};
use site::{GraphDefinition, Group, Host, Meta, View};
use tokio::sync::Semaphore;

use crate::app::{App, Known};
use crate::beside;
use crate::files::{self, Absent, Received};
use crate::graph::drawing::Form;
use crate::graph::size::{self, Size};
use crate::graph::theme::Theme;
use crate::languages::{self, Alt, Texts};
use crate::links::GraphLink;
use crate::pages::frame::ChosenTheme;
use crate::program_views::{NoView, Wanted};
use crate::status;
use crate::term::{Previous, Range, show_seconds};

/// Width of the canvas on a phone, where it is narrower than on other screens, in pixels.
const PHONE_WIDTH: u32 = 270;
/// What counts as a phone.
const PHONE: &str = "(max-width: 600px)";
const PHONE_DARK: &str = "(max-width: 600px) and (prefers-color-scheme: dark)";
const DARK: &str = "(prefers-color-scheme: dark)";

/// Hosts of a page whose files are looked at beside each other.
const LOOKS_AT_ONCE: usize = 8;

/// The ranges that each graph of a page shows side by side, and how wide they are.
#[derive(Clone)]
pub struct Shape {
    /// The range that was asked for.
    pub asked: Range,
    /// Those that are shown, in order.
    pub ranges: Vec<Range>,
    /// With what before each graph is compared.
    pub compared: Option<Previous>,
    /// Width of the canvas, in pixels.
    pub width: u32,
    /// The reader's.
    pub theme: ChosenTheme,
    /// In the reader's language.
    pub text: &'static Texts,
    /// Until when view programs and Redis are waited for.
    pub until: Instant,
}

/// A plugin on a page.
pub struct PluginView {
    /// As the roll writes it.
    pub identifier: String,
    /// Its place on the page.
    pub anchor: String,
    /// When something of it came last, as local time.
    pub last_received: Option<String>,
    /// Why no group can be shown, or has anything to show.
    pub fault: Option<String>,
    /// In order.
    pub groups: Vec<GroupView>,
}

/// A group of a plugin.
pub struct GroupView {
    /// Its heading.
    pub label: String,
    /// Names and values; `warn` is a warning.
    pub meta: Vec<(String, String)>,
    /// In order.
    pub graphs: Vec<GraphView>,
}

/// A graph, over each range of the page.
pub struct GraphView {
    /// Its name within the plugin.
    pub name: String,
    /// What stands in its place where it can't be drawn.
    pub no_data: Option<String>,
    /// One a range.
    pub pictures: Vec<PictureView>,
}

/// A picture as a page has it: for light screens of usual width, and its other sources.
pub struct PictureView {
    /// Where a click leads.
    pub details: String,
    /// The picture's address.
    pub link: String,
    /// What it takes on the page.
    pub size: Size,
    /// What it shows, in words.
    pub alt: String,
    /// For other screens, the first that fits.
    pub sources: Vec<PictureSource>,
}

/// The same picture for another kind of screen.
pub struct PictureSource {
    /// For which.
    pub media: &'static str,
    /// The picture's address.
    pub link: String,
    /// What it takes on the page.
    pub size: Size,
}

/// A warning on a page.
pub struct WarningView {
    /// When it came, as local time.
    pub time: String,
    /// The plugin and the key that it is about.
    pub about: String,
    /// What it says.
    pub text: String,
}

/// The plugins of each host, or one of them, with their graphs over the ranges of `shape`; `known` is
/// what is known of the hosts, in their order. Hosts and plugins wait beside each other.
pub async fn plugins(
    app: &App,
    hosts: &[&Arc<Host>],
    known: &[Known],
    only: Option<&Identifier>,
    shape: &Shape,
) -> Vec<Vec<PluginView>> {
    let looks = Arc::new(Semaphore::new(LOOKS_AT_ONCE));
    let (text, until) = (shape.text, shape.until);
    let of_hosts = std::iter::zip(hosts, known).map(|(host, known)| {
        let shown = host.roll.plugins.iter().filter(|p| only.is_none_or(|only| only == *p));
        let of_plugins: Vec<_> = shown
            .map(|identifier| {
                let (app, host) = (app.clone(), Arc::clone(host));
                let (identifier, known) = (identifier.clone(), known.clone());
                async move { Draft::new(&app, &host, &identifier, &known, text, until).await }
            })
            .collect();
        let (app, host) = (app.clone(), Arc::clone(host));
        let (shape, looks) = (shape.clone(), Arc::clone(&looks));
        async move {
            let drafts = beside::each_other(of_plugins).await;
            let _turn = looks.acquire().await;
            let drafts = find_missing(&app, drafts, &host.address, text, until).await;
            drafts.into_iter().map(|draft| draft.finish(&app, &host, &shape)).collect()
        }
    });
    beside::each_other(of_hosts).await
}

/// What is known of how a plugin of a host came to Redis.
pub fn received(known: &Known, identifier: &Identifier) -> Received {
    match (&known.away, &known.state) {
        (Some(_), _) => Received::Unknown,
        (None, None) => Received::NoHost,
        (None, Some(state)) => {
            let plugin = state.plugins.get(&identifier.escaped());
            let last = plugin.and_then(|plugin| plugin.last_received);
            if last.is_some() { Received::Some } else { Received::NoPlugin }
        }
    }
}

/// The live warnings of a host, and its plugins that went silent; newest first.
pub fn warnings(app: &App, host: &Host, known: &Known, now: i64) -> Vec<WarningView> {
    let words = languages::text();
    let mut dated = Vec::new();
    for identifier in &host.roll.plugins {
        let state = known.state.as_ref().and_then(|state| state.plugins.get(&identifier.escaped()));
        for (key, warning) in state.into_iter().flat_map(|state| &state.warnings) {
            dated.push((warning.time, format!("{identifier} {key}"), warning.text.clone()));
        }
        let last_received = state.and_then(|state| state.last_received);
        if known.away.is_none()
            && status::is_stale(&app.definitions, identifier, last_received, now)
        {
            let (time, text) = match last_received {
                Some(last) => (last, words.not_updated),
                None => (0, words.never_updated),
            };
            dated.push((time, identifier.to_string(), text.to_owned()));
        }
    }
    dated.sort_by_key(|(time, _, _)| std::cmp::Reverse(*time));
    dated
        .into_iter()
        .map(|(time, about, text)| WarningView {
            time: if time == 0 { words.never.to_owned() } else { show_seconds(time, &app.zone) },
            about,
            text,
        })
        .collect()
}

/// The groups that a plugin of a host shows, or why there are none. View programs are waited
/// for until `until`.
pub async fn groups(
    app: &App,
    host: &Arc<Host>,
    identifier: &Identifier,
    meta: &Meta,
    text: &'static Texts,
    until: Instant,
) -> Result<Vec<Group>, NoView> {
    match app.definitions.view(identifier.name()) {
        Some(View::Data(data)) => data.groups(host, identifier, meta).map_err(NoView::Faulty),
        Some(View::Program(program)) => {
            app.programs.groups(Wanted { program, host, identifier, meta, text }, until).await
        }
        None => Err(NoView::Faulty((text.plugin_not_defined)(identifier, &identifier.name()))),
    }
}

/// What a graph of a plugin of a host draws, or why it can't be drawn; `None` where the plugin has
/// none of that name. View programs are waited for until `until`.
pub async fn graph(
    app: &App,
    host: &Arc<Host>,
    identifier: &Identifier,
    name: &str,
    meta: &Meta,
    text: &'static Texts,
    until: Instant,
) -> Option<Result<GraphDefinition, NoView>> {
    match app.definitions.view(identifier.name())? {
        View::Data(data) => {
            let drawn = data.graph(host, identifier, name, meta).transpose()?;
            Some(drawn.map_err(NoView::Faulty))
        }
        View::Program(program) => {
            let wanted = Wanted { program, host, identifier, meta, text };
            Some(app.programs.graph(wanted, name, until).await)
        }
    }
}

/// A plugin before its files were looked at.
struct Draft {
    identifier: Identifier,
    last_received: Option<i64>,
    received: Received,
    fault: Option<String>,
    groups: Vec<DraftGroup>,
}

struct DraftGroup {
    label: String,
    meta: Vec<(String, String)>,
    graphs: Vec<DraftGraph>,
}

struct DraftGraph {
    name: String,
    definition: Option<GraphDefinition>,
    sources: Vec<Source>,
    no_data: Option<String>,
    /// Whether that is for want of a file, which may come.
    is_missing: bool,
}

impl Draft {
    async fn new(
        app: &App,
        host: &Arc<Host>,
        identifier: &Identifier,
        known: &Known,
        text: &'static Texts,
        until: Instant,
    ) -> Self {
        let state = known.state.as_ref().and_then(|state| state.plugins.get(&identifier.escaped()));
        let none = Meta::new();
        let meta = state.map_or(&none, |state| &state.meta);
        let (groups, fault) = match groups(app, host, identifier, meta, text, until).await {
            Ok(groups) => (groups, None),
            Err(reason) => (Vec::new(), Some(reason.to_string())),
        };
        if let Some(View::Program(program)) = app.definitions.view(identifier.name()) {
            let wanted = Wanted { program, host, identifier, meta, text };
            for group in &groups {
                app.programs.ask_ahead(wanted, &group.graphs);
            }
        }
        let mut drafts = Vec::with_capacity(groups.len());
        for group in groups {
            let mut graphs = Vec::with_capacity(group.graphs.len());
            for name in group.graphs {
                let drawn = graph(app, host, identifier, &name, meta, text, until).await;
                let drawn = match drawn {
                    Some(drawn) => drawn.map_err(|reason| reason.to_string()),
                    None => Err(text.graph_not_defined.to_owned()),
                };
                let found = drawn.as_ref().map_err(String::clone).and_then(|drawn| {
                    sources(drawn, (&host.address, identifier)).map_err(|fault| fault.to_string())
                });
                let (sources, no_data) = match found {
                    Ok(sources) => (sources, None),
                    Err(fault) => (Vec::new(), Some(fault)),
                };
                let definition = drawn.ok();
                graphs.push(DraftGraph { name, definition, sources, no_data, is_missing: false });
            }
            drafts.push(DraftGroup { label: group.label, meta: group.meta, graphs });
        }
        Self {
            identifier: identifier.clone(),
            last_received: state.and_then(|state| state.last_received),
            received: received(known, identifier),
            fault,
            groups: drafts,
        }
    }

    /// Why none of its graphs has data, where nothing of it ever came: then that is said once.
    fn take_common_reason(&mut self) -> Option<String> {
        if !matches!(self.received, Received::NoHost | Received::NoPlugin) {
            return None;
        }
        let mut reasons =
            self.groups.iter().flat_map(|group| &group.graphs).map(|graph| &graph.no_data);
        let reason = reasons.next()?.clone()?;
        if reasons.any(|other| other.as_ref() != Some(&reason)) {
            return None;
        }
        self.groups.clear();
        Some(reason)
    }

    fn finish(mut self, app: &App, host: &Host, shape: &Shape) -> PluginView {
        let no_data = self.take_common_reason();
        let identifier = self.identifier;
        let graph = |graph: DraftGraph| GraphView {
            pictures: match (&graph.definition, &graph.no_data) {
                (Some(definition), None) => shape
                    .ranges
                    .iter()
                    .map(|range| {
                        let link = GraphLink {
                            address: &host.address,
                            plugin: identifier.as_str(),
                            graph: &graph.name,
                            range,
                            compared: shape.compared,
                        };
                        let form = Form::of_width(shape.width);
                        picture(app, host, &link, definition, (form, shape.theme), shape.text)
                    })
                    .collect(),
                _ => Vec::new(),
            },
            name: graph.name,
            no_data: graph.no_data,
        };
        PluginView {
            anchor: identifier.escaped(),
            last_received: self.last_received.map(|time| show_seconds(time, &app.zone)),
            fault: self.fault.or(no_data),
            groups: self
                .groups
                .into_iter()
                .map(|group| GroupView {
                    label: group.label,
                    meta: group.meta,
                    graphs: group.graphs.into_iter().map(graph).collect(),
                })
                .collect(),
            identifier: identifier.to_string(),
        }
    }
}

/// Notes for each graph which of its files are missing. Points that came a moment ago may have no
/// file yet: then the plugin is flushed, and looked at once more.
async fn find_missing(
    app: &App,
    drafts: Vec<Draft>,
    address: &str,
    text: &'static Texts,
    until: Instant,
) -> Vec<Draft> {
    let Ok(data_dir) = app.data_dir().await else {
        return drafts;
    };
    let mut drafts = look(drafts, address, &data_dir, text).await;
    let mut any = false;
    for draft in &mut drafts {
        let mut graphs = draft.groups.iter().flat_map(|group| &group.graphs);
        if draft.last_received.is_none() || !graphs.any(|graph| graph.is_missing) {
            continue;
        }
        let plugin = draft.identifier.escaped();
        let flushed = tokio::time::timeout_at(until.into(), app.redis.flush(address, &plugin));
        match flushed.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) if draft.received == Received::Unknown => continue,
            Ok(Err(away)) => draft.received = Received::Waits(away.to_string()),
            Err(_) => draft.received = Received::Waits(text.redis_is_slow.to_owned()),
        }
        any = true;
    }
    if any { look(drafts, address, &data_dir, text).await } else { drafts }
}

async fn look(
    mut drafts: Vec<Draft>,
    address: &str,
    data_dir: &Path,
    text: &'static Texts,
) -> Vec<Draft> {
    let (address, data_dir) = (address.to_owned(), data_dir.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        for draft in &mut drafts {
            for graph in draft.groups.iter_mut().flat_map(|group| &mut group.graphs) {
                if graph.sources.is_empty() {
                    continue; // A fault is noted already.
                }
                let absent = files::written(&graph.sources, &data_dir).err();
                graph.is_missing = matches!(absent, Some(Absent::Missing(_)));
                graph.no_data = absent.map(|absent| {
                    absent.reason(text, &address, &draft.identifier, &draft.received)
                });
            }
        }
        drafts
    });
    looked.await.unwrap_or_default()
}

/// A graph over one range as a page has it, in the chosen colours; its words are of `text`.
pub fn picture(
    app: &App,
    host: &Host,
    link: &GraphLink<'_>,
    definition: &GraphDefinition,
    (form, ChosenTheme(theme)): (Form, ChosenTheme),
    text: &'static Texts,
) -> PictureView {
    let of = |form, theme| link.picture(form, theme, &app.zone);
    let source = |media, form, theme| PictureSource {
        media,
        link: of(form, theme),
        size: size::of(definition, form),
    };
    // Where nothing was chosen, the system's dark comes by a source.
    let alone = theme.unwrap_or(Theme::Light);
    let on_phone = Form { width: PHONE_WIDTH, ..form };
    PictureView {
        details: link.details(&app.zone),
        link: of(form, alone),
        size: size::of(definition, form),
        alt: (text.alt)(Alt {
            label: &definition.vertical_label,
            host: &host.hostname,
            graph: link.graph,
            range: &text.range(link.range, &app.zone),
        }),
        sources: match theme {
            Some(theme) => vec![source(PHONE, on_phone, theme)],
            None => vec![
                source(PHONE_DARK, on_phone, Theme::Dark),
                source(PHONE, on_phone, Theme::Light),
                source(DARK, form, Theme::Dark),
            ],
        },
    }
}
