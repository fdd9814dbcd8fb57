//! What is known of one host: series with their waiting points, meta, warnings, last received.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use line_protocol::DataSourceType;

use crate::allocated::allocated;
use crate::point::Point;
use crate::series::{Accepted, Place, Series};
use crate::series_table::SeriesTable;

/// Seconds that meta is kept after it was last sent.
pub const META_LIFE: u32 = 3600;
/// Seconds that a warning is shown after it came.
pub const WARNING_LIFE: u32 = 300;
/// Seconds that a plugin is remembered after it was last received: a year.
pub const LAST_RECEIVED_LIFE: u32 = 365 * 86400;
/// Most meta and most warnings kept for one plugin of one host.
pub const MAX_TEXTS: usize = 1000;
/// Most bytes of meta and warnings, keys and texts, kept for one host.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Most plugins kept for one host.
pub const MAX_PLUGINS: usize = 1000;

/// A text that came at a time: meta or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As received.
    pub text: Box<str>,
    /// When it came, in seconds since 1970.
    pub received: u32,
}

/// One plugin of one host.
#[derive(Clone, Debug, Default)]
pub struct Plugin {
    pub(crate) last_received: u32,
    pub(crate) series: SeriesTable,
    pub(crate) meta: BTreeMap<Box<str>, Text>,
    pub(crate) warnings: BTreeMap<Box<str>, Text>,
}

/// One host. All its state is owned by one thread.
#[derive(Debug, Default)]
pub struct Host {
    /// Tells a host from another one of the same address before or after it.
    generation: u64,
    pub(crate) plugins: IndexMap<Arc<str>, Plugin>,
    pending_points: usize,
    pending_bytes: usize,
    series_count: usize,
    text_bytes: usize,
    /// The series that the next line is about, if lines come in the order of the last time.
    next: Place,
    /// The one that the last line was about.
    last: Option<Place>,
    /// Points that came late, and of which series, until [`Host::merge_late`].
    late: Vec<(Place, Point)>,
    /// When texts were last looked at for those that have expired.
    texts_expired: u32,
}

/// A series that the next line may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Escaped identifier.
    pub plugin: &'a str,
    /// Of this plugin and no other of the host.
    pub plugin_number: usize,
    /// With its type suffix.
    pub key: &'a [u8],
    /// What the key's suffix names.
    pub data_source_type: DataSourceType,
}

/// A bound that a line ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// [`MAX_PLUGINS`].
    #[error("host has {MAX_PLUGINS} plugins, the most that are kept")]
    Plugins,
    /// All keys of a plugin together.
    #[error("plugin has series whose keys take 4 GB, the most that are kept")]
    Keys,
    /// [`MAX_TEXTS`].
    #[error("plugin has {MAX_TEXTS} meta or warning keys, the most that are kept")]
    Texts,
    /// [`MAX_TEXT_BYTES`].
    #[error("host has meta and warnings of {0} bytes, and at most {MAX_TEXT_BYTES} are kept")]
    TextBytes(usize),
}

/// The points of one series for a writer.
#[derive(Debug)]
pub struct DueSeries {
    /// Escaped identifier.
    pub plugin: Arc<str>,
    /// With its type suffix.
    pub key: Arc<str>,
    /// What the key's suffix names.
    pub data_source_type: DataSourceType,
    /// Ascending by time, not empty.
    pub points: Vec<Point>,
}

impl Plugin {
    /// When a metric or meta last came, in seconds since 1970; 0 for never.
    #[must_use]
    pub fn last_received(&self) -> u32 {
        self.last_received
    }

    /// The series in order of their keys.
    #[must_use]
    pub fn series(&self) -> Vec<(&str, &Series)> {
        let mut all: Vec<_> = self.series.iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    /// One series.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Series> {
        self.series.get(key)
    }

    /// How many series there are.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Points not known to be in files.
    #[must_use]
    pub fn pending_points(&self) -> usize {
        self.series.iter().map(|(_, series)| series.pending_count()).sum()
    }

    /// All meta, expired or not.
    pub fn meta(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.meta.iter().map(|(key, text)| (&**key, text))
    }

    /// All warnings, expired or not.
    pub fn warnings(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.warnings.iter().map(|(key, text)| (&**key, text))
    }

