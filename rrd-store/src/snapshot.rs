//! A host as bytes and back: what RDB files and replicas hold.
//!
//! Version 2, all integers little-endian, `text` = u32 length and bytes:
//! `u32 plugins` of (`text name`, `u32 last received`, `u32 series` of (`text key`, pending points
//! as a `text` of [`crate::packed`], and where there are none the last point, as such a text),
//! `u32 meta` of (`text key`, `text`, `u32 received`), warnings the same). Points with a writer are
//! in it as well.
//!
//! Version 1, which is read still, has `u8 has last`, point, `u32 points`, points in the place of
//! these texts; a point is `u32 time`, `u8 tag`, `u64 bits`.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use line_protocol::line::is_valid_text_key;
use line_protocol::{DataSourceType, Value, identifier, key};

use crate::bytes::Bytes;
use crate::host::{Host, Plugin, Text};
use crate::packed::{self, Newest};
use crate::point::{Point, Raw, Tag};
use crate::series::Series;
use crate::series_table::SeriesTable;

/// The version that [`encode`] writes.
pub const VERSION: i32 = 2;
/// The versions that [`decode`] reads.
pub const READABLE: std::ops::RangeInclusive<i32> = 1..=VERSION;

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// They end too early.
    #[error("snapshot of a host ends early")]
    Short,
    /// There are more than the snapshot needs.
    #[error("snapshot of a host has bytes left over")]
    Long,
    /// A part is not what it must be.
    #[error("snapshot of a host holds a bad {0}")]
    Bad(&'static str),
}

/// The host as bytes, everything that is not in files included.
#[must_use]
pub fn encode(host: &Host) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(64 + host.memory_usage()));
    out.count(host.plugins.len());
    for (name, plugin) in &host.plugins {
        out.text(name);
        out.u32(plugin.last_received);
        out.count(plugin.series.len());
        for (key, series) in plugin.series.iter() {
            out.text(key);
            out.bytes(series.packed());
            if series.pending_count() == 0 {
                let mut last = Bytes::new();
                if let Some(point) = series.last() {
                    packed::append(&mut last, &mut Newest::default(), point);
                }
                out.bytes(last.as_slice());
            }
        }
        for texts in [&plugin.meta, &plugin.warnings] {
            out.count(texts.len());
            for (key, text) in texts {
                out.text(key);
                out.text(&text.text);
                out.u32(text.received);
            }
        }
    }
    out.0
}

/// Reads what [`encode`] of a version wrote; all points wait for a write. `generation` as for
/// [`Host::new`].
///
/// # Errors
/// On any fault; never more memory is taken than the bytes account for.
pub fn decode(version: i32, bytes: &[u8], generation: u64) -> Result<Host, SnapshotError> {
    let mut input = Reader(bytes);
    let mut plugins = IndexMap::new();
    for _ in 0..input.u32()? {
        let name = input.text()?;
        // It becomes a path, and anybody who may RESTORE can write a snapshot.
        if !identifier::is_escaped(name) {
            return Err(SnapshotError::Bad("plugin"));
        }
        let mut plugin = Plugin { last_received: input.u32()?, ..Plugin::default() };
        plugin.series = decode_series(version, &mut input)?;
        plugin.meta = decode_texts(&mut input)?;
        plugin.warnings = decode_texts(&mut input)?;
        plugins.insert(Arc::from(name), plugin);
    }
    if input.0.is_empty() {
        Ok(Host::restored(generation, plugins))
    } else {
        Err(SnapshotError::Long)
    }
}

fn decode_series(version: i32, input: &mut Reader<'_>) -> Result<SeriesTable, SnapshotError> {
    let mut all = SeriesTable::default();
    for _ in 0..input.u32()? {
        let key = input.text()?;
        let data_source_type = DataSourceType::of_key(key)
            .filter(|_| key::is_valid(key))
            .ok_or(SnapshotError::Bad("series key"))?;
        let (pending, last) = match version {
            1 => {
                let last = match input.u8()? {
                    0 => None,
                    _ => Some(input.point()?),
                };
                (input.plain_points()?, last)
            }
            _ => {
                let pending = input.points()?;
                let last = if pending.is_empty() { input.points()? } else { vec![] };
                (pending, last.last().copied())
            }
        };
        let last = pending.last().copied().or(last);
        // A file would never take another one.
        if !pending.iter().chain(&last).all(|point| is_of_type(*point, data_source_type)) {
            return Err(SnapshotError::Bad("value"));
        }
        all.find_or_insert(key, || Series::restored(data_source_type, pending, last))
            .ok_or(SnapshotError::Bad("number of series"))?;
    }
    Ok(all)
}

fn is_of_type(point: Point, data_source_type: DataSourceType) -> bool {
    matches!(
        (data_source_type, point.value()),
        (_, Value::Unknown)
            | (DataSourceType::Gauge | DataSourceType::Absolute, Value::Float(_))
            | (DataSourceType::Derive, Value::Signed(_))
            | (DataSourceType::Counter, Value::Unsigned(_))
    )
}

fn decode_texts(input: &mut Reader<'_>) -> Result<BTreeMap<Box<str>, Text>, SnapshotError> {
    let mut texts = BTreeMap::new();
    for _ in 0..input.u32()? {
        let key = input.text()?;
        let text = input.text()?;
        if !is_valid_text_key(key) || text.bytes().any(|byte| matches!(byte, b'\n' | b'\t' | 0)) {
            return Err(SnapshotError::Bad("meta or warning"));
        }
        texts.insert(key.into(), Text { text: text.into(), received: input.u32()? });
    }
    Ok(texts)
}

struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], SnapshotError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(SnapshotError::Short)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        self.take(N)?.try_into().map_err(|_| SnapshotError::Short)
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], SnapshotError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, SnapshotError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| SnapshotError::Bad("text"))
    }

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        self.array().map(u8::from_le_bytes)
    }

    fn point(&mut self) -> Result<Point, SnapshotError> {
        let time = self.u32()?;
        let tag = Tag::from_number(self.u8()?).ok_or(SnapshotError::Bad("point"))?;
        let bits = self.array().map(u64::from_le_bytes)?;
        let point = Point::from_raw(time, Raw { tag, bits });
        point.filter(|_| time > 0).ok_or(SnapshotError::Bad("point"))
    }

    /// Points of version 1, ascending by time.
    fn plain_points(&mut self) -> Result<Vec<Point>, SnapshotError> {
        let mut points: Vec<Point> = Vec::new();
        for _ in 0..self.u32()? {
            let point = self.point()?;
            if points.last().is_some_and(|before| before.time() >= point.time()) {
                return Err(SnapshotError::Bad("order of points"));
            }
            points.push(point);
        }
        Ok(points)
    }

    /// Points, ascending by time.
    fn points(&mut self) -> Result<Vec<Point>, SnapshotError> {
        let mut reader = packed::Reader::new(self.bytes()?);
        let mut points = Vec::new();
        while let Some(point) = reader.read().map_err(|_| SnapshotError::Bad("point"))? {
            points.push(point);
        }
        Ok(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Selection;
    use proptest::prelude::*;

    fn sample(points: &[(u8, u32, i64)]) -> Host {
        let mut host = Host::new(1);
        for &(series, time, value) in points {
            let key = format!("s{series}.derive");
            let point = Point::new(time, Value::Signed(value));
            host.accept("base", &key, DataSourceType::Derive, point, time).unwrap();
        }
        host.set_meta("base", "version", "Linux", 5).unwrap();
        host.set_warning("http%3A80", "command", "refused", 6).unwrap();
        host
    }

    fn described(host: &Host) -> String {
        let mut out = String::new();
        for (name, plugin) in host.plugins() {
            out += &format!("{name} {:?} {:?}\n", plugin.meta, plugin.warnings);
            out += &format!("{}\n", plugin.last_received);
            for (key, series) in plugin.series() {
                let pending: Vec<Point> = series.pending().collect();
                out += &format!("{key} {:?} {pending:?}\n", series.last());
            }
        }
        out
    }

    #[test]
    fn a_value_of_another_type_than_its_series_is_refused() {
        for (key, value, fits) in [
            ("a.derive", Value::Signed(-1), true),
            ("a.derive", Value::Unknown, true),
            ("a.derive", Value::Float(0.5), false),
            ("a.counter", Value::Signed(-1), false),
            ("a.gauge", Value::Unsigned(1), false),
        ] {
            let mut host = Host::new(1);
            let point = Point::new(60, value);
            host.accept("base", key, DataSourceType::Gauge, point, 60).unwrap();
            assert_eq!(decode(VERSION, &encode(&host), 2).is_ok(), fits, "{key} {value}");
        }
    }

    #[test]
    fn a_snapshot_of_version_1_is_read() {
        let mut bytes = Vec::new();
        let number = |bytes: &mut Vec<u8>, n: u32| bytes.extend_from_slice(&n.to_le_bytes());
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        let point = |bytes: &mut Vec<u8>, time: u32, value: f64| {
            bytes.extend_from_slice(&time.to_le_bytes());
            bytes.push(1);
            bytes.extend_from_slice(&value.to_bits().to_le_bytes());
        };
        number(&mut bytes, 1);
        text(&mut bytes, "base");
        number(&mut bytes, 77);
        number(&mut bytes, 2);
        text(&mut bytes, "a.gauge");
        bytes.push(1);
        point(&mut bytes, 120, 2.5);
        number(&mut bytes, 2);
        point(&mut bytes, 60, 1.5);
        point(&mut bytes, 120, 2.5);
        text(&mut bytes, "b.gauge");
        bytes.push(1);
        point(&mut bytes, 60, 4.0);
        number(&mut bytes, 0);
        number(&mut bytes, 0);
        number(&mut bytes, 0);
        let host = decode(1, &bytes, 2).unwrap();
        assert_eq!(
            described(&host),
            "base {} {}\n77\na.gauge Some(2.5@120) [1.5@60, 2.5@120]\nb.gauge Some(4@60) []\n"
        );
    }

    proptest! {
        #[test]
        fn a_snapshot_round_trips(
            points in proptest::collection::vec((0u8..4, 1u32..100, any::<i64>()), 0..60)
        ) {
            let mut host = sample(&points);
            // What is with a writer is in the snapshot as well.
            host.take_due(u32::MAX, Selection::Keys("base", &["s0.derive"]));
            let again = decode(VERSION, &encode(&host), 2).unwrap();
            prop_assert_eq!(described(&again), described(&host));
            prop_assert_eq!(again.pending_points(), host.pending_points());
            prop_assert_eq!(again.series_count(), host.series_count());
            prop_assert_eq!(again.generation(), 2);
        }

        #[test]
        fn a_cut_or_changed_snapshot_is_an_error_or_a_host_but_no_panic(
            cut in 0usize..400, at in 0usize..400, byte in any::<u8>()
        ) {
            let mut bytes = encode(&sample(&[(0, 1, 1), (0, 2, 2), (1, 1, 1)]));
            if cut < bytes.len() {
                prop_assert!(decode(VERSION, &bytes[..cut], 2).is_err());
            }
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = decode(VERSION, &bytes, 2);
            let _ = decode(1, &bytes, 2);
        }
    }
}
