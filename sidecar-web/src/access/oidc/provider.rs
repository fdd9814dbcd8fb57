//! What the provider says of itself: its addresses and the keys by which it signs.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Uri;
use openidconnect::{IssuerUrl, ProviderMetadataWithLogout};
use tokio::sync::Mutex;

use super::http_client::{HttpClient, check_address};
use crate::parameters::in_one_line;

/// What it said holds for so long; then it is asked again, when somebody wants to log in.
const METADATA_HOLDS: Duration = Duration::from_secs(60);

/// After a failure it is asked again so soon.
const FAULT_HOLDS: Duration = Duration::from_secs(2);

/// The provider, as it was found last.
pub struct Provider {
    issuer: IssuerUrl,
    /// Asks it.
    pub http: HttpClient,
    looked: Mutex<Option<Looked>>,
}

struct Looked {
    at: Instant,
    /// What it said last; the text of the fault where it did not.
    found: Result<Arc<ProviderMetadataWithLogout>, String>,
}

impl Provider {
    /// One that was not asked yet.
    ///
    /// # Errors
    /// Where the issuer breaks the rule for addresses, or TLS can't be set up.
    pub fn new(issuer: &str) -> Result<Self, String> {
        let fault = |fault| format!("--oidc-issuer: {fault}");
        check(issuer).map_err(fault)?;
        let issuer = IssuerUrl::new(issuer.to_owned())
            .map_err(|error| fault(format!("{issuer}: {error}")))?;
        Ok(Self { issuer, http: HttpClient::new()?, looked: Mutex::default() })
    }

    /// What it says of itself. The log has a line when a fault comes, and when it is over.
    ///
    /// # Errors
    /// Why it can't be asked, for the log.
    pub async fn metadata(&self) -> Result<Arc<ProviderMetadataWithLogout>, String> {
        // Held meanwhile, so that many who want to log in ask it once.
        let mut looked = self.looked.lock().await;
        if let Some(Looked { at, found }) = &*looked
            && at.elapsed() < if found.is_ok() { METADATA_HOLDS } else { FAULT_HOLDS }
        {
            return found.clone();
        }
        self.look(&mut looked).await
    }

    /// The same, asked again where it still is what was found before: its keys may have changed.
    ///
    /// # Errors
    /// As [`Self::metadata`].
    pub async fn other_than(
        &self,
        before: &Arc<ProviderMetadataWithLogout>,
    ) -> Result<Arc<ProviderMetadataWithLogout>, String> {
        let mut looked = self.looked.lock().await;
        match &*looked {
            Some(Looked { found: Ok(found), .. }) if !Arc::ptr_eq(found, before) => {
                Ok(Arc::clone(found))
            }
            _ => self.look(&mut looked).await,
        }
    }

    async fn look(
        &self,
        looked: &mut Option<Looked>,
    ) -> Result<Arc<ProviderMetadataWithLogout>, String> {
        let found = self.discover().await.map(Arc::new);
        let before = looked.as_ref().map(|looked| looked.found.as_ref().err());
        let issuer = self.issuer.as_str();
        match (&found, before) {
            (Ok(_), None | Some(Some(_))) => tracing::info!("OIDC provider {issuer} answers"),
            (Err(fault), before) if before != Some(Some(fault)) => {
                tracing::warn!(
                    "OIDC provider {issuer}: {fault}; nobody can log in by it meanwhile"
                );
            }
            _ => {}
        }
        *looked = Some(Looked { at: Instant::now(), found: found.clone() });
        found
    }

    async fn discover(&self) -> Result<ProviderMetadataWithLogout, String> {
        let issuer = self.issuer.clone();
        let discovered = ProviderMetadataWithLogout::discover_async(issuer, &self.http);
        let found = discovered.await.map_err(|error| with_causes(&error))?;
        // Browsers are sent to some of them.
        let token = found.token_endpoint().ok_or("its metadata has no token_endpoint")?.as_str();
        check(token)?;
        check(found.authorization_endpoint().as_str())?;
        found.userinfo_endpoint().map_or(Ok(()), |address| check(address.as_str()))?;
        let log_out = found.additional_metadata().end_session_endpoint.as_ref();
        log_out.map_or(Ok(()), |address| check(address.as_str()))?;
        Ok(found)
    }
}

fn check(address: &str) -> Result<(), String> {
    let uri = address
        .parse::<Uri>()
        .map_err(|error| format!("{}: {error}", in_one_line(address, MAX_FAULT)))?;
    check_address(&uri)
}

/// Longest text of an error, in characters: it may quote what the provider sent.
const MAX_FAULT: usize = 500;

/// An error and what led to it, the last the nearest to the cause; short, and one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    in_one_line(&text, MAX_FAULT)
}
