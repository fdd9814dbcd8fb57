//! `GET|POST /login?next=` and `POST /logout`.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{Access, CheckedForm, FORM, FormToken, SESSION, Visit, see_other};
use crate::app::App;
use crate::error::PageError;
use crate::pages::frame::{ChosenTheme, Frame};
use crate::pages::html;
use crate::parameters::{Parameters, quoted};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    notices: Vec<String>,
    token: &'a str,
    next: &'a str,
    name: &'a str,
    fault: Option<&'a str>,
}

/// The form that asks for name and password.
pub async fn page(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Arc<Access>>,
    theme: ChosenTheme,
    RawQuery(query): RawQuery,
    FormToken(token): FormToken,
) -> Result<Response, PageError> {
    needs_users(&access)?;
    let parameters = Parameters::read(query.unwrap_or_default().as_bytes());
    let next = parameters.get("next").unwrap_or_default();
    check_next(next)?;
    let page = LoginPage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        token: &token,
        next,
        name: "",
        fault: None,
    };
    html(&page)
}

/// Begins a session where the password is right, and goes on to the page that was asked for.
pub async fn log_in(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Arc<Access>>,
    theme: ChosenTheme,
    Extension(visit): Extension<Arc<Visit>>,
    CheckedForm(form): CheckedForm,
) -> Result<Response, PageError> {
    let users = needs_users(&access)?;
    let next = form.get("next").unwrap_or_default();
    check_next(next)?;
    let (name, password) = (form.required("name")?, form.required("password")?);
    match access.log_in(users, name, password, visit.address).await {
        Ok(user) => {
            let session = access.sessions.begin(name, user).map_err(PageError::internal)?;
            let mut answer = see_other(&format!("./{next}"));
            access.set_cookie(&visit, SESSION, &session, answer.headers_mut());
            Ok(answer)
        }
        Err(refusal) => {
            let mut answer = html(&LoginPage {
                frame: Frame::new(theme, &app.zone),
                notices: Vec::new(),
                token: &visit.form_token()?,
                next,
                name,
                fault: Some(refusal.text()),
            })?;
            *answer.status_mut() = refusal.status();
            Ok(answer)
        }
    }
}

/// Ends the session.
pub async fn log_out(
    Extension(access): Extension<Arc<Access>>,
    Extension(visit): Extension<Arc<Visit>>,
    _: CheckedForm,
) -> Result<Response, PageError> {
    needs_users(&access)?;
    if let Some(session) = &visit.session {
        access.sessions.end(session);
    }
    let mut answer = see_other("login");
    for name in [SESSION, FORM] {
        access.set_cookie(&visit, name, "", answer.headers_mut());
    }
    Ok(answer)
}

fn needs_users(access: &Access) -> Result<&super::Users, PageError> {
    let users = access.users.as_ref();
    users.ok_or_else(|| PageError::not_found("nobody logs in here: there are no --users"))
}

/// Holds the page that a login goes on to against the rule: one of ours, as it stands at the root.
///
/// # Errors
/// 400 that names the value and the rule.
pub fn check_next(next: &str) -> Result<(), PageError> {
    let (page, query) = next.split_once('?').unwrap_or((next, ""));
    let is_name = page.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if is_name && next.len() <= 60_000 && query.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    let next = quoted(next);
    Err(PageError::bad_request(format!("next '{next}' must be a page of this site with its query")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_goes_on_to_our_own_pages_alone() {
        for next in ["", "server?address=%3A%3A1&term=week", "?service=Shop", "graph?next=//x"] {
            assert!(check_next(next).is_ok(), "{next}");
        }
        for next in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "../x",
            "/server",
            "server?a=\r\nset-cookie:x",
            "server?ä",
            "\tserver",
        ] {
            assert!(check_next(next).is_err(), "{next}");
        }
    }
}
