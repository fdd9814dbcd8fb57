//! `GET /oidc-login?next=`, which leads to the provider, and `GET /oidc-callback`, to which that
//! leads back.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::logins::LOGIN_LIMIT;
use super::{Arrival, Oidc};
use crate::access::sessions::Account;
use crate::access::{Access, CookieEnd, SESSION, Visit, hex, login, random, see_other};
use crate::app::App;
use crate::error::PageError;
use crate::pages::frame::ChosenTheme;
use crate::parameters::Parameters;
use crate::request_headers::cookie;

/// The cookie that ties a login to the browser that has begun it.
const BROWSER: &str = "kurado_oidc";

/// Leads to the provider's page.
pub async fn begin(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Arc<Access>>,
    Extension(visit): Extension<Arc<Visit>>,
    theme: ChosenTheme,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PageError> {
    let oidc = needs_oidc(&access)?;
    let next = login::asked_next(&parameters)?;
    // The same for all tabs of a browser, so that one does not end the login of another.
    let browser = match cookie(&headers, BROWSER).filter(|text| is_ours(text)) {
        Some(browser) => browser.to_owned(),
        None => hex(&random::<32>().map_err(PageError::internal)?),
    };
    match oidc.begin(&browser, next).await {
        Ok(address) => {
            let mut answer = see_other(&address);
            let end = CookieEnd::After(LOGIN_LIMIT);
            access.set_cookie(&visit, BROWSER, &browser, end, answer.headers_mut());
            Ok(answer)
        }
        Err(fault) => login::show_fault(&app, &access, &visit, theme, (next, ""), &fault).await,
    }
}

/// Begins a session for whom the provider vouches, and goes on to the page that was asked for.
pub async fn callback(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Arc<Access>>,
    Extension(visit): Extension<Arc<Visit>>,
    theme: ChosenTheme,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PageError> {
    let oidc = needs_oidc(&access)?;
    let arrived = oidc.finish(cookie(&headers, BROWSER), &parameters).await;
    let arrival = match arrived {
        Ok(arrival) => arrival,
        Err(fault) => {
            return login::show_fault(&app, &access, &visit, theme, ("", ""), &fault).await;
        }
    };
    let Arrival { name, role, next, id_token } = arrival;
    let Some(role) = role else {
        tracing::warn!(name, "a login by OIDC was refused: no role allows it");
        let log_out = oidc.log_out_address(id_token.as_deref()).await;
        return login::show_without_role(&app, theme, &name, &oidc.name, log_out);
    };
    let account = Account::OfProvider { role, id_token };
    let session = access.sessions.begin(&name, account).map_err(PageError::internal)?;
    let mut answer = see_other(&format!("./{next}"));
    access.set_cookie(&visit, SESSION, &session, CookieEnd::WithBrowser, answer.headers_mut());
    Ok(answer)
}

fn needs_oidc(access: &Access) -> Result<&Oidc, PageError> {
    let oidc = access.oidc.as_ref();
    oidc.ok_or_else(|| {
        PageError::not_found("nobody signs in by OIDC here: there is no --oidc-issuer")
    })
}

/// Whether it may be what we have set.
fn is_ours(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
