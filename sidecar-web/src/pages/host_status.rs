//! `GET|POST /api/host-status`: the status of hosts, for scripts and for the pages' own refresh.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::app::{App, addresses};
use crate::error::PageError;
use crate::form;
use crate::parameters::Parameters;
use crate::status::Status;

/// Addresses in the query.
pub async fn by_query(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    answer(&app, query.unwrap_or_default().as_bytes()).await
}

/// Longest form that is read, in bytes: the addresses of some 10,000 hosts.
const MAX_FORM: usize = 1 << 20;

/// Addresses in a form, where they are too many for a query.
pub async fn by_form(State(app): State<Arc<App>>, form: Body) -> Result<Response, PageError> {
    let form = form::read(form, MAX_FORM).await?;
    answer(&app, &form).await
}

/// `{address: 0|1|2}`; 503 where Redis is away, as then nobody knows.
async fn answer(app: &App, parameters: &[u8]) -> Result<Response, PageError> {
    let parameters = Parameters::read(parameters);
    let mut statuses = BTreeMap::new();
    let mut hosts = Vec::new();
    for address in parameters.all("address").filter(|a| !a.is_empty()) {
        match app.site.host(address) {
            // A host that nobody configured is as bad as one that is down.
            None => drop(statuses.insert(address, Status::Critical)),
            Some(host) if statuses.insert(address, Status::Unknown).is_none() => hosts.push(host),
            Some(_) => {}
        }
    }
    if statuses.is_empty() {
        return Err(PageError::bad_request("parameter address is missing"));
    }
    let known = app.statuses(&hosts).await;
    let known = known.map_err(|away| PageError::unavailable(away.to_string()))?;
    statuses.extend(std::iter::zip(addresses(&hosts), known));
    let numbers: BTreeMap<&str, Option<u8>> =
        statuses.into_iter().map(|(address, status)| (address, status.number())).collect();
    let json =
        serde_json::to_string(&numbers).map_err(|error| PageError::internal(error.to_string()))?;
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((headers, json).into_response())
}