    /// Meta that has not expired by `now`.
    pub fn live_meta(&self, now: u32) -> impl Iterator<Item = (&str, &Text)> {
        live(&self.meta, META_LIFE, now)
    }

    /// Warnings that have not expired by `now`.
    pub fn live_warnings(&self, now: u32) -> impl Iterator<Item = (&str, &Text)> {
        live(&self.warnings, WARNING_LIFE, now)
    }
}

fn text_size<K: AsRef<str>>((key, text): (&K, &Text)) -> usize {
    key.as_ref().len() + text.text.len()
}

fn live(
    texts: &BTreeMap<Box<str>, Text>,
    life: u32,
    now: u32,
) -> impl Iterator<Item = (&str, &Text)> {
    texts.iter().filter(move |(_, text)| is_live(text, life, now)).map(|(key, text)| (&**key, text))
}

/// One that came while the clock was ahead does not live until the clock is there again.
fn is_live(text: &Text, life: u32, now: u32) -> bool {
    now.abs_diff(text.received) < life
}

impl Host {
    /// A host without anything. `generation` must differ from that of every other host ever made.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    pub(crate) fn restored(generation: u64, plugins: IndexMap<Arc<str>, Plugin>) -> Self {
        let mut host = Self { generation, plugins, ..Self::default() };
        host.count();
        host
    }

    /// Counts anew what is counted as it changes.
    fn count(&mut self) {
        let series = || self.plugins.values().flat_map(|plugin| plugin.series.iter());
        let texts = |plugin: &Plugin| -> usize {
            plugin.meta.iter().chain(&plugin.warnings).map(text_size).sum()
        };
        self.series_count = series().count();
        self.pending_points = series().map(|(_, series)| series.pending_count()).sum();
        self.pending_bytes = series().map(|(_, series)| series.pending_bytes()).sum();
        self.text_bytes = self.plugins.values().map(texts).sum();
    }

    /// As given when it was made.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The plugins in order of their escaped identifiers.
    pub fn plugins(&self) -> impl Iterator<Item = (&Arc<str>, &Plugin)> {
        let mut all: Vec<_> = self.plugins.iter().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter()
    }

    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// One plugin by its escaped identifier.
    #[must_use]
    pub fn plugin(&self, plugin: &str) -> Option<&Plugin> {
        self.plugins.get(plugin)
    }

    /// When anything last came, in seconds since 1970; 0 for never.
    #[must_use]
    pub fn last_received(&self) -> u32 {
        self.plugins.values().map(|p| p.last_received).max().unwrap_or(0)
    }

    /// Points not known to be in files.
    #[must_use]
    pub fn pending_points(&self) -> usize {
        self.pending_points
    }

    /// Bytes that these points take.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// How many series there are.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.series_count
    }

    /// Where a plugin stands, which is made where it is new.
    fn plugin_index(&mut self, plugin: &str) -> Result<usize, Full> {
        if let Some(known) = self.plugins.get_index_of(plugin) {
            return Ok(known);
        }
        if self.plugins.len() >= MAX_PLUGINS {
            return Err(Full::Plugins);
        }
        Ok(self.plugins.insert_full(plugin.into(), Plugin::default()).0)
    }

    fn plugin_mut(&mut self, plugin: &str) -> Result<&mut Plugin, Full> {
        let index = self.plugin_index(plugin)?;
        self.plugins.get_index_mut(index).map(|(_, plugin)| plugin).ok_or(Full::Plugins)
    }

    /// Takes a point of a series, which is made where it is new. `now` is when it came. A late one
    /// is among the others after [`Host::merge_late`].
    ///
    /// # Errors
    /// At a bound.
    pub fn accept(
        &mut self,
        plugin: &str,
        key: &str,
        data_source_type: DataSourceType,
        point: Point,
        now: u32,
    ) -> Result<Accepted, Full> {
        // The first line of a payload mostly is the one expected: nothing need be looked up then.
        let expected = self.accept_expected(now, |expected| {
            let is_it = expected.plugin == plugin && expected.key == key.as_bytes();
            is_it.then_some(point)
        });
        if let Some(accepted) = expected {
            return Ok(accepted);
        }
        let plugin = self.plugin_index(plugin)?;
        let Some((_, found)) = self.plugins.get_index_mut(plugin) else {
            return Err(Full::Plugins);
        };
        let new = || Series::new(data_source_type);
        let (series, is_new) = found.series.find_or_insert(key, new).ok_or(Full::Keys)?;
        self.series_count += usize::from(is_new);
        let place = Place {
            plugin: u16::try_from(plugin).map_err(|_| Full::Plugins)?,
            series: u32::try_from(series).map_err(|_| Full::Keys)?,
        };
        // Several points of one series tell nothing of the order of series.
        let before = self.last.filter(|last| *last != place);
        if let Some(before) = before.and_then(|before| self.series_at(before)) {
            before.set_successor(place);
        }
        self.next = place;
        self.accept_expected(now, |_| Some(point)).ok_or(Full::Plugins)
    }

    /// Takes a point of the series that the next line is about, if lines come in the order of the
    /// last time, and if `read` finds one of it; its successor is expected next. `now` is when the
    /// point came. A late one is among the others after [`Host::merge_late`].
    #[inline]
    pub fn accept_expected(
        &mut self,
        now: u32,
        read: impl FnOnce(&Expected<'_>) -> Option<Point>,
    ) -> Option<Accepted> {
        let Place { plugin, series: index } = self.next;
        let (name, found) = self.plugins.get_index_mut(usize::from(plugin))?;
        let count = found.series.len();
        let (key, series) = found.series.next_at(index as usize)?;
        let point = read(&Expected {
            plugin: name,
            plugin_number: usize::from(plugin),
            key,
            data_source_type: series.data_source_type(),
        })?;
        found.last_received = now;
        let bytes = series.pending_bytes();
        let accepted = series.accept(point);
        match accepted {
            Accepted::Added => {
                self.pending_points += 1;
                self.pending_bytes += series.pending_bytes() - bytes;
            }
            Accepted::Late => self.late.push((self.next, point)),
            Accepted::Repeated | Accepted::TooOld(_) => {}
        }
        self.last = Some(self.next);
        self.next = series.successor().unwrap_or_else(|| {
            if index as usize + 1 < count {
                Place { plugin, series: index + 1 }
            } else if usize::from(plugin) + 1 < self.plugins.len() {
                Place { plugin: plugin + 1, series: 0 }
            } else {
                Place::default()
            }
        });
        Some(accepted)
    }

    /// Takes the late points of all lines in one go. Whoever has offered points calls it before
    /// anything else is asked of the host.
    pub fn merge_late(&mut self) {
        let mut late = std::mem::take(&mut self.late);
        // Those of one series stay in their order.
        late.sort_by_key(|(place, _)| *place);
        for of_series in late.chunk_by(|one, other| one.0 == other.0) {
            let Some(series) = of_series.first().and_then(|(place, _)| self.series_at(*place))
            else {
                continue;
            };
            let before = (series.pending_count(), series.pending_bytes());
            series.merge(of_series.iter().map(|(_, point)| *point));
            let after = (series.pending_count(), series.pending_bytes());
            self.pending_points = self.pending_points + after.0 - before.0;
            self.pending_bytes = self.pending_bytes + after.1 - before.1;
        }
    }

    fn series_at(&mut self, place: Place) -> Option<&mut Series> {
        let (_, plugin) = self.plugins.get_index_mut(usize::from(place.plugin))?;
        plugin.series.at_mut(place.series as usize)
    }

    /// Series no longer stand where they stood.
    fn forget_order(&mut self) {
        (self.next, self.last) = (Place::default(), None);
    }

    /// Keeps a text of a plugin; it expires [`META_LIFE`] seconds after `now`.
    ///
    /// # Errors
    /// At a bound.
    pub fn set_meta(&mut self, plugin: &str, key: &str, value: &str, now: u32) -> Result<(), Full> {
        self.set_text(plugin, |plugin| &mut plugin.meta, key, value, now)?;
        let plugin = self.plugin_mut(plugin)?;
        plugin.last_received = now;
        Ok(())
    }

    /// Keeps a warning of a plugin; it expires [`WARNING_LIFE`] seconds after `now`. An empty text
    /// says that it is over, and ends it at once.
    ///
    /// # Errors
    /// At a bound.
    pub fn set_warning(
        &mut self,
        plugin: &str,
        key: &str,
        text: &str,
        now: u32,
    ) -> Result<(), Full> {
        if text.is_empty() {
            let removed = self.plugins.get_mut(plugin).and_then(|p| p.warnings.remove_entry(key));
            self.text_bytes -= removed.as_ref().map_or(0, |(key, text)| text_size((key, text)));
            return Ok(());
        }
        self.set_text(plugin, |plugin| &mut plugin.warnings, key, text, now)
    }

    fn set_text(
        &mut self,
        plugin: &str,
        texts: fn(&mut Plugin) -> &mut BTreeMap<Box<str>, Text>,
        key: &str,
        text: &str,
        now: u32,
    ) -> Result<(), Full> {
        let new = key.len() + text.len();
        let size_of_old =
            |texts: &BTreeMap<Box<str>, Text>| texts.get_key_value(key).map_or(0, text_size);
        let mut old = size_of_old(texts(self.plugin_mut(plugin)?));
        let mut count = texts(self.plugin_mut(plugin)?).len() + usize::from(old == 0);
        let is_full = count > MAX_TEXTS || self.text_bytes + new - old > MAX_TEXT_BYTES;
        // Once a second at most: it looks at all of them.
        if is_full && self.texts_expired != now {
            self.expire_texts(now);
            let texts = texts(self.plugin_mut(plugin)?);
            old = size_of_old(texts);
            count = texts.len() + usize::from(old == 0);
        }
        let bytes = self.text_bytes + new - old;
        if bytes > MAX_TEXT_BYTES {
            return Err(Full::TextBytes(bytes));
        }
        if count > MAX_TEXTS {
            return Err(Full::Texts);
        }
        self.text_bytes = bytes;
        let text = Text { text: text.into(), received: now };
        texts(self.plugin_mut(plugin)?).insert(key.into(), text);
        Ok(())
    }

    /// Forgets one meta text; whether there was one.
    pub fn remove_meta(&mut self, plugin: &str, key: &str) -> bool {
        let removed = self.plugins.get_mut(plugin).and_then(|p| p.meta.remove_entry(key));
        self.text_bytes -= removed.as_ref().map_or(0, |(key, text)| text_size((key, text)));
        removed.is_some()
    }

    /// Forgets all meta of a plugin; how many texts there were.
    pub fn remove_all_meta(&mut self, plugin: &str) -> usize {
        let removed = self.plugins.get_mut(plugin).map(|p| std::mem::take(&mut p.meta));
        let removed = removed.unwrap_or_default();
        self.text_bytes -= removed.iter().map(text_size).sum::<usize>();
        removed.len()
    }

    /// Whether a series exists.
    #[must_use]
    pub fn has_series(&self, plugin: &str, key: &str) -> bool {
        self.plugins.get(plugin).is_some_and(|p| p.series.index_of(key).is_some())
    }

    /// When the first of the series whose write failed may be tried again, if any waits for that.
    #[must_use]
    pub fn next_retry(&self, now: u32) -> Option<u32> {
        self.plugins
            .values()
            .flat_map(|p| p.series.iter())
            .filter_map(|(_, s)| s.waits_until(now))
            .min()
    }

    /// When one series whose write failed may be tried again, if it waits for that.
    #[must_use]
    pub fn next_retry_of(&self, plugin: &str, key: &str, now: u32) -> Option<u32> {
        self.plugins.get(plugin)?.series.get(key)?.waits_until(now)
    }

    /// A writer has written the batch of a series. Gives how many points left memory.
    pub fn written(&mut self, plugin: &str, key: &str, last_update: u32) -> usize {
        let Some(series) = self.series_mut(plugin, key) else {
            return 0;
        };
        let before = series.pending_bytes();
        let count = series.written(last_update);
        let after = series.pending_bytes();
        self.pending_points -= count;
        self.pending_bytes = self.pending_bytes + after - before;
        count
    }

    /// A writer could not write the batch of a series: its points wait on from `tried`, by the
    /// clock of [`Host::take_due`], and the host warns from `now`, by that of lines.
    pub fn failed(&mut self, plugin: &str, key: &str, error: &str, tried: u32, now: u32) {
        if let Some(series) = self.series_mut(plugin, key) {
            series.failed(tried);
            // At the bound other warnings tell enough.
            let _ = self.set_warning(plugin, "rrd", error, now);
        }
    }

    fn series_mut(&mut self, plugin: &str, key: &str) -> Option<&mut Series> {
        self.plugins.get_mut(plugin)?.series.get_mut(key)
    }

    /// Drops meta and warnings that have expired, and plugins not received for a year; gives back
    /// memory that only growing needed.
    pub fn expire(&mut self, now: u32) {
        self.expire_texts(now);
        self.plugins.values_mut().for_each(|plugin| plugin.series.shrink());
        let is_old = |plugin: &Plugin| {
            now >= plugin.last_received.saturating_add(LAST_RECEIVED_LIFE)
                && plugin.warnings.is_empty()
        };
        if self.pending_points == 0 && self.plugins.values().any(is_old) {
            self.plugins.retain(|_, plugin| !is_old(plugin));
            self.forget_order();
            self.count();
        }
    }

    fn expire_texts(&mut self, now: u32) {
        self.texts_expired = now;
        for plugin in self.plugins.values_mut() {
            for (texts, life) in
                [(&mut plugin.meta, META_LIFE), (&mut plugin.warnings, WARNING_LIFE)]
            {
                texts.retain(|key, text| {
                    let keep = is_live(text, life, now);
                    if !keep {
                        self.text_bytes -= text_size((key, text));
                    }
                    keep
                });
            }
        }
    }

    /// Bytes that this host takes in memory, as an allocator hands them out.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        let texts = |texts: &BTreeMap<Box<str>, Text>| -> usize {
            // A tree's nodes have room for eleven entries, and six where they came in order.
            let node = allocated(11 * size_of::<(Box<str>, Text)>() + 2 * size_of::<usize>());
            let nodes = texts.len().div_ceil(6) * node;
            let heap =
                texts.iter().map(|(key, text)| allocated(key.len()) + allocated(text.text.len()));
            nodes + heap.sum::<usize>()
        };
        let plugin = |(name, plugin): (&Arc<str>, &Plugin)| {
            allocated(2 * size_of::<usize>() + name.len())
                + plugin.series.memory_usage()
                + texts(&plugin.meta)
                + texts(&plugin.warnings)
        };
        // Entries with their hashes, and a table of indices with a control byte each.
        let capacity = self.plugins.capacity();
        let slots = (capacity * 8 / 7).next_power_of_two();
        size_of::<Self>()
            + allocated(capacity * size_of::<(usize, Arc<str>, Plugin)>())
            + allocated(slots * (size_of::<usize>() + 1) + 16)
            + self.plugins.iter().map(plugin).sum::<usize>()
    }
}

