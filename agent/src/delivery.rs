//! The way of payloads from the reader to the server: one thread keeps them, another sends them, so
//! that neither a server nor a disk that hangs makes the reader wait.
//!
//! The keeper owns the spool. It gives the sender one payload at a time, the oldest, and forgets it
//! when the server has it. What is not sent at once goes to the disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use crate::agent::now;
use crate::backoff::Backoff;
use crate::payload::Payload;
use crate::schedule::random_delay;
use crate::sender::{NotNow, Sender};
use crate::spool::{Dropped, Spool, utc};

/// Payloads that may wait for the keeper, whom nothing but a disk can hold up.
const MAX_UNKEPT: usize = 16;
/// A payload that the server has not answered for so long is put on the disk, and waited for.
const PROMPT: Duration = Duration::from_secs(5);
/// The pause between two payloads of those that waited is this and up to as much again. 3,000 agents
/// that come back at once make 4,000 pushes a second of it; it catches up for sure, as for each tick of a
/// minute some 80 payloads leave.
const PAUSE: Duration = Duration::from_millis(500);
/// A connection is kept for so long after the last payload.
const LINGER: Duration = Duration::from_secs(5);
/// How often the log says that the server is still away.
const REMINDER: Duration = Duration::from_secs(600);
/// Most reasons that the log gives while the server takes nothing, each once.
const MAX_REASONS: usize = 8;
/// How long a stop waits for an answer that is due.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// What the keeper hears of.
enum Event {
    Read(Payload),
    Answered(Result<(), NotNow>),
    Stop,
}

/// A keeper and a sender at work.
pub struct Delivery {
    events: SyncSender<Event>,
    keeper: JoinHandle<()>,
}

/// Takes payloads for a delivery; clones share it.
#[derive(Clone)]
pub struct Outbox(SyncSender<Event>);

