//! Pictures, each drawn once: who asks for one that is being drawn waits for the same, and the
//! latest are kept.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use tokio::sync::OnceCell;

use super::pool::{DrawError, Pool};

/// What makes a picture what it is: rrdgraph's arguments and the state of the files they name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// rrdgraph's arguments, the range among them.
    pub arguments: Vec<String>,
    /// When each of its files was last written, in nanoseconds since 1970.
    pub written: Vec<u128>,
}

impl Key {
    /// The same for the same picture: an HTTP entity tag, quoted. The version is part of it, as
    /// another version may draw otherwise.
    #[must_use]
    pub fn entity_tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        self.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}

/// The pictures that are kept or being drawn.
pub struct Pictures {
    pool: Pool,
    kept: Mutex<Kept>,
}

struct Kept {
    entries: HashMap<Arc<Key>, Entry>,
    /// Grows with each use, so that the entry with the lowest was not used for longest.
    uses: u64,
    bytes: usize,
    max_bytes: usize,
}

struct Entry {
    cell: Arc<OnceCell<Bytes>>,
    last_use: u64,
    /// Zero while it is drawn.
    bytes: usize,
}

impl Pictures {
    /// Pictures that `pool` draws; those kept take `max_bytes` at most.
    #[must_use]
    pub fn new(pool: Pool, max_bytes: usize) -> Self {
        let kept = Kept { entries: HashMap::new(), uses: 0, bytes: 0, max_bytes };
        Self { pool, kept: Mutex::new(kept) }
    }

    /// The picture of that key, as a PNG.
    ///
    /// # Errors
    /// As [`Pool::draw`].
    pub async fn get(&self, key: Key) -> Result<Bytes, DrawError> {
        let key = Arc::new(key);
        let cell = self.with_kept(|kept| kept.cell_of(&key));
        let arguments = key.arguments.clone();
        let drawn = cell
            .get_or_try_init(|| async { self.pool.draw(arguments).await.map(Bytes::from) })
            .await;
        match drawn {
            Ok(picture) => {
                self.with_kept(|kept| kept.settle(&key, &cell, picture.len()));
                Ok(picture.clone())
            }
            Err(error) => {
                self.with_kept(|kept| kept.forget_failed(&key, &cell));
                Err(error)
            }
        }
    }

    fn with_kept<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn cell_of(&mut self, key: &Arc<Key>) -> Arc<OnceCell<Bytes>> {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            entry.last_use = self.uses;
            return Arc::clone(&entry.cell);
        }
        // Whoever asked for a picture may go away before it is drawn.
        self.entries.retain(|_, entry| entry.bytes > 0 || Arc::strong_count(&entry.cell) > 1);
        let cell = Arc::new(OnceCell::new());
        let entry = Entry { cell: Arc::clone(&cell), last_use: self.uses, bytes: 0 };
        self.entries.insert(Arc::clone(key), entry);
        cell
    }

    /// Notes the size of a picture that has been drawn, and makes room for it.
    fn settle(&mut self, key: &Key, cell: &Arc<OnceCell<Bytes>>, bytes: usize) {
        match self.entries.get_mut(key) {
            Some(entry) if entry.bytes == 0 && Arc::ptr_eq(&entry.cell, cell) => {
                entry.bytes = bytes + size_of_key(key);
                self.bytes += entry.bytes;
            }
            _ => return,
        }
        if self.bytes <= self.max_bytes {
            return;
        }
        // Rarely, and then a quarter at once: the sort is paid for by many pictures.
        let mut by_use: Vec<(u64, Arc<Key>)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.bytes > 0)
            .map(|(key, entry)| (entry.last_use, Arc::clone(key)))
            .collect();
        by_use.sort_unstable_by_key(|(last_use, _)| *last_use);
        for (_, key) in by_use {
            if self.bytes <= self.max_bytes / 4 * 3 {
                break;
            }
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }

    /// A failure is not kept: the next request tries again.
    fn forget_failed(&mut self, key: &Key, cell: &Arc<OnceCell<Bytes>>) {
        let is_failed = |entry: &Entry| Arc::ptr_eq(&entry.cell, cell) && !entry.cell.initialized();
        if self.entries.get(key).is_some_and(is_failed) {
            self.entries.remove(key);
        }
    }
}

/// What a key takes in memory: its texts, and some 40 bytes for keeping each.
fn size_of_key(key: &Key) -> usize {
    let texts = key.arguments.iter().map(|text| text.len() + 40);
    texts.sum::<usize>() + key.written.len() * 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Arc<Key> {
        Arc::new(Key { arguments: vec![name.to_owned()], written: vec![7] })
    }

    fn kept(max_bytes: usize) -> Kept {
        Kept { entries: HashMap::new(), uses: 0, bytes: 0, max_bytes }
    }

    #[test]
    fn who_asks_for_a_picture_that_is_drawn_waits_for_the_same() {
        let mut kept = kept(100);
        let first = kept.cell_of(&key("a"));
        assert!(Arc::ptr_eq(&first, &kept.cell_of(&key("a"))));
        kept.forget_failed(&key("a"), &first);
        assert!(!Arc::ptr_eq(&first, &kept.cell_of(&key("a"))));
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room_and_the_bound_holds() {
        let mut kept = kept(1000);
        for round in 0..50 {
            let latest = key(&format!("k{round}"));
            let cell = kept.cell_of(&latest);
            cell.set(Bytes::from(vec![0; 100])).unwrap();
            kept.settle(&latest, &cell, 100);
            // The first one is asked for again and again.
            kept.cell_of(&key("k0"));
            assert!(kept.bytes <= 1000);
        }
        assert!(kept.entries.contains_key(&key("k0")));
        assert!(kept.entries.contains_key(&key("k49")));
        assert!(!kept.entries.contains_key(&key("k1")));
        let sum: usize = kept.entries.values().map(|entry| entry.bytes).sum();
        assert_eq!(sum, kept.bytes);
    }

    #[test]
    fn another_state_of_the_files_is_another_picture() {
        let now = key("a");
        let later = Key { written: vec![8], ..Key::clone(&now) };
        assert_ne!(now.entity_tag(), later.entity_tag());
        assert_eq!(now.entity_tag(), key("a").entity_tag());
    }
}
