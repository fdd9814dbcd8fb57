//! Answers of a moment ago, for those who ask the same: each question is asked once at a time, and
//! its answer holds for [`HOLDS`]. Bounded in time and bytes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

/// What began to be asked longer ago is asked anew. A picture stands on two answers, one upon the
/// other: the plan of its graph, and the flush that this plan was made upon. So it lacks nothing that
/// came longer ago than twice this, a second.
pub const HOLDS: Duration = Duration::from_millis(500);

/// What an entry takes beside its answer, in bytes, generously.
const ENTRY: usize = 512;

/// Moves on when nothing holds any more that was asked before: a host was deleted, Redis went away.
#[derive(Clone, Default)]
pub struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// From now on nothing holds that was asked before, nor what is being asked.
    pub fn move_on(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Answers by their questions. A failure is told to all who wait for it, and does not hold.
pub struct Held<K, V, E> {
    epoch: Epoch,
    max_bytes: usize,
    /// What an answer takes in memory, in bytes; `None` for one that does not hold.
    bytes_of: fn(&V) -> Option<usize>,
    entries: Mutex<Entries<K, V, E>>,
}

struct Entries<K, V, E> {
    by_question: HashMap<K, Entry<V, E>>,
    bytes: usize,
    swept: Instant,
}

struct Entry<V, E> {
    epoch: u64,
    began: Instant,
    cell: Cell<V, E>,
    /// Zero while it is asked.
    bytes: usize,
}

type Cell<V, E> = Arc<OnceCell<Result<V, E>>>;

impl<K: Clone + Eq + Hash, V: Clone, E: Clone> Held<K, V, E> {
    /// Holds nothing yet, and `max_bytes` at most.
    pub fn new(epoch: Epoch, max_bytes: usize, bytes_of: fn(&V) -> Option<usize>) -> Self {
        let entries = Entries { by_question: HashMap::new(), bytes: 0, swept: Instant::now() };
        Self { epoch, max_bytes, bytes_of, entries: Mutex::new(entries) }
    }

    /// The answer that began less than [`HOLDS`] ago, else what `ask` says now.
    ///
    /// # Errors
    /// As `ask`.
    pub async fn get<F>(&self, question: K, ask: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let cell = self.cell_of(&question);
        if let Some(answer) = cell.get() {
            return answer.clone();
        }
        let answer = cell.get_or_init(ask).await.clone();
        self.settle(&question, &cell, answer.as_ref().ok().and_then(self.bytes_of));
        answer
    }

    fn cell_of(&self, question: &K) -> Cell<V, E> {
        let epoch = self.epoch.now();
        let mut entries = self.lock();
        if let Some(entry) = entries.by_question.get(question)
            && entry.holds(epoch)
        {
            return Arc::clone(&entry.cell);
        }
        if entries.swept.elapsed() >= HOLDS {
            entries.retain(|entry| entry.holds(epoch));
            entries.swept = Instant::now();
        }
        let cell = Cell::default();
        let entry = Entry { epoch, began: Instant::now(), cell: Arc::clone(&cell), bytes: 0 };
        if let Some(before) = entries.by_question.insert(question.clone(), entry) {
            entries.bytes -= before.bytes;
        }
        cell
    }

    /// Notes that an answer has come, and what it takes where it holds.
    fn settle(&self, question: &K, cell: &Cell<V, E>, bytes: Option<usize>) {
        let mut entries = self.lock();
        let Some(entry) = entries.by_question.get_mut(question) else { return };
        // Whoever waited for it as well may have been first, or another may stand there by now.
        if !Arc::ptr_eq(&entry.cell, cell) || entry.bytes > 0 {
            return;
        }
        let Some(bytes) = bytes else {
            entries.by_question.remove(question);
            return;
        };
        entry.bytes = bytes + ENTRY;
        entries.bytes += bytes + ENTRY;
        if entries.bytes > self.max_bytes {
            // Rarely: all of half a second at once, those apart that are being asked.
            entries.retain(|entry| entry.bytes == 0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries<K, V, E>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V, E> Entry<V, E> {
    fn holds(&self, epoch: u64) -> bool {
        self.epoch == epoch && self.began.elapsed() < HOLDS
    }
}

impl<K: Eq + Hash, V, E> Entries<K, V, E> {
    fn retain(&mut self, stays: impl Fn(&Entry<V, E>) -> bool) {
        self.by_question.retain(|_, entry| stays(entry));
        self.bytes = self.by_question.values().map(|entry| entry.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    type Texts = Held<String, String, String>;

    fn held(max_bytes: usize) -> Texts {
        Held::new(Epoch::default(), max_bytes, |text: &String| {
            (text != "not to be held").then_some(text.len())
        })
    }

    async fn ask(held: &Texts, question: &str, answer: &str) -> String {
        held.get(question.to_owned(), async || Ok(answer.to_owned())).await.unwrap()
    }

    /// As if time had passed.
    fn age(held: &Texts, by: Duration) {
        for entry in held.lock().by_question.values_mut() {
            entry.began -= by;
        }
    }

    #[tokio::test]
    async fn who_asks_the_same_at_the_same_time_gets_one_answer() {
        let held = held(1 << 20);
        let (asked, gate) = (AtomicUsize::new(0), tokio::sync::Notify::new());
        let wait = async || {
            asked.fetch_add(1, Ordering::Relaxed);
            gate.notified().await;
            Ok("answer".to_owned())
        };
        let (one, other, ()) = tokio::join!(
            held.get("same".to_owned(), wait),
            held.get("same".to_owned(), wait),
            async {
                tokio::task::yield_now().await;
                gate.notify_one();
            }
        );
        assert_eq!((one.unwrap(), other.unwrap()), ("answer".into(), "answer".into()));
        assert_eq!(asked.into_inner(), 1);
    }

    #[tokio::test]
    async fn an_answer_holds_for_its_own_question_until_its_time_is_over() {
        let held = held(1 << 20);
        assert_eq!(ask(&held, "host a", "1").await, "1");
        assert_eq!(ask(&held, "host b", "2").await, "2");
        held.lock().by_question.get_mut("host a").unwrap().began = Instant::now();
        assert_eq!(ask(&held, "host a", "3").await, "1");
        age(&held, HOLDS);
        assert_eq!(ask(&held, "host a", "4").await, "4");
    }

    #[tokio::test]
    async fn a_failure_and_what_is_not_to_be_held_are_asked_for_again() {
        let held = held(1 << 20);
        let failed = held.get("a".to_owned(), async || Err("away".to_owned())).await;
        assert_eq!(failed.unwrap_err(), "away");
        assert_eq!(ask(&held, "a", "not to be held").await, "not to be held");
        assert_eq!(ask(&held, "a", "here").await, "here");
        assert_eq!(held.lock().by_question.len(), 1);
    }

    #[tokio::test]
    async fn nothing_holds_that_was_asked_before_the_epoch_moved_on_though_it_came_later() {
        let held = held(1 << 20);
        let begun = held.get("a".to_owned(), async || {
            held.epoch.move_on();
            Ok("of before".to_owned())
        });
        assert_eq!(begun.await.unwrap(), "of before");
        assert_eq!(ask(&held, "a", "of now").await, "of now");
    }

    #[tokio::test]
    async fn answers_take_no_more_memory_than_they_may_and_old_ones_none() {
        let held = held(10 * ENTRY);
        for round in 0..1000 {
            ask(&held, &round.to_string(), "answer").await;
            let entries = held.lock();
            let sum: usize = entries.by_question.values().map(|entry| entry.bytes).sum();
            assert!(sum == entries.bytes && sum <= 10 * ENTRY && entries.by_question.len() <= 10);
        }
        age(&held, HOLDS);
        held.lock().swept -= HOLDS;
        ask(&held, "last", "answer").await;
        assert_eq!(held.lock().by_question.len(), 1);
    }
}
