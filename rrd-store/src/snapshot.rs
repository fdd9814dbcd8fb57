//! A host as bytes and back: what RDB files and replicas hold.
//!
//! Version 1, all integers little-endian, `text` = u32 length and bytes:
//! `u32 plugins` of (`text name`, `u32 last received`, `u32 series` of (`text key`, `u8 has last`,
//! point, `u32 points`, points), `u32 meta` of (`text key`, `text`, `u32 received`), warnings the
//! same). A point is `u32 time`, `u8 tag`, `u64 bits`. Points with a writer are in it as well.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use line_protocol::line::is_valid_text_key;
use line_protocol::{DataSourceType, Value, identifier, key};

use crate::host::{Host, Plugin, Text};
use crate::point::Point;
use crate::series::Series;

/// The version that [`encode`] writes.
pub const VERSION: i32 = 1;

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
        for (key, series) in &plugin.series {
            out.text(key);
            out.0.push(u8::from(series.last().is_some()));
            if let Some(last) = series.last() {
                out.point(last);
            }
            out.count(series.pending().len());
            for point in series.pending() {
                out.point(*point);
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

/// Reads what [`encode`] wrote; all points wait for a write. `generation` as for [`Host::new`].
///
/// # Errors
/// On any fault; never more memory is taken than the bytes account for.
pub fn decode(bytes: &[u8], generation: u64) -> Result<Host, SnapshotError> {
    let mut input = Reader(bytes);
    let mut plugins = BTreeMap::new();
    for _ in 0..input.u32()? {
        let name = input.text()?;
        // It becomes a path, and anybody who may RESTORE can write a snapshot.
        if !identifier::is_escaped(name) {
            return Err(SnapshotError::Bad("plugin"));
        }
        let mut plugin = Plugin { last_received: input.u32()?, ..Plugin::default() };
        plugin.series = decode_series(&mut input)?;
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

fn decode_series(input: &mut Reader<'_>) -> Result<HashMap<Arc<str>, Series>, SnapshotError> {
    let mut all = HashMap::new();
    for _ in 0..input.u32()? {
        let key = input.text()?;
        let data_source_type = DataSourceType::of_key(key)
            .filter(|_| key::is_valid(key))
            .ok_or(SnapshotError::Bad("series key"))?;
        let last = match input.u8()? {
            0 => None,
            _ => Some(input.point_of(data_source_type)?),
        };
        let mut pending: Vec<Point> = Vec::new();
        for _ in 0..input.u32()? {
            let point = input.point_of(data_source_type)?;
            if pending.last().is_some_and(|before| before.time() >= point.time()) {
                return Err(SnapshotError::Bad("order of points"));
            }
            pending.push(point);
        }
        all.insert(Arc::from(key), Series::restored(data_source_type, pending, last));
    }
    Ok(all)
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
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn point(&mut self, point: Point) {
        let (tag, bits) = point.raw();
        self.u32(point.time());
        self.0.push(tag);
        self.0.extend_from_slice(&bits.to_le_bytes());
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

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, SnapshotError> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).map_err(|_| SnapshotError::Bad("text"))
    }

    /// A point that a file of this type takes; another one would keep its series from ever being
    /// written.
    fn point_of(&mut self, data_source_type: DataSourceType) -> Result<Point, SnapshotError> {
        let time = self.u32()?;
        let tag = self.u8()?;
        let bits = self.array().map(u64::from_le_bytes)?;
        let point = Point::from_raw(time, tag, bits).filter(|_| time > 0);
        let is_of_type = |point: &Point| {
            matches!(
                (data_source_type, point.value()),
                (_, Value::Unknown)
                    | (DataSourceType::Gauge | DataSourceType::Absolute, Value::Float(_))
                    | (DataSourceType::Derive, Value::Signed(_))
                    | (DataSourceType::Counter, Value::Unsigned(_))
            )
        };
        point.filter(is_of_type).ok_or(SnapshotError::Bad("point"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
                out += &format!("{key} {:?} {:?}\n", series.last(), series.pending());
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
            assert_eq!(decode(&encode(&host), 2).is_ok(), fits, "{key} {value}");
        }
    }

    proptest! {
        #[test]
        fn a_snapshot_round_trips(
            points in proptest::collection::vec((0u8..4, 1u32..100, any::<i64>()), 0..60)
        ) {
            let mut host = sample(&points);
            // What is with a writer is in the snapshot as well.
            host.take_due(u32::MAX, |_, key| key == "s0.derive");
            let again = decode(&encode(&host), 2).unwrap();
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
                prop_assert!(decode(&bytes[..cut], 2).is_err());
            }
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = decode(&bytes, 2);
        }
    }
}
