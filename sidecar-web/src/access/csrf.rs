//! Forms that change something are taken from our own pages only: the browser must not say that
//! another site sends it, and the form must bring the secret that stands in a cookie.

use axum::http::{HeaderMap, header};

use super::{hex, random};
use crate::error::PageError;
use crate::languages;

/// Length of the secret, in bytes.
const LENGTH: usize = 16;

/// What a browser's forms must bring.
#[derive(Clone, PartialEq, Eq)]
pub struct CsrfToken([u8; LENGTH]);

impl CsrfToken {
    /// A new one.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new() -> Result<Self, String> {
        random().map(Self)
    }

    /// As the cookie has it.
    pub fn read(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }

    /// For the cookie.
    pub fn cookie(&self) -> String {
        hex(&self.0)
    }

    /// For a form, masked anew each time: in a compressed page its length says nothing.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn masked(&self) -> Result<String, String> {
        let mask = random::<LENGTH>()?;
        let masked: Vec<u8> = mask.iter().zip(self.0).map(|(mask, byte)| mask ^ byte).collect();
        Ok(hex(&mask) + &hex(&masked))
    }

    /// Whether a form brings it.
    fn is_in(&self, form: &str) -> bool {
        let Some(bytes) = unhex(form).filter(|bytes| bytes.len() == 2 * LENGTH) else {
            return false;
        };
        let (mask, masked) = bytes.split_at(LENGTH);
        let unmasked = mask.iter().zip(masked).map(|(mask, byte)| mask ^ byte);
        // All bytes are looked at, so that the time says nothing.
        unmasked.zip(self.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

/// Holds a request that changes something against the rules.
///
/// # Errors
/// 403 that says which one it breaks.
pub fn check(
    headers: &HeaderMap,
    cookie: Option<&CsrfToken>,
    form: Option<&str>,
) -> Result<(), PageError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site")
        && !["same-origin", "none"].contains(&site)
    {
        return Err(PageError::forbidden("another site's page sent this form"));
    }
    // A proxy may ask us by another name than the browser asked it: then the browser says whose
    // page it is by Sec-Fetch-Site.
    if headers.get("sec-fetch-site").is_none()
        && let (Some(origin), Some(host)) = (text(header::ORIGIN.as_str()), text("host"))
        && origin.split_once("://").map(|(_, host)| host) != Some(host)
    {
        return Err(PageError::forbidden("another site's page sent this form"));
    }
    let (Some(cookie), Some(form)) = (cookie, form) else {
        return Err(PageError::forbidden(languages::text().form_is_old).translated());
    };
    if cookie.is_in(form) {
        Ok(())
    } else {
        Err(PageError::forbidden(languages::text().form_is_another).translated())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() > 4 * LENGTH {
        return None;
    }
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            pair.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_brings_its_secret_in_another_form_each_time_and_no_other_will_do() {
        let (token, other) = (CsrfToken::new().unwrap(), CsrfToken::new().unwrap());
        assert_ne!(token.masked().unwrap(), token.masked().unwrap());
        assert!(CsrfToken::read(&token.cookie()).unwrap() == token);
        assert!(token.is_in(&token.masked().unwrap()));
        assert!(!token.is_in(&other.masked().unwrap()));
        for text in
            ["", "0", "zz", "+1", &"0".repeat(63), &"0".repeat(65), "ééééé", &token.cookie()]
        {
            assert!(!token.is_in(text), "{text}");
        }
    }
}
