//! What is known of one host: series with their waiting points, meta, warnings, last received.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use line_protocol::DataSourceType;

use crate::point::{POINT_SIZE, Point};
use crate::series::{Accepted, Series};

/// Seconds that meta is kept after it was last sent.
pub const META_LIFE: u32 = 3600;
/// Seconds that a warning is shown after it came.
pub const WARNING_LIFE: u32 = 300;
/// Seconds that a plugin is remembered after it was last received: a year.
pub const LAST_RECEIVED_LIFE: u32 = 365 * 86400;
/// Most meta and most warnings kept for one plugin of one host.
pub const MAX_TEXTS: usize = 1000;
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
    pub(crate) series: HashMap<Arc<str>, Series>,
    pub(crate) meta: BTreeMap<Box<str>, Text>,
    pub(crate) warnings: BTreeMap<Box<str>, Text>,
}

/// One host. All its state is owned by one thread.
#[derive(Debug, Default)]
pub struct Host {
    /// Tells a host from another one of the same address before or after it.
    generation: u64,
    pub(crate) plugins: BTreeMap<Arc<str>, Plugin>,
    pending_points: usize,
    series_count: usize,
}

/// A bound that a line ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// [`MAX_PLUGINS`].
    #[error("host has {MAX_PLUGINS} plugins, the most that are kept")]
    Plugins,
    /// [`MAX_TEXTS`].
    #[error("plugin has {MAX_TEXTS} meta or warning keys, the most that are kept")]
    Texts,
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
    pub fn series(&self) -> Vec<(&Arc<str>, &Series)> {
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
        self.series.values().map(|series| series.pending().len()).sum()
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

fn live(
    texts: &BTreeMap<Box<str>, Text>,
    life: u32,
    now: u32,
) -> impl Iterator<Item = (&str, &Text)> {
    texts.iter().filter(move |(_, text)| is_live(text, life, now)).map(|(key, text)| (&**key, text))
}

fn is_live(text: &Text, life: u32, now: u32) -> bool {
    now < text.received.saturating_add(life)
}

fn set_text(
    texts: &mut BTreeMap<Box<str>, Text>,
    life: u32,
    key: &str,
    text: &str,
    now: u32,
) -> Result<(), Full> {
    let text = Text { text: text.into(), received: now };
    if let Some(place) = texts.get_mut(key) {
        *place = text;
        return Ok(());
    }
    if texts.len() >= MAX_TEXTS {
        texts.retain(|_, text| is_live(text, life, now));
    }
    if texts.len() >= MAX_TEXTS {
        return Err(Full::Texts);
    }
    texts.insert(key.into(), text);
    Ok(())
}

impl Host {
    /// A host without anything. `generation` must differ from that of every other host ever made.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    pub(crate) fn restored(generation: u64, plugins: BTreeMap<Arc<str>, Plugin>) -> Self {
        let mut host = Self { generation, plugins, ..Self::default() };
        host.pending_points = host.plugins.values().map(Plugin::pending_points).sum();
        host.series_count = host.plugins.values().map(Plugin::series_count).sum();
        host
    }

    /// As given when it was made.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The plugins in order of their escaped identifiers.
    pub fn plugins(&self) -> impl Iterator<Item = (&Arc<str>, &Plugin)> {
        self.plugins.iter()
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

    /// How many series there are.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.series_count
    }

    fn plugin_mut(&mut self, plugin: &str) -> Result<&mut Plugin, Full> {
        if !self.plugins.contains_key(plugin) {
            if self.plugins.len() >= MAX_PLUGINS {
                return Err(Full::Plugins);
            }
            self.plugins.insert(plugin.into(), Plugin::default());
        }
        self.plugins.get_mut(plugin).ok_or(Full::Plugins)
    }

    /// Takes a point of a series, which is made where it is new. `now` is when it came.
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
        let found = self.plugin_mut(plugin)?;
        found.last_received = found.last_received.max(now);
        let (accepted, made) = match found.series.get_mut(key) {
            Some(series) => (series.accept(point), 0),
            None => {
                let mut series = Series::new(data_source_type);
                let accepted = series.accept(point);
                found.series.insert(key.into(), series);
                (accepted, 1)
            }
        };
        self.series_count += made;
        if accepted == Accepted::Added {
            self.pending_points += 1;
        }
        Ok(accepted)
    }

    /// Keeps a text of a plugin; it expires [`META_LIFE`] seconds after `now`.
    ///
    /// # Errors
    /// At a bound.
    pub fn set_meta(&mut self, plugin: &str, key: &str, value: &str, now: u32) -> Result<(), Full> {
        let plugin = self.plugin_mut(plugin)?;
        plugin.last_received = plugin.last_received.max(now);
        set_text(&mut plugin.meta, META_LIFE, key, value, now)
    }

    /// Keeps a warning of a plugin; it expires [`WARNING_LIFE`] seconds after `now`.
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
        set_text(&mut self.plugin_mut(plugin)?.warnings, WARNING_LIFE, key, text, now)
    }

    /// Forgets one meta text; whether there was one.
    pub fn remove_meta(&mut self, plugin: &str, key: &str) -> bool {
        self.plugins.get_mut(plugin).is_some_and(|p| p.meta.remove(key).is_some())
    }

    /// Forgets all meta of a plugin; how many texts there were.
    pub fn remove_all_meta(&mut self, plugin: &str) -> usize {
        self.plugins.get_mut(plugin).map_or(0, |p| std::mem::take(&mut p.meta).len())
    }

    /// Whether a series exists.
    #[must_use]
    pub fn has_series(&self, plugin: &str, key: &str) -> bool {
        self.plugins.get(plugin).is_some_and(|p| p.series.contains_key(key))
    }

    /// Gives batches of all series that are due, or of those that `wanted` (plugin, key) picks;
    /// each series' points stay here until [`Host::written`]. `now` is of the clock that retries
    /// go by.
    pub fn take_due(
        &mut self,
        now: u32,
        mut wanted: impl FnMut(&str, &str) -> bool,
    ) -> Vec<DueSeries> {
        let mut due = Vec::new();
        for (plugin, found) in &mut self.plugins {
            for (key, series) in &mut found.series {
                if series.is_due(now) && wanted(plugin, key) {
                    due.push(DueSeries {
                        plugin: Arc::clone(plugin),
                        key: Arc::clone(key),
                        data_source_type: series.data_source_type(),
                        points: series.take_batch(),
                    });
                }
            }
        }
        due
    }

    /// When the first of the series whose write failed may be tried again, if any waits for that.
    #[must_use]
    pub fn next_retry(&self, now: u32) -> Option<u32> {
        self.plugins
            .values()
            .flat_map(|p| p.series.values())
            .filter_map(|s| s.waits_until(now))
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
        let count = series.written(last_update);
        self.pending_points = self.pending_points.saturating_sub(count);
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

    /// Drops meta and warnings that have expired, and plugins not received for a year.
    pub fn expire(&mut self, now: u32) {
        for plugin in self.plugins.values_mut() {
            plugin.meta.retain(|_, text| is_live(text, META_LIFE, now));
            plugin.warnings.retain(|_, text| is_live(text, WARNING_LIFE, now));
        }
        let (series_count, pending_points) = (&mut self.series_count, self.pending_points);
        if pending_points > 0 {
            return;
        }
        self.plugins.retain(|_, plugin| {
            let keep = now < plugin.last_received.saturating_add(LAST_RECEIVED_LIFE)
                || !plugin.warnings.is_empty();
            if !keep {
                *series_count = series_count.saturating_sub(plugin.series.len());
            }
            keep
        });
    }

    /// Bytes that this host takes in memory, near enough.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        // A map entry's own cost: hash table slack or a share of a tree node.
        const ENTRY: usize = 24;
        let texts = |texts: &BTreeMap<Box<str>, Text>| -> usize {
            texts
                .iter()
                .map(|(key, text)| {
                    ENTRY + key.len() + size_of::<(Box<str>, Text)>() + text.text.len()
                })
                .sum()
        };
        let series = |(key, series): (&Arc<str>, &Series)| {
            ENTRY
                + 16
                + key.len()
                + size_of::<(Arc<str>, Series)>()
                + series.pending().len() * POINT_SIZE
        };
        let plugin = |(name, plugin): (&Arc<str>, &Plugin)| {
            ENTRY
                + 16
                + name.len()
                + size_of::<(Arc<str>, Plugin)>()
                + plugin.series.iter().map(series).sum::<usize>()
                + texts(&plugin.meta)
                + texts(&plugin.warnings)
        };
        size_of::<Self>() + self.plugins.iter().map(plugin).sum::<usize>()
    }
}

