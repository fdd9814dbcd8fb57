//! What the web tells of itself to those that watch it.

use crate::process::{HOST, Web};

#[test]
fn not_ready_while_redis_is_away_and_the_text_says_why() {
    let web = Web::start();
    let answer = web.get("/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.text().starts_with("Redis at 127.0.0.1:1 "), "{}", answer.text());
    assert!(!answer.text().contains("render worker"), "{}", answer.text());
    assert_eq!(web.get("/healthz").status, 200);
}

#[test]
fn metrics_count_requests_by_route_and_graphs_by_how_they_came() {
    let web = Web::start();
    web.record("base", &["loadavg-1"]);
    let graph = format!("/graph?address={HOST}&plugin_identifier=base&graph=loadavg-1");
    let tag = web.get(&graph).headers["etag"].clone();
    web.get(&graph);
    web.get_with(&graph, &format!("if-none-match: {tag}"));
    web.get("/graph");
    for n in 0..20 {
        web.get(&format!("/nothing/{n}"));
    }
    let answer = web.get("/metrics");
    assert!(answer.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    let text = answer.text();
    for line in [
        "kurado_web_requests_total{route=\"/graph\",status=\"200\"} 2",
        "kurado_web_requests_total{route=\"/graph\",status=\"304\"} 1",
        "kurado_web_requests_total{route=\"/graph\",status=\"400\"} 1",
        "kurado_web_requests_total{route=\"none\",status=\"404\"} 20",
        "kurado_web_request_duration_seconds_count{route=\"/graph\"} 4",
        "kurado_web_graphs_total{result=\"made\"} 1",
        "kurado_web_graphs_total{result=\"from_memory\"} 1",
        "kurado_web_graphs_total{result=\"failed\"} 0",
        "kurado_web_graphs_waiting 0",
        "kurado_web_configuration_faulty 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in\n{text}")).trim().parse().unwrap()
    };
    assert!(value("kurado_web_graphs_kept_bytes ") > 1000.0);
    assert!(value("kurado_web_render_workers ") >= 1.0);
    assert!(value("kurado_web_redis_away_seconds ") > 0.0);
    assert!(!text.contains(HOST) && !text.contains("web-1"), "no host is named: {text}");
}
