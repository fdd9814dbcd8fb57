//! Files that this crate writes, as the stock `rrdtool` reads them, and the other way round.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use line_protocol::{DataSourceType, Value};
use rrd_store::data_dir::DataDir;
use rrd_store::file::{self, Consolidation, FailureKind, Range};
use rrd_store::header::{Header, HeaderError};
use rrd_store::layout::Layout;
use rrd_store::point::Point;
use rrd_store::writers::{Done, Job, Priority, Target, Writers};

const START: u32 = 1_404_873_350;

fn rrdtool(arguments: &[&str]) -> String {
    let output = Command::new("rrdtool").args(arguments).output().expect("rrdtool is installed");
    assert!(
        output.status.success(),
        "rrdtool {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn gauge(time: u32, value: f64) -> Point {
    Point::new(time, Value::Float(value))
}

/// The layout of existing installations as rrdtool makes it.
fn made_by_rrdtool(path: &Path, data_source_type: &str) {
    let source = format!("DS:n:{data_source_type}:120:U:U");
    let start = (START - 10).to_string();
    let mut arguments = vec!["create", text(path), "--step", "60", "--start", &start, &source];
    let archives: Vec<String> = ["AVERAGE", "MIN", "MAX"]
        .iter()
        .flat_map(|cf| {
            ["1:2880", "5:2880", "60:960", "1440:1100"].map(|rows| format!("RRA:{cf}:0.5:{rows}"))
        })
        .collect();
    arguments.extend(archives.iter().map(String::as_str));
    rrdtool(&arguments);
}

#[test]
fn a_new_file_is_what_rrdtool_makes() {
    let directory = tempfile::tempdir().unwrap();
    for (data_source_type, name) in [
        (DataSourceType::Gauge, "GAUGE"),
        (DataSourceType::Counter, "COUNTER"),
        (DataSourceType::Derive, "DERIVE"),
        (DataSourceType::Absolute, "ABSOLUTE"),
    ] {
        let ours = directory.path().join(format!("{name}-ours.rrd"));
        let theirs = directory.path().join(format!("{name}-theirs.rrd"));
        let point = Point::new(START, Value::Unsigned(1));
        file::write(&ours, &Layout::default(), data_source_type, &[point]).unwrap();
        made_by_rrdtool(&theirs, name);
        rrdtool(&["update", text(&theirs), &format!("{START}:1")]);
        assert_eq!(std::fs::metadata(&ours).unwrap().len(), 190_552);
        // librrd starts each archive at a random row, so the pointers differ, and nothing else.
        let dump = |path: &Path| rrdtool(&["dump", text(path)]);
        assert_eq!(dump(&ours), dump(&theirs), "{name}");
    }
}

#[test]
fn points_of_each_type_are_what_rrdtool_lastupdate_shows() {
    let directory = tempfile::tempdir().unwrap();
    for (data_source_type, value, shown) in [
        (DataSourceType::Gauge, Value::Float(0.1 + 0.2), "0.30000000000000004"),
        (DataSourceType::Gauge, Value::Float(-1e300), "-1e300"),
        (DataSourceType::Gauge, Value::Unknown, "U"),
        (DataSourceType::Derive, Value::Signed(-5), "-5"),
        (DataSourceType::Derive, Value::Signed(i64::MAX), "9223372036854775807"),
        (DataSourceType::Counter, Value::Unsigned(u64::MAX), "18446744073709551615"),
        (DataSourceType::Absolute, Value::Float(2.5), "2.5"),
    ] {
        let path = directory.path().join(format!("{value}.{}.rrd", data_source_type.suffix()));
        let written =
            file::write(&path, &Layout::default(), data_source_type, &[Point::new(START, value)])
                .unwrap();
        assert_eq!((written.points, written.created), (1, true));
        let last = rrdtool(&["lastupdate", text(&path)]);
        assert_eq!(last.trim(), format!("n\n\n{START}: {shown}"));
    }
}

#[test]
fn a_file_of_the_earlier_system_is_taken_over_and_keeps_its_points() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("load.gauge.rrd");
    made_by_rrdtool(&path, "GAUGE");
    rrdtool(&["update", text(&path), &format!("{START}:7")]);
    let points = [gauge(START, 1.0), gauge(START + 60, 8.0), gauge(START + 120, 9.0)];
    let written = file::write(&path, &Layout::default(), DataSourceType::Gauge, &points).unwrap();
    assert_eq!((written.points, written.skipped, written.created), (2, 1, false));
    assert_eq!(written.last_update, START + 120);
    let again = file::write(&path, &Layout::default(), DataSourceType::Gauge, &points).unwrap();
    assert_eq!((again.points, again.skipped), (0, 3));
    assert!(rrdtool(&["lastupdate", text(&path)]).contains(&format!("{}: 9", START + 120)));
}

