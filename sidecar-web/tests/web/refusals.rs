//! Whatever a request says, it gets its 4xx with a text that names the value and the rule.

use crate::process::{HOST, SILENT_HOST, Web};

#[test]
fn each_bad_parameter_is_refused_with_value_and_rule() {
    let web = Web::start();
    web.record("base", &["loadavg-1"]);
    let graph = format!("/graph?address={HOST}&plugin_identifier=base&graph=loadavg-1");
    let long = "x".repeat(5000);
    for (target, status, says) in [
        ("/server".to_owned(), 400, "parameter address is missing"),
        ("/server?address=".to_owned(), 400, "parameter address is missing"),
        ("/server?address=10.9.9.9".to_owned(), 404, "address '10.9.9.9'"),
        ("/server?address=../..".to_owned(), 404, "address '../..'"),
        (format!("/server?address={long}"), 404, "xxx…'"),
        (format!("/server?address={HOST}&term=decade"), 400, "term 'decade' must be hour,"),
        (format!("/server?address={HOST}&term=custom"), 400, "from is missing"),
        (
            format!("/server?address={HOST}&term=custom&from=1404860400&to=soon"),
            400,
            "to 'soon' must be",
        ),
        (format!("/server?address={HOST}&plugin_identifier=http"), 404, "must be one of host"),
        ("/servers".to_owned(), 400, "0 addresses; the page shows 1 to 500"),
        (format!("/servers?{}", addresses(501)), 400, "501 addresses"),
        (format!("/servers?address={HOST}&plugin_identifier=x"), 404, "none of these hosts"),
        ("/?service=none".to_owned(), 404, "no service in the configuration is 'none'"),
        ("/api/servers?service=none".to_owned(), 404, "'none'"),
        ("/api/host-status".to_owned(), 400, "parameter address is missing"),
        ("/graph".to_owned(), 400, "parameter address is missing"),
        (format!("/graph?address={HOST}"), 400, "parameter plugin_identifier is missing"),
        (
            format!("/graph?address={HOST}&plugin_identifier=base"),
            400,
            "parameter graph is missing",
        ),
        (
            format!("/graph?address={HOST}&plugin_identifier=../{SILENT_HOST}/base&graph=cpu"),
            404,
            "plugin_identifier '../2001:db8::1/base' must be one of host 10.0.0.1: base, redis",
        ),
        (
            format!("/graph?address={HOST}&plugin_identifier=base&graph=../redis/mem"),
            404,
            "graph '../redis/mem' is none of plugin 'base'",
        ),
        (
            format!("/graph?address={HOST}&plugin_identifier=base&graph=%00%0d%0aset-cookie:x"),
            404,
            r"graph '\u{0}\r\nset-cookie:x' is none",
        ),
        (
            format!("/graph?address={HOST}&plugin_identifier=base&graph=traffic-..%2f..%2fredis"),
            404,
            "",
        ),
        (format!("{graph}&width=99"), 400, "width '99' must be a whole number from 100 to 2000"),
        (format!("{graph}&width=1e9"), 400, "width '1e9' must be"),
        (format!("{graph}&width=99999999999999999999"), 400, "width '99999999999999999999' must"),
        (format!("{graph}&scale=9"), 400, "scale '9' must be a whole number from 1 to 2"),
        (format!("{graph}&theme=pink"), 400, "theme 'pink' must be light or dark"),
        (format!("{graph}&term=--end"), 400, "term '--end' must be"),
        (format!("{graph}&format=gif"), 400, "format 'gif' must be png, svg, json or csv"),
        (format!("{graph}&height=1001"), 400, "height '1001' must be a whole number from 30"),
        (format!("{graph}&legend=x"), 400, "legend 'x' must be below or none"),
        (format!("{graph}&compare=year"), 400, "compare 'year' must be day, week or month"),
        (format!("{graph}&rows=9"), 400, "rows '9' must be a whole number from 10 to 12000"),
        (graph.replacen("/graph", "/details", 1) + "x", 404, "is none of plugin 'base'"),
        (format!("/server?address={HOST}&compare=x"), 400, "compare 'x' must be day"),
        (format!("/servers?address={HOST}&compare=x"), 400, "compare 'x' must be day"),
        (
            format!("{graph}&term=custom&from=1404860402&to=1404860401"),
            400,
            "a minute at least and ten years at most",
        ),
        (
            format!("{graph}&term=custom&from=-9223372036854775808&to=9223372036854775807"),
            400,
            "must be a time as",
        ),
        ("/nothing".to_owned(), 404, "there is no such page"),
        ("/../../etc/passwd".to_owned(), 404, "there is no such page"),
    ] {
        let answer = web.get(&target);
        let text = answer.text();
        let target = &target[..target.len().min(200)];
        assert_eq!(answer.status, status, "{target}: {text}");
        assert!(text.contains(says), "{target}: {text}");
        assert!(text.len() < 400, "{target}: {text}");
    }
}

/// Values that look for other files, break texts or are too much, as a query has them.
fn hostile() -> Vec<String> {
    let written = [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e",
        "a%00b",
        "%0d%0aset-cookie:x=1",
        "%ff%fe%80",
        "%3Cscript%3E",
        "--help",
        "*",
        "\u{1f4a5}",
    ];
    written.map(str::to_owned).into_iter().chain(["x".repeat(5000), "-1".to_owned()]).collect()
}