/// A series that was removed from its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// With its type suffix.
    pub key: Arc<str>,
    /// Whether a writer has points of it.
    pub is_in_flight: bool,
}

impl Host {
    /// Forgets a series with its points.
    pub fn remove_series(&mut self, plugin: &str, key: &str) -> Option<Removed> {
        let series = self.plugins.get(plugin)?.series.get(key)?;
        let removed = Removed { key: key.into(), is_in_flight: series.is_in_flight() };
        self.remove(plugin, |k| k == key);
        Some(removed)
    }

    fn remove(&mut self, plugin: &str, is_it: impl Fn(&str) -> bool) {
        if let Some(found) = self.plugins.get_mut(plugin) {
            found.series.retain(|key, _| !is_it(key));
        }
        self.forget_order();
        self.count();
    }

    /// Makes it another host than it was, of which no writer has points: what is with one goes to
    /// the files of where the host was before.
    pub fn renew(&mut self, generation: u64) {
        self.generation = generation;
        for plugin in self.plugins.values_mut() {
            plugin.series.iter_mut().for_each(|(_, series)| series.recall());
        }
    }

    /// Takes points that wait in another copy of this host among its own, of series that it knows.
    /// No writer may have any of these: give it a new generation ([`Host::renew`]).
    pub fn take_pending_of(&mut self, other: &Self) {
        for (name, plugin) in &other.plugins {
            let Some(own) = self.plugins.get_mut(name) else {
                continue;
            };
            for (key, series) in plugin.series.iter().filter(|(_, s)| s.pending_count() > 0) {
                if let Some(own) = own.series.get_mut(key) {
                    own.take_pending_of(series);
                }
            }
        }
        self.count();
    }

