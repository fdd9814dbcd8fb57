//! The page by which an operator gives a host's data to another address.

use std::fs;

use test_redis::{Running, eventually};

use crate::rrdtool::rows;
use crate::server::{Server, now};
use crate::whole::start_web_with;

const OLD: &str = "10.0.0.1";
const NEW: &str = "10.0.0.2";

/// A web whose visitors are operators, and what its forms need.
struct Operator {
    url: String,
    cookie: String,
    token: String,
    _process: Running,
}

impl Operator {
    /// Over these hosts, of which the page of the first gives the token.
    fn start(redis: &Server, hosts: &[&str], flags: &[&str]) -> Self {
        let configuration = redis.path().join("kurado.yml");
        write_configuration(redis, hosts);
        let (process, url) = start_web_with(&configuration, redis.path(), "", flags);
        let page = reqwest::blocking::get(format!("{url}/rename?address={}", hosts[0])).unwrap();
        let cookie = page.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
        let cookie = cookie.to_owned();
        let page = page.text().unwrap();
        let token = page.split_once("name=\"token\" value=\"").map_or("", |(_, rest)| rest);
        let token = token.split('"').next().unwrap_or_default().to_owned();
        Self { url, cookie, token, _process: process }
    }

    fn get(&self, target: &str) -> (u16, String) {
        let answer = reqwest::blocking::get(format!("{}{target}", self.url)).unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    }

    /// Status, where it leads to, and text.
    fn post(&self, target: &str, body: &str) -> (u16, String, String) {
        self.post_bytes(target, format!("token={}&{body}", self.token).into_bytes())
    }

    fn post_bytes(&self, target: &str, body: Vec<u8>) -> (u16, String, String) {
        let client = reqwest::blocking::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = client
            .post(format!("{}{target}", self.url))
            .header("cookie", &self.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .unwrap();
        let location = answer.headers().get("location");
        let location = location.map_or("", |location| location.to_str().unwrap()).to_owned();
        (answer.status().as_u16(), location, answer.text().unwrap())
    }
}

fn write_configuration(redis: &Server, hosts: &[&str]) {
    fs::write(redis.path().join("all.yml"), "metrics: [base]\n").unwrap();
    let hosts: String = hosts.iter().map(|host| format!("      - {host} web\n")).collect();
    let configuration = format!(
        "config:\n  redis: 127.0.0.1:{}\n  rolls_dir: .\n---\nservice: Shop\nservers:\n  - roll: \
         all.yml\n    hosts:\n{hosts}",
        redis.port(),
    );
    fs::write(redis.path().join("kurado.yml"), configuration).unwrap();
}

const OPEN: [&str; 1] = ["--open-access=operator"];

#[test]
fn an_operator_gives_the_data_of_a_host_to_its_new_address_and_its_page_goes_on_there() {
    let redis = Server::start(&[]);
    let start = now() / 60 * 60 - 600;
    // The graph needs both.
    let push = |address: &str, minute: u32, value: u32| {
        for key in ["loadavg-1", "processors"] {
            redis.push_point(address, key, value, start + 60 * minute);
        }
    };
    (0..5).for_each(|minute| push(OLD, minute, minute));
    redis.flush();
    let operator = Operator::start(&redis, &[OLD], &OPEN);
    let (_, page) = operator.get(&format!("/server?address={OLD}"));
    assert!(page.contains(&format!("rename?address={OLD}")), "{page}");
    let (status, page) = operator.get(&format!("/rename?address={OLD}"));
    assert_eq!(status, 200);
    for says in ["kurado.yml", "begins anew", "Delete what the new address has already"] {
        assert!(page.contains(says), "{says}: {page}");
    }

    // The server pushes by its new address already.
    push(NEW, 5, 99);
    let form = format!("address={OLD}&to={NEW}&confirm={OLD}");
    let (status, _, text) = operator.post("/rename", &form);
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("host '10.0.0.2' already has data (2 series)"), "{text}");
    let (status, _, text) = operator.post("/rename", &format!("{form}&replace=yes"));
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("The data of 10.0.0.1 is now that of 10.0.0.2."), "{text}");
    assert!(text.contains("put 10.0.0.2 in the place of 10.0.0.1"), "{text}");
    assert!(text.contains(&format!("server?address={NEW}")), "{text}");

    write_configuration(&redis, &[NEW]);
    (5..10).for_each(|minute| push(NEW, minute, minute));
    eventually("the new page", || {
        (operator.get(&format!("/server?address={NEW}")).0 == 200).then_some(())
    });
    let graph = format!("/graph?address={NEW}&plugin_identifier=base&graph=loadavg-1");
    assert_eq!(operator.get(&graph).0, 200);
    let found = rows(&redis.file(NEW, "base", "loadavg-1.gauge"), start, start + 480);
    let known: Vec<f64> = found.iter().filter_map(|(_, value)| *value).collect();
    assert_eq!(known, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    assert!(!redis.path().join("data").join(OLD).exists());
}

