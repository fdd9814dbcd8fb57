//! The render workers: processes that draw, one picture at a time each. One that dies or takes too
//! long costs its own picture, and is started anew.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::protocol::{self, Output, Request};

/// Pictures that may wait for a worker; one more is refused.
const MAX_WAITING: usize = 512;

/// A worker is replaced after so many pictures, so that what librrd and its font libraries may
/// leak stays bounded.
const PICTURES_A_WORKER: usize = 20_000;

/// A worker that died while it had nothing to do is noticed after so long, and one that could not be
/// started is tried again.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// The name of the hidden subcommand that makes this program a render worker.
pub const SUBCOMMAND: &str = "render-worker";

/// Why there is no picture.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DrawError {
    /// librrd's own words: the definition or a file is wrong.
    #[error("librrd: {0}")]
    Refused(String),
    /// The worker was killed after the time limit.
    #[error("drawing took longer than {} s and was stopped", .0.as_secs())]
    TooLong(Duration),
    /// The worker died while it drew this picture, or could not be started.
    #[error("the render worker failed: {0}")]
    WorkerFailed(String),
    /// Too many pictures wait already.
    #[error("{MAX_WAITING} graphs wait to be drawn already; try again in a moment")]
    Busy,
}

struct Job {
    request: Request,
    reply: oneshot::Sender<Result<Output, DrawError>>,
}

/// A handle to all workers. They end when the last handle is dropped.
#[derive(Clone)]
pub struct Pool {
    jobs: mpsc::Sender<Job>,
    counts: Arc<WorkerCounts>,
}

#[derive(Default)]
struct WorkerCounts {
    live: AtomicUsize,
    started: AtomicU64,
}

impl Pool {
    /// Starts `workers` processes of `program`; each request may take `time_limit`.
    #[must_use]
    pub fn start(program: PathBuf, workers: usize, time_limit: Duration) -> Self {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let counts = Arc::<WorkerCounts>::default();
        for _ in 0..workers {
            let starter = Starter { program: program.clone(), counts: Arc::clone(&counts) };
            tokio::spawn(tend(starter, time_limit, Arc::clone(&waiting)));
        }
        Self { jobs, counts }
    }

    /// Has one request done by a worker that is free.
    ///
    /// # Errors
    /// Where librrd refuses, or the worker fails or is too slow, or too many requests wait.
    pub async fn run(&self, request: Request) -> Result<Output, DrawError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { request, reply }).map_err(|_| DrawError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(DrawError::WorkerFailed("it is shutting down".into())))
    }
}

impl Pool {
    /// Workers that live, as far as is known.
    #[must_use]
    pub fn live_workers(&self) -> usize {
        self.counts.live.load(Ordering::Relaxed)
    }

    /// Workers that were started, also in place of others.
    #[must_use]
    pub fn workers_started(&self) -> u64 {
        self.counts.started.load(Ordering::Relaxed)
    }

