//! `GET /?service=`: the services and their hosts.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use site::{Host, Service, Site};

use crate::app::{App, Known};
use crate::assets;
use crate::error::PageError;
use crate::links::Link;
use crate::pages::html;
use crate::parameters::{Parameters, quoted};

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    version: &'static str,
    notices: Vec<String>,
    selected: Option<&'a str>,
    total: usize,
    entries: Vec<Entry<'a>>,
    services: Vec<ServiceView<'a>>,
}

/// A service in the sidebar.
struct Entry<'a> {
    name: &'a str,
    link: String,
    count: usize,
    is_selected: bool,
}

struct ServiceView<'a> {
    name: &'a str,
    sections: Vec<SectionView<'a>>,
}

struct SectionView<'a> {
    label: Option<&'a str>,
    hosts: Vec<HostView<'a>>,
}

struct HostView<'a> {
    address: &'a str,
    hostname: &'a str,
    comments: &'a str,
    link: String,
    status: &'static str,
}

/// All hosts, or those of one service.
pub async fn page(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters = Parameters::read(query.unwrap_or_default().as_bytes());
    let selected = parameters.get("service");
    let services = selected_services(&app.site, selected)?;
    let hosts: Vec<&Arc<Host>> = services.iter().flat_map(Service::hosts).collect();
    let known = app.known(&hosts).await;
    let notices = app.notices(&known).await;
    let now = App::now();
    let mut known = known.iter();
    let services = services
        .iter()
        .map(|service| ServiceView {
            name: &service.name,
            sections: service
                .sections
                .iter()
                .map(|section| SectionView {
                    label: section.label.as_deref(),
                    hosts: std::iter::zip(&section.hosts, known.by_ref())
                        .map(|(host, known)| HostView::new(&app, host, known, now))
                        .collect(),
                })
                .collect(),
        })
        .collect();
    html(&ListPage {
        version: &assets::VERSION,
        notices,
        selected,
        total: app.site.services().iter().map(count).sum(),
        entries: app
            .site
            .services()
            .iter()
            .map(|service| Entry {
                name: &service.name,
                link: service_link(&service.name),
                count: count(service),
                is_selected: Some(service.name.as_str()) == selected,
            })
            .collect(),
        services,
    })
}

impl<'a> HostView<'a> {
    fn new(app: &App, host: &'a Host, known: &Known, now: i64) -> Self {
        Self {
            address: &host.address,
            hostname: &host.hostname,
            comments: &host.comments,
            link: Link::to("server").with("address", &host.address).finish(),
            status: app.status(host, known, now).name(),
        }
    }
}

fn count(service: &Service) -> usize {
    service.hosts().count()
}

/// The list of one service.
#[must_use]
pub fn service_link(name: &str) -> String {
    Link::to("./").with("service", name).finish()
}

/// The service of that name, or all.
///
/// # Errors
/// 404 where there is none of that name.
pub fn selected_services<'a>(
    site: &'a Site,
    selected: Option<&str>,
) -> Result<&'a [Service], PageError> {
    let all = site.services();
    let Some(name) = selected else {
        return Ok(all);
    };
    let at = all.iter().position(|service| service.name == name);
    at.and_then(|at| all.get(at..=at)).ok_or_else(|| {
        PageError::not_found(format!("no service in the configuration is '{}'", quoted(name)))
    })
}
