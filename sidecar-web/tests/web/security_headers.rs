//! What every answer says to browsers, whatever was asked.

use crate::access::{ANN, basic, with_users};
use crate::process::{Answer, Web};

/// Each route with the targets by which it is asked, so that it answers with and without a fault.
const ASKED: [(&str, &[&str]); 19] = [
    ("/", &["/", "/?service=Shop", "/?service=none"]),
    ("/server", &["/server?address=10.0.0.1", "/server?address=x", "/server"]),
    ("/servers", &["/servers?address=10.0.0.1", "/servers"]),
    ("/graph", &["/graph?address=10.0.0.1&plugin_identifier=base&graph=cpu", "/graph"]),
    ("/details", &["/details?address=10.0.0.1&plugin_identifier=base&graph=cpu", "/details"]),
    ("/pipeline", &["/pipeline"]),
    ("/forget", &["/forget?address=10.0.0.1", "/forget"]),
    ("/rename", &["/rename?address=10.0.0.1", "/rename"]),
    ("/api/notices", &["/api/notices"]),
    ("/api/host-status", &["/api/host-status?address=10.0.0.1", "/api/host-status"]),
    ("/api/service-status", &["/api/service-status"]),
    ("/api/servers", &["/api/servers?service=Shop"]),
    ("/healthz", &["/healthz"]),
    ("/readyz", &["/readyz"]),
    ("/metrics", &["/metrics"]),
    ("/login", &["/login", "/login?next=//x"]),
    ("/logout", &["/logout"]),
    ("/oidc-login", &["/oidc-login"]),
    ("/oidc-callback", &["/oidc-callback?code=x&state=y"]),
];

/// Beside the table of routes.
const OTHERS: [&str; 4] =
    ["/assets/1/kurado.css", "/assets/1/main.js", "/assets/1/none", "/no/such/page"];

fn check(asked: &str, answer: &Answer, is_https: bool) {
    let header = |name: &str| {
        let value = answer.headers.get(name);
        value.unwrap_or_else(|| panic!("{asked}: {} without {name}", answer.status)).as_str()
    };
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'self'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{asked}: {policy}");
    }
    assert!(!policy.contains("unsafe-") && !policy.contains('*'), "{asked}: {policy}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{asked}");
    assert_eq!(header("referrer-policy"), "same-origin", "{asked}");
    if let Some(cookies) = answer.headers.get("set-cookie") {
        for cookie in cookies.split(", ") {
            assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Lax"), "{asked}: {cookie}");
            assert_eq!(cookie.contains("; Secure"), is_https, "{asked}: {cookie}");
        }
    }
}

fn ask(web: &Web, method: &str, target: &str, headers: &str) -> Answer {
    web.ask(&format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: 0\r\n\r\n"
    ))
}

#[test]
fn every_answer_of_every_route_says_what_browsers_may_do_with_it() {
    let routes = include_str!("../../src/app.rs").split(".route(").skip(1);
    let routes = routes.map(|rest| rest.split('"').nth(1).unwrap());
    let mut missing: Vec<&str> = routes.filter(|r| !r.starts_with("/assets/")).collect();
    assert!(missing.len() > 10, "{missing:?}");
    missing.retain(|route| ASKED.iter().all(|(known, _)| known != route));
    assert!(missing.is_empty(), "routes that this test does not ask: {missing:?}");

    // Whoever says so makes a provider that is away: its pages must say as much.
    let web = with_users(&[
        "--trusted-proxy",
        "127.0.0.1/32",
        "--oidc-issuer",
        "http://127.0.0.1:1",
        "--oidc-client-id",
        "x",
        "--external-url",
        "http://web.example",
    ]);
    let ann = format!("{}\r\n", basic(&format!("ann:{ANN}")));
    let (page, https) = ("accept: text/html\r\n", "x-forwarded-proto: https\r\n");
    let targets = ASKED.iter().flat_map(|(_, targets)| *targets).chain(&OTHERS);
    let mut statuses = std::collections::BTreeSet::new();
    for target in targets {
        for method in ["GET", "POST", "DELETE"] {
            for who in ["", &ann] {
                for kind in ["", page] {
                    for scheme in ["", https] {
                        let headers = format!("{who}{kind}{scheme}");
                        let answer = ask(&web, method, target, &headers);
                        check(&format!("{method} {target} {headers}"), &answer, !scheme.is_empty());
                        statuses.insert(answer.status);
                    }
                }
            }
        }
    }
    for status in [200, 303, 400, 401, 403, 404, 405, 503] {
        assert!(statuses.contains(&status), "{status} was never answered: {statuses:?}");
    }
}
