//! In which language a page speaks: the one that its reader chose, else the one that the browser
//! asks for, else English. A language is one file here: all its [`Texts`].

mod en;
mod ja;
mod texts;
mod zh;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::request_headers::cookie;
pub use texts::{Alt, Texts, With};

/// All of them; where nobody asks for another, the first.
pub static ALL: [&Texts; 3] = [&en::TEXTS, &ja::TEXTS, &zh::TEXTS];

/// Keeps the chosen language in the browser, which has it sent with each request.
const COOKIE: &str = "kurado_language";

/// Languages of a header that are looked at; no browser sends as many.
const MAX_ASKED: usize = 64;

/// What the answers that have a language depend on.
pub const VARY: &str = "accept-language, cookie";

/// The language of one request.
#[derive(Clone, Copy)]
struct Spoken {
    text: &'static Texts,
    is_chosen: bool,
}

tokio::task_local! {
    static SPOKEN: Spoken;
}

/// The texts for who asks for the page that is made just now. A task that a page spawns knows
/// nothing of that: it must be given them.
#[must_use]
pub fn text() -> &'static Texts {
    SPOKEN.try_with(|spoken| spoken.text).unwrap_or(ALL[0])
}

/// The tag of the language that the reader chose; `None` leaves it to the browser.
#[must_use]
pub fn chosen() -> Option<&'static str> {
    SPOKEN.try_with(|spoken| spoken.is_chosen.then_some(spoken.text.tag)).unwrap_or_default()
}

/// Finds out the language, for all that is inside.
pub async fn speak(request: Request, next: Next) -> Response {
    let spoken = Spoken::of(request.headers());
    SPOKEN.scope(spoken, next.run(request)).await
}

impl Spoken {
    fn of(headers: &HeaderMap) -> Self {
        let chosen = cookie(headers, COOKIE)
            .and_then(|value| ALL.into_iter().find(|text| text.tag == value));
        let text = chosen.unwrap_or_else(|| asked_for(headers));
        Self { text, is_chosen: chosen.is_some() }
    }
}

/// The one of our languages that header `Accept-Language` likes best. Each variety of a language
/// (`zh-TW`) is content with ours; of two that are liked as much, the one named first.
fn asked_for(headers: &HeaderMap) -> &'static Texts {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|v| v.to_str().ok());
    let asked: Vec<(&str, u16)> =
        lines.flat_map(|line| line.split(',')).take(MAX_ASKED).filter_map(liking).collect();
    let best = |language: &str| {
        let named =
            asked.iter().enumerate().filter(|(_, (name, _))| name.eq_ignore_ascii_case(language));
        // The greater, and of these the first.
        named.map(|(place, (_, liking))| (*liking, usize::MAX - place)).max()
    };
    let others = best("*");
    let liked = ALL.into_iter().rev().filter_map(|text| {
        let rank = best(primary(text.tag)).or(others)?;
        (rank.0 > 0).then_some((rank, text))
    });
    liked.max_by_key(|(rank, _)| *rank).map_or(ALL[0], |(_, text)| text)
}

/// A language of the header without its variety, and how much it is liked, in thousandths; `None`
/// of what breaks the header's rules.
fn liking(range: &str) -> Option<(&str, u16)> {
    let (tag, rest) = range.split_once(';').unwrap_or((range, ""));
    let quality = match rest.trim() {
        "" => 1.0,
        rest => rest.strip_prefix("q=").or(rest.strip_prefix("Q="))?.parse::<f32>().ok()?,
    };
    (0.0..=1.0).contains(&quality).then_some((primary(tag.trim()), (quality * 1000.0) as u16))
}

/// The language of a tag without its variety: `zh` of `zh-Hans`.
fn primary(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(headers: &[(&'static str, &str)]) -> &'static str {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Spoken::of(&map).text.tag
    }

    #[test]
    fn a_browser_gets_the_language_that_it_likes_best_of_ours() {
        for (asked, tag) in [
            ("ja", "ja"),
            ("ja-JP", "ja"),
            ("JA-jp,en;q=0.8", "ja"),
            ("zh-TW", "zh-Hans"),
            ("zh-Hans-CN, en;q=0.9", "zh-Hans"),
            ("fr, de;q=0.9", "en"),
            ("fr, zh;q=0.2, ja;q=0.3", "ja"),
            ("en;q=0.5, ja;q=0.51", "ja"),
            ("ja, en", "ja"),
            ("en, ja", "en"),
            ("zh-TW;q=0.1, ja;q=0.5, zh;q=0.9", "zh-Hans"),
            ("*", "en"),
            ("fr, *;q=0.5", "en"),
            ("ja;q=0.5, *", "en"),
            ("ja, *;q=0.5", "ja"),
            ("en;q=0, *", "ja"),
            ("en;q=0", "en"),
            ("ja;q=0, fr", "en"),
            ("ja; q=0.9 , en;q=0.1", "ja"),
            ("", "en"),
        ] {
            assert_eq!(spoken(&[("accept-language", asked)]), tag, "{asked}");
        }
        assert_eq!(spoken(&[]), "en");
        assert_eq!(spoken(&[("accept-language", "fr"), ("accept-language", "ja")]), "ja");
    }

    #[test]
    fn what_breaks_the_rules_of_the_header_is_passed_over() {
        for asked in [
            "ja;q=2",
            "ja;q=-1",
            "ja;q=x",
            "ja;q=NaN",
            "ja;q=inf",
            "ja;level=1",
            ",,,;;;===",
            "japanese",
            &format!("{},ja", "fr,".repeat(MAX_ASKED)),
        ] {
            assert_eq!(spoken(&[("accept-language", asked)]), "en", "{asked}");
        }
        assert_eq!(spoken(&[("accept-language", "en;q=2, ja;q=0.1")]), "ja");
        let long = format!("{},ja", "x".repeat(100_000));
        assert_eq!(spoken(&[("accept-language", &long)]), "ja");
    }

    #[test]
    fn what_the_reader_chose_wins_and_anything_else_in_the_cookie_is_no_choice() {
        for (cookie, tag) in [
            ("kurado_language=zh-Hans", "zh-Hans"),
            ("a=b; kurado_language=en; c=d", "en"),
            ("kurado_language=auto", "ja"),
            ("kurado_language=", "ja"),
            ("kurado_language=<script>", "ja"),
            ("kurado_language", "ja"),
            ("not_kurado_language=en", "ja"),
        ] {
            assert_eq!(spoken(&[("cookie", cookie), ("accept-language", "ja")]), tag, "{cookie}");
        }
    }
}
