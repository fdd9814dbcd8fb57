//! Counts of what was asked and how long it took, by route: as many as there are routes and statuses.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

/// Upper ends of the histogram's buckets, in seconds.
const BUCKETS: [f64; 8] = [0.002, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The route of requests to which none fits.
const NO_ROUTE: &str = "none";

/// What was asked since the start.
#[derive(Default)]
pub struct Traffic(Mutex<BTreeMap<String, Route>>);

#[derive(Default)]
struct Route {
    statuses: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    seconds: f64,
}

impl Traffic {
    fn note(&self, route: &str, status: u16, took: Duration) {
        let mut routes = self.lock();
        if !routes.contains_key(route) {
            routes.insert(route.to_owned(), Route::default());
        }
        let Some(route) = routes.get_mut(route) else { return };
        *route.statuses.entry(status).or_default() += 1;
        let seconds = took.as_secs_f64();
        route.seconds += seconds;
        if let Some(at) = BUCKETS.iter().position(|end| seconds <= *end) {
            route.buckets[at] += 1;
        }
    }

    /// Adds the counts in the text format of Prometheus.
    pub fn write(&self, out: &mut String) {
        let routes = self.lock();
        let name = "kurado_web_requests_total";
        let _ = writeln!(out, "# HELP {name} Requests answered.\n# TYPE {name} counter");
        for (route, counts) in &*routes {
            for (status, count) in &counts.statuses {
                let _ = writeln!(out, "{name}{{route=\"{route}\",status=\"{status}\"}} {count}");
            }
        }
        let name = "kurado_web_request_duration_seconds";
        let help = "From a request's header to that of its answer.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (route, counts) in &*routes {
            let mut sum = 0;
            for (end, count) in BUCKETS.iter().zip(counts.buckets) {
                sum += count;
                let _ = writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"{end}\"}} {sum}");
            }
            let all: u64 = counts.statuses.values().sum();
            let _ = writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {all}");
            let _ = writeln!(out, "{name}_sum{{route=\"{route}\"}} {}", counts.seconds);
            let _ = writeln!(out, "{name}_count{{route=\"{route}\"}} {all}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Route>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request when it is answered.
pub async fn count(
    State(traffic): State<Arc<Traffic>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let answer = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    traffic.note(route, answer.status().as_u16(), begun.elapsed());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_what_took_as_long_or_less_and_the_last_counts_all() {
        let traffic = Traffic::default();
        for (status, milliseconds) in [(200, 1), (200, 10), (404, 60), (200, 20_000)] {
            traffic.note("/graph", status, Duration::from_millis(milliseconds));
        }
        let mut text = String::new();
        traffic.write(&mut text);
        for line in [
            "kurado_web_requests_total{route=\"/graph\",status=\"200\"} 3",
            "kurado_web_requests_total{route=\"/graph\",status=\"404\"} 1",
            "kurado_web_request_duration_seconds_bucket{route=\"/graph\",le=\"0.002\"} 1",
            "kurado_web_request_duration_seconds_bucket{route=\"/graph\",le=\"0.01\"} 2",
            "kurado_web_request_duration_seconds_bucket{route=\"/graph\",le=\"0.1\"} 3",
            "kurado_web_request_duration_seconds_bucket{route=\"/graph\",le=\"10\"} 3",
            "kurado_web_request_duration_seconds_bucket{route=\"/graph\",le=\"+Inf\"} 4",
            "kurado_web_request_duration_seconds_count{route=\"/graph\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