    /// Requests that wait for a worker.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

/// Starts workers, and counts them.
struct Starter {
    program: PathBuf,
    counts: Arc<WorkerCounts>,
}

/// Keeps one worker process alive and hands it one job after the other.
async fn tend(starter: Starter, time_limit: Duration, waiting: Arc<Mutex<mpsc::Receiver<Job>>>) {
    // Started before the first picture is asked for: loading the fonts takes a moment.
    let mut worker = starter.start().ok();
    loop {
        let next = async { waiting.lock().await.recv().await };
        let Ok(job) = tokio::time::timeout(LOOK_AFTER, next).await else {
            if worker.as_mut().is_none_or(Worker::is_spent) {
                // The one of before is counted off first.
                drop(worker.take());
                worker = starter.start().ok();
            }
            continue;
        };
        let Some(Job { request, reply }) = job else {
            return;
        };
        if reply.is_closed() {
            continue; // Nobody waits for it any more.
        }
        if worker.as_mut().is_none_or(Worker::is_spent) {
            drop(worker.take());
            worker = match starter.start() {
                Ok(started) => Some(started),
                Err(error) => {
                    tracing::error!(%error, "can't start a render worker");
                    let _ = reply.send(Err(DrawError::WorkerFailed(error.to_string())));
                    continue;
                }
            };
        }
        let Some(running) = worker.as_mut() else {
            continue;
        };
        let outcome = match tokio::time::timeout(time_limit, running.run(&request)).await {
            Ok(Ok(answer)) => answer.map_err(DrawError::Refused),
            Ok(Err(error)) => {
                tracing::error!(%error, ?request, "a render worker died");
                worker = None;
                Err(DrawError::WorkerFailed(error.to_string()))
            }
            Err(_) => {
                tracing::error!(?request, "a render worker took too long and was killed");
                worker = None;
                Err(DrawError::TooLong(time_limit))
            }
        };
        let _ = reply.send(outcome);
    }
}

/// One worker process; dropping it kills it.
struct Worker {
    process: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    drawn: usize,
    counts: Arc<WorkerCounts>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.counts.live.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Starter {
    fn start(&self) -> std::io::Result<Worker> {
        let mut process = Command::new(&self.program)
            .arg0("kurado-web")
            .arg(SUBCOMMAND)
            // librrd would fetch by way of a daemon that is not ours.
            .env_remove("RRDCACHED_ADDRESS")
            // Month and day names and the decimal point do not depend on who started the web.
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C at the terminal is for the web, which ends its workers after their pictures.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(requests), Some(answers)) => {
                self.counts.live.fetch_add(1, Ordering::Relaxed);
                self.counts.started.fetch_add(1, Ordering::Relaxed);
                let counts = Arc::clone(&self.counts);
                Ok(Worker { process, requests, answers, drawn: 0, counts })
            }
            _ => Err(std::io::Error::other("its pipes are missing")),
        }
    }
}

impl Worker {
    /// Whether it has ended, or has drawn so much that it is to be replaced.
    fn is_spent(&mut self) -> bool {
        self.drawn >= PICTURES_A_WORKER || !matches!(self.process.try_wait(), Ok(None))
    }

    async fn run(&mut self, request: &Request) -> std::io::Result<protocol::Answer> {
        self.drawn += 1;
        protocol::send_request(&mut self.requests, request).await?;
        protocol::receive_answer(&mut self.answers).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How the pool treats a failing worker is tested with a program that fails on demand.
    fn pool(time_limit: Duration) -> Pool {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand_in_worker.sh");
        Pool::start(program.into(), 1, time_limit)
    }

    fn word(word: &str) -> Request {
        Request::Draw(vec![word.to_owned()])
    }

    fn is_ok(answer: Result<Output, DrawError>) -> bool {
        matches!(answer, Ok(Output::Picture(picture)) if picture.image == b"ok")
    }

    #[tokio::test]
    async fn a_worker_that_dies_costs_its_picture_and_the_next_is_drawn() {
        let pool = pool(Duration::from_secs(60));
        assert!(matches!(pool.run(word("die")).await, Err(DrawError::WorkerFailed(_))));
        assert!(is_ok(pool.run(word("yes")).await));
    }

    #[tokio::test]
    async fn a_picture_beyond_the_time_limit_is_given_up_and_the_next_is_drawn() {
        let pool = pool(Duration::from_secs(2));
        assert!(matches!(pool.run(word("nap")).await, Err(DrawError::TooLong(_))));
        assert!(is_ok(pool.run(word("yes")).await));
    }

    #[tokio::test]
    async fn a_program_that_can_not_be_started_is_an_error_and_no_hang() {
        let pool = Pool::start("/nonexistent/worker".into(), 1, Duration::from_secs(60));
        assert!(matches!(pool.run(word("yes")).await, Err(DrawError::WorkerFailed(_))));
    }
}
