//! The style sheet, the scripts and the icon: part of the program, so that no page needs another
//! host or a file beside it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::error::PageError;

/// Names and texts. The scripts are modules that import each other by relative address, so each
/// comes from below the same version.
const FILES: &[(&str, &str)] = &[
    ("icon.svg", include_str!("../assets/icon.svg")),
    ("kurado.css", include_str!("../assets/kurado.css")),
    ("early.js", include_str!("../assets/scripts/early.js")),
    ("alts.js", include_str!("../assets/scripts/alts.js")),
    ("checked.js", include_str!("../assets/scripts/checked.js")),
    ("copy.js", include_str!("../assets/scripts/copy.js")),
    ("filter.js", include_str!("../assets/scripts/filter.js")),
    ("header.js", include_str!("../assets/scripts/header.js")),
    ("help.js", include_str!("../assets/scripts/help.js")),
    ("hover.js", include_str!("../assets/scripts/hover.js")),
    ("main.js", include_str!("../assets/scripts/main.js")),
    ("move.js", include_str!("../assets/scripts/move.js")),
    ("numbers.js", include_str!("../assets/scripts/numbers.js")),
    ("number_format.js", include_str!("../assets/scripts/number_format.js")),
    ("options.js", include_str!("../assets/scripts/options.js")),
    ("pictures.js", include_str!("../assets/scripts/pictures.js")),
    ("place.js", include_str!("../assets/scripts/place.js")),
    ("problems.js", include_str!("../assets/scripts/problems.js")),
    ("refresh.js", include_str!("../assets/scripts/refresh.js")),
    ("statuses.js", include_str!("../assets/scripts/statuses.js")),
    ("storage.js", include_str!("../assets/scripts/storage.js")),
    ("theme.js", include_str!("../assets/scripts/theme.js")),
    ("times.js", include_str!("../assets/scripts/times.js")),
    ("zoom.js", include_str!("../assets/scripts/zoom.js")),
];

/// Stands in the assets' addresses, so that a browser may keep them until they change.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    format!("{:08x}", hasher.finish() >> 32)
});

/// `GET /assets/VERSION/NAME`. Of another version than ours, which a page from before an upgrade
/// may ask for, ours is answered, but not to be kept.
///
/// # Errors
/// 404 where there is no such file.
pub async fn asset(Path((version, name)): Path<(String, String)>) -> Result<Response, PageError> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    let (name, text) = found.ok_or_else(|| PageError::not_found("there is no such asset"))?;
    let kept = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(([(CONTENT_TYPE, content_type(name)), (CACHE_CONTROL, kept)], *text).into_response())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    }
}
