//! What a page answers when it can't show what was asked for.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::graph::pool::DrawError;

/// An answer other than the page: a status, and a text that names the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageError {
    status: StatusCode,
    text: String,
}

impl PageError {
    /// A parameter is missing or breaks a rule.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// Nobody knows who asks.
    pub fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// Who asks may not have it.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// Who asks must wait.
    pub fn too_many_requests(text: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, text)
    }

    /// What the parameters name does not exist.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// There is no such request here.
    pub fn method_not_allowed(method: &Method) -> Self {
        let text = format!("method {method} is not for this address; header Allow says which are");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, text)
    }

    /// The request brings too much.
    pub fn too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// The rest of the request did not come.
    pub fn timeout(text: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, text)
    }

    /// It can't be shown now, and may be later.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// A fault of ours or of a definition, never of the one who asked.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, in words for people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

impl From<DrawError> for PageError {
    fn from(error: DrawError) -> Self {
        match error {
            DrawError::Busy => Self::unavailable(error.to_string()),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::internal(format!("the page's template failed: {error}"))
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(text = self.text, "answered 500");
        }
        let no_store = [("cache-control", "no-store")];
        let mut answer = (self.status, no_store, format!("{}\n", self.text)).into_response();
        // For people the same is made a page: `pages::error_page`.
        answer.extensions_mut().insert(self);
        answer
    }
}
