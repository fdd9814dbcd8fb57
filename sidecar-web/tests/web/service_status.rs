//! How the hosts of each service are.

use crate::process::Web;

#[test]
fn while_redis_is_away_every_host_is_unknown_and_none_counts_as_well_or_as_a_problem() {
    let web = Web::start();
    let answer = web.get("/api/service-status");
    assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-store"));
    let counts: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let expected =
        serde_json::json!({"Shop": {"ok": 0, "warning": 0, "critical": 0, "unknown": 2}});
    assert_eq!(counts, expected);
    let list = web.get("/").text();
    for badge in [
        r#"<span class="critical" title="Critical" hidden>"#,
        r#"<span class="warning" title="Warning" hidden>"#,
    ] {
        assert!(list.contains(badge), "{badge}: {list}");
    }
}
