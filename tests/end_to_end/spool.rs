//! The agent loses no minute: Redis is away, refuses, hangs or loses its answers, either is killed, and
//! afterwards each minute is in the RRD files. The agent's clock is the test's, so that a minute takes
//! as long as the agent does; Redis has the true one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use test_redis::{Running, built, eventually, free_port};

use crate::rrdtool::{last_update, rows, rrdtool};
use crate::server::{Server, now};

const HOST: &str = "10.0.0.1";
const KEY: &str = "memory-total.gauge";

/// What the way to the server does.
#[derive(Clone, Copy)]
enum Way {
    /// To the server on this port, which may be down.
    Open(u16),
    /// Whoever connects hears nothing.
    Hangs,
    /// The server hears all, and whoever asks it hears nothing before the connection ends.
    LosesAnswers(u16),
}

/// An agent, the way to its server, its clock, and its directory.
struct Watched {
    way: Arc<Mutex<Way>>,
    /// The server, as the agent is told.
    mq: String,
    clock: File,
    /// What it shows.
    time: u32,
    directory: TempDir,
    password: Option<&'static str>,
    /// Runs as root of a file system of its own, with a path and the agent's command behind it.
    launcher: Option<(&'static str, PathBuf)>,
    options: Vec<String>,
    agent: Option<Running>,
}

/// Has the spool on a small disk that nobody else sees.
const ON_SMALL_DISK: &str = "mount -t tmpfs -o size=64k,mode=700 small \"$0\" && exec \"$@\"";

/// Has names looked up as another file says.
const WITH_NAME_SERVER: &str = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";

impl Watched {
    /// Starts an agent; its first payload is as of the time that it begins with.
    fn start(server: &Server, password: Option<&'static str>) -> Self {
        let mut watched = Self::not_started(server.port());
        watched.password = password;
        watched.start_agent();
        watched
    }

