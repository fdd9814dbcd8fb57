//! `GET|POST /forget?address=`: deletes the data of a host, for operators, who confirm it by typing
//! its address.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::access::{CheckedForm, FormToken, Operator};
use crate::app::App;
use crate::error::PageError;
use crate::languages;
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::html;
use crate::pages::known_host::KnownHost;
use crate::parameters::Parameters;

#[derive(Template)]
#[template(path = "forget.html")]
struct ForgetPage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    host: KnownHost<'a>,
    step: Step<'a>,
}

enum Step<'a> {
    /// Asks for the address; the form brings this token.
    Confirm(&'a str),
    /// What is gone.
    Done(String),
}

/// Says what would be deleted, and asks.
pub async fn page(
    State(app): State<Arc<App>>,
    _: Operator,
    theme: ChosenTheme,
    FormToken(token): FormToken,
    parameters: Parameters,
) -> Result<Response, PageError> {
    html(&ForgetPage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        host: KnownHost::read(&app, &parameters).await?,
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
    let host = KnownHost::read(&app, &form).await?;
    host.check_confirmed(&form)?;
    let deleted = app.redis.delete(&host.address).await;
    let deleted = deleted.map_err(|away| PageError::unavailable(away.to_string()))?;
    let by = operator.in_log();
    tracing::info!(address = host.address, by, deleted, "the data of a host was deleted");
    html(&ForgetPage {
        frame: Frame::new(theme, &app.zone),
        notices: Vec::new(),
        step: Step::Done((languages::text().series_deleted)(deleted, &host.address)),
        host,
    })
}
