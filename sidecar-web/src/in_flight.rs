//! A bound on what waits to be sent: a client may ask for much, on many streams of many connections,
//! and take none of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::PageError;

/// All answers that are under way are so long at most, in KiB: some hundred lists of thousands of hosts.
const MAX_KIB: usize = 256 << 10;

/// So much is handed on at once, in bytes. What the client's window has no room for then waits here,
/// where it counts.
const AT_ONCE: usize = 16 << 10;

/// What may still wait to be sent.
#[derive(Clone)]
pub struct InFlight(Arc<Semaphore>);

impl Default for InFlight {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_KIB)))
    }
}

/// Lets an answer go where there is room for it; else 503, as much is wanted and little taken.
pub async fn bound(
    State(InFlight(room)): State<InFlight>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = next.run(request).await.into_parts();
    // Ours are whole before they are sent.
    let kib = body.size_hint().lower().div_ceil(1 << 10);
    let permit = u32::try_from(kib).ok().and_then(|kib| room.try_acquire_many_owned(kib).ok());
    match permit {
        Some(permit) => {
            let rest = Bytes::new();
            Response::from_parts(head, Body::new(Counted { body, rest, _permit: permit }))
        }
        None => PageError::unavailable(format!(
            "answers of {} MiB wait until those who asked take them; try again in a moment",
            MAX_KIB >> 10
        ))
        .into_response(),
    }
}

/// A body that counts as long as it is there.
struct Counted {
    body: Body,
    /// Of a piece that was longer than what is handed on at once.
    rest: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let length = self.rest.len().min(AT_ONCE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn what_nobody_takes_has_a_bound_and_makes_room_when_it_is_taken_or_given_up() {
        let page = || async { "x".repeat(1 << 20) };
        let site = Router::new()
            .route("/", get(page))
            .layer(from_fn_with_state(InFlight::default(), bound));
        let ask = || site.clone().oneshot(Request::new(Body::empty()));
        let mut waiting = Vec::new();
        for _ in 0..MAX_KIB >> 10 {
            let answer = ask().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.body().size_hint().exact(), Some(1 << 20));
            waiting.push(answer);
        }
        assert_eq!(ask().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        // Taken in pieces, so that none waits uncounted elsewhere.
        let mut body = waiting.pop().unwrap().into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= AT_ONCE);
            length += data.len();
        }
        assert_eq!(length, 1 << 20);
        drop(body);
        let again = ask().await.unwrap();
        assert_eq!(again.status(), StatusCode::OK);
        assert_eq!(ask().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(again);
        assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    }
}