#[test]
fn a_hostile_value_of_any_parameter_is_refused_by_name_and_shows_no_other_host_s_file() {
    let web = Web::start();
    web.record("base", &["loadavg-1"]);
    let details = format!("address={HOST}&plugin_identifier=base&graph=loadavg-1");
    let pages = [
        (
            "/details",
            details.as_str(),
            ["address", "plugin_identifier", "graph", "term"].as_slice(),
        ),
        ("/details", &details, &["width", "height", "legend", "scale", "theme", "compare"]),
        ("/graph", &details, &["address", "plugin_identifier", "graph", "term", "format", "rows"]),
        ("/graph", &details, &["width", "height", "legend", "scale", "theme", "compare"]),
        ("/server", &details, &["address", "plugin_identifier", "term", "compare"]),
        ("/", "", &["service"]),
        ("/api/servers", "", &["service"]),
    ];
    for (page, query, names) in pages {
        for name in names {
            for bad in hostile() {
                // The first of two values counts, so the good one behind it saves nothing.
                let target = format!("{page}?{name}={bad}&{query}");
                check_refused(&web, &target, &format!("{name} '"), &bad);
            }
        }
    }
    for (name, other) in [("from", "to"), ("to", "from")] {
        for bad in hostile().into_iter().filter(|bad| bad != "-1") {
            let target = format!("/details?{details}&term=custom&{name}={bad}&{other}=1700000000");
            check_refused(&web, &target, &format!("{name} '"), &bad);
        }
    }
    // Another host's plugin or file.
    for (plugin, graph) in [("redis", "loadavg-1"), ("base", "..%2f..%2f2001:db8::1%2fbase%2fcpu")]
    {
        let target = format!("/details?address={HOST}&plugin_identifier={plugin}&graph={graph}");
        check_refused(&web, &target, "graph '", graph);
    }
}

#[track_caller]
fn check_refused(web: &Web, target: &str, says: &str, bad: &str) {
    let answer = web.get(target);
    let (text, target) = (answer.text(), &target[..target.len().min(200)]);
    assert!([400, 404].contains(&answer.status), "{target}: {} {text}", answer.status);
    let address = "no host in the configuration has address '";
    let service = "no service in the configuration is '";
    let named = [says, address, service].iter().any(|says| text.contains(says));
    assert!(named && text.len() < 450, "{target} ({bad}): {text}");
    let is_plain = text.trim_end().chars().all(|c| !c.is_control());
    assert!(is_plain && !answer.headers.contains_key("set-cookie"), "{target}: {text}");
}

#[test]
fn pages_that_take_no_parameter_or_any_address_stay_as_they_are_whatever_is_asked() {
    let web = Web::start();
    for bad in hostile() {
        for page in ["/pipeline", "/healthz", "/metrics", "/api/service-status"] {
            let answer = web.get(&format!("{page}?address={bad}&service={bad}&{bad}"));
            assert_eq!(answer.status, 200, "{page} {bad}: {}", answer.text());
        }
        // One that is configured nowhere is as bad as one that is down.
        let answer = web.get(&format!("/api/host-status?address={bad}"));
        assert_eq!(answer.status, 200, "{bad}: {}", answer.text());
        assert!(answer.text().starts_with("{\"") && answer.text().ends_with("\":2}"), "{bad}");
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[test]
fn an_error_is_a_page_to_a_browser_and_a_line_to_others() {
    let web = Web::start();
    let browser = "accept: text/html,application/xhtml+xml,*/*;q=0.8";
    for (target, status, heading) in [
        ("/server?address=%3Cb%3E", 404, "Not Found"),
        ("/server", 400, "Bad Request"),
        ("/graph?address=10.0.0.1&plugin_identifier=base&graph=none", 404, "Not Found"),
        ("/nothing", 404, "Not Found"),
    ] {
        let plain = web.get(target);
        let page = web.get_with(target, browser);
        for (answer, kind) in [(&plain, "text/plain"), (&page, "text/html")] {
            assert_eq!(answer.status, status, "{target}");
            assert!(answer.headers["content-type"].starts_with(kind), "{target}");
            assert_eq!(answer.headers["cache-control"], "no-store", "{target}");
            assert!(answer.headers["vary"].starts_with("accept"), "{target}");
        }
        let text = plain.text().trim_end().replace('<', "&#60;").replace('>', "&#62;");
        let page = page.text();
        assert!(page.contains(&format!("<p>{}</p>", text.replace('\'', "&#39;"))), "{page}");
        assert!(page.contains(&format!("<h1>{heading} <small>{status}</small></h1>")), "{page}");
        assert!(page.contains("<link rel=\"stylesheet\""), "{page}");
    }
    let picture = "accept: image/avif,image/webp,*/*";
    let answer = web.get_with("/graph", picture);
    assert_eq!(answer.text(), "parameter address is missing\n");
    // A page is never made an error.
    assert_eq!(web.get_with("/", browser).status, 200);
}

fn addresses(count: usize) -> String {
    (0..count)
        .map(|n| format!("address=10.1.{}.{}", n / 250, n % 250))
        .collect::<Vec<_>>()
        .join("&")
}

#[test]
fn another_method_and_a_body_without_end_are_refused() {
    let web = Web::start();
    let request = |method: &str, length: usize| {
        web.ask(&format!(
            "{method} /api/host-status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n"
        ))
    };
    let other = request("DELETE", 0);
    assert_eq!((other.status, other.headers["allow"].as_str()), (405, "GET,HEAD,POST"));
    assert!(other.text().starts_with("method DELETE is not for this address"), "{}", other.text());
    assert_eq!(request("POST", 2 << 20).status, 413);
    assert_eq!(request("POST", 0).status, 400);
}

#[test]
fn what_comes_from_outside_is_never_markup() {
    let web = Web::start();
    for target in ["/", &format!("/server?address={HOST}")] {
        let page = web.get(target).text();
        assert!(page.contains("&#60;i&#62;rack&#60;/i&#62;"), "{target}");
        assert!(!page.contains("<i>"), "{target}");
    }
}
