//! What a browser loads: little, nothing from elsewhere, and nothing that runs by accident.

use std::collections::{BTreeSet, VecDeque};

use crate::process::{HOST, Web};

#[test]
fn the_first_page_is_small_and_everything_comes_from_here() {
    let web = Web::start();
    let list = web.get("/");
    let gzip = "accept-encoding: gzip";
    let mut bytes = list.body.len();
    let mut compressed = web.get_with("/", gzip).body.len();
    let mut texts = vec![list.text(), web.get(&format!("/server?address={HOST}")).text()];
    let page = list.text();
    let assets: BTreeSet<&str> =
        page.split('"').filter(|text| text.starts_with("assets/")).collect();
    let mut wanted: VecDeque<String> = assets.into_iter().map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    while let Some(address) = wanted.pop_front() {
        if !seen.insert(address.clone()) {
            continue;
        }
        let answer = web.get(&format!("/{address}"));
        let content_type = match address.rsplit_once('.').unwrap().1 {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(answer.status, 200, "{address}");
        assert_eq!(answer.headers["content-type"], content_type);
        assert!(answer.headers["cache-control"].contains("immutable"));
        bytes += answer.body.len();
        let small = web.get_with(&format!("/{address}"), gzip);
        assert_eq!(small.headers["content-encoding"], "gzip", "{address}");
        assert_eq!(small.headers["vary"], "accept-encoding", "{address}");
        compressed += small.body.len();
        let text = answer.text().replace("http://www.w3.org/2000/svg", "");
        // What a script imports comes from beside it.
        let (folder, _) = address.rsplit_once('/').unwrap();
        let imports = text.split(" from \"./").skip(1).filter_map(|rest| rest.split('"').next());
        wanted.extend(imports.map(|name| format!("{folder}/{name}")));
        texts.push(text);
    }
    assert!(seen.len() > 5, "{seen:?}");
    assert!(bytes < 100_000 && compressed < 40_000, "{bytes} bytes, {compressed} as gzip");
    for text in texts {
        for outside in ["http://", "https://", "=\"//", "url(", " style=", "href=\"/", "src=\"/"] {
            assert!(!text.contains(outside), "{outside} in {text}");
        }
    }
}

#[test]
fn an_asset_of_another_version_is_ours_but_is_not_kept() {
    let web = Web::start();
    let answer = web.get("/assets/before/main.js");
    assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-cache"));
    assert_eq!(web.get("/assets/before/other.js").status, 404);
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    let web = Web::start();
    for target in [
        "/",
        "/server",
        "/servers",
        "/nothing",
        "/graph",
        "/assets/1/main.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/login",
        "/details",
        "/pipeline",
        "/api/servers",
        "/api/service-status",
    ] {
        let headers = web.get(target).headers;
        let policy = &headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none';"), "{target}");
        assert!(!policy.contains("unsafe"), "{target}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{target}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{target}");
    }
}
