//! `goapp[:port=1056[:path=/stat/go]]`: what a program in Go says of its runtime, in the words of the
//! package golang-stats-api-handler.

use line_protocol::DataSourceType::{Counter, Gauge};

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::http_client::{Page, Server};
use crate::json::{self, Place};

const METRICS: [Place; 6] = [
    ("cgo_call_num", Counter, "/cgo_call_num"),
    ("gc_num", Counter, "/gc_num"),
    ("memory_mallocs", Counter, "/memory_mallocs"),
    ("memory_frees", Counter, "/memory_frees"),
    ("goroutine_num", Gauge, "/goroutine_num"),
    ("memory_alloc", Gauge, "/memory_alloc"),
];

pub(super) const DECLARATION: Declaration =
    Declaration::of(Arguments::PortAndPath(1056, "/stat/go"));

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
    use crate::fetch::fetched::{Fetched, assert_all_is_drawn, fetched};
    use crate::test_servers::{page, serve};

    /// In the form that the package's own description shows.
    const ANSWER: &str = r#"{"time":1700000000000000000,"go_version":"go1.22","go_os":"linux",
        "go_arch":"amd64","cpu_num":4,"goroutine_num":31,"gomaxprocs":4,"cgo_call_num":12,
        "memory_alloc":5123456,"memory_total_alloc":98765432,"memory_sys":23456789,"memory_lookups":0,
        "memory_mallocs":18446744073709551000,"memory_frees":345678,"memory_stack":786432,
        "heap_alloc":5123456,"heap_objects":25986,"gc_next":8388608,"gc_last":1699999999000000000,
        "gc_num":77,"gc_per_second":0,"gc_pause_per_second":0,"gc_pause":[0.1,0.2]}"#;

    #[tokio::test]
    async fn values_are_those_of_the_page() {
        let port = serve(|head| {
            let path = head.split(' ').nth(1).unwrap_or_default();
            if path == "/api/stats" { page(ANSWER) } else { page(path) }
        })
        .await;
        let fetched_by = fetched(&format!("goapp:{port}:/api/stats")).await.unwrap();
        let wanted = [
            ("metrics.cgo_call_num.counter", "12"),
            ("metrics.gc_num.counter", "77"),
            // Whole, though no double is.
            ("metrics.memory_mallocs.counter", "18446744073709551000"),
            ("metrics.memory_frees.counter", "345678"),
            ("metrics.goroutine_num.gauge", "31"),
            ("metrics.memory_alloc.gauge", "5123456"),
        ];
        let wanted = wanted.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(fetched_by, Fetched::from(wanted));
        assert_all_is_drawn("goapp", &fetched_by);

        let error = fetched(&format!("goapp:{port}")).await.unwrap_err().to_string();
        assert_eq!(error, format!("port {port}, /stat/go: not the page expected: /stat/go"));
    }
}