/// Some of the series of a host.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// All of them.
    All,
    /// Those of a plugin.
    Plugin(&'a str),
    /// Those of a plugin with these keys, each named once: found without a walk over the others.
    Keys(&'a str, &'a [&'a str]),
}

impl Selection<'_> {
    /// The plugin, where it is one.
    #[must_use]
    pub fn plugin(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Plugin(plugin) | Self::Keys(plugin, _) => Some(plugin),
        }
    }
}

impl Host {
    /// Calls `see` with plugin, key and series of each that is selected, in no order.
    pub fn each_series(
        &self,
        selection: Selection<'_>,
        mut see: impl FnMut(&Arc<str>, &Arc<str>, &Series),
    ) {
        match selection {
            Selection::Keys(plugin, keys) => {
                let Some((plugin, found)) = self.plugins.get_key_value(plugin) else {
                    return;
                };
                for (key, series) in keys.iter().filter_map(|key| found.series.get_key_value(*key))
                {
                    see(plugin, key, series);
                }
            }
            _ => {
                for (plugin, found) in &self.plugins {
                    if selection.plugin().is_none_or(|wanted| wanted == &**plugin) {
                        found.series.iter().for_each(|(key, series)| see(plugin, key, series));
                    }
                }
            }
        }
    }

    /// [`Host::take_due`] for a selection.
    pub fn take_due_of(&mut self, now: u32, selection: Selection<'_>) -> Vec<DueSeries> {
        let Selection::Keys(plugin, keys) = selection else {
            return self.take_due(now, |plugin, _| {
                selection.plugin().is_none_or(|wanted| wanted == plugin)
            });
        };
        let mut due = Vec::new();
        let Some(plugin) = self.plugins.get_key_value(plugin).map(|(name, _)| Arc::clone(name))
        else {
            return due;
        };
        let Some(found) = self.plugins.get_mut(&plugin) else {
            return due;
        };
        for key in keys {
            let Some(key) = found.series.get_key_value(*key).map(|(key, _)| Arc::clone(key)) else {
                continue;
            };
            if let Some(series) = found.series.get_mut(&key).filter(|series| series.is_due(now)) {
                due.push(DueSeries {
                    plugin: Arc::clone(&plugin),
                    key,
                    data_source_type: series.data_source_type(),
                    points: series.take_batch(),
                });
            }
        }
        due
    }
}

