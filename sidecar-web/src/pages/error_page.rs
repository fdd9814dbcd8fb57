//! What people see where a page can't be shown: the text that scripts and pictures get, as a page.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::PageError;
use crate::pages::frame::{ChosenTheme, Frame};
use crate::pages::html;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    notices: Vec<String>,
    heading: &'static str,
    status: u16,
    text: &'a str,
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
        let page = ErrorPage {
            frame: Frame::new(theme, &app.zone),
            notices: Vec::new(),
            heading: error.status().canonical_reason().unwrap_or("Error"),
            status: error.status().as_u16(),
            text: error.text(),
        };
        let Ok(mut page) = html(&page) else {
            return answer;
        };
        *page.status_mut() = error.status();
        if let Some(allow) = answer.headers_mut().remove(header::ALLOW) {
            page.headers_mut().insert(header::ALLOW, allow);
        }
        answer = page.into_response();
    }
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    answer
}

fn takes_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"))
}
