//! What stands around every page: which assets it loads, in which colours and in whose time.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::assets;
use crate::graph::theme::Theme;

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
        let cookies =
            headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let chosen = cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(name, _)| *name == THEME_COOKIE)
            .and_then(|(_, value)| Theme::parse(value).ok());
        Self(chosen)
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
    /// The zone of all times as browsers take it: its name, else what it is ahead of UTC now.
    pub zone: String,
}

impl Frame {
    /// In the colours that were chosen.
    #[must_use]
    pub fn new(ChosenTheme(theme): ChosenTheme, zone: &TimeZone) -> Self {
        Self {
            version: &assets::VERSION,
            color_scheme: theme.map_or("light dark", Theme::name),
            theme: theme.map_or("auto", Theme::name),
            zone: name_of(zone),
        }
    }
}

fn name_of(zone: &TimeZone) -> String {
    match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => Timestamp::now().to_zoned(zone.clone()).strftime("%:z").to_string(),
    }
}

#[cfg(test)]
mod tests {
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
