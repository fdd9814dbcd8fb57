//! `GET /readyz`: whether pages can show data now, for what sends people here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;

use crate::app::App;
use crate::error::PageError;

/// 200, or 503 with the reasons, one a line. A fault in changed files is none: the configuration of
/// before shows data.
pub async fn page(State(app): State<Arc<App>>) -> Result<impl IntoResponse, PageError> {
    let mut reasons = Vec::new();
    if let Err(away) = app.redis.data_dir().await {
        reasons.push(away.to_string());
    }
    if app.outputs.live_workers() == 0 {
        reasons.push("no render worker lives; the log says why".to_owned());
    }
    if reasons.is_empty() {
        Ok(([(CACHE_CONTROL, "no-store")], "ready\n"))
    } else {
        Err(PageError::unavailable(reasons.join("\n")))
    }
}
