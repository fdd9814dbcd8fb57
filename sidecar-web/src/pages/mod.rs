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
pub mod known_host;
pub mod list;
pub mod metrics;
pub mod notices;
pub mod pipeline;
pub mod readyz;
pub mod rename;
pub mod server;
pub mod server_list;
pub mod servers;
pub mod service_status;

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};

use crate::error::PageError;
use crate::languages;

/// A page as the browser gets it, in the reader's language: never from a cache, as it shows how
/// things are now.
///
/// # Errors
/// Where the template fails.
pub fn html(template: &impl Template) -> Result<Response, PageError> {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_LANGUAGE, languages::text().tag),
        (VARY, languages::VARY),
    ];
    Ok((headers, template.render()?).into_response())
}
