//! An RRD file whose header is anything, as an operator's copy or a damaged disk leaves it.
//!
//! Input: one byte (type of the series, and how many points, 0 to 15), 13 bytes a point (time, tag,
//! number), then the file's header. The rows behind it are unknown, up to the standard length, unless
//! the header is shorter than a standard one: then the file ends there.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use line_protocol::{DataSourceType, Value};
use rrd_store::file::{self, Consolidation, FailureKind, Range};
use rrd_store::header::Header;
use rrd_store::layout::Layout;
use rrd_store::point::Point;
use tempfile::TempDir;

/// Bytes of a standard file, and of its header.
const FILE_SIZE: usize = 190_552;
const HEADER_SIZE: usize = 2872;
const POINT_SIZE: usize = 13;

static LAYOUT: LazyLock<Layout> = LazyLock::new(Layout::default);
/// In memory where the machine has such a file system: each input writes a file.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
});

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let data_source_type = DataSourceType::ALL[usize::from(first >> 4) % 4];
    let Some((points, header)) = rest.split_at_checked(usize::from(first & 15) * POINT_SIZE) else {
        return;
    };
    let points = points_of(points, data_source_type);
    let mut image = header.to_vec();
    if image.len() >= HEADER_SIZE {
        while image.len() < FILE_SIZE {
            image.extend_from_slice(&f64::NAN.to_ne_bytes());
        }
    }
    let path = DIRECTORY.path().join("series.rrd");
    fs::write(&path, &image).expect("a file");
    written_points_are_there_once(&path, data_source_type, &points, &image);
    read_rows(&path);
});

fn points_of(bytes: &[u8], data_source_type: DataSourceType) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for bytes in bytes.chunks_exact(POINT_SIZE) {
        let time = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes"));
        let bits = u64::from_le_bytes(bytes[5..].try_into().expect("8 bytes"));
        let float = f64::from_bits(bits);
        let value = match data_source_type {
            _ if bytes[4] == 0 => Value::Unknown,
            DataSourceType::Derive => Value::Signed(bits.cast_signed()),
            DataSourceType::Counter => Value::Unsigned(bits),
            DataSourceType::Gauge | DataSourceType::Absolute if float.is_finite() => {
                Value::Float(float)
            }
            DataSourceType::Gauge | DataSourceType::Absolute => Value::Unknown,
        };
        if time > 0 && points.last().is_none_or(|before| before.time() < time) {
            points.push(Point::new(time, value));
        }
    }
    points
}

fn written_points_are_there_once(
    path: &Path,
    data_source_type: DataSourceType,
    points: &[Point],
    image: &[u8],
) {
    match file::write(path, &LAYOUT, data_source_type, points) {
        Ok(written) => {
            assert_eq!(written.points + written.skipped, points.len());
            let header = Header::read(path).expect("a file that was written");
            assert_eq!(header.last_update, written.last_update);
            assert_eq!(fs::metadata(path).expect("a file").len(), image.len() as u64);
            let again =
                file::write(path, &LAYOUT, data_source_type, points).expect("the same again");
            assert_eq!((again.points, again.skipped), (0, points.len()));
        }
        // What is found in the header is found before anything is written.
        Err(error) if matches!(error.kind, FailureKind::Damaged | FailureKind::Layout) => {
            assert!(fs::read(path).expect("a file") == image, "{error}");
        }
        Err(_) => {}
    }
}

fn read_rows(path: &Path) {
    let Ok(header) = Header::read(path) else { return };
    for consolidation in [Consolidation::Average, Consolidation::Min, Consolidation::Max] {
        let end = header.last_update;
        let range = Range { consolidation, start: end.saturating_sub(86400), end, step: 60 };
        let _ = file::fetch(path, range);
    }
}