impl Delivery {
    /// Starts both threads. What the spool holds is sent first. `address` is what lines begin with.
    ///
    /// # Errors
    /// Where a thread can't be started.
    pub fn start(
        mut sender: Sender,
        spool: Spool,
        address: Option<String>,
    ) -> std::io::Result<Self> {
        let (events, heard) = sync_channel(MAX_UNKEPT);
        let (jobs, wanted) = sync_channel::<String>(1);
        let server = sender.server();
        let answers = events.clone();
        Builder::new().name("sender".to_owned()).spawn(move || {
            loop {
                let lines = match wanted.recv_timeout(LINGER) {
                    Ok(lines) => lines,
                    Err(RecvTimeoutError::Timeout) => {
                        sender.disconnect();
                        match wanted.recv() {
                            Ok(lines) => lines,
                            Err(_) => return,
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                let answer = sender.send(&lines);
                drop(lines);
                if answers.send(Event::Answered(answer)).is_err() {
                    return;
                }
            }
        })?;
        let keeper = Keeper {
            spool,
            server,
            address,
            jobs,
            events: heard,
            under_way: None,
            sent_time: None,
            telling: None,
            next_try: Instant::now(),
            backoff: Backoff::new(),
            away: None,
            catching_up: false,
        };
        let keeper = Builder::new().name("keeper".to_owned()).spawn(move || keeper.run())?;
        Ok(Self { events, keeper })
    }

    /// Where payloads are put.
    pub fn outbox(&self) -> Outbox {
        Outbox(self.events.clone())
    }

    /// Waits a moment for an answer that is due, puts what was not sent on the disk, and ends.
    pub fn stop(self) {
        if self.events.send(Event::Stop).is_ok() {
            let _ = self.keeper.join();
        }
    }
}

impl Outbox {
    /// Hands a payload over, without waiting.
    pub fn put(&self, payload: Payload) {
        match self.0.try_send(Event::Read(payload)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                error!(
                    "what was read is dropped: {MAX_UNKEPT} payloads wait to be kept, as the spool's disk hangs \
                     or commands print more than it takes"
                );
            }
            Err(TrySendError::Disconnected(_)) => error!("nothing is sent any more"),
        }
    }
}

/// A server that takes nothing.
struct Away {
    since: Instant,
    told: Instant,
    why: String,
    /// What the log has said of it, up to [`MAX_REASONS`].
    reasons: Vec<String>,
}

struct Keeper {
    spool: Spool,
    server: String,
    address: Option<String>,
    jobs: SyncSender<String>,
    events: Receiver<Event>,
    /// Since when the sender has the oldest payload.
    under_way: Option<Instant>,
    /// When the payload that was sent last was read.
    sent_time: Option<u64>,
    /// What was dropped, where the payload under way tells it.
    telling: Option<Dropped>,
    /// Nothing is sent before this.
    next_try: Instant,
    backoff: Backoff,
    away: Option<Away>,
    /// More than a payload waited when the server was back.
    catching_up: bool,
}

impl Keeper {
    fn run(mut self) {
        self.catching_up = self.spool.len() > 0;
        loop {
            self.proceed();
            let event = match self.next_time() {
                Some(time) => {
                    self.events.recv_timeout(time.saturating_duration_since(Instant::now()))
                }
                None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(Event::Read(payload)) => self.keep(payload),
                Ok(Event::Answered(answer)) => self.answered(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
        }
    }

    fn keep(&mut self, payload: Payload) {
        self.spool.look_again();
        let is_behind = self.spool.len() > 0;
        self.spool.put(payload);
        if is_behind {
            self.spool.store();
        }
    }

    /// Does what is due.
    fn proceed(&mut self) {
        if self.under_way.is_none() && self.next_try <= Instant::now() && self.spool.len() > 0 {
            match self.spool.take() {
                Some(payload) => self.send(payload),
                // It can't be read for now.
                None => self.next_try = Instant::now() + self.backoff.next_wait(),
            }
        }
        if self.must_store() {
            self.spool.store();
        }
        let waiting = self.spool.len();
        if let Some(away) = &mut self.away
            && away.told.elapsed() >= REMINDER
        {
            away.told = Instant::now();
            let oldest = self.spool.oldest_time().map(utc).unwrap_or_default();
            warn!(
                "{} takes nothing for {} min: {}; payloads that wait: {waiting}, the oldest of \
                 {oldest}",
                self.server,
                away.since.elapsed().as_secs() / 60,
                away.why
            );
        }
    }

    /// Whether what is in memory is not on its way at once.
    fn must_store(&self) -> bool {
        self.spool.in_memory() > 0
            && (self.away.is_some()
                || self.under_way.is_some_and(|since| since.elapsed() >= PROMPT))
    }

    /// When something will be due though nothing is heard.
    fn next_time(&self) -> Option<Instant> {
        let try_again = match self.under_way {
            None => Some(self.next_try).filter(|_| self.spool.len() > 0),
            Some(since) => {
                let late = since + PROMPT;
                Some(late).filter(|late| self.spool.in_memory() > 0 && *late > Instant::now())
            }
        };
        let remind = self.away.as_ref().map(|away| away.told + REMINDER);
        [try_again, remind].into_iter().flatten().min()
    }

    fn send(&mut self, payload: Payload) {
        let now = now().as_secs();
        self.sent_time = Some(payload.time);
        let mut lines = payload.lines_at(now);
        self.telling = self.spool.take_dropped();
        if let Some(dropped) = &self.telling {
            if let Some(address) = &self.address {
                lines.push_str(address);
                lines.push('\t');
            }
            let text = format!("base.warn.spool\tthe spool was full: {dropped}\t{now}\n");
            lines.push_str(&text);
        }
        if self.jobs.try_send(lines).is_ok() {
            self.under_way = Some(Instant::now());
        } else {
            // The thread is gone, which only a fault of ours can do.
            self.answered(Err(NotNow("the sending thread has ended".to_owned())));
        }
    }

    fn answered(&mut self, answer: Result<(), NotNow>) {
        self.under_way = None;
        let telling = self.telling.take();
        match answer {
            Ok(()) => {
                self.spool.taken();
                self.backoff.reset();
                self.is_back();
                self.next_try = Instant::now() + self.pause();
            }
            Err(NotNow(why)) => {
                if let Some(dropped) = telling {
                    self.spool.untold(dropped);
                }
                self.next_try = Instant::now() + self.backoff.next_wait();
                self.is_away(why);
            }
        }
    }

    /// How long to wait until the next payload is sent: not at all where it is part of the same.
    fn pause(&self) -> Duration {
        match self.spool.oldest_time() {
            Some(time) if Some(time) != self.sent_time => PAUSE + random_delay(PAUSE),
            _ => Duration::ZERO,
        }
    }

    fn is_away(&mut self, why: String) {
        let now = Instant::now();
        let reasons = Vec::new();
        let away =
            self.away.get_or_insert(Away { since: now, told: now, why: String::new(), reasons });
        // A server that was lost and is back may refuse for a reason that a person has to mend.
        if away.reasons.len() < MAX_REASONS && !away.reasons.contains(&why) {
            warn!(
                "cannot send to {}: {why}; payloads that wait: {}",
                self.server,
                self.spool.len()
            );
            away.reasons.push(why.clone());
        }
        away.why = why;
    }

    fn is_back(&mut self) {
        let waiting = self.spool.len();
        if let Some(away) = self.away.take() {
            let seconds = away.since.elapsed().as_secs();
            if waiting == 0 {
                info!("{} is back after {seconds} s: all that waited was sent", self.server);
            } else {
                info!("{} is back after {seconds} s; payloads that wait: {waiting}", self.server);
                self.catching_up = true;
            }
        } else if waiting == 0 && std::mem::take(&mut self.catching_up) {
            info!("all that waited was sent to {}", self.server);
        } else {
            debug!("sent to {}", self.server);
        }
    }

    fn stop(mut self) {
        if self.under_way.is_some() {
            let limit = Instant::now() + LAST_ANSWER;
            while let Ok(event) =
                self.events.recv_timeout(limit.saturating_duration_since(Instant::now()))
            {
                match event {
                    Event::Read(payload) => self.spool.put(payload),
                    Event::Answered(answer) => {
                        self.answered(answer);
                        break;
                    }
                    Event::Stop => {}
                }
            }
        }
        self.spool.store_at_last();
        let (waiting, lost) = (self.spool.len(), self.spool.in_memory());
        if lost > 0 {
            warn!("payloads that were not sent and are lost: {lost}");
        }
        if waiting > lost {
            let path = self.spool.path().display();
            info!("payloads that wait in {path} for the next start: {}", waiting - lost);
        }
    }
}
