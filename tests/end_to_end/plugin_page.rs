//! `docs/plugins.md`: what it teaches works as it stands there.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::Server;
use crate::whole::{start, start_web};
use test_redis::{Running, built, eventually, free_port};

const PAGE: &str = include_str!("../../docs/plugins.md");
/// The port of Redis on the page.
const PORT: &str = "1887";
/// The port of the node exporter there.
const EXPORTER: &str = "9100";

/// A block of the page.
struct Block {
    language: String,
    /// The file that it is: what stands in code at the end of the paragraph before, and a colon.
    file: Option<String>,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let named = before.ends_with("`:").then(|| before.split('`').rev().nth(1)).flatten();
            blocks.push(Block {
                language: language.to_owned(),
                file: named.map(str::to_owned),
                text: text.join("\n") + "\n",
            });
        } else if !line.trim().is_empty() {
            before = line;
        }
    }
    blocks
}

/// Writes a file; one that begins with `#!` can be run. By another process: a file that this one has
/// open for writing can't.
fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mode = if text.starts_with("#!") { "755" } else { "644" };
    let mut install = Command::new("install")
        .args(["-m", mode, "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    install.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(install.wait().unwrap().success());
}

/// Runs each `$ command` of a console, and holds what it prints against what stands below it, where
/// `…` is any text.
fn run(console: &str, directory: &Path) {
    let mut parts = console.split("$ ");
    assert_eq!(parts.next(), Some(""), "{console}");
    for part in parts {
        let (command, wanted) = part.split_once('\n').unwrap();
        let programs = built("kurado-poller");
        let path =
            format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-o", "pipefail", "-c", command])
            .current_dir(directory)
            .env("PATH", path)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (printed, wanted) = (lines(&printed), lines(wanted));
        let agree = printed.len() == wanted.len()
            && std::iter::zip(&printed, &wanted).all(|(printed, wanted)| matches(printed, wanted));
        assert!(agree, "{command}\nprinted {printed:#?}, not {wanted:#?}\n{errors}");
    }
}

fn matches(printed: &str, wanted: &str) -> bool {
    let mut rest = printed;
    let mut parts = wanted.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(behind) = rest.strip_prefix(first) else { return false };
    rest = behind;
    let mut last = first;
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
        last = part;
    }
    last.is_empty() || rest.is_empty()
}

fn start_exporter(directory: &Path) -> (Running, String) {
    eventually("a start of the node exporter", || {
        let port = free_port().to_string();
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut exporter = start(&mut command, directory);
        let ready = eventually("the node exporter", || {
            if exporter.0.try_wait().unwrap().is_some() {
                return Some(false);
            }
            reqwest::blocking::get(format!("http://127.0.0.1:{port}/")).is_ok().then_some(true)
        });
        // It may have lost its port to another process.
        ready.then_some((exporter, port))
    })
}

#[test]
fn what_the_page_about_plugins_teaches_works_as_it_stands_there() {
    let redis = Server::start(&[]);
    let directory = redis.path();
    let port = redis.port().to_string();
    let (_exporter, exporter) = start_exporter(directory);
    let config = format!(
        "config:\n  redis: 127.0.0.1:{port}\n  data_dir: data\n  metrics_plugin_dir: [plugins]\n---\n\
         service: Kurado\nservers:\n  - roll: linux.yml\n    hosts: [127.0.0.1 localhost this machine]\n"
    );
    fs::write(directory.join("kurado.yml"), config).unwrap();
    write(&directory.join("rolls/linux.yml"), "metrics: [base]\n");

    let mut files = Vec::new();
    let mut consoles = 0;
    for block in blocks() {
        let text = block.text.replace(PORT, &port).replace(EXPORTER, &exporter);
        match block.file {
            _ if block.language == "console" => {
                run(&text, directory);
                consoles += 1;
            }
            Some(file) => {
                write(&directory.join(&file), &text);
                files.push(file);
            }
            None => panic!("the page does not say which file this is:\n{text}"),
        }
    }
    assert_eq!(
        files,
        [
            "agent.d/processes.toml",
            "rolls/linux.yml",
            "plugins/processes.toml",
            "plugins/fetch/connect.py",
            "plugins/connect.toml",
            "plugins/view/connect.sh",
            "rolls/linux.yml",
        ]
    );
    assert_eq!(consoles, 6);

    // And as a whole: agent and poller fill the files, the web draws them.
    let configuration = directory.join("kurado.yml");
    let mq = format!("127.0.0.1:{port}");
    let mut agent = Command::new(built("kurado-agent"));
    agent.args(["--self-ip", "127.0.0.1", "--mq", &mq, "--conf-d", "agent.d"]);
    agent.args(["--spool-size", "0"]);
    let _agent = start(agent.current_dir(directory), directory);
    let mut poller = Command::new(built("kurado-poller"));
    let _poller = start(poller.arg("-c").arg(&configuration), directory);
    let (_web, url) = start_web(&configuration, directory, "");
    let connect = format!("connect:{port}:22");
    let prometheus = format!("prometheus:{exporter}");
    let of_connect = format!("time-{port}");
    for (plugin, graph) in [
        ("processes", "running"),
        ("processes", "forks"),
        (&connect, of_connect.as_str()),
        (&prometheus, "cpu-mode"),
        (&prometheus, "load"),
    ] {
        let graph =
            format!("{url}/graph?address=127.0.0.1&plugin_identifier={plugin}&graph={graph}");
        eventually(&graph, || {
            let answer = reqwest::blocking::get(&graph).ok()?;
            answer.status().is_success().then_some(())
        });
    }
    let page = reqwest::blocking::get(format!("{url}/server?address=127.0.0.1")).unwrap();
    let page = page.text().unwrap();
    for wanted in
        ["<h3>Processes</h3>", "<dt>kernel</dt>", "<h3>Connections</h3>", "<h3>Prometheus ("]
    {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
}
