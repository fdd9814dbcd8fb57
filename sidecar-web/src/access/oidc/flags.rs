//! The options that name an OpenID Connect provider.

use std::path::PathBuf;

use axum::http::Uri;
use openidconnect::{ClientId, PostLogoutRedirectUrl, RedirectUrl};

use super::Oidc;
use super::claims::ClaimNames;
use super::logins::Logins;
use super::provider::Provider;

/// The environment variable of the client's secret: arguments show in `ps`.
const SECRET_VARIABLE: &str = "KURADO_OIDC_CLIENT_SECRET";

/// The options that name an OpenID Connect provider.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct OidcFlags {
    /// Lets people sign in with this OpenID Connect provider, as https://id.example/realms/main; its
    /// metadata stand below /.well-known/openid-configuration.
    #[arg(long, value_name = "URL", requires_all = ["oidc_client_id", "external_url"])]
    pub oidc_issuer: Option<String>,
    /// As what the provider knows this web. A client with a secret has it in
    /// KURADO_OIDC_CLIENT_SECRET, or in --oidc-client-secret-file.
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    pub oidc_client_id: Option<String>,
    /// The file with the client's secret; it is read at each login.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// What the button says behind "Sign in with" [default: the provider's host].
    #[arg(long, value_name = "NAME", requires = "oidc_issuer")]
    pub oidc_name: Option<String>,
    /// What is asked of the provider.
    #[arg(long, value_name = "SCOPES", default_value = "openid profile email")]
    pub oidc_scopes: String,
    /// The claim that names the user [default: the first of preferred_username, email and sub].
    #[arg(long, value_name = "CLAIM", requires = "oidc_issuer")]
    pub oidc_user_claim: Option<String>,
    /// The claim with the user's roles, a text or a list; a dot leads into a claim, as in
    /// realm_access.roles.
    #[arg(long, value_name = "CLAIM", default_value = "roles")]
    pub oidc_role_claim: String,
    /// The role of those who may look; may be given more than once.
    #[arg(long, value_name = "ROLE", default_value = "viewer")]
    pub oidc_viewer: Vec<String>,
    /// The role of operators; may be given more than once.
    #[arg(long, value_name = "ROLE", default_value = "operator")]
    pub oidc_operator: Vec<String>,
}

/// Where the client's secret is.
pub enum Secret {
    /// It was in the environment.
    Text(String),
    /// In a file, which may change.
    File(PathBuf),
}

impl Secret {
    /// The secret.
    ///
    /// # Errors
    /// Where there is none; the text names the file.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => {
                let fault =
                    |why: String| format!("--oidc-client-secret-file {}: {why}", path.display());
                let text = std::fs::read_to_string(path).map_err(|e| fault(e.to_string()))?;
                let text = text.trim_end_matches(['\r', '\n']);
                if text.is_empty() {
                    return Err(fault("it is empty".to_owned()));
                }
                Ok(text.to_owned())
            }
        }
    }
}

impl OidcFlags {
    /// What they say, for pages that browsers see below this address; `None` where they name no
    /// provider.
    ///
    /// # Errors
    /// Where a value breaks a rule, or the secret can't be read.
    pub fn oidc(self, external_url: Option<&Uri>) -> Result<Option<Oidc>, String> {
        let (Some(issuer), Some(client_id), Some(external)) =
            (self.oidc_issuer, self.oidc_client_id, external_url)
        else {
            return Ok(None);
        };
        let in_variable = std::env::var(SECRET_VARIABLE).ok().filter(|text| !text.is_empty());
        let in_file = self.oidc_client_secret_file.map(Secret::File);
        let secret = in_file.or(in_variable.map(Secret::Text));
        if let Some(secret) = &secret {
            secret.read()?;
        }
        let page = |name| format!("{}/{name}", external.to_string().trim_end_matches('/'));
        let fault = |error| format!("--external-url {external}: {error}");
        let host = issuer.parse().ok().and_then(|uri: Uri| uri.host().map(ToOwned::to_owned));
        Ok(Some(Oidc {
            name: self.oidc_name.or(host).unwrap_or_default(),
            client_id: ClientId::new(client_id),
            secret,
            scopes: self
                .oidc_scopes
                .split_whitespace()
                // This one is asked for always.
                .filter(|scope| *scope != "openid")
                .map(ToOwned::to_owned)
                .collect(),
            claim_names: ClaimNames {
                user: self.oidc_user_claim,
                role: self.oidc_role_claim,
                viewers: self.oidc_viewer,
                operators: self.oidc_operator,
            },
            redirect: RedirectUrl::new(page("oidc-callback")).map_err(fault)?,
            after_log_out: PostLogoutRedirectUrl::new(page("login")).map_err(fault)?,
            provider: Provider::new(&issuer)?,
            logins: Logins::default(),
        }))
    }
}
