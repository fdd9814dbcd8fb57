//! What the pages say of Redis, of the directory of its files, and of what it received.

use std::fs;
use std::path::{Path, PathBuf};

use crate::server::{Server, now};
use crate::whole::{start_web, start_web_with};
use test_redis::{RedisServer, Running, eventually, load_module};

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
        assert!(!page.contains("<p class=\"notice\">"), "{page}");
    }
}

#[test]
fn a_right_that_redis_denies_is_named_and_told_to_the_log_once() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    redis.run::<()>("ACL SETUSER default -kurado.host -kurado.states");
    for page in web.pages() {
        assert!(page.contains("denies kurado-web a right:"), "{page}");
        assert!(page.contains("ACL SETUSER default %R~kurado:* +kurado.host"), "{page}");
        assert!(page.contains("'kurado.host'"), "{page}");
    }
    let log = fs::read_to_string(redis.path().join("kurado-web.log")).unwrap();
    assert_eq!(log.matches("denies kurado-web a right").count(), 1, "{log}");
    redis.run::<()>("ACL SETUSER default +kurado.host resetkeys ~kurado:{10.9.*");
    assert!(web.get("/").contains("denies kurado-web a right:"));
    redis.run::<()>("ACL SETUSER default allkeys +kurado.states");
    assert!(!web.get("/").contains("<p class=\"notice\">"));
}

#[test]
fn without_kurado_states_as_before_it_was_there_lists_are_the_same_and_the_log_tells_once() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    redis.push_point(HOST, "loadavg-1.gauge", 1, now());
    redis.push(&format!("{HOST}\thttp.warn.command\tconnection refused\t{}", now()));
    let lists = || {
        let list = web.get("/");
        assert!(!list.contains("<p class=\"notice\">"), "{list}");
        let counts = ["ok", "warning", "critical", "unknown"]
            .map(|status| list.matches(&format!("mark {status}\" role")).count());
        let query = format!("/api/host-status?address={HOST}&address={SILENT_HOST}");
        (counts, web.get(&query), web.get("/api/service-status"))
    };
    let shown = lists();
    assert_eq!(shown.0, [0, 1, 1, 0]);
    assert_eq!(shown.1, r#"{"10.0.0.1":1,"10.0.0.2":2}"#);
    assert_eq!(shown.2, r#"{"Shop":{"ok":0,"warning":1,"critical":1,"unknown":0}}"#);
    redis.run::<()>("ACL SETUSER default -kurado.states");
    assert_eq!([lists(), lists()], [shown.clone(), shown]);
    let log = fs::read_to_string(redis.path().join("kurado-web.log")).unwrap();
    assert_eq!(log.matches("takes no KURADO.STATES").count(), 1, "{log}");
}

#[test]
fn the_list_asks_for_states_alone_a_few_hundred_hosts_at_once() {
    let redis = Server::start(&[]);
    let hosts: Vec<String> = (0..600).map(|n| format!("10.1.{}.{}", n / 200, n % 200)).collect();
    let addresses: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let configuration = write_configuration(&redis, &redis.path().join("data"), &addresses);
    redis.push_point(&hosts[599], "loadavg-1.gauge", 1, now());
    let (_process, url) = start_web(&configuration, redis.path(), "");
    // What is asked for beside the pages, fifty hosts at once.
    eventually("a round over all hosts", || (calls(&redis, "kurado.host") >= 600).then_some(()));
    let before = calls(&redis, "kurado.states");
    let page = reqwest::blocking::get(&url).unwrap().text().unwrap();
    assert_eq!(page.matches("\"mark ok\" role").count(), 1);
    assert_eq!(page.matches("\"mark critical\" role").count(), 599);
    assert!(page.rfind("\"mark ok\" role") > page.rfind("\"mark critical\" role"), "the last one");
    assert_eq!(calls(&redis, "kurado.states") - before, 3);
    assert_eq!(calls(&redis, "kurado.host"), 600);
}

#[test]
fn a_host_whose_page_nobody_has_opened_is_shown_as_it_was_while_redis_is_away() {
    let redis = Server::start(&[]);
    let time = now();
    redis.push(&format!(
        "{HOST}\tbase.meta.traffic-interfaces\teth0\t{time}\n\
         {HOST}\tbase.metrics.traffic-eth0-rxbytes.derive\t1\t{time}"
    ));
    let web = Web::start(&redis, &redis.path().join("data"), "");
    eventually("a round over both hosts", || (calls(&redis, "kurado.host") >= 2).then_some(()));
    // As if it were away, from one moment to the next.
    redis.run::<()>("ACL SETUSER default -@all +acl");
    let page = web.get(&format!("/server?address={HOST}"));
    assert!(page.contains("<p class=\"notice\">"), "{page}");
    assert!(page.contains("traffic-eth0: no file yet"), "{page}");
    assert!(!web.get(&format!("/server?address={SILENT_HOST}")).contains("traffic-eth0"));
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
        (!web.get("/").contains("<p class=\"notice\">")).then_some(())
    });
}

