//! Who may see the pages: users with passwords, those whom an OIDC provider or a proxy names, else
//! all.

pub mod csrf;
mod failures;
pub mod flags;
mod identity;
pub mod login;
pub mod oidc;
mod sessions;
mod users;

use std::collections::HashSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;

use crate::error::PageError;
use crate::form;
use crate::languages;
use crate::links::Link;
use crate::parameters::Parameters;
use crate::request_headers::{cookie, takes_html};
use crate::server::Peer;
use csrf::CsrfToken;
use failures::Failures;
use identity::Identity;
pub use identity::Role;
use oidc::Oidc;
use sessions::{Account, Sessions};
use users::{User, Users};

pub use users::line as users_line;

/// The cookie of a session.
const SESSION: &str = "kurado_session";

/// The cookie of which forms bring the secret.
const FORM: &str = "kurado_form";

/// Longest form, in bytes.
const MAX_FORM: usize = 64 << 10;

/// So long a wrong password takes at least.
const FAILURE_TAKES: Duration = Duration::from_secs(1);

/// Paths that are open to all, besides those of assets.
const OPEN: [&str; 6] =
    ["/healthz", "/readyz", "/login", "/logout", "/oidc-login", "/oidc-callback"];

/// How it is decided who may see the pages.
pub struct Access {
    users: Option<Users>,
    oidc: Option<Oidc>,
    /// The header in which a proxy names who asks.
    identity_header: Option<HeaderName>,
    /// Whose headers are believed.
    trusted_proxies: Vec<IpNet>,
    operators: HashSet<String>,
    /// What all may do, where nobody is asked who it is.
    open: Option<Role>,
    /// Below which path browsers see the pages.
    base_path: String,
    /// Whether they do so by HTTPS, whatever it is between a proxy and us.
    is_seen_by_https: bool,
    sessions: Sessions,
    failures: Failures,
    has_warned: AtomicBool,
}

/// One request, as access sees it.
pub struct Visit {
    identity: Option<Identity>,
    /// Why there is no identity, where the request brought something that should give one.
    refusal: Option<PageError>,
    session: Option<String>,
    token: CsrfToken,
    brought_token: bool,
    shows_token: AtomicBool,
    is_secure: bool,
    address: IpAddr,
    is_from_here: bool,
}

/// Until when a browser keeps a cookie.
enum CookieEnd {
    /// Until the browser ends.
    WithBrowser,
    /// For so long at most.
    After(Duration),
    /// It goes at once.
    Now,
}

tokio::task_local! {
    static VISIT: Arc<Visit>;
}

/// Who is shown in the bar of a page.
pub struct Who {
    /// Its name.
    pub name: String,
    /// What the form to log out brings, for one that logged in here.
    pub form_token: Option<String>,
}

/// Who asks for the page that is made just now; `None` where nobody is asked.
#[must_use]
pub fn who() -> Option<Who> {
    let visit = VISIT.try_with(Arc::clone).ok()?;
    let identity = visit.identity.as_ref()?;
    let name = identity.name.clone()?;
    let form_token = if identity.has_session { visit.form_token().ok() } else { None };
    Some(Who { name, form_token })
}

/// Whether who asks for the page that is made just now may change something.
#[must_use]
pub fn is_operator() -> bool {
    let role = VISIT.try_with(|visit| visit.identity.as_ref().map(|identity| identity.role));
    matches!(role, Ok(Some(Role::Operator)))
}

impl Visit {
    /// What a form of the answer brings; the answer then sets the cookie.
    fn form_token(&self) -> Result<String, PageError> {
        self.shows_token.store(true, Ordering::Relaxed);
        self.token.masked().map_err(PageError::internal)
    }
}

impl Access {
    /// Finds out who asks, for all that is inside.
    pub async fn identify(
        State(access): State<Arc<Self>>,
        mut request: Request,
        next: Next,
    ) -> Response {
        let peer = request.extensions().get::<Peer>().copied();
        let visit = match access.visit(request.headers(), peer).await {
            Ok(visit) => Arc::new(visit),
            Err(text) => return PageError::internal(text).into_response(),
        };
        request.extensions_mut().insert(Arc::clone(&visit));
        let mut answer = VISIT.scope(Arc::clone(&visit), next.run(request)).await;
        if visit.shows_token.load(Ordering::Relaxed) && !visit.brought_token {
            let (token, end) = (visit.token.cookie(), CookieEnd::WithBrowser);
            access.set_cookie(&visit, FORM, &token, end, answer.headers_mut());
        }
        answer
    }

