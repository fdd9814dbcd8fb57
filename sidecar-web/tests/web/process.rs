//! A running `kurado-web` with a site of its own, and a plain HTTP client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use line_protocol::Identifier;
use site::Definitions;

/// The host that has data.
pub const HOST: &str = "10.0.0.1";
/// A host of the configuration that has none; an address with colons.
pub const SILENT_HOST: &str = "2001:db8::1";

/// The web, and the folder of its files. Both go when it is dropped.
pub struct Web {
    pub folder: tempfile::TempDir,
    process: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

/// What it answered.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Web {
    /// Starts it over two hosts with `base` and `redis`; nobody listens where Redis should be.
    pub fn start() -> Self {
        Self::start_after(|_| {})
    }

    /// The same, after something was put into the folder of its files.
    pub fn start_after(prepare: impl FnOnce(&Path)) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_kurado-web")), prepare)
    }

    /// The same by this command, which gets the web's arguments.
    pub fn start_by(mut command: Command, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        std::fs::write(folder.path().join("all.yml"), "metrics:\n  - base\n  - redis\n").unwrap();
        let config = folder.path().join("kurado.yml");
        std::fs::write(
            &config,
            format!(
                "config:\n  redis: 127.0.0.1:1\n  data_dir: data\n  rolls_dir: .\n---\n\
                 service: Shop\nservers:\n  - label: Front\n    roll: all.yml\n    hosts:\n      \
                 - {HOST} web-1 <i>rack</i>\n      - {SILENT_HOST} db-1\n"
            ),
        )
        .unwrap();
        let mut process = command
            .arg("--config")
            .arg(&config)
            .args(["--listen", "127.0.0.1:0"])
            .env_remove("RUST_LOG")
            .env("TZ", "UTC")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let from = seen.len();
            assert_ne!(log.read_line(&mut seen).unwrap(), 0, "it did not start:\n{seen}");
            if let Some((_, address)) = seen[from..].split_once("listening on ") {
                let (_, address) = address.split_once("://").unwrap();
                break address.trim_end().trim_end_matches('/').to_owned();
            }
        };
        // The rest is read, so that a full pipe never stops it, and shown where a test fails.
        let all = Arc::new(Mutex::new(seen));
        let kept = Arc::clone(&all);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                eprintln!("{line}");
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { folder, process, address, log: all }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Waits until it has ended; whether without a fault.
    pub fn ended_well(&mut self) -> bool {
        self.process.wait().unwrap().success()
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    }

    pub fn get_with(&self, target: &str, header: &str) -> Answer {
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nhost: x\r\n{header}\r\nconnection: close\r\n\r\n"
        ))
    }

    /// Sends a whole request that asks to close, and reads what comes.
    pub fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("no answer");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            let between = if values.is_empty() { "" } else { ", " };
            values.push_str(&format!("{between}{value}"));
        }
        let mut body = bytes[end + 4..].to_vec();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            body = without_chunks(&body);
        }
        Answer { status, headers, body }
    }

    /// Makes the RRD files of all series that these graphs of [`HOST`] draw, with two hours of
    /// values up to now, by rrdtool.
    pub fn record(&self, plugin: &str, graphs: &[&str]) {
        let identifier = Identifier::parse(plugin).unwrap();
        let definitions = Definitions::load(&[]).unwrap();
        let definition = definitions.get(identifier.name()).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = now.as_secs() / 60 * 60;
        for graph in graphs {
            let drawn = definition.graph(&identifier, graph, &BTreeMap::new());
            let drawn = drawn.unwrap_or_else(|| panic!("{plugin} has no graph {graph}"));
            for source in site::graph::sources(&drawn, (HOST, &identifier)).unwrap() {
                let path = source.path(&self.data_dir());
                if path.exists() {
                    continue;
                }
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let kind = line_protocol::DataSourceType::of_key(&source.key).unwrap().rrd_name();
                let start = now - 7260;
                rrdtool(&[
                    "create",
                    path.to_str().unwrap(),
                    "--start",
                    &start.to_string(),
                    "--step",
                    "60",
                    &format!("DS:n:{kind}:120:U:U"),
                    "RRA:AVERAGE:0.5:1:2880",
                    "RRA:MIN:0.5:1:2880",
                    "RRA:MAX:0.5:1:2880",
                ]);
                let points: Vec<String> =
                    (1..=121).map(|n| format!("{}:{}", start + n * 60, n * 600)).collect();
                let mut update = vec!["update", path.to_str().unwrap()];
                update.extend(points.iter().map(String::as_str));
                rrdtool(&update);
            }
        }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The text of an SVG of our own drawing.
    pub fn drawing(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.headers["content-type"], "image/svg+xml");
        let text = self.text();
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>"), "{text}");
        text
    }

    /// Width and height of a PNG.
    pub fn picture_size(&self) -> (u32, u32) {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers["content-type"], "image/png");
        assert!(self.body.starts_with(b"\x89PNG\r\n\x1a\n"));
        let number = |at: usize| u32::from_be_bytes(self.body[at..at + 4].try_into().unwrap());
        (number(16), number(20))
    }
}

/// A body that comes in chunks, each behind its length.
fn without_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|part| part == b"\r\n").expect("a chunk's length");
        let length = std::str::from_utf8(&rest[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..][..length]);
        rest = &rest[end + 2 + length + 2..];
    }
}

/// The `rrdtool` command that the page of a graph shows.
pub fn command_of(page: &str) -> String {
    let (_, command) = page.split_once("<pre>rrdtool graph").unwrap();
    let (command, _) = command.split_once("</pre>").unwrap();
    let mut command = format!("rrdtool graph{command}");
    // The sign of all of them at the end.
    for (escape, plain) in
        [("&#39;", "'"), ("&#34;", "\""), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
    {
        command = command.replace(escape, plain);
    }
    command
}

/// Runs the stock rrdtool.
pub fn rrdtool(arguments: &[&str]) {
    let ran = Command::new("rrdtool").arg(arguments[0]).args(&arguments[1..]).output();
    let ran = ran.expect("rrdtool is needed for this test");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
