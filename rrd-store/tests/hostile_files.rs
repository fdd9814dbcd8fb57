//! Files that are damaged, cut, locked or in the way.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use line_protocol::{DataSourceType, Value};
use proptest::prelude::*;
use rrd_store::file::{self, Consolidation, FailureKind, FileError, Range, Written};
use rrd_store::layout::Layout;
use rrd_store::point::Point;

const START: u32 = 1_404_873_350;

fn small() -> Layout {
    "AVERAGE:1:20,MIN:3:10,MAX:5:7,LAST:10:30".parse().unwrap()
}

fn gauge(time: u32) -> Point {
    Point::new(time, Value::Float(1.0))
}

fn write(path: &Path, points: &[Point]) -> Result<Written, FileError> {
    file::write(path, &small(), DataSourceType::Gauge, points)
}

fn points(count: u32) -> Vec<Point> {
    (0..count).map(|n| gauge(START + 47 * n)).collect()
}

fn range(start: u32, end: u32) -> Range {
    Range { consolidation: Consolidation::Average, start, end, step: 60 }
}

fn names(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_damaged_header_is_an_error_or_an_update_but_no_panic(
        flips in prop::collection::vec((0..1120usize, any::<u8>()), 1..6),
        words in prop::collection::vec((0..140usize, prop::sample::select(vec![
            0, 1, u64::MAX, u64::MAX / 8, i64::MAX as u64, 1 << 32, f64::INFINITY.to_bits(),
        ])), 0..3),
        gap in prop_oneof![1..100_000u32, 1_000_000..2_000_000_000u32],
    ) {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = directory.path().join("file");
        write(&path, &points(50)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        for (at, mask) in flips {
            bytes[at] ^= mask;
        }
        for (word, value) in words {
            bytes[8 * word..][..8].copy_from_slice(&value.to_ne_bytes());
        }
        fs::write(&path, &bytes).unwrap();
        // What matters is that both return.
        let _ = file::fetch(&path, range(START, START + 5000));
        let last = START + 50 * 47;
        let result = write(&path, &[gauge(last + 60), gauge(last + gap), gauge(last + gap + 1)]);
        match result {
            Ok(_) => prop_assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64),
            // Nothing may be written where the header is not understood.
            Err(_) => prop_assert!(fs::read(&path).unwrap() == bytes),
        }
        let _ = file::fetch(&path, range(START, START + 5000));
    }
}

#[test]
fn rows_beyond_the_count_of_a_machine_word_are_no_overflow() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let layout: Layout = "AVERAGE:1000000:1".parse().unwrap();
    file::write(&path, &layout, DataSourceType::Gauge, &points(2)).unwrap();
    // A hole of 8 TB, which the file system does not have to hold.
    let rows: u64 = 1 << 40;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&rows.to_ne_bytes(), 272).unwrap();
    file.set_len(584 + 8 * rows).unwrap();
    file::fetch(&path, range(START, START + 5000)).unwrap();
    let last = Point::new(u32::MAX, Value::Float(1.0));
    file::write(&path, &layout, DataSourceType::Gauge, &[last]).unwrap();
}

#[test]
fn a_file_that_is_cut_and_regrown_during_updates_is_no_signal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write(&path, &points(3)).unwrap();
    let whole = fs::read(&path).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            let mut length = 7;
            while !done.load(Ordering::Relaxed) {
                length = length * 1_103_515_245 % 2_000;
                file.set_len(length).unwrap();
                file.set_len(whole.len() as u64).unwrap();
                file.write_all_at(&whole, 0).unwrap();
            }
        });
        for n in 0..2000 {
            let result = write(&path, &[gauge(START + 200 + 61 * n)]);
            if let Err(error) = result {
                let kinds = [FailureKind::Damaged, FailureKind::Layout];
                assert!(kinds.contains(&error.kind), "{error}");
            }
            let _ = file::fetch(&path, range(START, START + 500));
        }
        done.store(true, Ordering::Relaxed);
    });
    fs::write(&path, &whole).unwrap();
    assert_eq!(write(&path, &[gauge(START + 1_000_000)]).unwrap().points, 1);
}

/// A lock of another process, until it is dropped.
struct OtherProcess(libc::pid_t);