    /// Lets in who may see the pages.
    pub async fn guard(State(access): State<Arc<Self>>, request: Request, next: Next) -> Response {
        let path = request.uri().path();
        let is_asset = path.starts_with("/assets/");
        let Some(visit) = request.extensions().get::<Arc<Visit>>() else {
            return PageError::internal("nobody found out who asks").into_response();
        };
        if visit.identity.is_some()
            || is_asset
            || OPEN.contains(&path)
            || (path == "/metrics" && visit.is_from_here)
        {
            return next.run(request).await;
        }
        let headers = request.headers();
        let can_log_in = access.users.is_some() || access.oidc.is_some();
        // One that stands at the root, as all pages do, so that the relative link is right.
        let page = path.strip_prefix('/').filter(|page| !page.contains('/'));
        if let (true, true, &Method::GET, Some(page), None) =
            (can_log_in, takes_html(headers), request.method(), page, &visit.refusal)
        {
            let next = match request.uri().query() {
                Some(query) => format!("{page}?{query}"),
                None => page.to_owned(),
            };
            let link = Link::to("login");
            let link = if login::check_next(&next).is_ok() && !next.is_empty() {
                link.with("next", &next)
            } else {
                link
            };
            return see_other(&link.finish());
        }
        let refusal = visit.refusal.clone();
        let mut answer = refusal
            .unwrap_or_else(|| PageError::unauthorized("who asks for this must log in"))
            .into_response();
        // A browser would ask for name and password by itself, for each picture.
        if access.users.is_some()
            && answer.status() == StatusCode::UNAUTHORIZED
            && !headers.contains_key("sec-fetch-mode")
        {
            let basic = HeaderValue::from_static("Basic realm=\"Kurado\", charset=\"UTF-8\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        answer
    }

    async fn visit(&self, headers: &HeaderMap, peer: Option<Peer>) -> Result<Visit, String> {
        let peer = peer.ok_or("nobody said who is connected")?;
        let has_tls = peer.has_tls;
        let peer = peer.address.ip().to_canonical();
        let is_trusted = self.trusts(peer);
        let brought = cookie(headers, FORM).and_then(CsrfToken::read);
        let brought_token = brought.is_some();
        let has_forwarded =
            ["forwarded", "x-forwarded-for"].iter().any(|name| headers.contains_key(*name));
        let mut visit = Visit {
            identity: None,
            refusal: None,
            session: cookie(headers, SESSION).map(ToOwned::to_owned),
            token: brought.map_or_else(CsrfToken::new, Ok)?,
            brought_token,
            shows_token: AtomicBool::new(false),
            is_secure: has_tls
                || self.is_seen_by_https
                || (is_trusted
                    && headers.get("x-forwarded-proto").is_some_and(|value| value == "https")),
            address: if is_trusted { self.client(headers, peer) } else { peer },
            is_from_here: peer.is_loopback() && !has_forwarded,
        };
        match self.identity(headers, &visit, is_trusted).await {
            Ok(identity) => visit.identity = identity,
            Err(refusal) => visit.refusal = Some(refusal),
        }
        Ok(visit)
    }

    async fn identity(
        &self,
        headers: &HeaderMap,
        visit: &Visit,
        is_trusted: bool,
    ) -> Result<Option<Identity>, PageError> {
        if let Some(role) = self.open {
            return Ok(Some(Identity { name: None, role, has_session: false }));
        }
        if let Some(header) = &self.identity_header
            && let Some(name) = headers.get(header)
        {
            if is_trusted {
                let name = std::str::from_utf8(name.as_bytes()).unwrap_or_default();
                users::check_name(name).map_err(|fault| {
                    PageError::unauthorized(format!("header {header} of the proxy: {fault}"))
                })?;
                let role = self.role_of(name, Role::Viewer);
                return Ok(Some(Identity { name: Some(name.into()), role, has_session: false }));
            }
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "header {header} came from {}, which is no --trusted-proxy: it is ignored",
                    visit.address
                );
            }
        }
        if let Some((name, account)) = visit.session.as_deref().and_then(|s| self.sessions.get(s))
            && let Some(role) = self.role_of_account(&name, &account)
        {
            return Ok(Some(Identity { name: Some(name), role, has_session: true }));
        }
        let Some(users) = &self.users else {
            return Ok(None);
        };
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            return Ok(None);
        };
        let (name, password) = basic(authorization)?;
        let user = self.log_in(users, &name, &password, visit.address).await?;
        let role = self.role_of(&name, user.role);
        Ok(Some(Identity { name: Some(name), role, has_session: false }))
    }

    /// Checks a password. A wrong one is told in the log, and too many of an address are refused
    /// unread.
    async fn log_in(
        &self,
        users: &Users,
        name: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<User, PageError> {
        if let Some(user) = users.recently_right(name, password) {
            return Ok(user);
        }
        self.failures.begin(address).map_err(|wait| {
            let text = (languages::text().too_many_passwords)(&(wait.as_secs() + 1));
            PageError::too_many_requests(text).translated()
        })?;
        if let Some(user) = users.check(name, password).await {
            self.failures.take_back(address);
            return Ok(user);
        }
        // Names that are none may be passwords, typed into the wrong field.
        let name = users.get(name).map_or("no user of the file", |_| name);
        tracing::warn!(name, %address, "a login failed");
        tokio::time::sleep(FAILURE_TAKES).await;
        Err(PageError::unauthorized(languages::text().wrong_password).translated())
    }

    fn role_of(&self, name: &str, role: Role) -> Role {
        if self.operators.contains(name) { Role::Operator } else { role }
    }

    /// What one who has logged in may do now.
    fn role_of_account(&self, name: &str, account: &Account) -> Option<Role> {
        match account {
            // Whose line is gone or has another password by now must log in again.
            Account::OfFile(user) => {
                let now = self.users.as_ref()?.get(name)?;
                now.has_password_of(user).then(|| self.role_of(name, now.role))
            }
            // Users may choose their own names at some providers: names give no role.
            Account::OfProvider { role, .. } => Some(*role),
        }
    }

    /// Reads the users now, where there is a file of them; gives how many there are.
    ///
    /// # Errors
    /// Where the file has a fault, which the text names; then the users of before hold.
    pub fn read_users_again(&self) -> Option<Result<usize, String>> {
        self.users.as_ref().map(Users::read_again)
    }

    /// Asks the OIDC provider for the first time, where there is one, so that the log says at once
    /// whether it answers.
    pub async fn ask_provider(&self) {
        if let Some(oidc) = &self.oidc {
            oidc.is_away().await;
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// Who asked the proxy: the last one that no proxy of ours wrote there.
    fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let forwarded = headers.get_all("x-forwarded-for").iter().rev();
        let texts = forwarded.filter_map(|value| value.to_str().ok());
        let addresses = texts.flat_map(|text| text.rsplit(','));
        let addresses = addresses.map_while(|text| text.trim().parse::<IpAddr>().ok());
        addresses.map(|address| address.to_canonical()).find(|a| !self.trusts(*a)).unwrap_or(peer)
    }

    fn set_cookie(
        &self,
        visit: &Visit,
        name: &str,
        value: &str,
        end: CookieEnd,
        headers: &mut HeaderMap,
    ) {
        let mut text = format!("{name}={value}; Path={}; HttpOnly; SameSite=Lax", self.base_path);
        let seconds = match end {
            CookieEnd::WithBrowser => None,
            CookieEnd::After(time) => Some(time.as_secs()),
            CookieEnd::Now => Some(0),
        };
        if let Some(seconds) = seconds {
            let _ = write!(text, "; Max-Age={seconds}");
        }
        if visit.is_secure {
            text.push_str("; Secure");
        }
        if let Ok(value) = text.parse() {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// Name and password of a header `Authorization`.
fn basic(header: &HeaderValue) -> Result<(String, String), PageError> {
    let fault = || {
        PageError::unauthorized(
            "header Authorization must be 'Basic' and name:password in UTF-8 as base64",
        )
    };
    let (scheme, text) = header.to_str().ok().and_then(|t| t.split_once(' ')).ok_or_else(fault)?;
    let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| fault())?;
    let text = String::from_utf8(bytes).map_err(|_| fault())?;
    match text.split_once(':') {
        Some((name, password)) if scheme.eq_ignore_ascii_case("basic") => {
            Ok((name.to_owned(), password.to_owned()))
        }
        _ => Err(fault()),
    }
}

/// Sends a browser to a page of ours, which it then asks for by GET.
fn see_other(link: &str) -> Response {
    let headers = [(header::LOCATION, link), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Extractor: the request is of an operator; others get 403.
pub struct Operator {
    /// Who it is; `None` where access is open to all.
    pub name: Option<String>,
}

impl Operator {
    /// As the log names who did it.
    #[must_use]
    pub fn in_log(&self) -> &str {
        self.name.as_deref().unwrap_or("an operator")
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let visit = parts.extensions.get::<Arc<Visit>>();
        match visit.and_then(|visit| visit.identity.as_ref()) {
            Some(Identity { name, role: Role::Operator, .. }) => Ok(Self { name: name.clone() }),
            _ => Err(PageError::forbidden(languages::text().for_operators).translated()),
        }
    }
}

/// Extractor: what the forms of an answer must bring as `token`.
pub struct FormToken(pub String);

impl<S: Sync> FromRequestParts<S> for FormToken {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        visit(parts)?.form_token().map(Self)
    }
}

/// Extractor: a form that one of our own pages sent; others get 403.
pub struct CheckedForm(pub Parameters);

impl<S: Sync> FromRequest<S> for CheckedForm {
    type Rejection = PageError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, PageError> {
        let (parts, body) = request.into_parts();
        let visit = visit(&parts)?;
        let parameters = Parameters::read(&form::read(body, MAX_FORM).await?);
        let cookie = visit.brought_token.then_some(&visit.token);
        csrf::check(&parts.headers, cookie, parameters.get("token"))?;
        Ok(Self(parameters))
    }
}

fn visit(parts: &Parts) -> Result<&Arc<Visit>, PageError> {
    let visit = parts.extensions.get::<Arc<Visit>>();
    visit.ok_or_else(|| PageError::internal("nobody found out who asks"))
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_the_last_that_no_proxy_of_ours_named() {
        let flags = flags::AccessFlags {
            trusted_proxy: vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            open_access: Some(Role::Viewer),
            ..flags::AccessFlags::default()
        };
        let access = flags.access("127.0.0.1:1".parse().unwrap()).unwrap();
        for (forwarded, client) in [
            (&["192.0.2.9"][..], "192.0.2.9"),
            (&["6.6.6.6, 192.0.2.9, 10.0.0.1"], "192.0.2.9"),
            (&["6.6.6.6", "192.0.2.9"], "192.0.2.9"),
            (&["6.6.6.6, unknown"], "127.0.0.1"),
            (&[], "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = access.client(&headers, "127.0.0.1".parse().unwrap());
            assert_eq!(found.to_string(), client, "{forwarded:?}");
        }
    }

    #[tokio::test]
    async fn what_operators_may_do_is_refused_to_viewers_and_to_those_who_are_not_known() {
        for (role, is_let_in) in
            [(Some(Role::Operator), true), (Some(Role::Viewer), false), (None, false)]
        {
            let (mut parts, ()) = Request::new(()).into_parts();
            let identity =
                role.map(|role| Identity { name: Some("ann".into()), role, has_session: true });
            parts.extensions.insert(Arc::new(Visit {
                identity,
                refusal: None,
                session: None,
                token: CsrfToken::new().unwrap(),
                brought_token: false,
                shows_token: AtomicBool::new(false),
                is_secure: false,
                address: "127.0.0.1".parse().unwrap(),
                is_from_here: true,
            }));
            match Operator::from_request_parts(&mut parts, &()).await {
                Ok(operator) => assert!(is_let_in && operator.name.as_deref() == Some("ann")),
                Err(refusal) => {
                    assert!(!is_let_in && refusal.status() == StatusCode::FORBIDDEN);
                }
            }
        }
    }
}
