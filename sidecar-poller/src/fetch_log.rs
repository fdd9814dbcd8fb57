//! What the log says of fetches: that a target begins to fail, that it fails for another reason, and
//! that it is over. In a bounded number of lines, as thousands of targets may fail at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

/// Lines a minute; what is more is counted.
const LINES: u32 = 30;
/// So many reasons of one trouble are told as they come; after them no more than one in [`PAUSE`],
/// as some programs say something new each time.
const REASONS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// How a target is doing, as far as the log has told it.
#[derive(Debug, Default)]
pub struct Health {
    /// It can't be fetched.
    failure: Mutex<Option<Trouble>>,
    /// Some lines of its program are not understood.
    odd_lines: Mutex<Option<Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    /// The reason that was told last.
    told: String,
    told_at: Instant,
    reasons: u32,
}

/// What is told of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Began,
    Changed,
    /// After so long.
    Over(Duration),
}

/// Which troubles of a target are over.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// It can be fetched again.
    pub failure: bool,
    /// All lines of its program are understood again.
    pub odd_lines: bool,
}

/// The log's lines on fetches in the minute that goes on.
#[derive(Debug, Default)]
pub struct FetchLog(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    lines: u32,
    /// What was not told for want of lines.
    failing: u64,
    changed: u64,
    well: u64,
    odd: u64,
}

impl FetchLog {
    /// A target, `name` in the log, could not be fetched.
    pub fn failed(&self, name: &str, health: &Health, reason: &str) {
        match note(&health.failure, Some(reason)) {
            Some(News::Changed) if self.has_line(|minute| &mut minute.changed) => {
                warn!("{name} can not be fetched for another reason now: {reason}");
            }
            Some(News::Began) if self.has_line(|minute| &mut minute.failing) => {
                warn!("{name} can not be fetched: {reason}");
            }
            _ => {}
        }
    }

    /// A target was fetched; `odd_lines` says what of it was not understood. Gives what is over.
    pub fn fetched(&self, name: &str, health: &Health, odd_lines: Option<&str>) -> Over {
        let mut over = Over::default();
        if let Some(News::Over(lasted)) = note(&health.failure, None) {
            over.failure = true;
            if self.has_line(|minute| &mut minute.well) {
                info!("{name} is fetched again after {}", spoken(lasted));
            }
        }
        match note(&health.odd_lines, odd_lines) {
            Some(News::Over(lasted)) => {
                over.odd_lines = true;
                if self.has_line(|minute| &mut minute.well) {
                    info!("all lines of {name} are understood again after {}", spoken(lasted));
                }
            }
            Some(News::Began | News::Changed) if self.has_line(|minute| &mut minute.odd) => {
                warn!("{name} is fetched in part: {}", odd_lines.unwrap_or_default());
            }
            _ => {}
        }
        over
    }

    /// Ends a minute: tells how much it had no lines for.
    pub fn end_minute(&self) {
        let minute = std::mem::take(&mut *lock(&self.0));
        if let Some(summary) = minute.summary() {
            warn!("{summary}");
        }
    }

    /// Whether a line may be written; where not, that is counted.
    fn has_line(&self, untold: fn(&mut Minute) -> &mut u64) -> bool {
        let mut minute = lock(&self.0);
        if minute.lines == LINES {
            *untold(&mut minute) += 1;
            return false;
        }
        minute.lines += 1;
        true
    }
}

impl Minute {
    fn summary(&self) -> Option<String> {
        let parts: Vec<String> = [
            (self.failing, "can not be fetched"),
            (self.changed, "fail for another reason now"),
            (self.odd, "are fetched in part"),
            (self.well, "are well again"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        (!parts.is_empty()).then(|| {
            format!("and more targets: {}; the hosts' pages have the reasons", parts.join(", "))
        })
    }
}

/// Notes how a target is doing; gives what is to be told of it.
fn note(trouble: &Mutex<Option<Trouble>>, reason: Option<&str>) -> Option<News> {
    let mut trouble = lock(trouble);
    let now = Instant::now();
    match (&mut *trouble, reason) {
        (None, None) => None,
        (None, Some(reason)) => {
            let told = reason.to_owned();
            *trouble = Some(Trouble { since: now, told, told_at: now, reasons: 1 });
            Some(News::Began)
        }
        (Some(over), None) => {
            let lasted = over.since.elapsed();
            *trouble = None;
            Some(News::Over(lasted))
        }
        (Some(known), Some(reason)) => {
            let is_news = known.told != reason
                && (known.reasons < REASONS || known.told_at.elapsed() >= PAUSE);
            is_news.then(|| {
                known.told = reason.to_owned();
                known.told_at = now;
                known.reasons += 1;
                News::Changed
            })
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A duration as people say it: `40 seconds`, `12 minutes`, `5 hours`, `3 days`.
#[must_use]
pub fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trouble_is_told_when_it_begins_when_its_reason_changes_and_when_it_is_over() {
        let trouble = Mutex::new(None);
        assert_eq!(note(&trouble, None), None);
        assert_eq!(note(&trouble, Some("refused")), Some(News::Began));
        tokio::time::advance(Duration::from_secs(300)).await;
        assert_eq!(note(&trouble, Some("refused")), None);
        assert_eq!(note(&trouble, Some("403")), Some(News::Changed));
        assert_eq!(note(&trouble, Some("403")), None);
        tokio::time::advance(Duration::from_secs(420)).await;
        assert_eq!(note(&trouble, None), Some(News::Over(Duration::from_secs(720))));
        assert_eq!(note(&trouble, None), None);
        assert_eq!(note(&trouble, Some("403")), Some(News::Began));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_that_changes_each_time_is_told_every_ten_minutes() {
        let trouble = Mutex::new(None);
        let mut told = 0;
        for minute in 0..60 {
            told += u32::from(note(&trouble, Some(&format!("at {minute}"))).is_some());
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        // The first three, and then at the minutes 12, 22, 32, 42, 52.
        assert_eq!(told, 8);
    }

    #[tokio::test]
    async fn thousands_that_fail_at_once_take_a_few_lines_and_a_summary() {
        let log = FetchLog::default();
        let targets: Vec<Health> = (0..3000).map(|_| Health::default()).collect();
        for health in &targets {
            log.failed("h redis", health, "connection refused");
        }
        assert_eq!(
            lock(&log.0).summary().unwrap(),
            "and more targets: 2970 can not be fetched; the hosts' pages have the reasons"
        );
        log.end_minute();
        assert_eq!(lock(&log.0).summary(), None);
        for health in &targets[..40] {
            log.fetched("h redis", health, Some("1 of 2 lines not understood"));
        }
        assert_eq!(
            lock(&log.0).summary().unwrap(),
            "and more targets: 25 are fetched in part, 25 are well again; the hosts' pages have the reasons"
        );
    }

    #[test]
    fn durations_are_told_as_people_say_them() {
        let said = |seconds| spoken(Duration::from_secs(seconds));
        assert_eq!(
            [said(1), said(90), said(720), said(18_000), said(300_000)],
            ["1 second", "90 seconds", "12 minutes", "5 hours", "3 days"]
        );
    }
}
