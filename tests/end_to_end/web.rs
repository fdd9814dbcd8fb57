//! What the pages say of Redis, of the directory of its files, and of what it received.

use std::fs;
use std::path::{Path, PathBuf};

use crate::server::{Server, now};
use crate::whole::{start_web, start_web_with};
use test_redis::{Running, eventually};

const HOST: &str = "10.0.0.1";
const SILENT_HOST: &str = "10.0.0.2";

/// The web over one Redis.
struct Web {
    url: String,
    _process: Running,
}

impl Web {
    fn start(redis: &Server, data_dir: &Path, password: &str) -> Self {
        let configuration = write_configuration(redis, data_dir, &[HOST, SILENT_HOST]);
        let (process, url) = start_web(&configuration, redis.path(), password);
        Self { url, _process: process }
    }

    fn get(&self, path: &str) -> String {
        let text = reqwest::blocking::get(format!("{}{path}", self.url)).unwrap().text().unwrap();
        text.replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">")
    }

    /// The list, a host, and hosts side by side.
    fn pages(&self) -> [String; 3] {
        let host = format!("address={HOST}");
        [
            "/".to_owned(),
            format!("/server?{host}"),
            format!("/servers?{host}&address={SILENT_HOST}"),
        ]
        .map(|path| self.get(&path))
    }
}

fn write_configuration(redis: &Server, data_dir: &Path, hosts: &[&str]) -> PathBuf {
    fs::write(redis.path().join("all.yml"), "metrics: [base, http]\n").unwrap();
    let hosts: String = hosts.iter().map(|host| format!("      - {host} host\n")).collect();
    let configuration = format!(
        "config:\n  redis: 127.0.0.1:{}\n  data_dir: {}\n  rolls_dir: .\n---\nservice: Shop\n\
         servers:\n  - roll: all.yml\n    hosts:\n{hosts}",
        redis.port(),
        data_dir.display()
    );
    let path = redis.path().join("kurado.yml");
    fs::write(&path, configuration).unwrap();
    path
}

#[test]
fn a_redis_without_the_module_or_with_another_password_is_told_with_what_to_do() {
    let bare = Server::bare(&[]);
    let data = bare.path().join("data");
    fs::create_dir(&data).unwrap();
    for page in Web::start(&bare, &data, "").pages() {
        assert!(page.contains("runs without Kurado's module"), "{page}");
        assert!(page.contains("--loadmodule /path/to/libkurado.so"), "{page}");
    }

    let closed = Server::start(&["--requirepass", "opensesame"]);
    let data = closed.path().join("data");
    for (password, says) in [
        ("", "wants a password: start kurado-web with it in the environment as KURADO_PASSWORD"),
        ("letmein", "refuses the password in KURADO_PASSWORD"),
    ] {
        for page in Web::start(&closed, &data, password).pages() {
            assert!(page.contains(says), "{password}: {page}");
        }
    }
    for page in Web::start(&closed, &data, "opensesame").pages() {
        assert!(!page.contains("class=\"notice\""), "{page}");
    }
}

#[test]
fn a_right_that_redis_denies_is_named_and_told_to_the_log_once() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    redis.run::<()>("ACL SETUSER default -kurado.host");
    for page in web.pages() {
        assert!(page.contains("denies kurado-web a right:"), "{page}");
        assert!(page.contains("ACL SETUSER default %R~kurado:* +kurado.host"), "{page}");
        assert!(page.contains("'kurado.host'"), "{page}");
    }
    let log = fs::read_to_string(redis.path().join("kurado-web.log")).unwrap();
    assert_eq!(log.matches("denies kurado-web a right").count(), 1, "{log}");
    redis.run::<()>("ACL SETUSER default +kurado.host resetkeys ~kurado:{10.9.*");
    assert!(web.get("/").contains("denies kurado-web a right:"));
    redis.run::<()>("ACL SETUSER default allkeys");
    assert!(!web.get("/").contains("class=\"notice\""));
}

