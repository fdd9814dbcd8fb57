//! The options that say who may see the pages.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::HeaderName;
use ipnet::IpNet;

use super::failures::Failures;
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
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
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
        conflicts_with_all = ["users", "identity_header"]
    )]
    pub open_access: Option<Role>,
    /// The path below which a reverse proxy shows the pages, for cookies.
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = base_path)]
    pub base_path: String,
}

impl AccessFlags {
    /// What they say, for one that listens there.
    ///
    /// # Errors
    /// Where a file can't be read, or everybody would be let in by oversight.
    pub fn access(self, listen: SocketAddr) -> Result<Access, String> {
        let is_asked = self.users.is_some() || self.identity_header.is_some();
        if !is_asked && self.open_access.is_none() && !listen.ip().to_canonical().is_loopback() {
            return Err(format!(
                "--listen {listen} can be reached from other machines, and nothing says who may see \
                 the pages: name users by --users FILE, or a proxy that does by --identity-header \
                 and --trusted-proxy, or let everybody in by --open-access"
            ));
        }
        let open = self.open_access.unwrap_or(Role::Viewer);
        Ok(Access {
            users: self.users.as_deref().map(Users::open).transpose()?,
            identity_header: self.identity_header,
            trusted_proxies: self.trusted_proxy,
            operators: self.operators.into_iter().collect(),
            open: (!is_asked).then_some(open),
            base_path: if self.base_path.is_empty() { "/".to_owned() } else { self.base_path },
            sessions: Sessions::default(),
            failures: Failures::default(),
            has_warned: false.into(),
        })
    }
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
