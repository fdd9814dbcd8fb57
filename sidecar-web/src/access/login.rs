//! `GET|POST /login?next=` and `POST /logout`.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::sessions::Account;
use super::{Access, CheckedForm, CookieEnd, FORM, SESSION, Visit, see_other};
use crate::app::App;
use crate::error::PageError;
use crate::links::Link;
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::html;
use crate::parameters::{Parameters, quoted};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    provider: Option<Provider<'a>>,
    /// For the form that takes a password, where there are users.
    token: Option<&'a str>,
    next: &'a str,
    name: &'a str,
    fault: Option<&'a str>,
}

/// The button that leads to the OIDC provider.
struct Provider<'a> {
    name: &'a str,
    is_away: bool,
    link: String,
    /// This page again.
    again: String,
}

#[derive(Template)]
#[template(path = "no_role.html")]
struct NoRolePage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    provider: &'a str,
    name: &'a str,
    log_out: Option<String>,
}

#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOutPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    provider: &'a str,
    address: &'a str,
}

/// Asks for name and password, or leads to the OIDC provider.
pub async fn page(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Arc<Access>>,
    Extension(visit): Extension<Arc<Visit>>,
    theme: ChosenTheme,
    parameters: Parameters,
) -> Result<Response, PageError> {
    needs_logins(&access)?;
    let next = asked_next(&parameters)?;
    show(&app, &access, &visit, theme, (next, ""), None).await
}

/// Begins a session where the password is right, and goes on to the page that was asked for.
pub async fn log_in(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Arc<Access>>,
    theme: ChosenTheme,
    Extension(visit): Extension<Arc<Visit>>,
    CheckedForm(form): CheckedForm,
) -> Result<Response, PageError> {
    let users = access.users.as_ref();
    let users = users.ok_or_else(|| PageError::not_found("there are no --users with passwords"))?;
    let next = asked_next(&form)?;
    let (name, password) = (form.required("name")?, form.required("password")?);
    match access.log_in(users, name, password, visit.address).await {
        Ok(user) => {
            let session = access.sessions.begin(name, Account::OfFile(user));
            let session = session.map_err(PageError::internal)?;
            let mut answer = see_other(&format!("./{next}"));
            let end = CookieEnd::WithBrowser;
            access.set_cookie(&visit, SESSION, &session, end, answer.headers_mut());
            Ok(answer)
        }
        Err(refusal) => show_fault(&app, &access, &visit, theme, (next, name), &refusal).await,
    }
}

/// Ends the session, and leads to where the OIDC provider ends its own.
pub async fn log_out(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Arc<Access>>,
    Extension(visit): Extension<Arc<Visit>>,
    theme: ChosenTheme,
    _: CheckedForm,
) -> Result<Response, PageError> {
    needs_logins(&access)?;
    let ended = visit.session.as_deref().and_then(|session| access.sessions.end(session));
    let mut answer = match (ended, &access.oidc) {
        (Some(Account::OfProvider { id_token, .. }), Some(oidc)) => {
            match oidc.log_out_address(id_token.as_deref()).await {
                Some(address) => logged_out(&app, theme, oidc.name(), &address)?,
                None => see_other("login"),
            }
        }
        _ => see_other("login"),
    };
    for name in [SESSION, FORM] {
        access.set_cookie(&visit, name, "", CookieEnd::Now, answer.headers_mut());
    }
    Ok(answer)
}

/// The page that goes on to the provider by itself. A redirection would be held against the rule of
/// where forms may lead.
fn logged_out(
    app: &App,
    theme: ChosenTheme,
    provider: &str,
    address: &str,
) -> Result<Response, PageError> {
    let frame = Frame::new(theme, &app.zone);
    let mut answer = html(&LoggedOutPage { frame, notices: Vec::new(), provider, address })?;
    if let Ok(refresh) = format!("0; url={address}").parse() {
        answer.headers_mut().insert(header::REFRESH, refresh);
    }
    Ok(answer)
}

/// The login's page with what went wrong, and its status.
pub async fn show_fault(
    app: &App,
    access: &Access,
    visit: &Visit,
    theme: ChosenTheme,
    filled_in: (&str, &str),
    fault: &PageError,
) -> Result<Response, PageError> {
    let mut answer = show(app, access, visit, theme, filled_in, Some(fault)).await?;
    *answer.status_mut() = fault.status();
    Ok(answer)
}

/// With the page to go on to, and the name that was typed.
async fn show(
    app: &App,
    access: &Access,
    visit: &Visit,
    theme: ChosenTheme,
    (next, name): (&str, &str),
    fault: Option<&PageError>,
) -> Result<Response, PageError> {
    let token = access.users.as_ref().map(|_| visit.form_token()).transpose()?;
    let link = |page| {
        let link = Link::to(page);
        if next.is_empty() { link } else { link.with("next", next) }.finish()
    };
    let provider = match &access.oidc {
        Some(oidc) => Some(Provider {
            name: oidc.name(),
            is_away: oidc.is_away().await,
            link: link("oidc-login"),
            again: link("login"),
        }),
        None => None,
    };
    // That the provider is away stands in the place of its button.
    let is_away = provider.as_ref().is_some_and(|provider| provider.is_away);
    let fault =
        fault.filter(|fault| !(is_away && fault.status() == StatusCode::SERVICE_UNAVAILABLE));
    html(&LoginPage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        provider,
        token: token.as_deref(),
        next,
        name,
        fault: fault.map(PageError::text),
    })
}

/// For whom the provider knows, and who may do nothing here: 403.
pub fn show_without_role(
    app: &App,
    theme: ChosenTheme,
    name: &str,
    provider: &str,
    log_out: Option<String>,
) -> Result<Response, PageError> {
    let frame = Frame::new(theme, &app.zone);
    let mut answer = html(&NoRolePage { frame, notices: Vec::new(), provider, name, log_out })?;
    *answer.status_mut() = StatusCode::FORBIDDEN;
    Ok(answer)
}

fn needs_logins(access: &Access) -> Result<(), PageError> {
    if access.users.is_some() || access.oidc.is_some() {
        return Ok(());
    }
    Err(PageError::not_found("nobody logs in here: there are neither --users nor --oidc-issuer"))
}

/// The parameter `next`: the page that a login goes on to; none is the list.
///
/// # Errors
/// As [`check_next`].
pub fn asked_next(parameters: &Parameters) -> Result<&str, PageError> {
    let next = parameters.get("next").unwrap_or_default();
    check_next(next)?;
    Ok(next)
}

/// Holds the page that a login goes on to against the rule: one of ours, as it stands at the root.
///
/// # Errors
/// 400 that names the value and the rule.
pub fn check_next(next: &str) -> Result<(), PageError> {
    let (page, query) = next.split_once('?').unwrap_or((next, ""));
    let is_name = page.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    // They would lead here again.
    let is_login = ["login", "oidc-login", "oidc-callback"].contains(&page);
    if is_name && !is_login && next.len() <= 60_000 && query.chars().all(|c| c.is_ascii_graphic()) {
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
            "oidc-login",
            "login?next=server",
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
