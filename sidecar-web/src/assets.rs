//! The style sheet, the scripts and the icon: part of the program, so that no page needs another
//! host or a file beside it.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::PageError;

/// Names and texts. The scripts are modules that import each other by relative address, so each
/// comes from below the same version.
const FILES: &[(&str, &str)] = &[
    ("icon.svg", include_str!("../assets/icon.svg")),
    ("kurado.css", include_str!("../assets/kurado.css")),
    ("early.js", include_str!("../assets/scripts/early.js")),
    ("alts.js", include_str!("../assets/scripts/alts.js")),
    ("checked.js", include_str!("../assets/scripts/checked.js")),
    ("cookies.js", include_str!("../assets/scripts/cookies.js")),
    ("copy.js", include_str!("../assets/scripts/copy.js")),
    ("filter.js", include_str!("../assets/scripts/filter.js")),
    ("header.js", include_str!("../assets/scripts/header.js")),
    ("help.js", include_str!("../assets/scripts/help.js")),
    ("hover.js", include_str!("../assets/scripts/hover.js")),
    ("main.js", include_str!("../assets/scripts/main.js")),
    ("move.js", include_str!("../assets/scripts/move.js")),
    ("numbers.js", include_str!("../assets/scripts/numbers.js")),
    ("notices.js", include_str!("../assets/scripts/notices.js")),
    ("number_format.js", include_str!("../assets/scripts/number_format.js")),
    ("options.js", include_str!("../assets/scripts/options.js")),
    ("pictures.js", include_str!("../assets/scripts/pictures.js")),
    ("pipeline.js", include_str!("../assets/scripts/pipeline.js")),
    ("place.js", include_str!("../assets/scripts/place.js")),
    ("problems.js", include_str!("../assets/scripts/problems.js")),
    ("range.js", include_str!("../assets/scripts/range.js")),
    ("refresh.js", include_str!("../assets/scripts/refresh.js")),
    ("statuses.js", include_str!("../assets/scripts/statuses.js")),
    ("storage.js", include_str!("../assets/scripts/storage.js")),
    ("texts.js", include_str!("../assets/scripts/texts.js")),
    ("times.js", include_str!("../assets/scripts/times.js")),
    ("zoom.js", include_str!("../assets/scripts/zoom.js")),
];

/// Stands in the assets' addresses, so that a browser may keep them until they change.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    format!("{:08x}", hasher.finish() >> 32)
});

/// The files as gzip, made once, by their names; none of one that can't be.
static COMPRESSED: LazyLock<HashMap<&str, Bytes>> = LazyLock::new(|| {
    let compressed = |(name, text): &(&'static str, &str)| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text.as_bytes()).ok()?;
        Some((*name, gzip.finish().ok()?.into()))
    };
    FILES.iter().filter_map(compressed).collect()
});

/// `GET /assets/VERSION/NAME`. Of another version than ours, which a page from before an upgrade
/// may ask for, ours is answered, but not to be kept.
///
/// # Errors
/// 404 where there is no such file.
pub async fn asset(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    let (name, text) = found.ok_or_else(|| PageError::not_found("there is no such asset"))?;
    let kept = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    let compressed = COMPRESSED.get(name).filter(|_| takes_gzip(&headers));
    let mut answer = match compressed {
        Some(gzip) => ([(CONTENT_ENCODING, "gzip")], gzip.clone()).into_response(),
        None => (*text).into_response(),
    };
    let out = answer.headers_mut();
    for (name, value) in
        [(CONTENT_TYPE, content_type(name)), (CACHE_CONTROL, kept), (VARY, "accept-encoding")]
    {
        out.insert(name, HeaderValue::from_static(value));
    }
    Ok(answer)
}

/// Whether a client says that it takes gzip, as all browsers do; one that gives it weights gets what
/// the layer for all texts makes of that.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim() == "gzip")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    }
}
