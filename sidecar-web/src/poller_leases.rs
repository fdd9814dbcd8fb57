//! Whether the pollers that fetched are still there: while one is, it renews a lease in Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::held::{Epoch, Held};
use crate::parameters::quoted;
use crate::redis_away::RedisAway;
use crate::redis_client::RedisClient;

/// The lease of a poller without a name of its own; that of another has its name behind a colon.
const KEY: &str = "kurado-poller";

/// Redis is asked again which names there are after so long: for that it goes through all its keys.
/// A lease lasts as long.
const NAMES_HOLD: Duration = Duration::from_secs(30);

/// So many scans are the part of one look at most, as a page waits for it; the next look goes on.
const SCANS_A_LOOK: usize = 20;

/// A poller with a name that was away for so long was taken away, and is missed no more.
const MISSED: Duration = Duration::from_secs(24 * 60 * 60);

/// Names that are followed at most, and the longest, in bytes.
const MAX_NAMES: usize = 64;
const MAX_NAME: usize = 64;

/// The leases of all pollers, as they were found last.
pub struct PollerLeases {
    found: Held<(), Arc<[Lease]>, RedisAway>,
    seen: Mutex<Seen>,
}

/// What is remembered from one look to the next.
#[derive(Default)]
struct Seen {
    /// When the last going through Redis's keys for names began.
    asked: Option<Instant>,
    /// Where it goes on; 0 where it is done.
    cursor: u64,
    /// By the name of a lease, which is empty where it has none, who was seen last to hold it.
    holders: BTreeMap<String, Option<Holder>>,
    /// The names of those that nobody held at the last look: where there are too many, new ones take
    /// their place.
    vacant: BTreeSet<String>,
}

/// Who held a lease, in words, and when that was seen last.
struct Holder {
    words: String,
    seen: Instant,
}

/// A lease, and who fetches by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The `--name` of its pollers; empty where they have none.
    pub name: String,
    /// Who holds it.
    pub state: State,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// This one, in words.
    Held(String),
    /// Nobody, where this one, in words, did before.
    Lost(String),
    /// Nobody, and nobody was ever seen to.
    NeverHeld,
}

/// What is wrong with the leases, for the top of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Losses {
    /// Whether another poller fetches.
    pub is_any_held: bool,
    /// Who held those that are lost, in words.
    pub detail: String,
}

/// `None` where nothing was lost. A poller that nobody ever saw may not be wanted.
#[must_use]
pub fn losses(leases: &[Lease]) -> Option<Losses> {
    let lost = leases.iter().filter_map(|lease| match &lease.state {
        State::Lost(holder) if lease.name.is_empty() => Some(format!("The last was on {holder}.")),
        State::Lost(holder) => Some(format!("The last --name {} was on {holder}.", lease.name)),
        State::Held(_) | State::NeverHeld => None,
    });
    let detail = lost.collect::<Vec<_>>().join(" ");
    let is_any_held = leases.iter().any(|lease| matches!(lease.state, State::Held(_)));
    (!detail.is_empty()).then_some(Losses { is_any_held, detail })
}

