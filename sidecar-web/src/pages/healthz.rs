//! `GET /healthz`: whether this process serves. Redis may be away, and pages still come.

/// The answer is always the same: that it comes says all.
pub async fn page() -> &'static str {
    "ok\n"
}
