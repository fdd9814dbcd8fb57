//! `GET /?service=`: the services and their hosts.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use site::{Host, Service, Site};

use crate::app::App;
use crate::error::PageError;
use crate::languages;
use crate::links::Link;
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::html;
use crate::pages::service_status::StatusesOfServices;
use crate::parameters::{Parameters, quoted};
use crate::status::Status;

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
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
    /// How many hosts are in a status that somebody should look at, worst first.
    problems: [(Status, usize); 2],
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
    status: Status,
}

/// All hosts, or those of one service.
pub async fn page(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    theme: ChosenTheme,
) -> Result<Response, PageError> {
    let selected = parameters.get("service");
    let services = selected_services(&app.site, selected)?;
    let statuses = StatusesOfServices::now(&app).await;
    let services = services
        .iter()
        .map(|service| ServiceView {
            name: &service.name,
            sections: service
                .sections
                .iter()
                .map(|section| SectionView {
                    label: section.label.as_deref(),
                    hosts: section
                        .hosts
                        .iter()
                        .map(|host| HostView::new(host, statuses.of_host(&host.address)))
                        .collect(),
                })
                .collect(),
        })
        .collect();
    html(&ListPage {
        frame: Frame::new(theme, &app.zone),
        notices: app.notices(statuses.away.as_ref()).await,
        selected,
        total: app.site.services().iter().map(count).sum(),
        entries: app
            .site
            .services()
            .iter()
            .map(|service| {
                let counts = statuses.counts(service);
                Entry {
                    name: &service.name,
                    link: service_link(&service.name),
                    count: count(service),
                    problems: [
                        (Status::Critical, counts.critical),
                        (Status::Warning, counts.warning),
                    ],
                    is_selected: Some(service.name.as_str()) == selected,
                }
            })
            .collect(),
        services,
    })
}

impl<'a> HostView<'a> {
    fn new(host: &'a Host, status: Status) -> Self {
        Self {
            address: &host.address,
            hostname: &host.hostname,
            comments: &host.comments,
            link: Link::to("server").with("address", &host.address).finish(),
            status,
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
        PageError::not_found((languages::text().no_such_service)(&quoted(name))).translated()
    })
}
