//! What fails costs itself, and no more.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{HOST, SILENT_HOST, Web};

/// The processes that this one started, by whichever of its threads.
fn children(of: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).unwrap();
    tasks
        .filter_map(|task| {
            let path = task.ok()?.path().join("children");
            std::fs::read_to_string(path).ok()
        })
        .flat_map(|children| children.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args(["-s", name, process]).status().unwrap();
    assert!(sent.success());
}

fn graph(width: u32) -> String {
    format!("/graph?address={HOST}&plugin_identifier=base&graph=loadavg-1&width={width}")
}

#[test]
fn a_render_worker_that_is_killed_is_started_again() {
    let web = Web::start();
    web.record("base", &["loadavg-1"]);
    web.get(&graph(300)).picture_size();
    let workers = children(web.id());
    assert!(!workers.is_empty());
    for worker in &workers {
        signal("KILL", worker);
        // Gone, or a zombie that waits to be noticed.
        while std::fs::read_to_string(format!("/proc/{worker}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            std::thread::yield_now();
        }
    }
    for width in 301..310 {
        web.get(&graph(width)).picture_size();
    }
}

#[test]
fn a_damaged_file_costs_its_graph_and_others_are_drawn() {
    let web = Web::start();
    web.record("base", &["loadavg-1", "tcp-established"]);
    let file = web.data_dir().join(HOST).join("base/tcp-established.gauge.rrd");
    std::fs::write(file, b"RRD\0 and nothing more").unwrap();
    let broken =
        web.get(&format!("/graph?address={HOST}&plugin_identifier=base&graph=tcp-established"));
    assert_eq!(broken.status, 500);
    assert!(broken.text().starts_with("librrd: "), "{}", broken.text());
    web.get(&graph(400)).picture_size();
}

#[test]
fn while_redis_is_away_pages_come_with_a_notice_and_statuses_are_unknown() {
    let web = Web::start();
    let list = web.get("/");
    assert_eq!(list.status, 200);
    let notice = "Statuses are unknown, and what is shown may be old or incomplete. \
                  <span lang=\"en\">Redis at 127.0.0.1:1 ";
    assert!(list.text().contains(notice), "{}", list.text());
    assert!(list.text().contains("mark unknown"));
    let server = web.get(&format!("/server?address={SILENT_HOST}"));
    assert_eq!(server.status, 200);
    assert!(server.text().contains(notice));
    let both = web.get(&format!("/servers?address={SILENT_HOST}&address={HOST}&address=gone"));
    assert_eq!(both.status, 200);
    assert!(both.text().contains("2 servers side by side"));
    assert!(both.text().contains(notice));
    assert_eq!(web.get(&format!("/api/host-status?address={HOST}")).status, 503);
    // Pages that are open learn it there.
    let told: Vec<BTreeMap<String, String>> =
        serde_json::from_str(&web.get("/api/notices").text()).unwrap();
    let is_told = |told: &BTreeMap<String, String>| {
        notice.starts_with(&told["text"]) && told["detail"].starts_with("Redis at 127.0.0.1:1 ")
    };
    assert!(told.iter().any(is_told), "{told:?}");
    // Of a host that nobody configured, the status is known without asking.
    assert_eq!(web.get("/api/host-status?address=10.9.9.9").text(), r#"{"10.9.9.9":2}"#);
    assert_eq!(web.get("/healthz").text(), "ok\n");
    let servers = web.get("/api/servers?service=Shop").text();
    assert_eq!(servers, "10.0.0.1 web-1 <i>rack</i>\n2001:db8::1 db-1\n");
}

#[test]
fn a_stop_ends_it_and_its_workers() {
    let mut web = Web::start();
    web.record("base", &["loadavg-1"]);
    web.get(&graph(300)).picture_size();
    let workers = children(web.id());
    signal("TERM", &web.id().to_string());
    assert!(web.ended_well());
    for worker in workers {
        while Path::new(&format!("/proc/{worker}")).exists() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn changed_files_are_followed_and_a_faulty_one_leaves_the_old_in_force_with_a_notice() {
    let web = Web::start();
    let roll = web.folder.path().join("all.yml");
    let page_with = |part: &str| {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let text = web.get("/").text();
            if text.contains(part) {
                return text;
            }
            assert!(Instant::now() < deadline, "not within two minutes: {part}\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let notice = "The configuration of before holds.";
    std::fs::write(&roll, "metrics: base\n").unwrap();
    let page = page_with(notice);
    assert!(page.contains("all.yml:1: metrics is &#39;base&#39;; it must be a list."), "{page}");
    assert!(page.contains("web-1") && page.contains("Statuses are unknown,"), "{page}");
    for path in [format!("/server?address={HOST}"), format!("/servers?address={HOST}")] {
        assert!(web.get(&path).text().contains(notice), "{path}");
    }

    let config = web.folder.path().join("kurado.yml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&roll, "metrics: [base]\n").unwrap();
    std::fs::write(&config, format!("{text}      - 10.0.0.77 web-77\n")).unwrap();
    let page = page_with("web-77");
    assert!(!page.contains(notice), "{page}");
    assert_eq!(web.get("/server?address=10.0.0.77").status, 200);
    assert_eq!(
        web.get(&format!("/graph?address={HOST}&plugin_identifier=redis&graph=mem")).status,
        404
    );
}

#[test]
fn a_file_that_may_not_be_read_is_named_with_the_user() {
    // To root nothing is denied: then the web runs as somebody else.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let web = Path::new(env!("CARGO_BIN_EXE_kurado-web"));
    let copy = tempfile::tempdir().unwrap();
    let command = if is_root {
        // The target directory may be in a home that others can't enter.
        std::fs::set_permissions(copy.path(), Permissions::from_mode(0o755)).unwrap();
        let program = copy.path().join("kurado-web");
        std::fs::copy(web, &program).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(web)
    };
    let web = Web::start_by(command, |folder| {
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(folder.join("data").join(HOST)).unwrap();
    });
    web.record("base", &["loadavg-1"]);
    let host = web.data_dir().join(HOST);
    let file = host.join("base/loadavg-1.gauge.rrd");
    for (denied, open) in [(&host, 0o755), (&file, 0o644)] {
        std::fs::set_permissions(denied, Permissions::from_mode(0o000)).unwrap();
        let what = if denied == &host { "entered" } else { "read" };
        let who = if is_root { "user nobody".to_owned() } else { "user ".to_owned() };
        let says = format!("{} may not be {what} by {who}", denied.display());
        let page = web.get(&format!("/server?address={HOST}")).text();
        assert!(page.contains(&format!("loadavg-1: {says}")), "{says}: {page}");
        let picture = web.get(&graph(300));
        assert_eq!(picture.status, 500);
        assert!(picture.text().starts_with(&says), "{}", picture.text());
        std::fs::set_permissions(denied, Permissions::from_mode(open)).unwrap();
    }
    let data = web.data_dir();
    std::fs::set_permissions(&data, Permissions::from_mode(0o000)).unwrap();
    let says = format!("config data_dir: {} may not be entered by user ", data.display());
    assert!(web.get("/").text().contains(&says), "{}", web.get("/").text());
    std::fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn where_to_listen_is_an_address_and_a_port_and_anything_else_is_told_so_with_an_example() {
    for text in ["127.0.0.1", "localhost:5434", "5434", "127.0.0.1:99999"] {
        let web = Command::new(env!("CARGO_BIN_EXE_kurado-web")).args(["--listen", text]).output();
        let web = web.unwrap();
        let errors = String::from_utf8(web.stderr).unwrap();
        assert_eq!(web.status.code(), Some(2), "{errors}");
        let says = "must be an address and a port, as in 127.0.0.1:5434 or [::1]:5434";
        assert!(errors.contains(&format!("'{text}'")) && errors.contains(says), "{errors}");
    }
}
