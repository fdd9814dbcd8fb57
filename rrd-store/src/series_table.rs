//! The series of one plugin, in the order in which they came.
//!
//! Agents send their lines in the same order each minute, so series and names lie one behind the
//! other in that order: the next line's series is the next one in memory.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::allocated::allocated;
use crate::prefetch::prefetch;
use crate::series::Series;

/// Series by their keys.
#[derive(Clone, Debug, Default)]
pub struct SeriesTable {
    entries: Vec<Series>,
    names: Names,
    /// Indices of entries, by the hash of their keys.
    index: HashTable<u32>,
    hasher: RandomState,
}

/// All keys, one behind the other, and where each ends.
#[derive(Clone, Debug, Default)]
struct Names {
    text: String,
    ends: Vec<u32>,
}

impl Names {
    #[inline]
    fn range(&self, index: usize) -> Option<Range<usize>> {
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? as usize };
        Some(start..*self.ends.get(index)? as usize)
    }

    fn get(&self, index: usize) -> &str {
        self.range(index).and_then(|range| self.text.get(range)).unwrap_or_default()
    }

    /// The same, for a quick look.
    #[inline]
    fn bytes(&self, index: usize) -> Option<&[u8]> {
        self.text.as_bytes().get(self.range(index)?)
    }

    /// Puts a key behind the others; `None` where all together would pass 4 GB.
    fn push(&mut self, key: &str) -> Option<()> {
        self.ends.push(u32::try_from(self.text.len() + key.len()).ok()?);
        self.text.push_str(key);
        Some(())
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|index| self.get(index))
    }
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
        let is_it = |at: &u32| self.names.get(*at as usize) == key;
        self.index.find(self.hasher.hash_one(key), is_it).map(|at| *at as usize)
    }

    /// One series.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Series> {
        self.entries.get(self.index_of(key)?)
    }

    /// One series, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Series> {
        let at = self.index_of(key)?;
        self.at_mut(at)
    }

    /// The series that stands there, to change.
    #[inline]
    pub fn at_mut(&mut self, index: usize) -> Option<&mut Series> {
        self.entries.get_mut(index)
    }

    /// The series that stands there, whose key the next line mostly has: those behind it are wanted
    /// soon, so their memory is let come near.
    #[inline]
    pub fn next_at(&mut self, index: usize) -> Option<(&[u8], &mut Series)> {
        if let Some(series) = self.entries.get(index + 3) {
            series.prefetch_end();
        }
        if let Some(series) = self.entries.get(index + 6) {
            prefetch(series);
        }
        Some((self.names.bytes(index)?, self.entries.get_mut(index)?))
    }

    /// All series in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Series)> {
        self.names.iter().zip(&self.entries)
    }

    /// The same, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Series)> {
        self.names.iter().zip(&mut self.entries)
    }

    /// Where a series stands, and whether it was put behind the others now, as it was not there.
    /// `None` where all keys together would pass 4 GB.
    pub fn find_or_insert(
        &mut self,
        key: &str,
        new: impl FnOnce() -> Series,
    ) -> Option<(usize, bool)> {
        let Self { entries, names, index, hasher } = self;
        let name_at = |at: &u32| names.get(*at as usize);
        let hash = hasher.hash_one(key);
        let place =
            match index.entry(hash, |at| name_at(at) == key, |at| hasher.hash_one(name_at(at))) {
                Entry::Occupied(known) => return Some((*known.get() as usize, false)),
                Entry::Vacant(place) => place,
            };
        let at = entries.len();
        let number = u32::try_from(at).ok()?;
        names.push(key)?;
        place.insert(number);
        entries.push(new());
        Some((at, true))
    }

    /// Takes out those series that `keep` does not want. Gives how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Series) -> bool) -> usize {
        let before = self.len();
        let mut kept = Self::default();
        for (key, series) in self.names.iter().zip(std::mem::take(&mut self.entries)) {
            if keep(key, &series) {
                // All of them had room before.
                let _ = kept.find_or_insert(key, || series);
            }
        }
        *self = kept;
        before - self.len()
    }

    /// Gives back memory that only growing needed.
    pub fn shrink(&mut self) {
        if self.entries.capacity() > self.entries.len() + self.entries.len() / 8 + 8 {
            self.entries.shrink_to_fit();
            self.names.text.shrink_to_fit();
            self.names.ends.shrink_to_fit();
        }
    }

    /// Bytes on the heap, those of pending points included.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        let points = self.entries.iter().map(|series| allocated(series.heap_bytes()));
        allocated(self.entries.capacity() * size_of::<Series>())
            + allocated(self.names.text.capacity())
            + allocated(self.names.ends.capacity() * size_of::<u32>())
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
