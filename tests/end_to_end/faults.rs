//! Faults of the disk and of files: points wait, the fault is told, other files go on, and when the
//! cause is gone all is written by itself, each point once.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use redis::Value;
use tempfile::TempDir;
use test_redis::eventually;

use crate::obstacle::Lock;
use crate::rrdtool::{last_update, rows, rrdtool};
use crate::server::{Server, field, pairs, text};

/// A whole minute, so that a row is one point and nothing else.
const START: u32 = 1_404_873_360;
/// Starts a server whose data directory is a small disk that nobody else sees, and that may not
/// write where modes forbid it, though it is root there. The directory comes first.
const ON_SMALL_DISK: &str = "mount -t tmpfs -o size=3m,mode=755 small \"$0\" && \
     exec setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"";

/// A server with a data directory on a disk of its own, which goes with it.
struct OnSmallDisk {
    server: Server,
    directory: TempDir,
}

impl OnSmallDisk {
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let launcher = ["unshare", "--mount", "--map-root-user", "sh", "-c", ON_SMALL_DISK, path];
        let options = [options, &["--kurado.data-dir", path]].concat();
        Self { server: Server::start_under(&launcher, &options), directory }
    }

    /// Its data directory, as it sees it itself.
    fn data(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.server.process_id());
        Path::new(&root).join(self.directory.path().strip_prefix("/").unwrap())
    }

    fn file(&self, address: &str) -> PathBuf {
        self.data().join(address).join("base/a.gauge.rrd")
    }

    /// Fills the disk to its last page.
    fn fill(&self) {
        let mut ballast = File::create(self.data().join("ballast")).unwrap();
        let error = loop {
            if let Err(error) = ballast.write_all(&[b'x'; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}

/// The warning `rrd` of a host's plugin.
fn warning(server: &Server, address: &str) -> Option<String> {
    let host: Value = server.run(&format!("KURADO.HOST {address}"));
    let warnings = field(&field(&field(&host, "plugins"), "base"), "warnings");
    let (_, warning) = pairs(&warnings).into_iter().find(|(name, _)| name == "rrd")?;
    let Value::Array(warning) = warning else { panic!("{warning:?}") };
    Some(text(&warning[1]))
}

fn pending(server: &Server, address: &str) -> u32 {
    let host: Value = server.run(&format!("KURADO.HOST {address}"));
    text(&field(&host, "pending")).parse().unwrap()
}

/// Puts another RRD in place of a file.
fn put_other(file: &Path, step: &str, source: &str) {
    fs::remove_file(file).unwrap();
    let start = (START - 600).to_string();
    let path = file.to_str().unwrap();
    rrdtool(&["create", path, "-b", &start, "-s", step, source, "RRA:AVERAGE:0.5:1:60"]);
}

/// Address, the counter of INFO that counts it, and what the warning says.
const CAUSES: [(&str, &str, &str); 11] = [
    ("full", "no_space", "can't create: No space left on device"),
    ("new-in-read-only", "permission", "can't create: Permission denied"),
    ("read-only", "permission", "can't read: Permission denied"),
    ("cut", "damaged_file", "is truncated: 1000 bytes where its header needs"),
    ("empty", "damaged_file", "is truncated: 0 bytes where its header needs"),
    ("text", "damaged_file", "is not an RRD file of this machine's format"),
    ("directory", "damaged_file", "is not an RRD file of this machine's format"),
    ("step", "other_layout", "at a step of 10 s"),
    ("type", "other_layout", "its data source is of type COUNTER where the key says GAUGE"),
    ("sources", "other_layout", "has 2 data sources"),
    ("locked", "locked", "is locked by process "),
];
/// Hosts that have no file when their fault begins.
const WITHOUT_FILE: [&str; 2] = ["full", "new-in-read-only"];

#[test]
fn whatever_keeps_a_file_from_being_written_its_points_wait_and_are_written_when_it_is_gone() {
    // Files of a few pages, so that all have room on the small disk.
    let small = ["--kurado.write-delay", "1", "--kurado.rra", "AVERAGE:1:60"];
    let disk = OnSmallDisk::start(&small);
    let server = &disk.server;
    let mut minute = 0;
    // Each host gets each point, but for those that have no file yet: these get none of the first.
    let mut push = |with_file_alone: bool| {
        let time = START + minute * 60;
        for (address, _, _) in CAUSES.iter().chain(&[("healthy", "", "")]) {
            if !(with_file_alone && WITHOUT_FILE.contains(address)) {
                server.push_point(address, "a", 7 * minute + 1, time);
            }
        }
        minute += 1;
        time
    };
    push(true);
    push(true);
    eventually("the files", || (server.info("pending_points") == 0).then_some(()));
    let whole: BTreeMap<&str, Vec<u8>> = CAUSES
        .iter()
        .filter(|(address, _, _)| !WITHOUT_FILE.contains(address))
        .map(|(address, _, _)| (*address, fs::read(disk.file(address)).unwrap()))
        .collect();

    for address in ["cut", "empty"] {
        let length = if address == "cut" { 1000 } else { 0 };
        File::options().write(true).open(disk.file(address)).unwrap().set_len(length).unwrap();
    }
    fs::write(disk.file("text"), "not an RRD file\n".repeat(20)).unwrap();
    fs::remove_file(disk.file("directory")).unwrap();
    fs::create_dir(disk.file("directory")).unwrap();
    put_other(&disk.file("step"), "10", "DS:n:GAUGE:120:U:U");
    put_other(&disk.file("type"), "60", "DS:n:COUNTER:120:U:U");
    fs::remove_file(disk.file("sources")).unwrap();
    let path = disk.file("sources");
    let two = ["DS:n:GAUGE:120:U:U", "DS:m:GAUGE:120:U:U", "RRA:AVERAGE:0.5:1:60"];
    let create = ["create", path.to_str().unwrap(), "-b", "1404872000", "-s", "60"];
    rrdtool(&[&create[..], &two].concat());
    let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    set_mode(&disk.file("read-only"), 0o444).unwrap();
    let read_only = disk.data().join("new-in-read-only");
    fs::create_dir_all(read_only.join("base")).unwrap();
    set_mode(&read_only.join("base"), 0o555).unwrap();
    let lock = Lock::take(&disk.file("locked"));
    disk.fill();

    push(false);
    for (address, counter, words) in CAUSES {
        let told = eventually(&format!("a warning of '{address}'"), || warning(server, address));
        assert!(told.contains(&format!("{address}/base/a.gauge.rrd: ")), "{told}");
        assert!(told.contains(words), "{address}: {told}");
        assert!(server.info(&format!("write_errors_{counter}")) > 0, "{address}");
    }
    assert!(warning(server, "locked").unwrap().contains(&std::process::id().to_string()));
    assert_eq!(server.info("write_errors_other"), 0);
    // More comes meanwhile, for all.
    let last = push(false);
    eventually("the healthy host's writes", || (pending(server, "healthy") == 0).then_some(()));
    assert_eq!(last_update(&disk.file("healthy")).0, last);
    assert_eq!(warning(server, "healthy"), None);
    for (address, _, _) in CAUSES {
        assert_eq!(pending(server, address), 2, "{address}");
    }
    assert_eq!(server.info("pending_points"), 2 * CAUSES.len() as u64);

    fs::remove_file(disk.data().join("ballast")).unwrap();
    fs::remove_dir(disk.file("directory")).unwrap();
    set_mode(&read_only.join("base"), 0o755).unwrap();
    drop(lock);
    for (address, bytes) in whole {
        // What was never damaged stays: it may be written already.
        if !["locked", "read-only"].contains(&address) {
            // Under its own name at once, as one who restores a file should.
            let restored = disk.data().join("restored");
            fs::write(&restored, bytes).unwrap();
            fs::rename(&restored, disk.file(address)).unwrap();
        }
        set_mode(&disk.file(address), 0o644).unwrap();
    }
    eventually("all writes", || (server.info("pending_points") == 0).then_some(()));
    for (address, _, _) in CAUSES {
        // The first point gives no row: its file begins 10 s before it.
        let first = if WITHOUT_FILE.contains(&address) { 3 } else { 1 };
        let expected: Vec<(u32, f64)> =
            (first..4).map(|n| (START + n * 60, f64::from(7 * n + 1))).collect();
        let rows = rows(&disk.file(address), START - 60, last).into_iter();
        let known: Vec<_> = rows.filter_map(|(time, value)| Some((time, value?))).collect();
        assert_eq!(known, expected, "{address}");
    }
    assert_eq!(server.info("points_skipped"), 0);
    assert_eq!(server.info("batches_in_flight"), 0);
}

#[test]
fn a_file_that_is_cut_again_and_again_while_it_is_used_ends_no_server() {
    let server = Server::start(&["--kurado.write-delay", "1"]);
    let process = server.process_id();
    server.push_point("10.0.0.1", "a", 1, START);
    server.flush();
    let path = server.file("10.0.0.1", "base", "a.gauge");
    let whole = fs::read(&path).unwrap();
    let ended = AtomicBool::new(false);
    let mut minutes = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(&path).unwrap();
            for round in 0u64.. {
                file.set_len(round * 4099 % 190_552).unwrap();
                thread::yield_now();
                fs::write(&path, &whole).unwrap();
                if ended.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let (from, to) = (START - 86_400, START + 86_400);
        let words = format!("KURADO.FETCH 10.0.0.1 base a.gauge MAX {from} {to}");
        for _ in 0..300 {
            minutes += 1;
            server.push_point("10.0.0.1", "a", 1, START + minutes * 60);
            // They may fail; what counts is that somebody answers.
            let _ = server.try_run::<Value>("KURADO.FLUSH");
            let _ = server.try_run::<Value>(&words);
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(server.run::<String>("INFO server").contains(&format!("process_id:{process}\r\n")));
    minutes += 1;
    server.push_point("10.0.0.1", "a", 1, START + minutes * 60);
    assert!(server.flush() >= 1);
    assert_eq!(last_update(&path).0, START + minutes * 60);
}
