//! `GET|POST /forget?address=`: deletes the data of a host, for operators, who confirm it by typing
//! its address.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use crate::access::{CheckedForm, FormToken, Operator};
use crate::app::App;
use crate::error::PageError;
use crate::pages::frame::{ChosenTheme, Frame};
use crate::pages::html;
use crate::parameters::{Parameters, quoted};

#[derive(Template)]
#[template(path = "forget.html")]
struct ForgetPage<'a> {
    frame: Frame,
    notices: Vec<String>,
    address: &'a str,
    /// As the configuration has it; none of a host that is in no service.
    hostname: Option<&'a str>,
    step: Step<'a>,
}

enum Step<'a> {
    /// Asks for the address; the form brings this token.
    Confirm(&'a str),
    /// So many series are gone.
    Done(u64),
}

/// Says what would be deleted, and asks.
pub async fn page(
    State(app): State<Arc<App>>,
    _: Operator,
    theme: ChosenTheme,
    FormToken(token): FormToken,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters = Parameters::read(query.unwrap_or_default().as_bytes());
    let address = known_address(&app, parameters.required("address")?).await?;
    html(&ForgetPage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        address: &address,
        hostname: hostname(&app, &address),
        step: Step::Confirm(&token),
    })
}

/// Deletes.
pub async fn delete(
    State(app): State<Arc<App>>,
    operator: Operator,
    theme: ChosenTheme,
    CheckedForm(form): CheckedForm,
) -> Result<Response, PageError> {
    let address = known_address(&app, form.required("address")?).await?;
    let confirmed = form.required("confirm")?;
    if confirmed.trim() != address {
        return Err(PageError::bad_request(format!(
            "confirm '{}' must be the address whose data is to be deleted, {address}",
            quoted(confirmed)
        )));
    }
    let deleted = app.redis.delete(&address).await;
    let deleted = deleted.map_err(|away| PageError::unavailable(away.to_string()))?;
    let by = operator.name.as_deref().unwrap_or("an operator");
    tracing::info!(address, by, deleted, "the data of a host was deleted");
    html(&ForgetPage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        address: &address,
        hostname: hostname(&app, &address),
        step: Step::Done(deleted),
    })
}

/// The address, where it is one of the configuration or one that Redis knows.
async fn known_address(app: &App, address: &str) -> Result<String, PageError> {
    if app.site.host(address).is_none() {
        let all = app.redis.all_hosts().await;
        let all = all.map_err(|away| PageError::unavailable(away.to_string()))?;
        if !all.contains_key(address) {
            return Err(PageError::not_found(format!(
                "address '{}' is of no host of the configuration, and none that pushes",
                quoted(address)
            )));
        }
    }
    Ok(address.to_owned())
}

fn hostname<'a>(app: &'a App, address: &str) -> Option<&'a str> {
    app.site.host(address).map(|host| host.hostname.as_str())
}
