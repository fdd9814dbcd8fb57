//! The same batches by librrd and by this crate: the files must be equal, byte for byte.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong};
use std::fs;
use std::path::Path;
use std::ptr;

use line_protocol::{DataSourceType, Value};
use proptest::prelude::*;
use rrd_store::file::{self, Consolidation, Range, Row};
use rrd_store::layout::Layout;
use rrd_store::point::Point;

mod librrd {
    use super::*;

    const SKIP_PAST_UPDATES: c_int = 1;

    fn name(path: &Path) -> CString {
        CString::new(path.to_str().unwrap()).unwrap()
    }

    fn check(status: c_int) {
        // SAFETY: librrd gives a NUL-terminated text of this thread.
        let text = unsafe { CStr::from_ptr(rrd_sys::rrd_get_error()) };
        assert_eq!(status, 0, "librrd: {}", text.to_string_lossy());
    }

    fn pointers(texts: &[CString]) -> (c_int, Vec<*const c_char>) {
        (c_int::try_from(texts.len()).unwrap(), texts.iter().map(|text| text.as_ptr()).collect())
    }

    pub fn create(path: &Path, start: u32, definitions: &[String]) {
        let texts: Vec<CString> =
            definitions.iter().map(|text| CString::new(text.as_str()).unwrap()).collect();
        let (count, mut pointers) = pointers(&texts);
        // SAFETY: all texts end with NUL and outlive the call.
        check(unsafe {
            rrd_sys::rrd_clear_error();
            let start = i64::from(start);
            rrd_sys::rrd_create_r(name(path).as_ptr(), 60, start, count, pointers.as_mut_ptr())
        });
    }

    pub fn update(path: &Path, arguments: &[String]) {
        let texts: Vec<CString> =
            arguments.iter().map(|text| CString::new(text.as_str()).unwrap()).collect();
        let (count, mut pointers) = pointers(&texts);
        let path = name(path);
        // SAFETY: as above.
        check(unsafe {
            rrd_sys::rrd_clear_error();
            let arguments = pointers.as_mut_ptr();
            let flags = SKIP_PAST_UPDATES;
            rrd_sys::rrd_updatex_r(path.as_ptr(), ptr::null(), flags, count, arguments)
        });
    }

    pub fn fetch(path: &Path, range: Range) -> Vec<Row> {
        let consolidation = CString::new(range.consolidation.rrd_name()).unwrap();
        let (mut start, mut end) = (i64::from(range.start), i64::from(range.end));
        let mut step = c_ulong::from(range.step);
        let mut sources: c_ulong = 0;
        let mut names: *mut *mut c_char = ptr::null_mut();
        let mut data: *mut f64 = ptr::null_mut();
        // SAFETY: all texts end with NUL; librrd fills in the rest, and what it allocated is freed
        // once. It gives `(end - start) / step` rows of one value each.
        unsafe {
            rrd_sys::rrd_clear_error();
            check(rrd_sys::rrd_fetch_r(
                name(path).as_ptr(),
                consolidation.as_ptr(),
                &mut start,
                &mut end,
                &mut step,
                &mut sources,
                &mut names,
                &mut data,
            ));
            assert_eq!(sources, 1);
            let step = i64::try_from(step).unwrap();
            let count = usize::try_from((end - start) / step).unwrap();
            let rows = std::slice::from_raw_parts(data, count);
            let rows = rows.iter().zip(1i64..).map(|(value, row)| {
                let time = u32::try_from(start + row * step).unwrap();
                (time, Some(*value).filter(|value| value.is_finite()))
            });
            let rows = rows.collect();
            rrd_sys::rrd_freemem((*names).cast());
            rrd_sys::rrd_freemem(names.cast());
            rrd_sys::rrd_freemem(data.cast());
            rows
        }
    }
}

fn argument(point: &Point) -> String {
    format!("{}:{}", point.time(), point.value())
}

/// What a file is made of, and what happens to it.
#[derive(Clone, Debug)]
struct Story {
    data_source_type: DataSourceType,
    definitions: Vec<String>,
    start: u32,
    /// Part of a second that another program's update has, and its value.
    fraction: Option<(u32, u32)>,
    batches: Vec<Vec<Point>>,
}

fn values(of: DataSourceType) -> BoxedStrategy<Value> {
    let known = match of {
        DataSourceType::Gauge | DataSourceType::Absolute => prop_oneof![
            4 => (-1e4..1e4f64).prop_map(Value::Float),
            2 => (-1000..1000i32).prop_map(|n| Value::Float(f64::from(n) / 10.0)),
            1 => prop::num::f64::NORMAL.prop_map(Value::Float),
            1 => Just(Value::Float(0.0)),
            1 => Just(Value::Float(-0.0)),
            1 => Just(Value::Float(f64::MAX)),
        ]
        .boxed(),
        DataSourceType::Derive => prop_oneof![
            4 => (-100_000..100_000i64).prop_map(Value::Signed),
            1 => any::<i64>().prop_map(Value::Signed),
        ]
        .boxed(),
        DataSourceType::Counter => prop_oneof![
            4 => (0..100_000u64).prop_map(Value::Unsigned),
            2 => (4_294_960_000..4_294_967_296u64).prop_map(Value::Unsigned),
            1 => (u64::MAX - 5000..=u64::MAX).prop_map(Value::Unsigned),
            1 => any::<u64>().prop_map(Value::Unsigned),
        ]
        .boxed(),
    };
    prop_oneof![9 => known, 1 => Just(Value::Unknown)].boxed()
}

