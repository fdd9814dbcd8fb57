//! Some of the series of a host, and what is due of them.

use std::sync::Arc;

use crate::host::{DueSeries, Host};
use crate::series::Series;

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
        mut see: impl FnMut(&Arc<str>, &str, &Series),
    ) {
        let is_wanted = |name: &str| selection.plugin().is_none_or(|wanted| wanted == name);
        for (name, plugin) in self.plugins.iter().filter(|(name, _)| is_wanted(name)) {
            match selection {
                Selection::Keys(_, keys) => {
                    let found = keys.iter().filter_map(|key| Some((key, plugin.series.get(key)?)));
                    found.for_each(|(key, series)| see(name, key, series));
                }
                Selection::All | Selection::Plugin(_) => {
                    plugin.series.iter().for_each(|(key, series)| see(name, key, series));
                }
            }
        }
    }

    /// Gives batches of those selected series that are due; each series' points stay here until
    /// [`Host::written`]. `now` is of the clock that retries go by.
    pub fn take_due(&mut self, now: u32, selection: Selection<'_>) -> Vec<DueSeries> {
        let mut due = Vec::new();
        let is_wanted = |name: &str| selection.plugin().is_none_or(|wanted| wanted == name);
        for (name, plugin) in self.plugins.iter_mut().filter(|(name, _)| is_wanted(name)) {
            let mut take = |key: &str, series: &mut Series| {
                if series.is_due(now) {
                    due.push(DueSeries {
                        plugin: Arc::clone(name),
                        key: Arc::from(key),
                        data_source_type: series.data_source_type(),
                        points: series.take_batch(),
                    });
                }
            };
            match selection {
                Selection::Keys(_, keys) => {
                    for key in keys {
                        if let Some(series) = plugin.series.get_mut(key) {
                            take(key, series);
                        }
                    }
                }
                Selection::All | Selection::Plugin(_) => {
                    plugin.series.iter_mut().for_each(|(key, series)| take(key, series));
                }
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::Point;
    use line_protocol::{DataSourceType, Value};

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
            let due = host.take_due(60, selection);
            let mut taken: Vec<_> = due.iter().map(|d| format!("{}.{}", d.plugin, d.key)).collect();
            taken.sort();
            assert_eq!(taken, expected, "{selection:?}");
            assert!(host.take_due(60, selection).is_empty());
            host.renew(2);
        }
    }
}