    /// One whose agent is to be started yet, and its way to a port.
    fn not_started(port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("clock.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/end_to_end/held_clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library);
        assert!(compiler.arg(source).status().expect("cc is installed").success());
        let way = Arc::new(Mutex::new(Way::Open(port)));
        let clock = directory.path().join("clock");
        let time = now() / 60 * 60 - 7200;
        fs::write(&clock, i64::from(time).to_ne_bytes()).unwrap();
        let clock = File::options().write(true).open(clock).unwrap();
        let mq = format!("127.0.0.1:{}", open_way(Arc::clone(&way)));
        let (password, launcher, options, agent) = (None, None, Vec::new(), None);
        Self { way, mq, clock, time, directory, password, launcher, options, agent }
    }

    fn start_agent(&mut self) {
        let path = |name| self.directory.path().join(name);
        let log = File::options().create(true).append(true).open(path("log")).unwrap();
        let mut agent = match &self.launcher {
            None => Command::new(built("kurado-agent")),
            Some((script, argument)) => {
                let mut launcher = Command::new("unshare");
                launcher.args(["--mount", "--map-root-user", "sh", "-c", script]).arg(argument);
                launcher.arg(built("kurado-agent"));
                launcher
            }
        };
        agent
            .args(["--self-ip", HOST, "--mq", &self.mq])
            .arg("--spool")
            .arg(path("spool"))
            .args(&self.options)
            .env("LD_PRELOAD", path("clock.so"))
            .env("HELD_CLOCK", path("clock"))
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(log);
        match self.password {
            Some(password) => agent.env("KURADO_PASSWORD", password),
            None => agent.env_remove("KURADO_PASSWORD"),
        };
        self.agent = Some(Running::start(&mut agent));
    }

    /// The spool as the agent sees it.
    fn spool(&self) -> PathBuf {
        let path = self.directory.path().join("spool");
        match (&self.launcher, &self.agent) {
            (Some(_), Some(agent)) => {
                let root = PathBuf::from(format!("/proc/{}/root", agent.0.id()));
                root.join(path.strip_prefix("/").unwrap())
            }
            _ => path,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn set_way(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// Lets the agent's clock go on.
    fn step(&mut self, seconds: u32) {
        self.time += seconds;
        // In place: a file that is cut, if only for a moment, is a signal to who has it mapped.
        self.clock.write_all_at(&i64::from(self.time).to_ne_bytes(), 0).unwrap();
    }

    /// Whole minutes since the epoch that wait on the disk, by their seconds.
    fn waiting(&self) -> BTreeSet<u32> {
        let Ok(entries) = fs::read_dir(self.spool()) else {
            return BTreeSet::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter_map(|name| name.strip_suffix(".payload")?.split_once('-')?.1.parse().ok())
            .collect()
    }

    /// The next minutes, each of which the agent has to put on the disk before the one after it.
    fn minutes_away(&mut self, count: u32) {
        for _ in 0..count {
            self.step(60);
            let time = self.time;
            eventually("the payload on the disk", || self.waiting().contains(&time).then_some(()));
        }
    }

    /// The next minutes, each of which the server has to get before the one after it.
    fn minutes_there(&mut self, server: &Server, count: u32) {
        for _ in 0..count {
            self.step(60);
            self.arrives(server);
        }
    }

    /// Waits until the minute that the clock shows is in the file.
    fn arrives(&self, server: &Server) {
        let file = server.file(HOST, "base", KEY);
        eventually("the payload in the file", || {
            server.flush();
            (file.exists() && last_update(&file).0 == self.time).then_some(())
        });
    }

    /// Whether the agent has a thread that runs a command.
    fn runs_command(&self) -> bool {
        let tasks = format!("/proc/{}/task", self.agent.as_ref().unwrap().0.id());
        let names = fs::read_dir(tasks).unwrap().map(|task| {
            // It may end meanwhile.
            fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
        });
        names.into_iter().any(|name| name.trim() == "plugin")
    }

    /// Lets seconds pass until nothing waits any more.
    fn catches_up(&mut self) {
        eventually("an empty spool", || {
            self.step(1);
            self.waiting().is_empty().then_some(())
        });
    }

    /// The server has each minute from `first` until now.
    fn assert_no_gap(&self, server: &Server, first: u32) {
        server.flush();
        let base = server.path().join("data").join(HOST).join("base");
        let mut files: Vec<_> = fs::read_dir(base).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 20, "{files:?}");
        let last = last_update(&server.file(HOST, "base", KEY)).0;
        assert!(last + 60 >= self.time, "{last} is not {}", self.time);
        for file in &files {
            assert_whole(file, first, last);
        }
        let file = server.file(HOST, "base", KEY);
        let (from, to) = (first.to_string(), (last - 60).to_string());
        println!(
            "{}",
            rrdtool(&["fetch", file.to_str().unwrap(), "AVERAGE", "-s", &from, "-e", &to])
        );
        println!("{}", self.log());
    }
}

/// Each row behind `first`, as the minute before it is not known, up to `last` has a value.
fn assert_whole(file: &Path, first: u32, last: u32) {
    let rows = rows(file, first, last);
    let minutes = rows.iter().filter(|(time, _)| *time > first && *time <= last);
    let known = minutes.clone().filter(|(_, value)| value.is_some()).count();
    assert_eq!(minutes.count(), known, "{}: {rows:?}", file.display());
    assert_eq!(known as u32, (last - first) / 60, "{}: {rows:?}", file.display());
}

/// Opens a way on a port of its own, for as long as the test's process lives.
fn open_way(way: Arc<Mutex<Way>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut hanging = Vec::new();
        for client in listener.incoming() {
            let client = client.unwrap();
            let way = *way.lock().unwrap();
            match way {
                Way::Hangs => hanging.push(client),
                Way::Open(port) | Way::LosesAnswers(port) => {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                        continue;
                    };
                    let loses = matches!(way, Way::LosesAnswers(_));
                    let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    thread::spawn(move || carry(client, server));
                    thread::spawn(move || match loses {
                        false => carry(back.0, back.1),
                        true => lose(back.0, &back.1),
                    });
                }
            }
        }
    });
    port
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

/// Waits for the server's answer, and ends the connection of who waits for it.
fn lose(mut from: TcpStream, to: &TcpStream) {
    let _ = from.read(&mut [0; 4096]);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn terminate(agent: &Running) {
    let pid = agent.0.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
}

/// A server that loses nothing that it has acknowledged.
fn durable() -> Server {
    Server::start(&["--appendonly", "yes", "--appendfsync", "always"])
}

#[test]
fn ten_minutes_without_redis_leave_no_gap_though_it_was_killed() {
    let mut server = durable();
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    watched.minutes_there(&server, 3);
    assert!(!watched.spool().exists(), "nothing had to wait");
    server.kill();
    watched.minutes_away(10);
    server.start_again();
    watched.set_way(Way::Open(server.port()));
    watched.catches_up();
    watched.minutes_there(&server, 2);
    watched.assert_no_gap(&server, first);
    assert_eq!(server.info("lines_rejected"), 0);
    let log = watched.log();
    // Each reason once, however many the ticks: lost, nobody there, perhaps loading.
    let told: Vec<_> = log
        .lines()
        .filter_map(|line| line.split_once("cannot send to ")?.1.split_once("; payloads"))
        .map(|(reason, _)| reason)
        .collect();
    let reasons: BTreeSet<_> = told.iter().collect();
    assert!(!told.is_empty() && told.len() == reasons.len(), "{log}");
    assert_eq!(log.matches("is back after").count(), 1, "{log}");
    assert_eq!(log.matches("all that waited was sent").count(), 1, "{log}");
}

#[test]
fn ten_minutes_without_redis_leave_no_gap_though_the_agent_was_killed() {
    let mut server = durable();
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    server.kill();
    watched.minutes_away(5);
    // At a full minute it reads at once, so the one of this minute is there twice.
    watched.agent = None;
    watched.start_agent();
    watched.minutes_away(5);
    server.start_again();
    watched.set_way(Way::Open(server.port()));
    watched.catches_up();
    watched.minutes_there(&server, 1);
    watched.assert_no_gap(&server, first);
    assert_eq!(server.info("lines_rejected"), 0);
}

#[test]
fn a_stop_keeps_what_waits_and_the_next_start_sends_it_first() {
    let mut server = durable();
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    server.kill();
    watched.minutes_away(3);
    let mut agent = watched.agent.take().unwrap();
    terminate(&agent);
    let status = eventually("the agent's end", || agent.0.try_wait().unwrap());
    assert!(status.success());
    assert_eq!(watched.waiting().len(), 3);
    server.start_again();
    watched.set_way(Way::Open(server.port()));
    watched.step(60);
    watched.start_agent();
    watched.catches_up();
    watched.minutes_there(&server, 1);
    watched.assert_no_gap(&server, first);
    assert_eq!(server.info("rejected_too_old"), 0);
}

#[test]
fn a_server_that_accepts_and_never_answers_stops_no_reading() {
    let server = durable();
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    watched.set_way(Way::Hangs);
    // The connection of before may serve once more. What hangs then is on the disk some seconds later.
    eventually("a minute that waits", || {
        watched.step(1);
        (!watched.waiting().is_empty()).then_some(())
    });
    let into_minute = watched.time % 60;
    watched.step(60 - into_minute);
    watched.minutes_away(3);
    watched.set_way(Way::Open(server.port()));
    watched.catches_up();
    watched.assert_no_gap(&server, first);
}

#[test]
fn a_wrong_password_costs_no_minute_once_it_is_right() {
    let server = durable();
    let mut admin = server.connect();
    let mut say = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).exec(&mut admin).unwrap();
    say(&["CONFIG", "SET", "requirepass", "opensesame"]);
    let mut watched = Watched::start(&server, Some("opensesame"));
    let first = watched.time;
    let file = server.file(HOST, "base", KEY);
    eventually("the first payload", || {
        say(&["KURADO.FLUSH"]);
        file.exists().then_some(())
    });
    say(&["CONFIG", "SET", "requirepass", "other"]);
    // A connection on which the password was said before may stay otherwise.
    say(&["CLIENT", "KILL", "TYPE", "normal"]);
    watched.minutes_away(4);
    eventually("the reason in the log", || watched.log().contains("WRONGPASS").then_some(()));
    say(&["CONFIG", "SET", "requirepass", "opensesame"]);
    watched.catches_up();
    // The test itself knows no password.
    say(&["CONFIG", "SET", "requirepass", ""]);
    watched.assert_no_gap(&server, first);
    assert!(!watched.log().contains("opensesame"), "{}", watched.log());
}

#[test]
fn a_bound_that_is_reached_costs_no_minute_once_there_is_room() {
    let server = Server::start(&["--kurado.write-delay", "80000"]);
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    server.run::<()>("CONFIG SET kurado.max-pending-bytes 64kb");
    // In smaller steps than the agent's.
    for host in 0.. {
        let line =
            |n| format!("10.1.{}.{}\tbase.metrics.k{n}\t1\t{first}\n", host / 250, host % 250);
        if server.try_push(&(0..40).map(line).collect::<String>()).is_err() {
            break;
        }
    }
    watched.minutes_away(4);
    assert!(watched.log().contains("kurado.max-pending-bytes is 65536"), "{}", watched.log());
    server.run::<()>("CONFIG SET kurado.max-pending-bytes 64mb");
    watched.catches_up();
    watched.assert_no_gap(&server, first);
}

#[test]
fn what_is_sent_again_as_its_answer_was_lost_changes_nothing_in_the_files() {
    let server = durable();
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    watched.set_way(Way::LosesAnswers(server.port()));
    watched.step(10);
    watched.step(50);
    watched.arrives(&server);
    let time = watched.time;
    eventually("a minute that waits", || watched.waiting().contains(&time).then_some(()));
    server.flush();
    let file = server.file(HOST, "base", KEY);
    let (content, written) = (fs::read(&file).unwrap(), server.info("points_written"));
    let accepted = server.info("lines_accepted");
    // It is sent once more, and that is lost too; then again.
    eventually("the payload once more", || {
        watched.step(1);
        (server.info("lines_accepted") > accepted).then_some(())
    });
    watched.set_way(Way::Open(server.port()));
    watched.catches_up();
    server.flush();
    assert!(watched.time / 60 == time / 60 || server.info("points_written") > written);
    if watched.time / 60 == time / 60 {
        assert_eq!(fs::read(&file).unwrap(), content);
        assert_eq!(server.info("points_written"), written);
    }
    assert_eq!(server.info("lines_rejected"), 0);
    watched.assert_no_gap(&server, first);
}

#[test]
fn what_a_full_spool_dropped_shows_on_the_hosts_page() {
    let mut server = durable();
    let mut watched = Watched::start(&server, None);
    watched.arrives(&server);
    server.kill();
    watched.minutes_away(2);
    watched.agent = None;
    let ballast = format!("{:020}-{}.payload", 1000, watched.time);
    File::create(watched.spool().join(ballast)).unwrap().set_len(64 << 20).unwrap();
    watched.start_agent();
    watched.minutes_away(1);
    server.start_again();
    watched.set_way(Way::Open(server.port()));
    watched.catches_up();
    let host: redis::Value = server.run(&format!("KURADO.HOST {HOST}"));
    let text = format!("{host:?}");
    assert!(text.contains("the spool was full: payloads dropped: 3, read from "), "{text}");
    assert_eq!(watched.log().matches("the spool is full: payloads dropped: 3").count(), 1);
}

#[test]
fn a_server_out_of_memory_costs_no_minute_once_it_has_some() {
    let server = durable();
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    server.run::<()>("CONFIG SET maxmemory-policy noeviction");
    server.run::<()>("CONFIG SET maxmemory 1");
    watched.minutes_away(4);
    eventually("the reason", || watched.log().contains("has reached its maxmemory").then_some(()));
    assert_eq!(watched.log().matches("cannot send to").count(), 1, "{}", watched.log());
    server.run::<()>("CONFIG SET maxmemory 0");
    watched.catches_up();
    watched.assert_no_gap(&server, first);
    assert_eq!(server.info("lines_rejected"), 0);
}

#[test]
fn a_server_that_reads_its_data_costs_no_minute_once_it_has_them() {
    let server = Server::start(
        &[
            ["--rdbcompression", "no"],
            // It looks for commands after each key, and each key takes so many microseconds.
            ["--loading-process-events-interval-bytes", "1024"],
            ["--key-load-delay", "20000"],
        ]
        .concat(),
    );
    let mut watched = Watched::start(&server, None);
    let first = watched.time;
    watched.arrives(&server);
    let mut admin = server.connect();
    let mut say = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).exec(&mut admin).unwrap();
    // Minutes, if nobody ends it.
    say(&["DEBUG", "POPULATE", "20000", "key", "1024"]);
    thread::scope(|scope| {
        let reading = scope.spawn(|| server.run::<()>("DEBUG RELOAD"));
        eventually("LOADING", || {
            server.try_run::<()>("GET key").is_err_and(|error| is_loading(&error)).then_some(())
        });
        watched.minutes_away(4);
        eventually("the reason", || watched.log().contains("LOADING").then_some(()));
        assert!(server.try_run::<()>("GET key").is_err_and(|error| is_loading(&error)));
        say(&["CONFIG", "SET", "key-load-delay", "0"]);
        reading.join().unwrap();
    });
    let log = watched.log();
    assert_eq!(log.matches("cannot send to").count(), 1, "{log}");
    assert!(log.contains("the server has just been started, and reads its data"), "{log}");
    watched.catches_up();
    watched.assert_no_gap(&server, first);
    assert_eq!(server.info("lines_rejected"), 0);
}

fn is_loading(error: &str) -> bool {
    error.to_ascii_lowercase().contains("loading")
}

#[test]
fn a_disk_that_is_full_is_told_once_and_costs_no_minute() {
    let mut server = durable();
    let mut watched = Watched::not_started(server.port());
    let path = |name: &str| watched.directory.path().join(name);
    let (spool, plugins, ticks) = (path("spool"), path("conf.d"), path("ticks"));
    fs::create_dir(&spool).unwrap();
    fs::create_dir(&plugins).unwrap();
    // Says when a minute was read, as not each is on the disk.
    let command = format!("[plugin.metrics.tick]\ncommand = \"echo >> '{}'\"\n", ticks.display());
    fs::write(plugins.join("tick.toml"), command).unwrap();
    watched.options = vec!["--conf-d".to_owned(), plugins.to_str().unwrap().to_owned()];
    watched.launcher = Some((ON_SMALL_DISK, spool));
    watched.start_agent();
    let read = || fs::metadata(&ticks).map_or(0, |ticks| ticks.len());
    let first = watched.time;
    watched.arrives(&server);
    server.kill();
    let minute = |watched: &mut Watched| {
        // A run that has not ended would be passed over at the next minute.
        eventually("the end of the run before", || (!watched.runs_command()).then_some(()));
        let before = read();
        watched.step(60);
        eventually("a reading", || (read() > before).then_some(()));
    };
    let full = "cannot write: No space left on device";
    // A payload takes two pages at least, and there are sixteen.
    for _ in 0..10 {
        minute(&mut watched);
    }
    eventually("the reason", || watched.log().contains(full).then_some(()));
    let stored = watched.waiting().len();
    assert!((1..10).contains(&stored), "{stored}");
    for _ in 0..5 {
        minute(&mut watched);
    }
    assert_eq!(watched.log().matches(full).count(), 1, "{}", watched.log());
    server.start_again();
    watched.set_way(Way::Open(server.port()));
    eventually("all that waited", || {
        // Slowly: each payload, with what commands print meanwhile, has ten seconds of this clock.
        thread::sleep(Duration::from_millis(100));
        watched.step(1);
        watched.log().contains("all that waited was sent").then_some(())
    });
    watched.assert_no_gap(&server, first);
    assert_eq!(server.info("rejected_too_old"), 0);
    assert!(!watched.log().contains("dropped"), "{}", watched.log());
}

#[test]
fn a_name_server_that_never_answers_stops_neither_reading_nor_a_stop() {
    // Any address of this machine's own will do. Names are asked for at this port alone, and root may use it.
    let address = format!("127.{}.{}.53", std::process::id() >> 8 & 255, std::process::id() & 255);
    let name_server = UdpSocket::bind((address.as_str(), 53)).expect("root may use port 53");
    let mut watched = Watched::not_started(free_port());
    let resolv_conf = watched.directory.path().join("resolv.conf");
    fs::write(&resolv_conf, format!("nameserver {address}\noptions timeout:30\n")).unwrap();
    watched.launcher = Some((WITH_NAME_SERVER, resolv_conf));
    watched.mq = "kurado.example.:1887".to_owned();
    watched.start_agent();
    let mut query = [0; 512];
    let len = name_server.recv(&mut query).unwrap();
    assert!(query[..len].windows(14).any(|bytes| bytes == b"kurado\x07example"), "{query:?}");
    watched.minutes_away(3);
    let mut agent = watched.agent.take().unwrap();
    terminate(&agent);
    let status = eventually("the agent's end", || {
        watched.step(1);
        agent.0.try_wait().unwrap()
    });
    assert!(status.success(), "{}", watched.log());
    assert!(watched.log().contains("for the next start: 4"), "{}", watched.log());
}