#[test]
fn a_graph_without_files_says_whether_host_plugin_or_series_never_came_or_waits() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    redis.push_point(HOST, "loadavg-1.gauge", 1, now());
    let of = |host: &str| web.get(&format!("/server?address={host}"));
    let silent = format!("no data yet: nothing was ever received of host {SILENT_HOST}");
    // Once for each of its plugins, whatever graphs they have.
    assert_eq!(of(SILENT_HOST).matches(&silent).count(), 2, "{}", of(SILENT_HOST));
    let shown = of(HOST);
    let no_plugin = "no data yet: nothing was ever received of plugin http of";
    assert_eq!(shown.matches(no_plugin).count(), 1, "{shown}");
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
fn ready_while_redis_answers_and_not_while_it_is_away() {
    let mut redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    let ready = || {
        let answer = reqwest::blocking::get(format!("{}/readyz", web.url)).unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    let well = (200, "ready\n".to_owned());
    // A render worker needs a moment to start.
    eventually("the workers", || (ready() == well).then_some(()));
    let port = redis.port();
    redis.kill();
    let (status, reason) = ready();
    assert_eq!(status, 503, "{reason}");
    assert!(reason.starts_with(&format!("Redis at 127.0.0.1:{port} ")), "{reason}");
    assert_eq!(web.get("/healthz"), "ok\n");
    // One without the module is no better.
    let bare = RedisServer::start_on(port, &[]);
    eventually("the reason", || ready().1.contains("without Kurado's module").then_some(()));
    assert_eq!(ready().0, 503);
    drop(bare);
    let [option, module] = load_module();
    let _back = RedisServer::start_on(port, &[&option, &module]);
    eventually("Redis", || (ready() == well).then_some(()));
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
    for fact in ["<dt>Lines accepted</dt><dd>3</dd>", "<dt>Writing paused</dt><dd>no</dd>"] {
        assert!(page.contains(fact), "{fact}: {page}");
    }

    eventually("a warning while lines are rejected", || {
        assert_eq!(redis.push(&format!("{HOST}\tapp.metrics.x\tmany\t{time}\n")).rejected, 1);
        let page = web.get("/pipeline");
        let warned = |name: &str| page.contains(&format!("<div class=\"bad\"><dt>{name}</dt>"));
        (warned("Lines rejected") && warned("Rejected: value")).then_some(())
    });

    // What the page says to paste is what the configuration takes.
    write_configuration(&redis, &redis.path().join("data"), &[HOST, "2001:db8::7 2001:db8::7"]);
    eventually("the pasted line", || {
        let page = web.get("/pipeline");
        (!page.contains("<code>- 2001:db8::7") && page.contains("<code>- 10.9.9.9")).then_some(())
    });
}

#[test]
fn of_lines_that_were_rejected_long_ago_the_pipeline_tells_the_number_and_warns_no_more() {
    let redis = Server::start(&[]);
    let data = redis.path().join("data");
    assert_eq!(redis.push(&format!("{HOST}\tapp.metrics.x\tmany\t{}\n", now())).rejected, 1);
    // To a web that is started later they are as of long ago.
    let page = Web::start(&redis, &data, "").get("/pipeline");
    for name in ["Lines rejected", "Rejected: value"] {
        assert!(page.contains(&format!("<div><dt>{name}</dt><dd>1</dd>")), "{name}: {page}");
    }
}

#[test]
fn pollers_with_names_are_listed_and_missed_by_their_names() {
    let redis = Server::start(&[]);
    let holder = |process: u32| format!(r#"{{"host":"monitor","process":{process}}}"#);
    let hold = |key: &str, process| {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(holder(process)).exec(&mut redis.connect()).unwrap();
    };
    hold("kurado-poller:east", 7);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    let page = web.get("/pipeline");
    let held = "<dt>Lease of pollers “east”</dt><dd>monitor, process 7</dd>";
    assert!(page.contains(held), "{page}");
    assert!(!page.contains("<dt>Poller's lease</dt>"), "nobody ever held it: {page}");

    hold("kurado-poller", 8);
    redis.run::<()>("DEL kurado-poller:east");
    eventually("the poller is missed", || {
        let page = web.get("/pipeline");
        let is_missed = page.contains("The last --name east was on monitor, process 7.")
            && page.contains(
                "<dt>Lease of pollers “east”</dt><dd>free; before monitor, process 7</dd>",
            );
        is_missed
            .then(|| assert!(page.contains("A poller that fetched does not any more"), "{page}"))
    });
    eventually("no poller is left", || {
        redis.run::<()>("DEL kurado-poller");
        web.get("/pipeline").contains("No poller fetches now").then_some(())
    });
}

#[test]
fn no_page_waits_until_all_keys_were_gone_through_for_leases() {
    let redis = Server::start(&["--enable-debug-command", "yes"]);
    redis.run::<()>("DEBUG POPULATE 100000");
    redis.run::<()>("SET kurado-poller:east mine");
    let web = Web::start(&redis, &redis.path().join("data"), "");
    web.get("/");
    let scans = redis.run::<String>("INFO commandstats");
    let scans = scans.split_once("cmdstat_scan:calls=").unwrap().1.split_once(',').unwrap().0;
    assert!(scans.parse::<u32>().unwrap() <= 20, "{scans}");
    eventually("the lease is found", || web.get("/pipeline").contains("“east”").then_some(()));
}

#[test]
fn a_right_to_the_lease_without_a_name_alone_is_enough_for_that_one() {
    let redis = Server::start(&[]);
    redis.run::<()>("SET kurado-poller:east mine");
    redis.run::<()>("SET kurado-poller mine");
    redis.run::<()>("ACL SETUSER default resetkeys ~kurado:* ~kurado-poller");
    let web = Web::start(&redis, &redis.path().join("data"), "");
    let page = web.get("/pipeline");
    assert!(page.contains("<dt>Poller's lease</dt><dd>an unknown machine</dd>"), "{page}");
    redis.run::<()>("ACL SETUSER default -scan");
    let web = Web::start(&redis, &redis.path().join("data"), "");
    let page = web.get("/pipeline");
    assert!(page.contains("<dt>Poller's lease</dt><dd>an unknown machine</dd>"), "{page}");
}

#[test]
fn the_pipeline_is_shown_while_redis_is_away() {
    let redis = Server::start(&[]);
    let data = redis.path().join("data");
    let web = Web::start(&redis, &data, "");
    redis.run::<()>("ACL SETUSER default -info -get -kurado.hosts");
    let page = web.get("/pipeline");
    assert!(page.contains("Redis says nothing of itself now."), "{page}");
    assert!(!page.contains("<p>None.</p>"), "{page}");
    assert!(page.contains("<h2>Configuration</h2>"), "{page}");
}

#[test]
fn an_operator_deletes_the_data_of_a_host_by_typing_its_address_and_a_viewer_can_not() {
    let redis = Server::start(&[]);
    let data = redis.path().join("data");
    push_load(&redis, HOST, 7101, now() / 60 * 60 - 120);
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

    assert!(operator.get(&graph_of(HOST)).contains("7101"));

    let (status, text) = post(token, HOST);
    assert_eq!(status, 200, "{text}");
    let gone = reqwest::blocking::get(format!("{}{}", operator.url, graph_of(HOST))).unwrap();
    assert_eq!(gone.status(), 404, "what was held of it is over at once");
    assert!(text.contains("2 series of 10.0.0.1 are deleted."), "{text}");
    assert!(!data.join(HOST).exists());
    let known: Vec<String> = redis.run("KURADO.HOSTS");
    assert!(known.is_empty(), "{known:?}");
}

/// How often Redis has run a command.
fn calls(redis: &Server, command: &str) -> u64 {
    let info: String = redis.run("INFO commandstats");
    let of_command = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&of_command));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

fn graph_of(host: &str) -> String {
    format!("/graph?address={host}&plugin_identifier=base&graph=loadavg-1&format=csv&term=hour")
}

/// Two points of what the graph draws, so that it has a value in the minute that ended at `time`.
fn push_load(redis: &Server, host: &str, value: u32, time: u32) {
    for time in [time - 60, time] {
        redis.push_point(host, "loadavg-1.gauge", value, time);
        redis.push_point(host, "processors.gauge", 4, time);
    }
}

#[test]
fn graphs_of_a_host_asked_for_at_once_are_few_flushes_and_each_has_what_came_a_second_before() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    let minute = now() / 60 * 60;
    for (round, value) in [(0, 7101), (1, 7202), (2, 7303)] {
        push_load(&redis, HOST, value, minute - 600 + round * 120);
        std::thread::sleep(std::time::Duration::from_secs(1));
        let text = web.get(&graph_of(HOST));
        assert!(text.contains(&value.to_string()), "{value}: {text}");
    }
    let before = [calls(&redis, "kurado.flush"), calls(&redis, "kurado.host")];
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert!(web.get(&graph_of(HOST)).contains("7303"));
                }
            });
        }
    });
    // One each half second, however long the machine took, and one at each end.
    let most = begun.elapsed().as_millis() as u64 / 500 + 2;
    for (command, before) in ["kurado.flush", "kurado.host"].iter().zip(before) {
        let asked = calls(&redis, command) - before;
        assert!(asked <= most, "{command}: {asked} of 100, at most {most}");
    }
}