impl OtherProcess {
    fn lock(path: &Path, kind: libc::c_int) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let (told, tell) = std::io::pipe().unwrap();
        let wish = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        // SAFETY: the child calls nothing but system calls until it is killed.
        let pid = unsafe {
            match libc::fork() {
                0 => {
                    if libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &wish) == 0 {
                        libc::write(tell.as_raw_fd(), b"!".as_ptr().cast(), 1);
                    }
                    loop {
                        libc::pause();
                    }
                }
                pid => pid,
            }
        };
        assert!(pid > 0);
        let mut byte = [0];
        std::io::Read::read_exact(&mut { told }, &mut byte).unwrap();
        Self(pid)
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        // SAFETY: the process is a child of this one that nobody has waited for yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

#[test]
fn a_file_that_another_process_has_locked_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write(&path, &points(3)).unwrap();
    let before = fs::read(&path).unwrap();
    let fresh = [gauge(START + 1000)];

    let other = OtherProcess::lock(&path, libc::F_WRLCK);
    for error in [
        write(&path, &fresh).unwrap_err(),
        file::fetch(&path, range(START, START + 60)).unwrap_err(),
    ] {
        assert_eq!(error.kind, FailureKind::Locked);
        assert!(error.to_string().ends_with(&format!("is locked by process {}", other.0)));
    }
    drop(other);

    let reader = OtherProcess::lock(&path, libc::F_RDLCK);
    assert_eq!(write(&path, &fresh).unwrap_err().kind, FailureKind::Locked);
    file::fetch(&path, range(START, START + 60)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    drop(reader);
    assert_eq!(write(&path, &fresh).unwrap().points, 1);
}

#[test]
fn what_a_killed_creation_left_is_replaced_and_goes() {
    let directory = tempfile::tempdir().unwrap();
    // The longest name that a key gives.
    let path = directory.path().join("base").join("k".repeat(245) + ".rrd");
    let unfinished = path.with_file_name(format!(".{}.new", "k".repeat(245) + ".rrd"));
    fs::create_dir(directory.path().join("base")).unwrap();
    fs::write(&unfinished, "half a file".repeat(100_000)).unwrap();
    assert!(write(&path, &points(3)).unwrap().created);
    assert_eq!(names(&directory.path().join("base")), std::slice::from_ref(&path));
    assert_eq!(fs::metadata(&path).unwrap().len(), small().file_size());
}

#[test]
fn a_file_that_can_not_be_made_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = directory.path().join("base");
    fs::write(&plugin, "in the way").unwrap();
    let error = write(&plugin.join("k.gauge.rrd"), &points(3)).unwrap_err();
    assert!(error.to_string().contains("k.gauge.rrd: can't read: Not a directory"), "{error}");
    assert_eq!(names(directory.path()), std::slice::from_ref(&plugin));
    fs::remove_file(&plugin).unwrap();

    let deaf = Layout { heartbeat: 0, ..small() };
    let path = plugin.join("k.gauge.rrd");
    let error = file::write(&path, &deaf, DataSourceType::Gauge, &points(3)).unwrap_err();
    assert!(error.to_string().contains("heartbeat of 0 s"), "{error}");
    let fraction = [Point::new(START, Value::Float(1.5))];
    let error = file::write(&path, &small(), DataSourceType::Counter, &fraction).unwrap_err();
    let rule = format!("1.5 at {START} is no value of a data source of type COUNTER");
    assert!(error.to_string().ends_with(&rule), "{error}");
    assert!(!write(&path, &[]).unwrap().created);
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_full_file_system_is_an_error_of_its_own_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(directory.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("not permitted to mount a file system of 64 KB here");
        return;
    }
    let path = directory.path().join("base/k.gauge.rrd");
    let result = file::write(&path, &Layout::default(), DataSourceType::Gauge, &points(3));
    let left = names(path.parent().unwrap());
    let small = write(&path, &points(3));
    assert!(Command::new("umount").arg(directory.path()).status().unwrap().success());
    let error = result.unwrap_err();
    assert_eq!(error.kind, FailureKind::NoSpace, "{error}");
    assert!(left.is_empty(), "{left:?}");
    assert!(small.unwrap().created);
}
