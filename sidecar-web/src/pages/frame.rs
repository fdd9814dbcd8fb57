//! What stands around every page: which assets it loads, in which colours, in whose language and
//! time.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::assets;
use crate::graph::theme::Theme;
use crate::languages::{self, Texts};
use crate::request_headers::cookie;

/// Keeps the chosen theme in the browser, which has it sent with each request, so that a page
/// comes in its colours at once.
const THEME_COOKIE: &str = "kurado_theme";

/// The theme that the reader chose; `None` leaves it to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenTheme(pub Option<Theme>);

impl ChosenTheme {
    /// What the cookie says. Anything but a theme is no choice.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        Self(cookie(headers, THEME_COOKIE).and_then(|value| Theme::parse(value).ok()))
    }
}

impl<S: Sync> FromRequestParts<S> for ChosenTheme {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

/// For the template around every page.
pub struct Frame {
    /// Of the assets.
    pub version: &'static str,
    /// `light`, `dark`, or both where the system decides.
    pub color_scheme: &'static str,
    /// `auto`, `light` or `dark`.
    pub theme: &'static str,
    /// What it says.
    pub text: &'static Texts,
    /// `auto`, or the language's tag.
    pub language: &'static str,
    /// The zone of all times as browsers take it: its name, else what it is ahead of UTC now.
    pub zone: String,
}

impl Frame {
    /// In the colours that were chosen, and in the language of who asks.
    #[must_use]
    pub fn new(ChosenTheme(theme): ChosenTheme, zone: &TimeZone) -> Self {
        Self {
            version: &assets::VERSION,
            color_scheme: theme.map_or("light dark", Theme::name),
            theme: theme.map_or("auto", Theme::name),
            text: languages::text(),
            language: languages::chosen().unwrap_or("auto"),
            zone: name_of(zone),
        }
    }

    /// What may be chosen as theme, and how it is called.
    #[must_use]
    pub fn themes(&self) -> [(&'static str, &'static str); 3] {
        let Texts { auto, light, dark, .. } = self.text;
        [("auto", auto), (Theme::Light.name(), light), (Theme::Dark.name(), dark)]
    }
}

/// What a page says at its top: something keeps it from showing all.
#[derive(Serialize)]
pub struct Notice {
    /// In the reader's language.
    pub text: &'static str,
    /// What is the matter exactly, in English, as the log has it.
    pub detail: String,
}

fn name_of(zone: &TimeZone) -> String {
    match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => Timestamp::now().to_zoned(zone.clone()).strftime("%:z").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn a_zone_without_a_name_is_said_by_its_offset() {
        assert_eq!(name_of(&TimeZone::UTC), "UTC");
        assert_eq!(name_of(&TimeZone::posix("JST-9").unwrap()), "+09:00");
    }

    #[test]
    fn the_theme_is_what_the_cookie_says_and_open_where_it_says_nothing_known() {
        for (cookie, theme) in [
            ("kurado_theme=dark", Some(Theme::Dark)),
            ("a=b; kurado_theme=light; c=d", Some(Theme::Light)),
            ("kurado_theme=pink", None),
            ("kurado_theme", None),
            ("not_kurado_theme=dark", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, cookie.parse().unwrap());
            assert_eq!(ChosenTheme::read(&headers), ChosenTheme(theme), "{cookie}");
        }
    }
}