    /// Forgets a plugin with all series, meta and warnings. Gives the series.
    pub fn remove_plugin(&mut self, plugin: &str) -> Vec<Removed> {
        let Some(found) = self.plugins.shift_remove(plugin) else {
            return Vec::new();
        };
        self.forget_order();
        self.count();
        let removed = |(key, series): (&str, &Series)| Removed {
            key: key.into(),
            is_in_flight: series.is_in_flight(),
        };
        found.series.iter().map(removed).collect()
    }
}

#[cfg(test)]
mod removal {
    use super::*;
    use crate::selection::Selection;
    use line_protocol::Value;

    #[test]
    fn what_was_removed_no_longer_counts_and_its_batches_are_told() {
        let mut host = Host::new(1);
        for (plugin, key, time) in
            [("p", "a.gauge", 60), ("p", "a.gauge", 120), ("p", "b.gauge", 60)]
        {
            let point = Point::new(time, Value::Float(1.0));
            host.accept(plugin, key, DataSourceType::Gauge, point, time).unwrap();
        }
        host.set_meta("q", "m", "x", 60).unwrap();
        host.take_due(200, Selection::Keys("p", &["a.gauge"]));
        let removed = host.remove_series("p", "a.gauge").unwrap();
        assert_eq!((&*removed.key, removed.is_in_flight), ("a.gauge", true));
        assert_eq!((host.series_count(), host.pending_points()), (1, 1));
        assert_eq!(host.remove_series("p", "a.gauge"), None);
        assert_eq!(host.remove_series("none", "a.gauge"), None);
        let removed = host.remove_plugin("p");
        assert_eq!(removed, [Removed { key: "b.gauge".into(), is_in_flight: false }]);
        assert_eq!((host.series_count(), host.pending_points()), (0, 0));
        assert_eq!(host.plugins().count(), 1);
        assert!(host.remove_plugin("q").is_empty());
        assert!(host.plugins().next().is_none());
    }

