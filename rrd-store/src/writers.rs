//! The threads that write and read RRD files.
//!
//! The owner of the points hands out immutable batches and takes back results; the two sides share
//! nothing else. One file is only ever touched by one thread (hash of its path), because locks of
//! files do not exclude threads of one process. A lock is held for a push or a pop, never during
//! I/O.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use line_protocol::DataSourceType;

use crate::data_dir::DataDir;
use crate::deletion::{Deleted, Deletion, Scope, SeriesNames};
use crate::file::{self, FailureKind, FileError, Range, Row, Written};
use crate::layout::Layout;
use crate::point::Point;
use crate::priority;
use crate::renaming::{Existing, Permit, Renaming, SharedRenaming};

/// Names a series of a host, and which host of that address it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The host's address.
    pub address: Arc<str>,
    /// [`crate::host::Host::generation`].
    pub generation: u64,
    /// Escaped identifier.
    pub plugin: Arc<str>,
    /// With its type suffix.
    pub key: Arc<str>,
}

/// What a thread is to do.
#[derive(Debug)]
pub enum Job {
    /// Write a batch.
    Write {
        /// The series.
        target: Target,
        /// What the key's suffix names.
        data_source_type: DataSourceType,
        /// Of the file, where there is none yet.
        layout: Arc<Layout>,
        /// Ascending by time.
        points: Vec<Point>,
    },
    /// Read rows.
    Fetch {
        /// Given back with the result.
        token: u64,
        /// The series.
        target: Target,
        /// What to read.
        range: Range,
    },
    /// Delete the files of a scope that are the thread's own; see [`Writers::delete`].
    Delete {
        /// Given back with the result.
        token: u64,
        /// Shared by the threads.
        deletion: Arc<Deletion>,
    },
    /// Take part in a renaming; see [`Writers::rename`].
    Rename {
        /// Given back with the result.
        token: u64,
        /// Shared by the threads.
        renaming: Arc<SharedRenaming>,
    },
    /// Look for the operator's stop file.
    Look,
}

/// What a thread has done.
#[derive(Debug)]
pub enum Done {
    /// A batch was written, or not.
    Written {
        /// The series.
        target: Target,
        /// What became of it.
        result: Result<Written, FileError>,
    },
    /// Rows were read, or not.
    Fetched {
        /// As given.
        token: u64,
        /// The rows.
        result: Result<Vec<Row>, FileError>,
    },
    /// Files were deleted, by all threads.
    Deleted {
        /// As given.
        token: u64,
        /// What became of it.
        deleted: Deleted,
    },
    /// A host's directory has another name, or not.
    Renamed {
        /// As given.
        token: u64,
        /// Why not.
        result: Result<(), String>,
    },
    /// The stop file was looked for.
    Looked {
        /// [`DataDir::is_stopped`].
        stopped: bool,
    },
}

/// Which jobs of a thread go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for it.
    Urgent,
    /// The write delay has passed.
    Normal,
}

/// The threads. Dropping it lets them finish what they have and waits for it.
pub struct Writers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    data: DataDir,
    queues: Vec<Queue>,
    results: Mutex<Vec<Done>>,
    looking: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

#[derive(Default)]
struct Jobs {
    urgent: VecDeque<Job>,
    normal: VecDeque<Job>,
    closed: bool,
}