#[cfg(test)]
mod selection {
    use super::*;
    use line_protocol::Value;

    fn names(host: &Host, selection: Selection<'_>) -> Vec<String> {
        let mut names = Vec::new();
        host.each_series(selection, |plugin, key, _| names.push(format!("{plugin}.{key}")));
        names.sort();
        names
    }

    #[test]
    fn a_selection_is_seen_and_taken_and_nothing_else() {
        let mut host = Host::new(1);
        for (plugin, key) in [("p", "a.gauge"), ("p", "b.gauge"), ("q", "a.gauge")] {
            let point = Point::new(60, Value::Float(1.0));
            host.accept(plugin, key, DataSourceType::Gauge, point, 60).unwrap();
        }
        for (selection, expected) in [
            (Selection::Keys("p", &["b.gauge", "none.gauge"]), &["p.b.gauge"][..]),
            (Selection::Keys("none", &["b.gauge"]), &[]),
            (Selection::Plugin("p"), &["p.a.gauge", "p.b.gauge"]),
            (Selection::Plugin("none"), &[]),
            (Selection::All, &["p.a.gauge", "p.b.gauge", "q.a.gauge"]),
        ] {
            assert_eq!(names(&host, selection), expected, "{selection:?}");
            let due = host.take_due_of(60, selection);
            let mut taken: Vec<_> = due.iter().map(|d| format!("{}.{}", d.plugin, d.key)).collect();
            taken.sort();
            assert_eq!(taken, expected, "{selection:?}");
            assert!(host.take_due_of(60, selection).is_empty());
            host.renew(2);
        }
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
        let (key, series) = self.plugins.get_mut(plugin)?.series.remove_entry(key)?;
        self.series_count = self.series_count.saturating_sub(1);
        self.pending_points = self.pending_points.saturating_sub(series.pending().len());
        Some(Removed { key, is_in_flight: series.is_in_flight() })
    }

    /// Makes it another host than it was, of which no writer has points: what is with one goes to
    /// the files of where the host was before.
    pub fn renew(&mut self, generation: u64) {
        self.generation = generation;
        for plugin in self.plugins.values_mut() {
            plugin.series.values_mut().for_each(Series::recall);
        }
    }

    /// Forgets a plugin with all series, meta and warnings. Gives the series.
    pub fn remove_plugin(&mut self, plugin: &str) -> Vec<Removed> {
        let keys: Vec<_> = self
            .plugins
            .get(plugin)
            .map(|p| p.series.keys().cloned().collect())
            .unwrap_or_default();
        let removed = keys.iter().filter_map(|key| self.remove_series(plugin, key)).collect();
        self.plugins.remove(plugin);
        removed
    }
}

#[cfg(test)]
mod removal {
    use super::*;
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
        host.take_due(200, |_, key| key == "a.gauge");
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
        assert_eq!(host.take_due(60, |_, _| true).len(), 1);
        assert!(host.take_due(60, |_, _| true).is_empty());
        host.renew(2);
        assert_eq!((host.generation(), host.pending_points()), (2, 1));
        assert_eq!(host.take_due(60, |_, _| true).len(), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Value;

    fn push(host: &mut Host, key: &str, time: u32) -> Accepted {
        let point = Point::new(time, Value::Float(1.0));
        host.accept("base", key, DataSourceType::Gauge, point, time).unwrap()
    }

    #[test]
    fn pending_points_and_series_are_counted() {
        let mut host = Host::new(1);
        push(&mut host, "a.gauge", 60);
        push(&mut host, "a.gauge", 120);
        push(&mut host, "b.gauge", 60);
        assert_eq!((host.series_count(), host.pending_points()), (2, 3));
        let due = host.take_due(200, |_, key| key == "a.gauge");
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
    fn a_failed_write_is_a_warning_of_the_plugin() {
        let mut host = Host::new(1);
        push(&mut host, "a.gauge", 60);
        host.take_due(60, |_, _| true);
        host.failed("base", "a.gauge", "no space left", 5, 60);
        assert_eq!(host.pending_points(), 1);
        let plugin = host.plugin("base").unwrap();
        let (key, text) = plugin.live_warnings(61).next().unwrap();
        assert_eq!((key, &*text.text), ("rrd", "no space left"));
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
