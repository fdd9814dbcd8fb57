//! `GET /api/notices`: what the pages tell at their top, for those that are open.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::app::{App, Known};
use crate::error::PageError;

/// A list of texts. One host stands for all, as with a page of it.
pub async fn page(State(app): State<Arc<App>>) -> Result<Response, PageError> {
    let one: Vec<_> = app.site.hosts().take(1).collect();
    let known = app.known(&one).await;
    let json = serde_json::to_string(&app.notices(Known::away(&known)).await)
        .map_err(|error| PageError::internal(error.to_string()))?;
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((headers, json).into_response())
}