    #[test]
    fn a_renewed_host_gives_its_points_to_a_writer_again() {
        let mut host = Host::new(1);
        let point = Point::new(60, Value::Float(1.0));
        host.accept("p", "a.gauge", DataSourceType::Gauge, point, 60).unwrap();
        assert_eq!(host.take_due(60, Selection::All).len(), 1);
        assert!(host.take_due(60, Selection::All).is_empty());
        host.renew(2);
        assert_eq!((host.generation(), host.pending_points()), (2, 1));
        assert_eq!(host.take_due(60, Selection::All).len(), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Selection;
    use line_protocol::Value;

    fn push(host: &mut Host, key: &str, time: u32) -> Accepted {
        let point = Point::new(time, Value::Float(1.0));
        host.accept("base", key, DataSourceType::Gauge, point, time).unwrap()
    }

    #[test]
    fn pending_points_and_series_are_counted() {
        let mut host = Host::new(1);
        push(&mut host, "b.gauge", 60);
        push(&mut host, "a.gauge", 60);
        push(&mut host, "a.gauge", 120);
        assert_eq!((host.series_count(), host.pending_points()), (2, 3));
        let due = host.take_due(200, Selection::Keys("base", &["a.gauge"]));
        assert_eq!(due.len(), 1);
        assert_eq!(due.first().map(|d| d.points.len()), Some(2));
        assert_eq!(host.pending_points(), 3);
        assert_eq!(host.written("base", "a.gauge", 120), 2);
        assert_eq!(host.pending_points(), 1);
        assert_eq!(host.last_received(), 120);
    }

    #[test]
    fn meta_lives_an_hour_and_a_warning_five_minutes() {
        let mut host = Host::new(1);
        host.set_meta("base", "uptime", "5", 1000).unwrap();
        host.set_warning("base", "disk", "full", 1000).unwrap();
        let plugin = host.plugin("base").unwrap();
        assert_eq!(plugin.live_meta(4599).count(), 1);
        assert_eq!(plugin.live_meta(4600).count(), 0);
        assert_eq!(plugin.live_warnings(1299).count(), 1);
        assert_eq!(plugin.live_warnings(1300).count(), 0);
        host.expire(4600);
        assert!(host.plugin("base").unwrap().meta.is_empty());
        assert_eq!(host.last_received(), 1000);
        host.expire(1000 + LAST_RECEIVED_LIFE);
        assert!(host.plugin("base").is_none());
    }

    #[test]
    fn a_warning_ends_at_once_where_its_text_is_empty() {
        let mut host = Host::new(1);
        host.set_warning("base", "disk", "full", 1000).unwrap();
        host.set_warning("base", "memory", "full", 1000).unwrap();
        host.set_warning("base", "disk", "", 1001).unwrap();
        let live: Vec<_> = host.plugin("base").unwrap().live_warnings(1001).collect();
        assert_eq!(live.len(), 1);
        assert_eq!((live[0].0, host.text_bytes), ("memory", "memoryfull".len()));
        // One that is not known costs nothing.
        host.set_warning("other", "disk", "", 1001).unwrap();
        assert!(host.plugin("other").is_none());
    }

    #[test]
    fn what_came_while_the_clock_was_ahead_is_forgotten_when_it_is_set_back() {
        let (mut host, ahead) = (Host::new(1), 200_000);
        host.set_meta("base", "uptime", "1", ahead).unwrap();
        host.set_warning("base", "command", "timeout", ahead).unwrap();
        let plugin = host.plugin("base").unwrap();
        assert_eq!((plugin.live_meta(1000).count(), plugin.live_warnings(1000).count()), (0, 0));
        // A master whose clock is a little ahead of its replica's is no reason.
        assert_eq!(plugin.live_meta(ahead - 10).count(), 1);
        host.set_meta("base", "uptime", "2", 1000).unwrap();
        host.expire(1001);
        let plugin = host.plugin("base").unwrap();
        assert_eq!((plugin.live_meta(1001).count(), plugin.last_received()), (1, 1000));
        assert!(plugin.warnings.is_empty());
    }

    #[test]
    fn a_failed_write_is_a_warning_of_the_plugin() {
        let mut host = Host::new(1);
        push(&mut host, "a.gauge", 60);
        host.take_due(60, Selection::All);
        host.failed("base", "a.gauge", "no space left", 5, 60);
        assert_eq!(host.pending_points(), 1);
        let plugin = host.plugin("base").unwrap();
        let (key, text) = plugin.live_warnings(61).next().unwrap();
        assert_eq!((key, &*text.text), ("rrd", "no space left"));
    }

    #[test]
    fn series_are_expected_in_the_order_in_which_they_came() {
        let mut host = Host::new(1);
        assert_eq!(host.accept_expected(0, |_| unreachable!("nothing is known")), None);
        for key in ["b.gauge", "a.gauge", "c.derive"] {
            push(&mut host, key, 60);
        }
        let keys = |host: &mut Host, time| -> Vec<String> {
            let mut keys = Vec::new();
            for _ in 0..4 {
                host.accept_expected(time, |expected| {
                    keys.push(String::from_utf8_lossy(expected.key).into_owned());
                    Some(Point::new(time, Value::Unknown))
                });
            }
            keys
        };
        assert_eq!(keys(&mut host, 120), ["b.gauge", "a.gauge", "c.derive", "b.gauge"]);
        // Where a line is about another one, those behind that one are expected.
        push(&mut host, "b.gauge", 180);
        assert_eq!(keys(&mut host, 240), ["a.gauge", "c.derive", "b.gauge", "a.gauge"]);
        assert_eq!(host.plugin("base").unwrap().last_received(), 240);
    }

    #[test]
    fn a_host_learns_another_order_of_its_lines_across_plugins() {
        let mut host = Host::new(1);
        let order = [("p", "a"), ("q", "a"), ("p", "b"), ("q", "b"), ("p", "c")];
        let mut unexpected = Vec::new();
        for minute in 1..=4 {
            // At the third the sender turns its order round.
            let of_minute: Vec<_> =
                if minute < 3 { order.to_vec() } else { order.into_iter().rev().collect() };
            let mut count = 0;
            for (plugin, key) in of_minute {
                let point = Point::new(minute * 60, Value::Unknown);
                let expected = host.accept_expected(0, |expected| {
                    let is_it = (expected.plugin, expected.key) == (plugin, key.as_bytes());
                    is_it.then_some(point)
                });
                count += usize::from(expected.is_none());
                let accepted = expected.unwrap_or_else(|| {
                    host.accept(plugin, key, DataSourceType::Gauge, point, 0).unwrap()
                });
                assert_eq!(accepted, Accepted::Added);
            }
            unexpected.push(count);
        }
        // The first of the second minute is behind the last of the first: known by the third.
        assert_eq!(unexpected, [5, 1, 5, 1]);
        assert_eq!(host.pending_points(), 20);
    }

    #[test]
    fn what_was_learned_of_series_that_are_gone_does_no_harm() {
        let mut host = Host::new(1);
        for minute in 1..=3 {
            for (plugin, key) in [("p", "a"), ("q", "a"), ("p", "b"), ("q", "b")] {
                let point = Point::new(minute * 60, Value::Unknown);
                host.accept(plugin, key, DataSourceType::Gauge, point, 0).unwrap();
            }
        }
        host.remove_plugin("q");
        host.remove_series("p", "a").unwrap();
        let point = Point::new(240, Value::Unknown);
        host.accept("p", "b", DataSourceType::Gauge, point, 0).unwrap();
        for _ in 0..3 {
            host.accept_expected(0, |expected| {
                assert_eq!(expected.key, b"b");
                None
            });
        }
        assert_eq!(host.pending_points(), 4);
    }

    #[test]
    fn late_points_of_all_series_are_merged_in_one_go_and_the_last_of_a_time_wins() {
        let mut host = Host::new(1);
        let mut models = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
        for n in 0..300u32 {
            // Times go up and down, and come again.
            let (of, time) = (n as usize % 3, 1 + n * 7919 % 100);
            let point = Point::new(time, Value::Float(f64::from(n)));
            let key = ["a.gauge", "b.gauge", "c.gauge"][of];
            host.accept("base", key, DataSourceType::Gauge, point, 60).unwrap();
            models[of].insert(time, point);
            if n % 50 == 49 {
                host.merge_late();
            }
        }
        for (key, model) in ["a.gauge", "b.gauge", "c.gauge"].into_iter().zip(&models) {
            let series = host.plugin("base").unwrap().get(key).unwrap();
            assert!(series.pending().eq(model.values().copied()), "{key}");
        }
        let counted = (host.pending_points(), host.pending_bytes());
        host.count();
        assert_eq!((host.pending_points(), host.pending_bytes()), counted);
        assert_eq!(counted.0, models.iter().map(BTreeMap::len).sum::<usize>());
    }

    #[test]
    fn pending_bytes_are_counted_as_they_come_and_go() {
        let mut host = Host::new(1);
        for minute in 1..50 {
            push(&mut host, "a.gauge", minute * 60);
            push(&mut host, "b.gauge", minute * 60);
        }
        let counted = host.pending_bytes();
        assert!((98..=196).contains(&counted), "{counted}");
        host.count();
        assert_eq!(host.pending_bytes(), counted);
        host.take_due(9000, Selection::Keys("base", &["a.gauge"]));
        push(&mut host, "a.gauge", 9000);
        host.written("base", "a.gauge", 49 * 60);
        let counted = host.pending_bytes();
        host.count();
        assert_eq!(host.pending_bytes(), counted);
        assert_eq!(host.pending_points(), 50);
    }

    #[test]
    fn bytes_of_texts_of_a_host_are_bounded_and_what_expires_makes_room() {
        let mut host = Host::new(1);
        let text = "x".repeat(8000);
        let mut taken = 0;
        while host.set_meta(&format!("p{}", taken % 7), &taken.to_string(), &text, 1000).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, MAX_TEXT_BYTES / 8003);
        assert!(matches!(host.set_warning("base", "w", &text, 1000), Err(Full::TextBytes(_))));
        assert_eq!(host.set_meta("p0", "0", "short", 1000), Ok(()));
        assert_eq!(host.set_warning("base", "w", "now it fits", 1000), Ok(()));
        let later = 1000 + META_LIFE;
        for n in 0..taken {
            assert_eq!(host.set_meta("later", &n.to_string(), &text, later), Ok(()));
        }
        let counted = host.text_bytes;
        host.count();
        assert_eq!(host.text_bytes, counted);
    }

    #[test]
    fn texts_of_a_plugin_are_bounded() {
        let mut host = Host::new(1);
        for n in 0..MAX_TEXTS {
            host.set_meta("base", &n.to_string(), "x", 1000).unwrap();
        }
        assert_eq!(host.set_meta("base", "more", "x", 1000), Err(Full::Texts));
        assert_eq!(host.set_meta("base", "0", "y", 1000), Ok(()));
        assert_eq!(host.set_meta("base", "more", "x", 1000 + META_LIFE), Ok(()));
    }
}