#[test]
fn another_data_dir_than_that_of_redis_is_told_with_both_until_it_is_mended() {
    let redis = Server::start(&[]);
    let (right, wrong) = (redis.path().join("data"), redis.path().join("elsewhere"));
    fs::create_dir(&wrong).unwrap();
    let web = Web::start(&redis, &wrong, "");
    for page in web.pages() {
        for part in [
            format!("config data_dir is '{}',", wrong.display()),
            format!("keeps its files in '{}':", right.display()),
            "correct data_dir in kurado.yml, or leave it out".to_owned(),
        ] {
            assert!(page.contains(&part), "{part}: {page}");
        }
    }
    let log = fs::read_to_string(redis.path().join("kurado-web.log")).unwrap();
    assert_eq!(log.matches("correct data_dir in kurado.yml").count(), 1, "{log}");
    write_configuration(&redis, &right, &[HOST, SILENT_HOST]);
    eventually("the right directory", || {
        (!web.get("/").contains("class=\"notice\"")).then_some(())
    });
}

#[test]
fn a_graph_without_files_says_whether_host_plugin_or_series_never_came_or_waits() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    redis.push_point(HOST, "loadavg-1.gauge", 1, now());
    let of = |host: &str| web.get(&format!("/server?address={host}"));
    let silent = format!("no data yet: nothing was ever received of host {SILENT_HOST}");
    assert!(of(SILENT_HOST).contains(&silent), "{}", of(SILENT_HOST));
    let shown = of(HOST);
    assert!(shown.contains("no data yet: nothing was ever received of plugin http of"), "{shown}");
    assert!(
        shown.contains("loadavg-1: no data yet: processors.gauge was never received"),
        "{shown}"
    );

    fs::write(redis.path().join("data/stop"), "").unwrap();
    eventually("the pause", || (redis.info("writing_paused") == 1).then_some(()));
    redis.push_point(HOST, "processors.gauge", 1, now());
    let shown = of(HOST);
    let waits = "loadavg-1: no file yet: processors.gauge. What came may wait: Redis at ";
    assert!(shown.contains(waits) && shown.contains("paused"), "{shown}");
    fs::remove_file(redis.path().join("data/stop")).unwrap();
    eventually("a picture", || of(HOST).contains("graph=loadavg-1&#38;").then_some(()));
}

#[test]
fn five_hundred_hosts_stand_side_by_side_with_what_redis_knows_of_each() {
    let redis = Server::start(&[]);
    let hosts: Vec<String> = (0..500).map(|n| format!("10.1.{}.{}", n / 250, n % 250)).collect();
    let lines: String = hosts
        .iter()
        .map(|host| format!("{host}\tbase.metrics.loadavg-1\t1\t{}\n", now()))
        .collect();
    assert_eq!(redis.push(&lines).accepted, 500);
    let addresses: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let configuration = write_configuration(&redis, &redis.path().join("data"), &addresses);
    let (_process, url) = start_web(&configuration, redis.path(), "");
    let query: Vec<String> = hosts.iter().map(|host| format!("address={host}")).collect();
    let started = std::time::Instant::now();
    let page = reqwest::blocking::get(format!("{url}/servers?{}", query.join("&")));
    let page = page.unwrap().text().unwrap();
    println!("{} bytes in {:?}", page.len(), started.elapsed());
    assert_eq!(page.matches("<section class=\"column\">").count(), 500);
    assert_eq!(page.matches("class=\"mark ok\"").count(), 500);
    let at = |host: &String| page.find(&format!("data-address=\"{host}\"")).unwrap();
    assert!(hosts.is_sorted_by_key(at), "in the order asked for");
}

