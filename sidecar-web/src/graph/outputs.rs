//! What the workers make, pictures and rows, each made once: who asks for what is being made waits
//! for the same, and the latest are kept.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use tokio::sync::OnceCell;

use super::pool::{DrawError, Pool};
use super::protocol::{Canvas, Output, Request, Rows};

/// What makes an output what it is: the request and the state of the files that it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// librrd's arguments, the range among them.
    pub request: Request,
    /// When each of its files was last written, in nanoseconds since 1970.
    pub written: Vec<u128>,
}

/// The same for the same outputs: an HTTP entity tag, quoted. The version is part of it, as another
/// version may draw otherwise.
#[must_use]
pub fn entity_tag(keys: &[&Key]) -> String {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    keys.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// A picture that is kept.
#[derive(Clone, Debug)]
pub struct KeptPicture {
    /// As a file of its format.
    pub image: Bytes,
    /// Where in it the values stand.
    pub canvas: Canvas,
}

#[derive(Clone)]
enum KeptOutput {
    Picture(KeptPicture),
    Rows(Arc<Rows>),
}

impl From<Output> for KeptOutput {
    fn from(output: Output) -> Self {
        match output {
            Output::Picture(picture) => {
                Self::Picture(KeptPicture { image: picture.image.into(), canvas: picture.canvas })
            }
            Output::Rows(rows) => Self::Rows(Arc::new(rows)),
        }
    }
}

impl KeptOutput {
    /// What it takes in memory, in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Picture(picture) => picture.image.len(),
            Self::Rows(rows) => size_of_val(rows.values.as_slice()),
        }
    }
}

/// The outputs that are kept or being made.
pub struct Outputs {
    pool: Pool,
    kept: Mutex<Kept>,
    made: AtomicU64,
    from_memory: AtomicU64,
    failed: AtomicU64,
}

/// How many outputs were asked for since the start, by how they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Made by a worker.
    pub made: u64,
    /// Kept from before, or made for another request at the same time.
    pub from_memory: u64,
    /// Could not be made.
    pub failed: u64,
}

struct Kept {
    entries: HashMap<Arc<Key>, Entry>,
    /// Grows with each use, so that the entry with the lowest was not used for longest.
    uses: u64,
    bytes: usize,
    max_bytes: usize,
}

struct Entry {
    cell: Arc<OnceCell<KeptOutput>>,
    last_use: u64,
    /// Zero while it is drawn.
    bytes: usize,
}

impl Outputs {
    /// Outputs that `pool` makes; those kept take `max_bytes` at most.
    #[must_use]
    pub fn new(pool: Pool, max_bytes: usize) -> Self {
        let kept = Kept { entries: HashMap::new(), uses: 0, bytes: 0, max_bytes };
        let [made, from_memory, failed] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { pool, kept: Mutex::new(kept), made, from_memory, failed }
    }

    /// How many were asked for.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let [made, from_memory, failed] = [&self.made, &self.from_memory, &self.failed]
            .map(|count| count.load(Ordering::Relaxed));
        Counts { made, from_memory, failed }
    }

    /// What those kept take in memory.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.with_kept(|kept| kept.bytes)
    }

    /// See [`Pool::live_workers`].
    #[must_use]
    pub fn live_workers(&self) -> usize {
        self.pool.live_workers()
    }

    /// See [`Pool::workers_started`].
    #[must_use]
    pub fn workers_started(&self) -> u64 {
        self.pool.workers_started()
    }

    /// See [`Pool::waiting`].
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.waiting()
    }

    /// The picture of that key, which is of a [`Request::Draw`].
    ///
    /// # Errors
    /// As [`Pool::run`].
    pub async fn picture(&self, key: Key) -> Result<KeptPicture, DrawError> {
        match self.get(key).await? {
            KeptOutput::Picture(picture) => Ok(picture),
            KeptOutput::Rows(_) => Err(DrawError::WorkerFailed("it drew no picture".to_owned())),
        }
    }

    /// The rows of that key, which is of a [`Request::Export`].
    ///
    /// # Errors
    /// As [`Pool::run`].
    pub async fn rows(&self, key: Key) -> Result<Arc<Rows>, DrawError> {
        match self.get(key).await? {
            KeptOutput::Rows(rows) => Ok(rows),
            KeptOutput::Picture(_) => Err(DrawError::WorkerFailed("it read no rows".to_owned())),
        }
    }

    async fn get(&self, key: Key) -> Result<KeptOutput, DrawError> {
        let key = Arc::new(key);
        let cell = self.with_kept(|kept| kept.cell_of(&key));
        if let Some(output) = cell.get() {
            self.from_memory.fetch_add(1, Ordering::Relaxed);
            return Ok(output.clone());
        }
        let mut count = &self.from_memory;
        let make = || {
            count = &self.made;
            let request = key.request.clone();
            async { self.pool.run(request).await.map(KeptOutput::from) }
        };
        let made = cell.get_or_try_init(make).await;
        if made.is_err() {
            count = &self.failed;
        }
        count.fetch_add(1, Ordering::Relaxed);
        match made {
            Ok(output) => {
                self.with_kept(|kept| kept.settle(&key, &cell, output.bytes()));
                Ok(output.clone())
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
    fn cell_of(&mut self, key: &Arc<Key>) -> Arc<OnceCell<KeptOutput>> {
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
    fn settle(&mut self, key: &Key, cell: &Arc<OnceCell<KeptOutput>>, bytes: usize) {
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
    fn forget_failed(&mut self, key: &Key, cell: &Arc<OnceCell<KeptOutput>>) {
        let is_failed = |entry: &Entry| Arc::ptr_eq(&entry.cell, cell) && !entry.cell.initialized();
        if self.entries.get(key).is_some_and(is_failed) {
            self.entries.remove(key);
        }
    }
}

/// What a key takes in memory: its texts, and some 40 bytes for keeping each.
fn size_of_key(key: &Key) -> usize {
    let texts = key.request.arguments().iter().map(|text| text.len() + 40);
    texts.sum::<usize>() + key.written.len() * 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Arc<Key> {
        Arc::new(Key { request: Request::Draw(vec![name.to_owned()]), written: vec![7] })
    }

    fn kept(max_bytes: usize) -> Kept {
        Kept { entries: HashMap::new(), uses: 0, bytes: 0, max_bytes }
    }

    fn picture(bytes: usize) -> KeptOutput {
        let image = Bytes::from(vec![0; bytes]);
        KeptOutput::Picture(KeptPicture { image, canvas: Canvas::default() })
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
            cell.set(picture(100)).ok().unwrap();
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
        assert_ne!(entity_tag(&[&now]), entity_tag(&[&later]));
        assert_eq!(entity_tag(&[&now]), entity_tag(&[&key("a")]));
    }
}
