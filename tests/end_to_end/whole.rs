//! The whole system as a user starts it: agent, poller and web beside Redis, and the pages in a
//! real browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use redis::Value;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::{Server, field, now, pairs, text};
use test_redis::{Running, built, eventually, free_port};

/// The address that this machine is watched as.
const HERE: &str = "127.0.0.1";
/// A host with an hour of history.
const SHOWN: &str = "127.0.0.7";

struct Whole {
    redis: Server,
    url: String,
    _processes: Vec<Running>,
}

impl Whole {
    fn start() -> Self {
        let redis = Server::start(&["--appendonly", "yes"]);
        let configuration = write_configuration(&redis);
        let (web, url) = start_web(&configuration, redis.path(), "");
        let mut processes = vec![web];
        let mq = format!("127.0.0.1:{}", redis.port());
        let mut agent = Command::new(built("kurado-agent"));
        processes.push(start(
            agent.args(["--self-ip", HERE, "--mq", &mq, "--spool-size", "0"]),
            redis.path(),
        ));
        let mut poller = Command::new(built("kurado-poller"));
        processes.push(start(poller.arg("-c").arg(&configuration), redis.path()));
        Self { redis, url, _processes: processes }
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        let response = reqwest::blocking::get(format!("{}{path}", self.url)).unwrap();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap());
        let (status, kind) = (response.status().as_u16(), kind.unwrap_or_default().to_owned());
        (status, kind, response.bytes().unwrap().to_vec())
    }
}

fn write_configuration(redis: &Server) -> PathBuf {
    let rolls = redis.path().join("rolls");
    fs::create_dir(&rolls).unwrap();
    let metrics = format!("metrics:\n  - base\n  - redis:{}\n", redis.port());
    fs::write(rolls.join("here.yml"), format!("{metrics}  - linux\n")).unwrap();
    fs::write(rolls.join("linux.yml"), metrics).unwrap();
    let data = redis.path().join("data");
    let configuration = format!(
        "config:\n  redis: 127.0.0.1:{}\n  data_dir: {}\n  rolls_dir: rolls\n\
         ---\nservice: Kurado\nservers:\n  - label: Here\n    roll: here.yml\n    hosts:\n      \
         - {HERE} monitor this machine\n  - label: Shop\n    roll: linux.yml\n    hosts:\n      \
         - {SHOWN} shop-1 nginx, in front\n      - 127.0.0.8 shop-2 to come\n      \
         - 127.0.0.9 shop-3 to come\n",
        redis.port(),
        data.display()
    );
    let path = redis.path().join("kurado.yml");
    fs::write(&path, configuration).unwrap();
    path
}

pub fn start(command: &mut Command, directory: &Path) -> Running {
    let program = Path::new(command.get_program()).file_name().unwrap().to_owned();
    let log = fs::File::create(directory.join(program).with_extension("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Running::start(command)
}

pub fn start_web(configuration: &Path, directory: &Path, password: &str) -> (Running, String) {
    start_web_with(configuration, directory, password, &[])
}

/// The same with these flags.
pub fn start_web_with(
    configuration: &Path,
    directory: &Path,
    password: &str,
    flags: &[&str],
) -> (Running, String) {
    eventually("a start of kurado-web", || {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(built("kurado-web"));
        command.arg("-c").arg(configuration).args(["--listen", &listen]).args(flags);
        command.env("KURADO_PASSWORD", password);
        let mut web = start(&mut command, directory);
        let url = format!("http://{listen}");
        let ready = eventually("kurado-web", || {
            if web.0.try_wait().unwrap().is_some() {
                return Some(false);
            }
            reqwest::blocking::get(format!("{url}/healthz")).is_ok().then_some(true)
        });
        // It may have lost its port to another process.
        ready.then_some((web, url))
    })
}

/// An hour of the sample's metrics up to `newest`, each a little different from minute to minute.
fn history(newest: u32) -> String {
    let mut payload = String::new();
    for minute in 0..=60u32 {
        let time = newest - (60 - minute) * 60;
        for line in sample::LINES.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, value, _] = columns[..] else { panic!("{line}") };
            // What that agent called a device is a derive today.
            let name = name.replace(".device", ".derive");
            let number: f64 = value.parse().unwrap_or(0.0);
            let value = if name.contains(".meta.") {
                value.to_owned()
            } else if name.ends_with(".derive") {
                format!("{:.0}", number + f64::from(minute * (minute + 600)))
            } else {
                format!("{:.3}", number + f64::from(minute % 7))
            };
            payload.push_str(&format!("{SHOWN}\t{name}\t{value}\t{time}\n"));
        }
    }
    payload
}

/// What the sample says of its load.
fn sample_load() -> &'static str {
    let line = sample::LINES.lines().find(|line| line.starts_with("base.metrics.loadavg-1."));
    line.unwrap().split('\t').nth(1).unwrap()
}

