//! The pages, one file each, and what they share.

pub mod asked_graph;
pub mod controls;
pub mod details;
pub mod error_page;
pub mod forget;
pub mod frame;
pub mod graph;
pub mod healthz;
pub mod host_graphs;
pub mod host_status;
pub mod list;
pub mod metrics;
pub mod pipeline;
pub mod readyz;
pub mod server;
pub mod server_list;
pub mod servers;
pub mod service_status;

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::error::PageError;

/// A page as the browser gets it: never from a cache, as it shows how things are now.
///
/// # Errors
/// Where the template fails.
pub fn html(template: &impl Template) -> Result<Response, PageError> {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    Ok((headers, template.render()?).into_response())
}
