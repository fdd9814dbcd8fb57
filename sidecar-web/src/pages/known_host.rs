//! The host whose data an operator deletes or renames.

use std::fmt;

use crate::app::App;
use crate::error::PageError;
use crate::languages;
use crate::parameters::{Parameters, quoted};

/// One of the configuration, or one that Redis knows.
pub struct KnownHost<'a> {
    /// Its address.
    pub address: String,
    /// As the configuration has it; none of a host that is in no service.
    pub hostname: Option<&'a str>,
}

impl<'a> KnownHost<'a> {
    /// That which the parameter `address` names.
    ///
    /// # Errors
    /// 400 where it is missing, 404 where nobody knows it, 503 where Redis is away.
    pub async fn read(app: &'a App, parameters: &Parameters) -> Result<Self, PageError> {
        let address = parameters.required("address")?;
        let configured = app.site.host(address);
        if configured.is_none() {
            let all = app.redis.all_hosts().await;
            let all = all.map_err(|away| PageError::unavailable(away.to_string()))?;
            if !all.contains_key(address) {
                return Err(PageError::not_found(format!(
                    "address '{}' is of no host of the configuration, and none that pushes",
                    quoted(address)
                )));
            }
        }
        let hostname = configured.map(|host| host.hostname.as_str());
        Ok(Self { address: address.to_owned(), hostname })
    }

    /// Checks that the parameter `confirm` has the address once more.
    ///
    /// # Errors
    /// 400 where it has not.
    pub fn check_confirmed(&self, form: &Parameters) -> Result<(), PageError> {
        let (confirmed, address) = (form.required("confirm")?, &self.address);
        if confirmed.trim() == address {
            return Ok(());
        }
        let text = (languages::text().confirm_differs)(&quoted(confirmed), address);
        Err(PageError::bad_request(text).translated())
    }
}

/// As headings name it: by its name, where it has one, and its address.
impl fmt::Display for KnownHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hostname) = self.hostname {
            write!(f, "{hostname}, ")?;
        }
        f.write_str(&self.address)
    }
}