impl PollerLeases {
    /// Nothing is known yet; what is found holds within that epoch of Redis.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        // It is one answer, and bounded by itself.
        Self { found: Held::new(epoch, usize::MAX, |_| Some(0)), seen: Mutex::default() }
    }

    /// The leases of all pollers, by their names, as they were up to [`crate::held::HOLDS`] ago. That
    /// without a name stands first, and is left out where only others were ever held.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn look(&self, redis: &RedisClient) -> Result<Arc<[Lease]>, RedisAway> {
        self.found.get((), async || self.ask(redis).await).await
    }

    async fn ask(&self, redis: &RedisClient) -> Result<Arc<[Lease]>, RedisAway> {
        self.ask_names(redis).await;
        let names: Vec<String> = self.lock().holders.keys().cloned().collect();
        let mut values = BTreeMap::new();
        for name in std::iter::once(String::new()).chain(names) {
            if name.is_empty() {
                values.insert(name, redis.text("GET", KEY).await?);
            // A user may have the right to the lease without a name alone.
            } else if let Ok(value) = redis.text("GET by name", &format!("{KEY}:{name}")).await {
                values.insert(name, value);
            }
        }
        Ok(self.lock().note(values, Instant::now()))
    }

    /// Goes through some of Redis's keys, where it is time to, for names of leases.
    async fn ask_names(&self, redis: &RedisClient) {
        let Some(mut cursor) = self.lock().begin() else { return };
        for _ in 0..SCANS_A_LOOK {
            // A user may lack the right to that: then those that are known are looked at, and the
            // log tells it.
            let scan = redis.some_keys_like(&format!("{KEY}:*"), cursor).await;
            let (next, keys) = scan.unwrap_or_default();
            self.lock().note_names(keys.iter().filter_map(|key| name_of(key)));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        self.lock().cursor = cursor;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// From where on Redis's keys are to be gone through now; `None` where that was done a moment ago.
    fn begin(&mut self) -> Option<u64> {
        if self.cursor == 0 {
            if self.asked.is_some_and(|asked| asked.elapsed() < NAMES_HOLD) {
                return None;
            }
            self.asked = Some(Instant::now());
        }
        Some(self.cursor)
    }

    fn note_names<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            if self.holders.contains_key(name) {
                continue;
            }
            while self.holders.len() > MAX_NAMES {
                let Some(vacant) = self.vacant.pop_first() else { return };
                self.holders.remove(&vacant);
            }
            self.holders.insert(name.to_owned(), None);
        }
    }

    /// What these values at the keys of leases, by name, mean.
    fn note(&mut self, values: BTreeMap<String, Option<String>>, now: Instant) -> Arc<[Lease]> {
        let vacant = values.iter().filter(|(name, value)| value.is_none() && !name.is_empty());
        self.vacant = vacant.map(|(name, _)| name.clone()).collect();
        let mut leases = Vec::new();
        for (name, value) in values {
            let holder = self.holders.entry(name.clone()).or_default();
            if let Some(value) = &value {
                *holder = Some(Holder { words: in_words(value), seen: now });
            } else if !name.is_empty() {
                holder.take_if(|holder| now.duration_since(holder.seen) > MISSED);
            }
            let state = match holder {
                Some(holder) if value.is_some() => State::Held(holder.words.clone()),
                Some(holder) => State::Lost(holder.words.clone()),
                None => State::NeverHeld,
            };
            leases.push(Lease { name, state });
        }
        if leases.iter().any(|lease| lease.state != State::NeverHeld) {
            leases.retain(|lease| lease.state != State::NeverHeld);
        }
        leases.into()
    }
}

/// The name in the key of a lease, where it is one that a poller may have.
fn name_of(key: &str) -> Option<&str> {
    let name = key.strip_prefix(KEY)?.strip_prefix(':')?;
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_short = (1..=MAX_NAME).contains(&name.len());
    (is_short && name.chars().all(is_valid)).then_some(name)
}