#[test]
fn agent_and_poller_fill_the_files_of_this_machine_and_the_web_draws_them() {
    let whole = Whole::start();
    let redis = &whole.redis;
    let plugin = format!("redis%3A{}", redis.port());
    let host = eventually("the first lines of agent and poller", || {
        let host: Value = redis.run(&format!("KURADO.HOST {HERE}"));
        let known = host != Value::Nil && pairs(&field(&host, "plugins")).len() >= 3;
        known.then_some(host)
    });
    let plugins = field(&host, "plugins");
    for name in ["base", "linux", &plugin] {
        let found = field(&plugins, name);
        assert_ne!(text(&field(&found, "series")), "0", "{name}");
        assert!(pairs(&field(&found, "warnings")).is_empty(), "{found:?}");
    }
    let meta = field(&field(&plugins, &plugin), "meta");
    assert_eq!(text(&field(&meta, "role")), "master");
    redis.flush();
    let (_, load) = last_update(&redis.file(HERE, "base", "loadavg-1.gauge"));
    assert!(load.parse::<f64>().unwrap() >= 0.0);
    let (_, memory) = last_update(&redis.file(HERE, &plugin, "used_memory.gauge"));
    assert!(memory.parse::<f64>().unwrap() > 100_000.0, "{memory}");

    for (plugin, graph) in [("base", "loadavg-1"), ("linux", "load-per-core")] {
        let path =
            format!("/graph?address={HERE}&plugin_identifier={plugin}&graph={graph}&term=day");
        let (status, kind, picture) = whole.get(&path);
        assert_eq!(
            (status, kind.as_str()),
            (200, "image/png"),
            "{}",
            String::from_utf8_lossy(&picture)
        );
        assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    }
    let (status, _, page) = whole.get(&format!("/server?address={HERE}"));
    let page = String::from_utf8(page).unwrap();
    assert_eq!(status, 200);
    for expected in ["CPU Memory", "loadavg-1", "memory-usage", "tcp-states", "Redis("] {
        assert!(page.contains(expected), "{expected}");
    }
    let (_, _, json) = whole.get(&format!("/api/host-status?address={HERE}&address={SHOWN}"));
    let status: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(status[HERE], 0);
    assert_eq!(status[SHOWN], 2);
    let (_, _, json) = whole.get("/api/service-status");
    let counts: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(counts["Kurado"]["ok"], 1, "{counts}");
    assert_eq!(counts["Kurado"]["critical"], 3, "{counts}");
}

#[test]
fn a_password_of_redis_comes_from_the_environment() {
    let redis = Server::start(&["--requirepass", "opensesame"]);
    let configuration = write_configuration(&redis);
    let statuses = |password: &str| {
        let (_web, url) = start_web(&configuration, redis.path(), password);
        let url = format!("{url}/api/host-status?address={HERE}");
        reqwest::blocking::get(url).unwrap().status().as_u16()
    };
    assert_eq!(statuses("opensesame"), 200);
    assert_eq!(statuses("letmein"), 503);
    assert_eq!(statuses(""), 503);
}

#[test]
fn requests_that_make_no_sense_get_a_text_and_no_other_file() {
    let whole = Whole::start();
    for (path, expected) in [
        ("/server", 400),
        ("/server?address=10.9.9.9", 404),
        ("/server?address=../../etc", 404),
        ("/server?address=127.0.0.1&term=century", 400),
        ("/graph?address=127.0.0.1&plugin_identifier=base&graph=../../x", 404),
        ("/graph?address=127.0.0.1&plugin_identifier=../base&graph=cpu", 404),
        ("/graph?address=127.0.0.1&plugin_identifier=http&graph=cpu", 404),
        ("/graph?address=127.0.0.1&plugin_identifier=base&graph=cpu&width=0", 400),
        ("/graph?address=127.0.0.1&plugin_identifier=base&graph=cpu&width=99999999", 400),
        ("/graph?address=127.0.0.1&plugin_identifier=base&graph=cpu&term=custom&from=x&to=y", 400),
        ("/nowhere", 404),
    ] {
        let (status, _, body) = whole.get(path);
        assert_eq!(status, expected, "{path}: {}", String::from_utf8_lossy(&body));
        assert!(!body.is_empty(), "{path}");
    }
}

#[test]
fn a_person_opens_the_list_clicks_a_host_and_sees_its_graphs() {
    let whole = Whole::start();
    let newest = now() / 60 * 60;
    let pushed = whole.redis.push(&history(newest));
    assert_eq!(pushed.rejected, 0, "{:?}", pushed.reasons);
    let screenshots = built("kurado-web").parent().unwrap().parent().unwrap().join("screenshots");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    assert!(
        tests.join("node_modules").exists(),
        "{} is missing: run 'npm ci' in {}",
        tests.join("node_modules").display(),
        tests.display()
    );
    let output = Command::new("node")
        // One browser at a time is enough for a machine.
        .args(["--test", "--test-concurrency=1"])
        .current_dir(&tests)
        .env("KURADO_URL", &whole.url)
        .env("KURADO_HOST", "shop-1")
        .env("KURADO_NEWEST", newest.to_string())
        .env("KURADO_LOAD", sample_load())
        .env("KURADO_SCREENSHOTS", &screenshots)
        .env("KURADO_BUILT", built("libkurado.so").parent().unwrap())
        .output()
        .expect("node is installed");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    for name in ["list-desktop-light", "server-desktop-dark", "server-phone-light"] {
        let picture = screenshots.join(name).with_extension("png");
        assert!(picture.exists(), "{}", picture.display());
    }
}
