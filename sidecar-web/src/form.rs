//! Reading the form that a request brings.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;

use crate::error::PageError;

/// A form that has not come by then is given up.
const FORM_LIMIT: Duration = Duration::from_secs(10);

/// The bytes of a form of `max_bytes` at most.
///
/// # Errors
/// 413 where it is longer, 408 where it does not come in time, 400 where it is cut off or is not
/// what its header says.
pub async fn read(form: Body, max_bytes: usize) -> Result<Bytes, PageError> {
    let too_large = || PageError::too_large(format!("a form may have {max_bytes} bytes"));
    // Said before anything is read, where the request itself says how much it brings.
    if form.size_hint().lower() > max_bytes as u64 {
        return Err(too_large());
    }
    let form = Limited::new(form, max_bytes).collect();
    match tokio::time::timeout(FORM_LIMIT, form).await {
        Ok(Ok(form)) => Ok(form.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(PageError::bad_request(format!("the form can't be read: {error}"))),
        Err(_) => Err(PageError::timeout("the form did not come in time")),
    }
}