#[test]
fn what_a_host_has_is_never_shown_for_another_one() {
    let redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    let minute = now() / 60 * 60;
    push_load(&redis, HOST, 7101, minute - 120);
    push_load(&redis, SILENT_HOST, 7202, minute - 120);
    for _ in 0..3 {
        for (host, own, other) in [(HOST, "7101", "7202"), (SILENT_HOST, "7202", "7101")] {
            let text = web.get(&graph_of(host));
            assert!(text.contains(own) && !text.contains(other), "{host}: {text}");
        }
    }
}

#[test]
fn when_redis_has_gone_graphs_say_so_once_what_was_held_is_over() {
    let mut redis = Server::start(&[]);
    let web = Web::start(&redis, &redis.path().join("data"), "");
    push_load(&redis, HOST, 7101, now() / 60 * 60 - 120);
    let answer = || reqwest::blocking::get(format!("{}{}", web.url, graph_of(HOST))).unwrap();
    assert!(!answer().headers().contains_key("kurado-notice"));
    redis.kill();
    // A page asks Redis, so the web learns it at once, and nothing holds any more.
    assert!(web.get("/").contains("<p class=\"notice\">"));
    let stale = answer();
    assert!(stale.headers().contains_key("kurado-notice"));
    assert!(stale.text().unwrap().contains("7101"));
}
