//! What a page answers when it can't show what was asked for.

use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::graph::pool::DrawError;
use crate::program_views::NoView;

/// After how many seconds what can't be shown now may be asked for again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// An answer other than the page: a status, and a text that names the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageError {
    status: StatusCode,
    text: String,
    is_translated: bool,
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

    /// It does not go together with what there is.
    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, text)
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

    /// The same, of which the text is in the reader's language; others are in English, as they are
    /// for those who write addresses by hand or look after the web.
    #[must_use]
    pub fn translated(self) -> Self {
        Self { is_translated: true, ..self }
    }

    /// Whether the text is in the reader's language.
    #[must_use]
    pub fn is_translated(&self) -> bool {
        self.is_translated
    }

    /// What the answer says beside its text, also where that is made a page.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_SECONDS);
        }
        headers
    }

    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), is_translated: false }
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

impl From<NoView> for PageError {
    fn from(reason: NoView) -> Self {
        match reason {
            NoView::NotYet(reason) => Self::unavailable(reason),
            NoView::Faulty(reason) => Self::internal(reason),
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
        let mut answer = (self.status, self.headers(), format!("{}\n", self.text)).into_response();
        // For people the same is made a page: `pages::error_page`.
        answer.extensions_mut().insert(self);
        answer
    }
}
