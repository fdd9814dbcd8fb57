//! `GET /api/service-status`: how many hosts of each service are well and how many are not, for the
//! list's sidebar.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use site::{Host, Service};

use crate::app::{App, addresses};
use crate::error::PageError;
use crate::redis_away::RedisAway;
use crate::status::Status;

/// How the hosts of all services are at one time.
pub struct StatusesOfServices<'a> {
    /// Set where Redis is away: then all are unknown.
    pub away: Option<RedisAway>,
    by_address: HashMap<&'a str, Status>,
}

/// Hosts by their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All is as it should be.
    pub ok: usize,
    /// Something is not, but they are there.
    pub warning: usize,
    /// They are down.
    pub critical: usize,
    /// Nobody knows.
    pub unknown: usize,
}

impl<'a> StatusesOfServices<'a> {
    /// Asks for all hosts of the configuration.
    pub async fn now(app: &'a App) -> Self {
        let hosts: Vec<&Arc<Host>> = app.site.services().iter().flat_map(Service::hosts).collect();
        match app.statuses(&hosts).await {
            Ok(statuses) => {
                let by_address = std::iter::zip(addresses(&hosts), statuses).collect();
                Self { away: None, by_address }
            }
            Err(away) => Self { away: Some(away), by_address: HashMap::new() },
        }
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