#[test]
fn the_pipeline_tells_who_pushes_unseen_who_never_did_and_what_was_rejected() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    let time = now();
    let lines: String = [HOST, "10.9.9.9", "2001:db8::7"]
        .map(|address| format!("{address}\tapp.metrics.x\t1\t{time}\n"))
        .concat();
    let pushed = redis.push(&format!("{lines}{HOST}\tapp.metrics.x\tmany\t{time}\n"));
    assert_eq!((pushed.accepted, pushed.rejected), (3, 1));

    let page = web.get("/pipeline");
    let (_, strangers) = page.split_once("Hosts that push and are in no service").unwrap();
    let (strangers, silent) = strangers.split_once("Hosts that never sent anything").unwrap();
    for line in ["- 10.9.9.9 10.9.9.9", "- 2001:db8::7 2001:db8::7"] {
        assert!(strangers.contains(&format!("<code>{line}</code>")), "{page}");
    }
    assert!(!strangers.contains(HOST), "{page}");
    assert!(silent.contains(SILENT_HOST) && !silent.contains(HOST), "{page}");
    for fact in [
        "<dt>Lines accepted</dt><dd>3</dd>",
        "<div class=\"bad\"><dt>Rejected: value</dt><dd>1</dd>",
        "<dt>Writing paused</dt><dd>no</dd>",
    ] {
        assert!(page.contains(fact), "{fact}: {page}");
    }

    // What the page says to paste is what the configuration takes.
    write_configuration(&redis, &redis.path().join("data"), &[HOST, "2001:db8::7 2001:db8::7"]);
    eventually("the pasted line", || {
        let page = web.get("/pipeline");
        (!page.contains("<code>- 2001:db8::7") && page.contains("<code>- 10.9.9.9")).then_some(())
    });
}

#[test]
fn the_pipeline_is_shown_while_redis_is_away() {
    let redis = Server::start(&[]);
    let data = redis.path().join("data");
    let web = Web::start(&redis, &data, "");
    redis.run::<()>("ACL SETUSER default -info -kurado.hosts");
    let page = web.get("/pipeline");
    assert!(page.contains("Redis says nothing of itself now."), "{page}");
    assert!(page.contains("<h2>Configuration</h2>"), "{page}");
}

#[test]
fn an_operator_deletes_the_data_of_a_host_by_typing_its_address_and_a_viewer_can_not() {
    let redis = Server::start(&[]);
    let data = redis.path().join("data");
    redis.push_point(HOST, "loadavg-1", 1, now());
    redis.flush();
    assert!(data.join(HOST).exists());
    let target = format!("/forget?address={HOST}");

    let viewer = Web::start(&redis, &data, "");
    let refused = reqwest::blocking::get(format!("{}{target}", viewer.url)).unwrap();
    assert_eq!(refused.status(), 403);
    assert!(!viewer.get(&format!("/server?address={HOST}")).contains("forget?address"));

    let configuration = redis.path().join("kurado.yml");
    let flags = ["--open-access=operator"];
    let (process, url) = start_web_with(&configuration, redis.path(), "", &flags);
    let operator = Web { url, _process: process };
    assert!(operator.get(&format!("/server?address={HOST}")).contains("forget?address"));
    let unknown = reqwest::blocking::get(format!("{}/forget?address=10.7.7.7", operator.url));
    assert_eq!(unknown.unwrap().status(), 404);

    let page = reqwest::blocking::get(format!("{}{target}", operator.url)).unwrap();
    let cookie =
        page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = page.text().unwrap();
    let (_, token) = page.split_once("name=\"token\" value=\"").unwrap();
    let token = token.split('"').next().unwrap();
    let post = |token: &str, confirm: &str| {
        let answer = reqwest::blocking::Client::new()
            .post(format!("{}/forget", operator.url))
            .header("cookie", &cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}&address={HOST}&confirm={confirm}"))
            .send()
            .unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    assert_eq!(post("", HOST).0, 403);
    let (status, text) = post(token, "10.0.0.9");
    assert_eq!(status, 400);
    assert!(text.contains("confirm '10.0.0.9' must be the address"), "{text}");
    assert!(data.join(HOST).exists());

    let (status, text) = post(token, HOST);
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("1 series of 10.0.0.1 are deleted."), "{text}");
    assert!(!data.join(HOST).exists());
    let known: Vec<String> = redis.run("KURADO.HOSTS");
    assert!(known.is_empty(), "{known:?}");
}
