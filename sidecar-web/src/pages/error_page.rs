//! What people see where a page can't be shown: the text that scripts and pictures get, as a page.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::PageError;
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::html;
use crate::request_headers::takes_html;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    heading: &'static str,
    status: u16,
    text: &'a str,
    /// Else it is in English.
    is_in_language_of_page: bool,
}

/// Makes an error a page, where the request says that it is for a browser's window.
pub async fn for_people(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let takes_html = takes_html(request.headers());
    let theme = ChosenTheme::read(request.headers());
    let mut answer = next.run(request).await;
    let Some(error) = answer.extensions_mut().remove::<PageError>() else {
        return answer;
    };
    if takes_html {
        let frame = Frame::new(theme, &app.zone);
        let page = ErrorPage {
            notices: Vec::new(),
            heading: frame.text.failure(error.status()),
            status: error.status().as_u16(),
            text: error.text(),
            is_in_language_of_page: error.is_translated() || frame.text.tag == "en",
            frame,
        };
        let Ok(mut page) = html(&page) else {
            return answer;
        };
        *page.status_mut() = error.status();
        page.headers_mut().extend(error.headers());
        if let Some(allow) = answer.headers_mut().remove(header::ALLOW) {
            page.headers_mut().insert(header::ALLOW, allow);
        }
        answer = page.into_response();
    }
    answer
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("accept, accept-language, cookie"));
    answer
}
