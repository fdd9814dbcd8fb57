//! What a browser loads: little, nothing from elsewhere, and nothing that runs by accident.

use crate::process::{HOST, Web};

#[test]
fn the_first_page_is_small_and_everything_comes_from_here() {
    let web = Web::start();
    let list = web.get("/");
    let mut bytes = list.body.len();
    let mut texts = vec![list.text(), web.get(&format!("/server?address={HOST}")).text()];
    for (asset, content_type) in [
        ("kurado.css", "text/css; charset=utf-8"),
        ("kurado.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let page = list.text();
        let at = page.find(&format!("\"{asset}?")).unwrap();
        let address = page[at + 1..].split('"').next().unwrap();
        let answer = web.get(&format!("/{address}"));
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, content_type));
        assert!(answer.headers["cache-control"].contains("immutable"));
        bytes += answer.body.len();
        texts.push(answer.text().replace("http://www.w3.org/2000/svg", ""));
    }
    assert!(bytes < 100_000, "{bytes} bytes");
    for text in texts {
        for outside in ["http:", "https:", "=\"//", "url(", " style=", "href=\"/", "src=\"/"] {
            assert!(!text.contains(outside), "{outside} in {text}");
        }
    }
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    let web = Web::start();
    for target in [
        "/",
        "/server",
        "/nothing",
        "/graph",
        "/kurado.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/login",
        "/details",
        "/api/servers",
    ] {
        let headers = web.get(target).headers;
        let policy = &headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none';"), "{target}");
        assert!(!policy.contains("unsafe"), "{target}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{target}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{target}");
    }
}
