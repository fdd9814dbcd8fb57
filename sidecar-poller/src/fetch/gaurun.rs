//! `gaurun[:port=1056[:path=/stat/app]]`: what Gaurun, which pushes to phones, says of itself.

use line_protocol::DataSourceType::{Counter, Gauge};

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::http_client::{Page, Server};
use crate::json::{self, Place};

const METRICS: [Place; 6] = [
    ("ios_push_success", Counter, "/ios/push_success"),
    ("ios_push_error", Counter, "/ios/push_error"),
    ("android_push_success", Counter, "/android/push_success"),
    ("android_push_error", Counter, "/android/push_error"),
    ("queue_usage", Gauge, "/queue_usage"),
    ("queue_max", Gauge, "/queue_max"),
];

pub(super) const DECLARATION: Declaration =
    Declaration::of(Arguments::PortAndPath(1056, "/stat/app"));

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let given = request.given(DECLARATION.arguments)?;
    let server = Server::of(&request, &given);
    report(&server.get(given.path).await?)
}

pub(super) fn report(page: &Page) -> Result<Report, FetchError> {
    json::report(&page.json()?, &METRICS).ok_or_else(|| page.unexpected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::fetched::{Fetched, assert_all_is_drawn, fetched, read};
    use crate::test_servers::{page, serve};

    /// As its specification shows it.
    const ANSWER: &str = r#"{"queue_max":8192,"queue_usage":17,"pusher_max":0,"pusher_count":0,
        "ios":{"push_success":2789,"push_error":51},"android":{"push_success":10423,"push_error":0}}"#;

    #[tokio::test]
    async fn values_are_those_of_the_page() {
        let port = serve(|head| {
            let path = head.split(' ').nth(1).unwrap_or_default();
            if path == "/stat/app" { page(ANSWER) } else { page(path) }
        })
        .await;
        let fetched = fetched(&format!("gaurun:{port}")).await.unwrap();
        let wanted = [
            ("metrics.ios_push_success.counter", "2789"),
            ("metrics.ios_push_error.counter", "51"),
            ("metrics.android_push_success.counter", "10423"),
            ("metrics.android_push_error.counter", "0"),
            ("metrics.queue_usage.gauge", "17"),
            ("metrics.queue_max.gauge", "8192"),
        ];
        let wanted = wanted.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(fetched, Fetched::from(wanted));
        assert_all_is_drawn("gaurun", &fetched);
    }

    #[test]
    fn what_a_page_lacks_or_has_odd_is_unknown() {
        let page = r#"{"queue_max": "many", "queue_usage": 1.5, "ios": {"push_error": -1, "push_success": 2.5}}"#;
        let report = read(&report(&Page::written(page)).unwrap());
        for (key, value) in [
            ("ios_push_success.counter", "U"),
            ("ios_push_error.counter", "U"),
            ("android_push_success.counter", "U"),
            ("android_push_error.counter", "U"),
            ("queue_usage.gauge", "1.5"),
            ("queue_max.gauge", "U"),
        ] {
            assert_eq!(report[&format!("metrics.{key}")], value, "{key}");
        }
        let deep = "[".repeat(100_000);
        for other in ["", "[]", "{}", "null", "{\"ios\": 5}", "<html>", &deep] {
            let page = Page::written(other);
            assert_eq!(super::report(&page).unwrap_err(), page.unexpected());
        }
    }
}
