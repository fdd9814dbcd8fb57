//! `GET|POST /rename?address=`: gives the data of a host to another address, for operators, who
//! confirm it by typing the address of before.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::response::{IntoResponse, Response};
use line_protocol::address;

use crate::access::{CheckedForm, FormToken, Operator};
use crate::app::App;
use crate::error::PageError;
use crate::links::Link;
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::html;
use crate::pages::known_host::KnownHost;
use crate::parameters::{Parameters, quoted};
use crate::redis_client::Renamed;

#[derive(Template)]
#[template(path = "rename.html")]
struct RenamePage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    host: KnownHost<'a>,
    step: Step<'a>,
}

enum Step<'a> {
    /// Asks for the new address; the form brings this token.
    Ask(&'a str),
    /// The data is that of this address, which the configuration does not name yet.
    Done { to: &'a str, link: String },
}

/// Says what would happen, and asks.
pub async fn page(
    State(app): State<Arc<App>>,
    _: Operator,
    theme: ChosenTheme,
    FormToken(token): FormToken,
    parameters: Parameters,
) -> Result<Response, PageError> {
    html(&RenamePage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        host: KnownHost::read(&app, &parameters).await?,
        step: Step::Ask(&token),
    })
}

/// Renames, and leads to the host's page at its new address, once the configuration has that.
pub async fn rename(
    State(app): State<Arc<App>>,
    operator: Operator,
    theme: ChosenTheme,
    CheckedForm(form): CheckedForm,
) -> Result<Response, PageError> {
    let host = KnownHost::read(&app, &form).await?;
    let to = new_address(&host, &form)?;
    let replaces = replaces(&form)?;
    host.check_confirmed(&form)?;
    let renamed = app.redis.rename(&host.address, to, replaces).await;
    match renamed.map_err(|away| PageError::unavailable(away.to_string()))? {
        Renamed::Done => {}
        Renamed::Refused(reason) => return Err(PageError::conflict(reason)),
    }
    let by = operator.in_log();
    tracing::info!(address = host.address, to, replaces, by, "the data of a host was renamed");
    let link = Link::to("server").with("address", to).finish();
    if app.site.host(to).is_some() {
        let headers = [(LOCATION, link.as_str()), (CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::SEE_OTHER, headers).into_response());
    }
    html(&RenamePage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        host,
        step: Step::Done { to, link },
    })
}

/// The parameter `to`.
fn new_address<'a>(host: &KnownHost<'_>, form: &'a Parameters) -> Result<&'a str, PageError> {
    let to = form.required("to")?.trim();
    if !address::is_valid(to) {
        return Err(PageError::bad_request(format!(
            "to '{}' must be an IP address or a host name",
            quoted(to)
        )));
    }
    if to == host.address {
        return Err(PageError::bad_request(format!("to '{to}' is the address that it has")));
    }
    Ok(to)
}

/// The parameter `replace`: whether what the new address has is deleted.
fn replaces(form: &Parameters) -> Result<bool, PageError> {
    match form.get("replace") {
        None => Ok(false),
        Some("yes") => Ok(true),
        Some(other) => Err(PageError::bad_request(format!(
            "replace '{}' must be yes, or missing",
            quoted(other)
        ))),
    }
}