/// The machine and the process that the key names.
fn in_words(value: &str) -> String {
    let holder: Json = serde_json::from_str(value).unwrap_or_default();
    match (holder["host"].as_str(), holder["process"].as_u64()) {
        (Some(host), Some(process)) => format!("{}, process {process}", quoted(host)),
        _ => "an unknown machine".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDER: &str = r#"{"host":"monitor","process":42,"since":1}"#;

    /// What the leases of these names are, of which some are held.
    fn look(seen: &mut Seen, values: &[(&str, bool)]) -> Arc<[Lease]> {
        look_at(seen, values, Instant::now())
    }

    fn look_at(seen: &mut Seen, values: &[(&str, bool)], now: Instant) -> Arc<[Lease]> {
        let value = |is_held: bool| is_held.then(|| HOLDER.to_owned());
        seen.note(values.iter().map(|(name, is)| ((*name).to_owned(), value(*is))).collect(), now)
    }

    fn names(leases: &[Lease]) -> Vec<&str> {
        leases.iter().map(|lease| lease.name.as_str()).collect()
    }

    #[test]
    fn a_holder_is_told_by_machine_and_process_and_any_other_value_as_unknown() {
        assert_eq!(in_words(HOLDER), "monitor, process 42");
        for odd in ["", "mine", "[]", r#"{"host":7}"#] {
            assert_eq!(in_words(odd), "an unknown machine");
        }
    }

    #[test]
    fn only_a_lease_that_was_lost_is_a_fault() {
        let mut seen = Seen::default();
        assert_eq!(losses(&look(&mut seen, &[("", false)])), None);
        assert_eq!(losses(&look(&mut seen, &[("", true)])), None);
        let lost = losses(&look(&mut seen, &[("", false)])).unwrap();
        assert_eq!(lost.detail, "The last was on monitor, process 42.");
        assert!(!lost.is_any_held);
    }

    #[test]
    fn a_poller_with_a_name_is_missed_by_its_name_while_others_fetch() {
        let mut seen = Seen::default();
        assert_eq!(names(&look(&mut seen, &[("", true), ("east", true)])), ["", "east"]);
        let lost = losses(&look(&mut seen, &[("", true), ("east", false)])).unwrap();
        assert_eq!(lost.detail, "The last --name east was on monitor, process 42.");
        assert!(lost.is_any_held);
    }

    #[test]
    fn a_poller_with_a_name_is_missed_for_a_day_and_one_without_for_ever() {
        let mut seen = Seen::default();
        let now = Instant::now();
        look_at(&mut seen, &[("", true), ("east", true)], now);
        let gone = [("", false), ("east", false)];
        assert_eq!(names(&look_at(&mut seen, &gone, now + MISSED)), ["", "east"]);
        let later = now + MISSED + Duration::from_secs(1);
        let left = look_at(&mut seen, &gone, later);
        assert_eq!(losses(&left).unwrap().detail, "The last was on monitor, process 42.");
        assert_eq!(names(&look_at(&mut seen, &[("", false), ("east", true)], later)), ["", "east"]);
    }

    #[test]
    fn the_lease_without_a_name_is_left_out_where_only_others_were_ever_held() {
        let mut seen = Seen::default();
        assert_eq!(names(&look(&mut seen, &[("", false)])), [""]);
        assert_eq!(names(&look(&mut seen, &[("", false), ("east", true)])), ["east"]);
        look(&mut seen, &[("", true), ("east", true)]);
        assert_eq!(names(&look(&mut seen, &[("", false), ("east", true)])), ["", "east"]);
    }

    #[test]
    fn names_are_those_of_leases_and_no_more_than_can_be_followed() {
        for (key, name) in [
            ("kurado-poller:east", Some("east")),
            ("kurado-poller:", None),
            ("kurado-poller", None),
            ("kurado-poller:a<b", None),
            ("kurado-pollers", None),
        ] {
            assert_eq!(name_of(key), name, "{key}");
        }
        assert_eq!(name_of(&format!("{KEY}:{}", "x".repeat(MAX_NAME + 1))), None);
        let mut seen = Seen::default();
        let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        seen.note_names(names.iter().map(String::as_str));
        assert!(seen.holders.len() <= MAX_NAMES + 1);
    }

    #[test]
    fn where_too_many_are_known_a_new_name_takes_the_place_of_one_that_nobody_holds() {
        let mut seen = Seen::default();
        look(&mut seen, &[("", true)]);
        let old: Vec<String> = (0..MAX_NAMES).map(|number| format!("pod-{number}")).collect();
        seen.note_names(old.iter().map(String::as_str));
        let held: Vec<_> = old.iter().map(|name| (name.as_str(), true)).collect();
        look(&mut seen, &held);
        seen.note_names(["new"].into_iter());
        assert!(!seen.holders.contains_key("new"), "all are held");
        let freed: Vec<_> = old.iter().map(|name| (name.as_str(), name == "pod-0")).collect();
        look(&mut seen, &freed);
        seen.note_names(["new"].into_iter());
        assert!(seen.holders.contains_key("new") && seen.holders.contains_key("pod-0"));
        assert_eq!(seen.holders.len(), MAX_NAMES + 1);
    }
}