#[test]
fn a_rename_leads_to_the_new_page_where_the_configuration_has_it_and_a_viewer_may_not() {
    let redis = Server::start(&[]);
    redis.push_point(OLD, "loadavg-1", 1, now());
    let form = format!("address={OLD}&to={NEW}&confirm={OLD}");
    let viewer = Operator::start(&redis, &[OLD, NEW], &[]);
    assert_eq!(viewer.get(&format!("/rename?address={OLD}")).0, 403);
    assert_eq!(viewer.post("/rename", &form).0, 403);
    assert!(!viewer.get(&format!("/server?address={OLD}")).1.contains("rename?address"));
    drop(viewer);

    let operator = Operator::start(&redis, &[OLD, NEW], &OPEN);
    assert_eq!(operator.post_bytes("/rename", form.clone().into_bytes()).0, 403);
    let known: Vec<String> = redis.run("KURADO.HOSTS");
    assert_eq!(known[0], OLD);
    let (status, location, text) = operator.post("/rename", &form);
    assert_eq!((status, location.as_str()), (303, "server?address=10.0.0.2"), "{text}");
    let known: Vec<String> = redis.run("KURADO.HOSTS");
    assert_eq!(known[0], NEW);
    // What has nothing can't be renamed.
    let (status, _, text) = operator.post("/rename", &form);
    assert_eq!(status, 409);
    assert!(text.contains("no host '10.0.0.1' is known"), "{text}");
}

#[test]
fn hostile_values_of_forms_are_refused_and_change_nothing() {
    let redis = Server::start(&[]);
    for address in [OLD, NEW] {
        redis.push_point(address, "loadavg-1", 1, now());
    }
    redis.flush();
    let operator = Operator::start(&redis, &[OLD, NEW], &OPEN);
    let long = "x".repeat(5000);
    let invalid_utf8 = "%ff%fe";
    for bad in ["..%2f10.0.0.2", "10.0.0.1%00", "10.9.9.9", &long, invalid_utf8, "*", "%0d%0ax:y"] {
        for page in ["/forget", "/rename"] {
            let (status, text) = operator.get(&format!("{page}?address={bad}"));
            assert_eq!(status, 404, "{page} {bad}: {text}");
            assert!(text.starts_with("address '") && text.len() < 400, "{page} {bad}: {text}");
            let form = format!("address={bad}&to=10.0.0.3&confirm={bad}");
            let (status, _, text) = operator.post(page, &form);
            assert_eq!(status, 404, "{page} {bad}: {text}");
            let form = format!("address={OLD}&to=10.0.0.3&confirm={bad}");
            let (status, _, text) = operator.post(page, &form);
            assert_eq!(status, 400, "{page} {bad}: {text}");
            assert!(text.starts_with("confirm '") && text.len() < 400, "{page} {bad}: {text}");
        }
        let form = format!("address={OLD}&to={bad}&confirm={OLD}&replace={bad}");
        let (status, _, text) = operator.post("/rename", &form);
        assert_eq!(status, 400, "{bad}: {text}");
        assert!(text.len() < 400, "{text}");
    }
    for (form, says) in [
        (format!("address={OLD}&confirm={OLD}"), "parameter to is missing"),
        (format!("address={OLD}&to={NEW}"), "parameter confirm is missing"),
        (format!("to={NEW}&confirm={OLD}"), "parameter address is missing"),
        (format!("address={OLD}&to={OLD}&confirm={OLD}"), "to '10.0.0.1' is the address"),
        (format!("address={OLD}&to=-x&confirm={OLD}"), "to '-x' must be an IP address"),
        (format!("address={OLD}&to=stop&confirm={OLD}"), "to 'stop' must be an IP address"),
        (
            format!("address={OLD}&to=10.0.0.3&confirm={OLD}&replace=1"),
            "replace '1' must be yes, or missing",
        ),
        // The first of two counts, for each of them.
        (
            format!("address={OLD}&address={NEW}&to=10.0.0.3&confirm={NEW}"),
            "confirm '10.0.0.2' must be the address whose data it is about, 10.0.0.1",
        ),
    ] {
        let (status, _, text) = operator.post("/rename", &form);
        assert_eq!(status, 400, "{form}: {text}");
        assert!(text.starts_with(says), "{form}: {text}");
    }
    let (status, _, _) = operator.post("/rename", &format!("address={long}{long}{long}{long}"));
    assert!([404, 413].contains(&status), "{status}");
    for address in [OLD, NEW] {
        assert!(redis.file(address, "base", "loadavg-1.gauge").exists());
        assert_eq!(redis.run::<usize>(&format!("EXISTS kurado:{{{address}}}")), 1);
    }
}