/// Seconds from one point to the next; now and then not after it, or years later.
fn gaps() -> impl Strategy<Value = u32> {
    prop_oneof![
        20 => Just(60u32),
        10 => 50..70u32,
        10 => 1..130u32,
        3 => Just(0u32),
        3 => 100..4000u32,
        1 => 4000..400_000u32,
        1 => (1..200u32).prop_map(|steps| steps * 60),
        1 => 10_000_000..100_000_000u32,
    ]
}

fn batches(of: DataSourceType, start: u32) -> impl Strategy<Value = Vec<Vec<Point>>> {
    let batch = prop_oneof![
        4 => prop::collection::vec((gaps(), values(of)), 1..20),
        1 => prop::collection::vec((gaps(), values(of)), 1..200),
    ];
    prop::collection::vec(batch, 1..8).prop_map(move |batches| {
        let mut time = start;
        let point = |(gap, value): (u32, Value)| {
            time = time.saturating_add(gap).min(u32::MAX - 1);
            Point::new(time, value)
        };
        let mut point = point;
        batches.into_iter().map(|batch| batch.into_iter().map(&mut point).collect()).collect()
    })
}

fn archives() -> impl Strategy<Value = Vec<String>> {
    let share = prop::sample::select(vec!["0", "0.1", "0.5", "0.99"]);
    let name = prop::sample::select(vec!["AVERAGE", "MIN", "MAX", "LAST"]);
    let steps = prop_oneof![3 => Just(1u32), 5 => 2..8u32, 1 => 9..2000u32];
    let archive = (name, share, steps, 1..60u32)
        .prop_map(|(name, share, steps, rows)| format!("RRA:{name}:{share}:{steps}:{rows}"));
    let standard = Layout::default()
        .archives
        .iter()
        .map(|a| format!("RRA:{}:0.5:{}:{}", a.consolidation.rrd_name(), a.steps, a.rows))
        .collect::<Vec<_>>();
    prop_oneof![
        3 => prop::collection::vec(archive, 1..30),
        1 => Just(standard),
    ]
}

fn stories() -> impl Strategy<Value = Story> {
    let data_source_type = prop::sample::select(DataSourceType::ALL.to_vec());
    let heartbeat = prop_oneof![3 => Just(120u32), 1 => 1..100u32, 1 => 100..100_000u32];
    let limit =
        || prop_oneof![3 => Just("U".to_owned()), 1 => (-500..500i32).prop_map(|n| n.to_string())];
    let fraction = prop::option::weighted(0.2, (1..1_000_000u32, 0..1000u32));
    let start = 900_000_000..1_700_000_000u32;
    (data_source_type, heartbeat, (limit(), limit()), archives(), fraction, start).prop_flat_map(
        |(data_source_type, heartbeat, (min, max), archives, fraction, start)| {
            let name = data_source_type.rrd_name();
            // librrd wants the least below the most.
            let (min, max) = match (min.parse::<i32>(), max.parse::<i32>()) {
                (Ok(a), Ok(b)) if a >= b => (b.to_string(), (a + 1).to_string()),
                _ => (min, max),
            };
            let mut definitions = vec![format!("DS:n:{name}:{heartbeat}:{min}:{max}")];
            definitions.extend(archives);
            batches(data_source_type, start).prop_map(move |batches| Story {
                data_source_type,
                definitions: definitions.clone(),
                start,
                fraction,
                batches,
            })
        },
    )
}

fn spans() -> impl Strategy<Value = u32> {
    prop_oneof![0..3000u32, 0..30_000u32, 0..700_000u32]
}

/// Wanted seconds a row; often as near to one archive as to another.
fn steps() -> impl Strategy<Value = u32> {
    prop_oneof![0..20_000u32, (0..20u32).prop_map(|halves| halves * 30)]
}

