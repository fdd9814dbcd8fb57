//! `GET /api/service-status`: how many hosts of each service are well and how many are not, for the
//! list's sidebar.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use site::{Host, Service};

use crate::app::{App, Known};
use crate::error::PageError;
use crate::status::Status;

/// How the hosts of all services are at one time.
pub struct StatusesOfServices<'a> {
    /// What is known of each host.
    pub known: Vec<Known>,
    by_address: HashMap<&'a str, Status>,
}

/// Hosts by their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    ok: usize,
    warning: usize,
    critical: usize,
    unknown: usize,
}

impl<'a> StatusesOfServices<'a> {
    /// Asks for all hosts of the configuration.
    pub async fn now(app: &'a App) -> Self {
        let hosts: Vec<&Arc<Host>> = app.site.services().iter().flat_map(Service::hosts).collect();
        let known = app.known(&hosts).await;
        let now = App::now();
        let status = |(host, known): (&&'a Arc<Host>, &Known)| {
            (host.address.as_str(), app.status(host, known, now))
        };
        Self { by_address: std::iter::zip(&hosts, &known).map(status).collect(), known }
    }

    /// Of a host of the configuration.
    #[must_use]
    pub fn of_host(&self, address: &str) -> Status {
        self.by_address.get(address).copied().unwrap_or(Status::Unknown)
    }

    /// Of the hosts of a service.
    #[must_use]
    pub fn counts(&self, service: &Service) -> Counts {
        let mut counts = Counts::default();
        for host in service.hosts() {
            *match self.of_host(&host.address) {
                Status::Ok => &mut counts.ok,
                Status::Warning => &mut counts.warning,
                Status::Critical => &mut counts.critical,
                Status::Unknown => &mut counts.unknown,
            } += 1;
        }
        counts
    }
}

impl Counts {
    /// Hosts that somebody should look at.
    #[must_use]
    pub fn problems(self) -> usize {
        self.warning + self.critical
    }
}

/// `{service: {ok, warning, critical, unknown}}`; all are unknown while Redis is away.
pub async fn page(State(app): State<Arc<App>>) -> Result<Response, PageError> {
    let statuses = StatusesOfServices::now(&app).await;
    let counts: BTreeMap<&str, Counts> = app
        .site
        .services()
        .iter()
        .map(|service| (service.name.as_str(), statuses.counts(service)))
        .collect();
    let json =
        serde_json::to_string(&counts).map_err(|error| PageError::internal(error.to_string()))?;
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((headers, json).into_response())
}
