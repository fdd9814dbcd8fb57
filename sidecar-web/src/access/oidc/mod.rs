//! Logins by an OpenID Connect provider: authorization code with PKCE, and an ID token that is
//! verified before it is believed.

mod claims;
pub mod flags;
mod http_client;
mod logins;
pub mod pages;
mod provider;

use std::sync::Arc;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreResponseType,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError,
    ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IdTokenFields, LogoutRequest, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope,
    StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Role, hex, random};
use crate::error::PageError;
use crate::languages;
use crate::parameters::{Parameters, quoted};
use claims::ClaimNames;
use flags::Secret;
use logins::Logins;
use provider::{Provider, with_causes};

/// A longer ID token is not kept for the log out, in bytes.
const MAX_KEPT_TOKEN: usize = 8 << 10;

/// The claims that the standard does not know.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct OtherClaims {
    #[serde(flatten)]
    claims: Map<String, Json>,
}

impl AdditionalClaims for OtherClaims {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        OtherClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type Client = openidconnect::Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// One provider, and who of its users may do what.
pub struct Oidc {
    name: String,
    client_id: ClientId,
    secret: Option<Secret>,
    scopes: Vec<String>,
    claim_names: ClaimNames,
    /// Where the provider sends browsers back to.
    redirect: RedirectUrl,
    /// Where it sends them to after they have logged out.
    after_log_out: PostLogoutRedirectUrl,
    provider: Provider,
    logins: Logins,
}

/// Who comes back from the provider.
struct Arrival {
    name: String,
    /// `None` where no role allows anything.
    role: Option<Role>,
    /// The page that was asked for.
    next: String,
    /// By which the provider knows whom to log out.
    id_token: Option<String>,
}

impl Oidc {
    /// What the button says behind "Sign in with".
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the provider can't be asked now.
    pub async fn is_away(&self) -> bool {
        self.provider.metadata().await.is_err()
    }

    /// What is told where the provider can't be asked.
    fn away(&self) -> PageError {
        PageError::unavailable((languages::text().provider_away)(&self.name)).translated()
    }

    /// Begins a login of the browser that has this secret; gives the provider's page.
    async fn begin(&self, browser: &str, next: &str) -> Result<String, PageError> {
        let metadata = self.provider.metadata().await.map_err(|_| self.away())?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let [state, nonce] = [random::<32>(), random()]
            .map(|bytes| bytes.map(|bytes| hex(&bytes)).map_err(PageError::internal));
        let (state, nonce) = (CsrfToken::new(state?), Nonce::new(nonce?));
        let (asked_state, asked_nonce) = (state.clone(), nonce.clone());
        let client = self.client(&metadata)?;
        let (address, ..) = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || asked_state,
                || asked_nonce,
            )
            .add_scopes(self.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            .url();
        self.logins.begin(state.into_secret(), browser, nonce, verifier, next);
        Ok(address.into())
    }