#[test]
fn fetched_rows_are_those_of_rrdtool_fetch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.gauge.rrd");
    let points: Vec<Point> = (0..30u32).map(|n| gauge(START + n * 60, f64::from(n * n))).collect();
    file::write(&path, &Layout::default(), DataSourceType::Gauge, &points).unwrap();
    for (consolidation, name) in [
        (Consolidation::Average, "AVERAGE"),
        (Consolidation::Min, "MIN"),
        (Consolidation::Max, "MAX"),
    ] {
        for step in [60, 300] {
            let range = Range { consolidation, start: START, end: START + 1800, step };
            let ours: Vec<String> = file::fetch(&path, range)
                .unwrap()
                .into_iter()
                .map(|(time, value)| match value {
                    Some(value) => format!("{time}: {value:.10e}"),
                    None => format!("{time}: nan"),
                })
                .collect();
            let (start, end) = (START.to_string(), (START + 1800).to_string());
            let step = step.to_string();
            let theirs =
                rrdtool(&["fetch", text(&path), name, "-s", &start, "-e", &end, "-r", &step]);
            let theirs: Vec<String> = theirs
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(time, value)| match value.trim() {
                    "-nan" | "nan" => format!("{time}: nan"),
                    value => format!("{time}: {:.10e}", value.parse::<f64>().unwrap()),
                })
                .collect();
            assert!(!ours.is_empty());
            assert_eq!(ours, theirs, "{name} {step}");
        }
    }
}

#[test]
fn a_truncated_file_is_an_error_and_no_sigbus() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.gauge.rrd");
    file::write(&path, &Layout::default(), DataSourceType::Gauge, &[gauge(START, 1.0)]).unwrap();
    for length in [190_551, 3000, 200, 10, 0] {
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        assert!(matches!(Header::read(&path), Err(HeaderError::Truncated { .. })), "{length}");
        let error = file::write(
            &path,
            &Layout::default(),
            DataSourceType::Gauge,
            &[gauge(START + 60, 1.0)],
        )
        .unwrap_err();
        assert_eq!(error.kind, FailureKind::Damaged);
        assert!(error.to_string().contains("x.gauge.rrd: is truncated"), "{error}");
    }
}

#[test]
fn a_file_of_another_layout_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.gauge.rrd");
    rrdtool(&[
        "create",
        text(&path),
        "--step",
        "300",
        "--start",
        "1000000000",
        "DS:a:GAUGE:600:U:U",
        "RRA:AVERAGE:0.5:1:10",
    ]);
    let before = std::fs::read(&path).unwrap();
    let error = file::write(&path, &Layout::default(), DataSourceType::Gauge, &[gauge(START, 1.0)])
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::Layout);
    assert!(error.to_string().contains("at a step of 300 s"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(&path, "not an RRD file at all".repeat(100)).unwrap();
    let error = file::write(&path, &Layout::default(), DataSourceType::Gauge, &[gauge(START, 1.0)])
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::Damaged);
}

