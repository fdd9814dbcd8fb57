//! The options that say who may see the pages.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::{HeaderName, Uri};
use ipnet::IpNet;

use super::failures::Failures;
use super::oidc::flags::OidcFlags;
use super::sessions::Sessions;
use super::users::Users;
use super::{Access, Role};

/// The options that say who may see the pages.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Who may see it")]
pub struct AccessFlags {
    /// Users with passwords: lines name:hash[:role] with hashes of bcrypt (htpasswd -B) or argon2id
    /// ('kurado-web hash-password'), role viewer or operator. Read again when it changes.
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// The header in which a proxy that has asked already names the user, as X-Remote-User.
    #[arg(long, value_name = "HEADER", requires = "trusted_proxy")]
    pub identity_header: Option<HeaderName>,
    /// Networks of the proxies whose headers are believed, as 127.0.0.1/32: who the user is,
    /// X-Forwarded-For and X-Forwarded-Proto.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',', value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,
    /// Users who are operators, whatever else says their role.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub operators: Vec<String>,
    /// Lets everybody in who reaches the port, as viewer or as operator. Without it that holds for
    /// loopback addresses alone, as viewer.
    #[arg(
        long,
        value_name = "ROLE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "viewer",
        conflicts_with_all = ["users", "identity_header", "oidc_issuer"]
    )]
    pub open_access: Option<Role>,
    /// Where browsers see the pages, as https://monitor.example/kurado: an OIDC provider sends them
    /// back there.
    #[arg(long, value_name = "URL", value_parser = external_url)]
    pub external_url: Option<Uri>,
    /// The path below which a reverse proxy shows the pages, for cookies [default: that of
    /// --external-url, else /].
    #[arg(long, value_name = "PATH", value_parser = base_path)]
    pub base_path: Option<String>,
    #[command(flatten)]
    pub oidc: OidcFlags,
}

impl AccessFlags {
    /// What they say, for one that listens there.
    ///
    /// # Errors
    /// Where a file can't be read, or everybody would be let in by oversight.
    pub fn access(self, listen: SocketAddr) -> Result<Access, String> {
        let oidc = self.oidc.oidc(self.external_url.as_ref())?;
        let is_asked = self.users.is_some() || self.identity_header.is_some() || oidc.is_some();
        if !is_asked && self.open_access.is_none() && !listen.ip().to_canonical().is_loopback() {
            return Err(format!(
                "--listen {listen} can be reached from other machines, and nothing says who may see \
                 the pages: name users by --users FILE, an OpenID Connect provider by \
                 --oidc-issuer, or a proxy that knows them by --identity-header and \
                 --trusted-proxy, or let everybody in by --open-access"
            ));
        }
        let open = self.open_access.unwrap_or(Role::Viewer);
        Ok(Access {
            users: self.users.as_deref().map(Users::open).transpose()?,
            identity_header: self.identity_header,
            trusted_proxies: self.trusted_proxy,
            operators: self.operators.into_iter().collect(),
            open: (!is_asked).then_some(open),
            base_path: self.base_path.unwrap_or_else(|| path_of(self.external_url.as_ref())),
            is_seen_by_https: self
                .external_url
                .is_some_and(|address| address.scheme_str() == Some("https")),
            oidc,
            sessions: Sessions::default(),
            failures: Failures::default(),
            has_warned: false.into(),
        })
    }
}

/// Reads a network of proxies.
fn network(text: &str) -> Result<IpNet, &'static str> {
    text.parse().map_err(|_| {
        "it must be an address, a slash and how many bits count, as 127.0.0.1/32, 10.0.0.0/8 or ::1/128"
    })
}

/// Reads where browsers see the pages.
fn external_url(text: &str) -> Result<Uri, &'static str> {
    let rule = "it must be http:// or https://, a host, and at most a path of letters, digits and \
                ._~-, as https://monitor.example/kurado";
    let address: Uri = text.parse().map_err(|_| rule)?;
    let is_whole = address.host().is_some_and(|host| !host.is_empty())
        && matches!(address.scheme_str(), Some("http" | "https"))
        && address.query().is_none()
        && base_path(address.path()).is_ok();
    is_whole.then_some(address).ok_or(rule)
}

/// Without a slash at its end.
fn path_of(external_url: Option<&Uri>) -> String {
    let path = external_url.map_or("", Uri::path).trim_end_matches('/');
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

/// Reads a path for cookies.
fn base_path(text: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._~-".contains(c);
    if text.starts_with('/') && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("it must begin with / and have letters, digits and ._~- alone, as /kurado")
    }
}