/// A thread that panicked while it held a lock has left whole jobs behind all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writers {
    /// Starts `count` threads, at least one. `wake` is called from a thread each time results
    /// wait to be taken and none waited before.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        data: DataDir,
        count: usize,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let count = count.max(1);
        let shared = Arc::new(Shared {
            data,
            queues: (0..count).map(|_| Queue::default()).collect(),
            results: Mutex::default(),
            looking: AtomicBool::new(false),
            wake: Box::new(wake),
        });
        let mut writers = Self { shared: Arc::clone(&shared), threads: Vec::new() };
        for index in 0..count {
            let shared = Arc::clone(&shared);
            let thread =
                thread::Builder::new().name(format!("kurado-rrd-{index}")).spawn(move || {
                    priority::give_way();
                    shared.work(index);
                })?;
            writers.threads.push(thread);
        }
        Ok(writers)
    }

    /// The data directory that the threads write to.
    #[must_use]
    pub fn data(&self) -> &DataDir {
        &self.shared.data
    }

    /// Looks for the stop file, unless a look is under way.
    pub fn look_for_stop_file(&self) {
        if !self.shared.looking.swap(true, Ordering::AcqRel) {
            self.submit(Job::Look, Priority::Urgent);
        }
    }

    /// Hands a job to the thread that its file belongs to.
    pub fn submit(&self, job: Job, priority: Priority) {
        let index = match &job {
            Job::Write { target, .. } | Job::Fetch { target, .. } => {
                self.shared.thread_of(&target.address, &target.plugin, &target.key)
            }
            Job::Delete { .. } | Job::Rename { .. } | Job::Look => 0,
        };
        let Some(queue) = self.shared.queues.get(index) else {
            return;
        };
        let mut jobs = lock(&queue.jobs);
        match priority {
            Priority::Urgent => jobs.urgent.push_back(job),
            Priority::Normal => jobs.normal.push_back(job),
        }
        drop(jobs);
        queue.changed.notify_one();
    }

    /// Makes all threads delete the files of a scope; `known` are the series that the caller knew
    /// in it. A write that is under way ends first, and those that wait are dropped: their targets
    /// are given back, and have no result. What is submitted from now on is written to new files.
    #[must_use]
    pub fn delete(&self, token: u64, scope: &Scope, known: SeriesNames) -> Vec<Target> {
        let parts = self.shared.queues.len();
        let deletion = Arc::new(Deletion::new(scope.clone(), known, parts));
        self.submit_to_all(
            |target| scope.takes(target),
            || Job::Delete { token, deletion: Arc::clone(&deletion) },
        )
    }

    /// Makes the files of one host those of another address. Writes that are under way end first, and
    /// those of either host that wait are dropped: their targets are given back, and have no result.
    /// The threads stand still until the permit is dropped and it is done; what is submitted from now
    /// on finds the files in their new place.
    pub fn rename(
        &self,
        token: u64,
        renaming: &Renaming,
        existing: Existing,
    ) -> (Vec<Target>, Permit) {
        let threads = self.shared.queues.len();
        let (shared, permit) = SharedRenaming::new(renaming.clone(), existing, threads);
        let dropped = self.submit_to_all(
            |target| renaming.concerns(target),
            || Job::Rename { token, renaming: Arc::clone(&shared) },
        );
        (dropped, permit)
    }

    /// Hands a job to each thread, before all that is not urgent, and drops those writes that wait and
    /// `is_void` holds for.
    fn submit_to_all(
        &self,
        is_void: impl Fn(&Target) -> bool,
        job: impl Fn() -> Job,
    ) -> Vec<Target> {
        let mut dropped = Vec::new();
        for queue in &self.shared.queues {
            let mut jobs = lock(&queue.jobs);
            let Jobs { urgent, normal, .. } = &mut *jobs;
            for waiting in [&mut *urgent, normal] {
                waiting.retain(|job| match job {
                    Job::Write { target, .. } if is_void(target) => {
                        dropped.push(target.clone());
                        false
                    }
                    _ => true,
                });
            }
            urgent.push_back(job());
            drop(jobs);
            queue.changed.notify_one();
        }
        dropped
    }

    /// The results so far, in the order in which each thread made them.
    #[must_use]
    pub fn take_results(&self) -> Vec<Done> {
        std::mem::take(&mut *lock(&self.shared.results))
    }

    /// Lets the threads finish what they have, until `limit` has passed. Whether they did.
    pub fn drain(&mut self, limit: Duration) -> bool {
        self.close();
        let end = Instant::now() + limit;
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.threads.drain(..).for_each(|thread| {
            // A panic of the thread was shown by its hook already.
            let _ = thread.join();
        });
        true
    }

    fn close(&self) {
        for queue in &self.shared.queues {
            lock(&queue.jobs).closed = true;
            queue.changed.notify_all();
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work(&self, index: usize) {
        let Some(queue) = self.queues.get(index) else {
            return;
        };
        while let Some(job) = queue.next() {
            let Some(done) = self.run(index, job) else {
                continue;
            };
            let mut results = lock(&self.results);
            let was_empty = results.is_empty();
            results.push(done);
            drop(results);
            if was_empty {
                (self.wake)();
            }
        }
    }

    /// Which thread a file belongs to.
    fn thread_of(&self, address: &str, plugin: &str, key: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        (address, plugin, key).hash(&mut hasher);
        usize::try_from(hasher.finish() % self.queues.len().max(1) as u64).unwrap_or(0)
    }

    fn path(&self, target: &Target) -> PathBuf {
        self.data.file(&target.address, &target.plugin, &target.key)
    }

    /// Does a job of thread `index`. `None` where another thread will have the result.
    fn run(&self, index: usize, job: Job) -> Option<Done> {
        Some(match job {
            Job::Write { target, data_source_type, layout, points } => {
                let path = self.path(&target);
                let result =
                    guarded(&path, || file::write(&path, &layout, data_source_type, &points));
                Done::Written { target, result }
            }
            Job::Fetch { token, target, range } => {
                let path = self.path(&target);
                let result = guarded(&path, || file::fetch(&path, range));
                Done::Fetched { token, result }
            }
            Job::Delete { token, deletion } => {
                let address = &deletion.scope().address;
                deletion.delete_own(&self.data, |plugin, key| {
                    self.thread_of(address, plugin, key) == index
                });
                Done::Deleted { token, deleted: deletion.finish_part(&self.data)? }
            }
            Job::Rename { token, renaming } => {
                Done::Renamed { token, result: renaming.take_part(&self.data)? }
            }
            Job::Look => {
                let stopped = self.data.is_stopped();
                self.looking.store(false, Ordering::Release);
                Done::Looked { stopped }
            }
        })
    }
}

/// A panic in a library costs one file's job, not the thread.
fn guarded<T>(
    path: &std::path::Path,
    work: impl FnOnce() -> Result<T, FileError>,
) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(FileError {
            path: path.to_owned(),
            reason: "internal error; see the log".to_owned(),
            kind: FailureKind::Other,
        })
    })
}

impl Queue {
    fn next(&self) -> Option<Job> {
        let mut jobs = lock(&self.jobs);
        loop {
            if let Some(job) = jobs.urgent.pop_front().or_else(|| jobs.normal.pop_front()) {
                return Some(job);
            }
            if jobs.closed {
                return None;
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