#[test]
fn a_file_with_an_absurd_time_of_its_last_update_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.gauge.rrd");
    file::write(&path, &Layout::default(), DataSourceType::Gauge, &[gauge(START, 1.0)]).unwrap();
    let mut image = std::fs::read(&path).unwrap();
    // Microseconds, behind 12 archives and the seconds.
    let at = 128 + 120 + 12 * 120 + 8;
    image[at..at + 8].copy_from_slice(&(-4_053_198_780_839_755_776_i64).to_ne_bytes());
    std::fs::write(&path, &image).unwrap();
    let error =
        file::write(&path, &Layout::default(), DataSourceType::Gauge, &[gauge(START + 60, 1.0)])
            .unwrap_err();
    assert_eq!(error.kind, FailureKind::Damaged);
    assert_eq!(std::fs::read(&path).unwrap(), image);
}

#[test]
fn a_file_of_a_format_before_version_3_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.gauge.rrd");
    file::write(&path, &Layout::default(), DataSourceType::Gauge, &[gauge(START, 1.0)]).unwrap();
    let mut image = std::fs::read(&path).unwrap();
    for version in [*b"0002\0", *b"0\0\0\x003"] {
        image[4..9].copy_from_slice(&version);
        std::fs::write(&path, &image).unwrap();
        let points = [gauge(START + 60, 1.0)];
        let error =
            file::write(&path, &Layout::default(), DataSourceType::Gauge, &points).unwrap_err();
        assert_eq!(error.kind, FailureKind::Damaged, "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), image);
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("x.gauge.rrd");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), directory.path()] {
        let error =
            file::write(path, &Layout::default(), DataSourceType::Gauge, &[gauge(START, 1.0)])
                .unwrap_err();
        assert_eq!(error.kind, FailureKind::Damaged, "{error}");
    }
}

#[test]
fn a_file_of_another_type_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.rrd");
    file::write(&path, &Layout::default(), DataSourceType::Gauge, &[gauge(START, 1.0)]).unwrap();
    let point = Point::new(START + 60, Value::Signed(1));
    let error =
        file::write(&path, &Layout::default(), DataSourceType::Derive, &[point]).unwrap_err();
    assert_eq!(error.kind, FailureKind::Layout);
    assert!(error.to_string().contains("type GAUGE where the key says DERIVE"), "{error}");
}

#[test]
fn threads_write_what_they_are_given_and_report_each_batch() {
    let directory = tempfile::tempdir().unwrap();
    let data = DataDir::open(directory.path()).unwrap();
    let (woken, wakes) = mpsc::channel();
    let wake = move || {
        // The test may have ended.
        let _ = woken.send(());
    };
    let mut writers = Writers::start(data, 3, wake).unwrap();
    let target = |n: usize| Target {
        address: "10.0.0.1".into(),
        generation: 1,
        plugin: "base".into(),
        key: format!("k{n}.gauge").into(),
    };
    let layout = Arc::new(Layout::default());
    for n in 0..50 {
        let points = vec![gauge(START, 1.0), gauge(START + 60, 2.0)];
        let data_source_type = DataSourceType::Gauge;
        let priority = if n % 2 == 0 { Priority::Normal } else { Priority::Urgent };
        let layout = Arc::clone(&layout);
        let job = Job::Write { target: target(n), data_source_type, layout, points };
        writers.submit(job, priority);
    }
    let mut keys: Vec<Arc<str>> = Vec::new();
    while keys.len() < 50 {
        wakes.recv_timeout(Duration::from_secs(60)).unwrap();
        for done in writers.take_results() {
            let Done::Written { target, result } = done else { panic!("nothing was fetched") };
            assert_eq!(result.unwrap().points, 2);
            keys.push(target.key);
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 50);
    let range =
        Range { consolidation: Consolidation::Max, start: START, end: START + 60, step: 60 };
    writers.submit(Job::Fetch { token: 7, target: target(1), range }, Priority::Urgent);
    assert!(writers.drain(Duration::from_secs(60)));
    let results = writers.take_results();
    assert!(
        matches!(results.as_slice(), [Done::Fetched { token: 7, result: Ok(rows) }] if !rows.is_empty())
    );
}
