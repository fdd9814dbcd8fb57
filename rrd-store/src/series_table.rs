//! The series of one plugin, in the order in which they came.
//!
//! Agents send their lines in the same order each minute, so series and names lie one behind the
//! other in that order: the next line's series is the next one in memory.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::allocated::allocated;
use crate::series::Series;

/// Series by their keys.
#[derive(Clone, Debug, Default)]
pub struct SeriesTable {
    entries: Vec<Named>,
    /// All keys, one behind the other.
    names: String,
    /// Indices of entries, by the hash of their keys.
    index: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
struct Named {
    name_start: u32,
    name_length: u32,
    series: Series,
}

#[inline]
fn name<'a>(names: &'a str, entry: &Named) -> &'a str {
    let start = entry.name_start as usize;
    names.get(start..start + entry.name_length as usize).unwrap_or_default()
}

impl SeriesTable {
    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where a series stands.
    #[must_use]
    pub fn index_of(&self, key: &str) -> Option<usize> {
        let is_it = |at: &u32| {
            self.entries.get(*at as usize).is_some_and(|entry| name(&self.names, entry) == key)
        };
        self.index.find(self.hasher.hash_one(key), is_it).map(|at| *at as usize)
    }

    /// One series.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Series> {
        self.at(self.index_of(key)?).map(|(_, series)| series)
    }

    /// One series, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Series> {
        let at = self.index_of(key)?;
        self.at_mut(at)
    }

    /// The series that stands there.
    #[must_use]
    #[inline]
    pub fn at(&self, index: usize) -> Option<(&str, &Series)> {
        self.entries.get(index).map(|entry| (name(&self.names, entry), &entry.series))
    }

    /// The same, to change.
    #[inline]
    pub fn at_mut(&mut self, index: usize) -> Option<&mut Series> {
        self.entries.get_mut(index).map(|entry| &mut entry.series)
    }

    /// Lets the memory of the series behind this one come near, as the next lines are about them.
    #[inline]
    pub fn prefetch_behind(&self, index: usize) {
        if let Some(entry) = self.entries.get(index + 3) {
            entry.series.prefetch_end();
        }
        if let Some(entry) = self.entries.get(index + 6) {
            crate::prefetch::prefetch(std::ptr::from_ref(entry).cast());
        }
    }

    /// All series in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Series)> {
        self.entries.iter().map(|entry| (name(&self.names, entry), &entry.series))
    }

    /// The same, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Series)> {
        let names = &self.names;
        self.entries.iter_mut().map(|entry| (name(names, entry), &mut entry.series))
    }

    /// Where a series stands, and whether it was put behind the others now, as it was not there.
    /// `None` where all keys together would pass 4 GB.
    pub fn find_or_insert(
        &mut self,
        key: &str,
        new: impl FnOnce() -> Series,
    ) -> Option<(usize, bool)> {
        let Self { entries, names, index, hasher } = self;
        let name_at = |at: &u32| entries.get(*at as usize).map_or("", |entry| name(names, entry));
        let hash = hasher.hash_one(key);
        let name_start = u32::try_from(names.len()).ok()?;
        let name_length = u32::try_from(key.len()).ok()?;
        let at = match index.entry(hash, |at| name_at(at) == key, |at| hasher.hash_one(name_at(at)))
        {
            Entry::Occupied(known) => return Some((*known.get() as usize, false)),
            Entry::Vacant(place) => {
                let at = u32::try_from(entries.len()).ok()?;
                place.insert(at);
                at
            }
        };
        self.names.push_str(key);
        self.entries.push(Named { name_start, name_length, series: new() });
        Some((at as usize, true))
    }

    /// Takes out those series that `keep` does not want. Gives how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Series) -> bool) -> usize {
        let before = self.len();
        let mut kept = Self::default();
        for entry in std::mem::take(&mut self.entries) {
            let key = name(&self.names, &entry);
            if keep(key, &entry.series) {
                // All of them had room before.
                let _ = kept.find_or_insert(key, || entry.series);
            }
        }
        *self = kept;
        before - self.len()
    }

    /// Gives back memory that only growing needed.
    pub fn shrink(&mut self) {
        if self.entries.capacity() > self.entries.len() + self.entries.len() / 8 + 8 {
            self.entries.shrink_to_fit();
            self.names.shrink_to_fit();
        }
    }

    /// Bytes on the heap, those of pending points included.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        let points = self.entries.iter().map(|entry| allocated(entry.series.heap_bytes()));
        allocated(self.entries.capacity() * size_of::<Named>())
            + allocated(self.names.capacity())
            + allocated(self.index.allocation_size())
            + points.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::DataSourceType;

    fn series() -> Series {
        Series::new(DataSourceType::Gauge)
    }

    fn keys(table: &SeriesTable) -> Vec<&str> {
        table.iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn series_keep_the_order_in_which_they_came_and_are_found_by_key() {
        let mut table = SeriesTable::default();
        let names: Vec<String> = (0..1000).map(|n| format!("k{}.gauge", n * 7919 % 1000)).collect();
        for (at, key) in names.iter().enumerate() {
            assert_eq!(table.find_or_insert(key, series), Some((at, true)));
        }
        assert_eq!(keys(&table), names);
        assert_eq!(table.find_or_insert("k0.gauge", series), Some((0, false)));
        for (at, key) in names.iter().enumerate() {
            assert_eq!(table.index_of(key), Some(at));
        }
        assert!(table.get("k1000.gauge").is_none());
    }

    #[test]
    fn what_is_taken_out_is_gone_and_the_rest_keeps_its_order() {
        let mut table = SeriesTable::default();
        for key in ["b", "a", "c", "d"] {
            table.find_or_insert(key, series);
        }
        assert_eq!(table.retain(|key, _| key != "a" && key != "d"), 2);
        assert_eq!(keys(&table), ["b", "c"]);
        assert_eq!(table.index_of("c"), Some(1));
        assert_eq!(table.index_of("a"), None);
        assert_eq!(table.find_or_insert("a", series), Some((2, true)));
    }
}