    /// Ends a login with what the provider gave the browser.
    async fn finish(
        &self,
        browser: Option<&str>,
        parameters: &Parameters,
    ) -> Result<Arrival, PageError> {
        let state = parameters.get("state").unwrap_or_default();
        let login = browser.and_then(|browser| self.logins.take(state, browser));
        let login = login.ok_or_else(|| {
            PageError::bad_request(languages::text().sign_in_has_ended).translated()
        })?;
        if let Some(error) = parameters.get("error") {
            let description = parameters.get("error_description").unwrap_or_default();
            let (error, description) = (quoted(error), quoted(description));
            tracing::warn!(%error, %description, "the OIDC provider signed nobody in");
            let between = if description.is_empty() { "" } else { ": " };
            return Err(PageError::forbidden(format!(
                "{} did not sign you in ({error}{between}{description})",
                self.name
            )));
        }
        let mut metadata = self.provider.metadata().await.map_err(|_| self.away())?;
        if parameters.get("iss").is_some_and(|issuer| issuer != metadata.issuer().as_str()) {
            return Err(self.refused("the answer is another provider's"));
        }
        let code = AuthorizationCode::new(parameters.required("code")?.to_owned());
        let client = self.client(&metadata)?;
        let asked = client.exchange_code(code).map_err(|error| self.refused(&error.to_string()))?;
        let asked = asked.set_pkce_verifier(login.verifier).request_async(&self.provider.http);
        let tokens: Tokens = match asked.await {
            Ok(tokens) => tokens,
            Err(RequestTokenError::Request(fault)) => {
                tracing::warn!("a login by OIDC failed: {fault}");
                return Err(self.away());
            }
            // The causes would quote the answer, which may have tokens in it.
            Err(error) => return Err(self.refused(&quoted(&error.to_string()))),
        };
        let token = tokens.id_token().ok_or_else(|| self.refused("it gave no ID token"))?;
        let mut claims = token.claims(&client.id_token_verifier(), &login.nonce);
        let client_of_now;
        if let Err(ClaimsVerificationError::SignatureVerification(_)) = claims {
            // Keys change; those of now stand where the others stood.
            metadata = self.provider.other_than(&metadata).await.map_err(|_| self.away())?;
            client_of_now = self.client(&metadata)?;
            claims = token.claims(&client_of_now.id_token_verifier(), &login.nonce);
        }
        let claims = claims.map_err(|error| self.refused(&with_causes(&error)))?;
        let subject = claims.subject().clone();
        let mut claims = as_json(claims)?;
        if !self.claim_names.are_in(&claims)
            && let Ok(asked) = client.user_info(tokens.access_token().clone(), Some(subject))
        {
            // The crate makes a header of it, and panics where it can't.
            if !tokens.access_token().secret().bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(self.refused("its access token has characters that none may have"));
            }
            let more: UserInfoClaims<OtherClaims, CoreGenderClaim> =
                match asked.request_async(&self.provider.http).await {
                    Ok(more) => more,
                    Err(UserInfoError::Request(fault)) => {
                        tracing::warn!("a login by OIDC failed: {fault}");
                        return Err(self.away());
                    }
                    Err(error) => {
                        let why = format!("its user info: {}", quoted(&error.to_string()));
                        return Err(self.refused(&why));
                    }
                };
            add(&mut claims, as_json(&more)?);
        }
        let name = self.claim_names.user_name(&claims).map_err(|fault| self.refused(&fault))?;
        Ok(Arrival {
            name: name.to_owned(),
            role: self.claim_names.role(&claims),
            next: login.next,
            id_token: Some(token.to_string()).filter(|token| token.len() <= MAX_KEPT_TOKEN),
        })
    }

    /// The provider's page that logs out there as well, where it has one.
    pub async fn log_out_address(&self, id_token: Option<&str>) -> Option<String> {
        let metadata = self.provider.metadata().await.ok()?;
        let page = metadata.additional_metadata().end_session_endpoint.clone()?;
        let mut address = LogoutRequest::from(page)
            .set_client_id(self.client_id.clone())
            .set_post_logout_redirect_uri(self.after_log_out.clone())
            .http_get_url();
        if let Some(token) = id_token {
            address.query_pairs_mut().append_pair("id_token_hint", token);
        }
        Some(address.into())
    }

    fn client(&self, metadata: &Arc<ProviderMetadataWithLogout>) -> Result<Client, PageError> {
        let secret = self.secret.as_ref().map(Secret::read).transpose().map_err(|fault| {
            tracing::warn!("{fault}");
            self.away()
        })?;
        let ways = metadata.token_endpoint_auth_methods_supported();
        let takes = |way| ways.is_none_or(|ways| ways.contains(&way));
        let way = if takes(CoreClientAuthMethod::ClientSecretBasic)
            || !takes(CoreClientAuthMethod::ClientSecretPost)
        {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let secret = secret.map(ClientSecret::new);
        let metadata = ProviderMetadataWithLogout::clone(metadata);
        let client = Client::from_provider_metadata(metadata, self.client_id.clone(), secret);
        Ok(client.set_auth_type(way).set_redirect_uri(self.redirect.clone()))
    }

    /// Tells the log why, and the user that it was so.
    fn refused(&self, why: &str) -> PageError {
        tracing::warn!("a login by OIDC failed: {why}");
        PageError::forbidden(format!("what {} says of you can't be trusted: {why}", self.name))
    }
}

fn as_json(claims: &impl Serialize) -> Result<Json, PageError> {
    serde_json::to_value(claims).map_err(|error| PageError::internal(error.to_string()))
}

/// Adds the claims that are not there yet.
fn add(claims: &mut Json, more: Json) {
    if let (Json::Object(claims), Json::Object(more)) = (claims, more) {
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
    }
}