fn check_equal(ours: &Path, theirs: &Path, story: &str) {
    let (ours, theirs) = (fs::read(ours).unwrap(), fs::read(theirs).unwrap());
    if ours != theirs {
        let at = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        let near = |bytes: &[u8]| at.map(|at| bytes[at / 8 * 8..at / 8 * 8 + 8].to_vec());
        let (ours, theirs) = (near(&ours), near(&theirs));
        panic!("{story}: first difference at {at:?}: {ours:x?}, of librrd {theirs:x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_file_is_what_librrd_makes_of_the_same_batches(story in stories()) {
        let directory = tempfile::tempdir().unwrap();
        let (ours, theirs) = (directory.path().join("ours"), directory.path().join("theirs"));
        librrd::create(&theirs, story.start, &story.definitions);
        if let Some((micros, value)) = story.fraction {
            librrd::update(&theirs, &[format!("{}.{micros:06}:{value}", story.start + 3)]);
        }
        fs::copy(&theirs, &ours).unwrap();
        for (index, batch) in story.batches.iter().enumerate() {
            let arguments: Vec<String> = batch.iter().map(argument).collect();
            librrd::update(&theirs, &arguments);
            let written =
                file::write(&ours, &Layout::default(), story.data_source_type, batch).unwrap();
            prop_assert_eq!(written.points + written.skipped, batch.len());
            check_equal(&ours, &theirs, &format!("batch {index}"));
        }
    }

    #[test]
    fn fetched_rows_are_those_of_librrd(
        story in stories(),
        asked in prop::collection::vec((0..4usize, spans(), spans(), steps()), 20),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        // librrd fails where no archive answers.
        let mut definitions = story.definitions.clone();
        definitions.push("RRA:AVERAGE:0.5:1:10".to_owned());
        librrd::create(&path, story.start, &definitions);
        for batch in &story.batches {
            librrd::update(&path, &batch.iter().map(argument).collect::<Vec<_>>());
        }
        let last = story.batches.last().unwrap().last().unwrap().time();
        for (consolidation, before, length, step) in asked {
            // Around the last update, from minutes to days away, and behind it.
            let start = last.saturating_sub(before).saturating_add(500);
            let end = start.saturating_add(1 + length).min(u32::MAX - 200_000_000);
            prop_assume!(start < end);
            let consolidation = Consolidation::ALL[consolidation];
            let range = Range { consolidation, start, end, step };
            prop_assert_eq!(file::fetch(&path, range).unwrap(), librrd::fetch(&path, range));
        }
    }

    #[test]
    fn one_batch_is_the_same_as_its_points_one_by_one(story in stories()) {
        let directory = tempfile::tempdir().unwrap();
        let (ours, theirs) = (directory.path().join("ours"), directory.path().join("theirs"));
        librrd::create(&theirs, story.start, &story.definitions);
        fs::copy(&theirs, &ours).unwrap();
        let points: Vec<Point> = story.batches.concat();
        for point in &points {
            librrd::update(&theirs, &[argument(point)]);
        }
        file::write(&ours, &Layout::default(), story.data_source_type, &points).unwrap();
        check_equal(&ours, &theirs, "all points");
    }
}

/// A file's bytes with the rows of each archive from the oldest to the newest, and its row
/// pointers as zeros: librrd chooses these at random.
fn turned(path: &Path, layout: &Layout) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    assert_eq!(bytes.len() as u64, layout.file_size());
    let count = layout.archives.len();
    let mut rows = bytes.len() - layout.archives.iter().map(|a| 8 * a.rows as usize).sum::<usize>();
    let pointers = rows - 8 * count;
    for (index, archive) in layout.archives.iter().enumerate() {
        let pointer = &mut bytes[pointers + 8 * index..][..8];
        let current = usize::from_ne_bytes(pointer.try_into().unwrap());
        pointer.fill(0);
        let length = 8 * archive.rows as usize;
        bytes[rows..][..length].rotate_left(8 * (current + 1) % length);
        rows += length;
    }
    bytes
}

#[test]
fn a_new_file_is_what_librrd_creates_and_updates() {
    let directory = tempfile::tempdir().unwrap();
    let other = Layout {
        heartbeat: 7200,
        ..("LAST:1:10,AVERAGE:7:3,MIN:1000000:1,MAX:2:4000".parse().unwrap())
    };
    for layout in [Layout::default(), other] {
        for of in DataSourceType::ALL {
            for first in [1_404_873_350, 1_404_873_360, 1_404_873_371] {
                let value = match of {
                    DataSourceType::Gauge | DataSourceType::Absolute => Value::Float(0.3),
                    DataSourceType::Counter => Value::Unsigned(77),
                    DataSourceType::Derive => Value::Signed(-3),
                };
                let points: Vec<Point> =
                    (0..30).map(|n| Point::new(first + 59 * n, value)).collect();
                let (ours, theirs) =
                    (directory.path().join("ours"), directory.path().join("theirs"));
                let written = file::write(&ours, &layout, of, &points).unwrap();
                assert_eq!((written.created, written.points), (true, 30));
                let name = of.rrd_name();
                let mut definitions = vec![format!("DS:n:{name}:{}:U:U", layout.heartbeat)];
                definitions.extend(layout.archives.iter().map(|a| {
                    format!("RRA:{}:0.5:{}:{}", a.consolidation.rrd_name(), a.steps, a.rows)
                }));
                librrd::create(&theirs, first - 10, &definitions);
                librrd::update(&theirs, &points.iter().map(argument).collect::<Vec<_>>());
                assert!(turned(&ours, &layout) == turned(&theirs, &layout), "{name} {first}");
                assert_eq!(
                    fs::metadata(&ours).unwrap().permissions(),
                    fs::metadata(&theirs).unwrap().permissions()
                );
                fs::remove_file(&ours).unwrap();
            }
        }
    }
}
