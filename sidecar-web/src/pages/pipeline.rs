//! `GET /pipeline`: how Kurado itself is doing: what Redis takes and writes, what the poller fetches,
//! what is wrong with the configuration, and where that and what is pushed differ.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use site::{Host, SiteError};

use crate::app::{App, addresses};
use crate::error::PageError;
use crate::host_state::BriefState;
use crate::info::Info;
use crate::languages::{self, Texts, With};
use crate::links::Link;
use crate::pages::frame::{ChosenTheme, Frame, Notice};
use crate::pages::html;
use crate::poller_leases::{Lease, State as LeaseState};
use crate::redis_away::RedisAway;
use crate::term::show_seconds;

/// The plugin by which the poller tells of itself.
const POLLER_PLUGIN: &str = "kurado";

/// Hosts that a list names before it only counts.
const LISTED: usize = 500;

/// Pollers that are shown.
const POLLERS: usize = 8;

/// A shorter time says little of a rate.
const RATE_NEEDS: Duration = Duration::from_secs(5);

#[derive(Template)]
#[template(path = "pipeline.html")]
struct PipelinePage<'a> {
    frame: Frame,
    notices: Vec<Notice>,
    /// Of Redis and the module; empty where it is away.
    redis: Vec<Fact>,
    pollers: Vec<Poller>,
    /// What is odd in the files.
    warnings: &'a [SiteError],
    /// Whether Redis said which hosts there are: else nothing is known of the two that follow.
    is_known: bool,
    /// Those that push and stand in no service.
    strangers: List<Stranger>,
    /// Those of the configuration that never sent anything.
    silent: List<Silent<'a>>,
}

/// One thing that is told.
struct Fact {
    name: String,
    value: String,
    /// Whether somebody should look into it.
    is_bad: bool,
}

struct Poller {
    hostname: String,
    link: String,
    facts: Vec<Fact>,
}

/// Some, and how many more there are.
struct List<T> {
    shown: Vec<T>,
    more: usize,
}

struct Stranger {
    address: String,
    last_received: String,
    /// For the list of hosts in kurado.yml.
    line: String,
    /// Where an operator deletes its data.
    forget_link: String,
    /// Where an operator gives it to another address.
    rename_link: String,
}

struct Silent<'a> {
    host: &'a Host,
    link: String,
}

impl Fact {
    fn new(name: &str, value: impl ToString) -> Self {
        Self { name: name.to_owned(), value: value.to_string(), is_bad: false }
    }

    fn count(name: &str, count: u64) -> Self {
        Self::new(name, grouped(count))
    }

    fn bad_if(self, is_bad: bool) -> Self {
        Self { is_bad, ..self }
    }
}

impl<T> List<T> {
    fn of(all: impl Iterator<Item = T>) -> Self {
        let mut shown: Vec<T> = all.collect();
        let more = shown.len().saturating_sub(LISTED);
        shown.truncate(LISTED);
        Self { shown, more }
    }

    /// How many there are in all.
    fn count(&self) -> usize {
        self.shown.len() + self.more
    }
}

/// All of it, each time anew.
pub async fn page(State(app): State<Arc<App>>, theme: ChosenTheme) -> Result<Response, PageError> {
    let hosts: Vec<&Arc<Host>> = app.site.services().iter().flat_map(|s| s.hosts()).collect();
    let states = app.redis.states(&addresses(&hosts)).await;
    let now = App::now();
    let text = languages::text();
    let mut redis = match app.redis.info().await {
        Ok(info) => redis_facts(text, &info, &app),
        // The notice says it.
        Err(_) => Vec::new(),
    };
    if !redis.is_empty()
        && let Ok(leases) = app.poller_leases.look(&app.redis).await
    {
        redis.extend(leases.iter().map(|lease| lease_fact(text, lease)));
    }
    let all = app.redis.all_hosts().await;
    html(&PipelinePage {
        frame: Frame::new(theme, &app.zone),
        notices: app.notices(states.as_ref().err()).await,
        redis,
        pollers: pollers(&app, &hosts, now).await,
        warnings: app.site.warnings(),
        is_known: all.is_ok() && states.is_ok(),
        strangers: strangers(&app, &all.unwrap_or_default()),
        silent: silent(&hosts, &states.unwrap_or_default()),
    })
}

fn redis_facts(text: &Texts, info: &Info, app: &App) -> Vec<Fact> {
    let now = Instant::now();
    let number = |name: &str| info.number(name);
    // Something to look into while it goes on; what is long over is a number like others.
    let faults = |shown: &str, name: &str| match app.recent_counts.grown(now, info, name) {
        0 => Fact::count(shown, number(name)),
        recent => {
            let (all, recent) = (grouped(number(name)), grouped(recent));
            Fact::new(shown, (text.count_and_recent)(&all, &recent)).bad_if(true)
        }
    };
    let reasons = |prefix, what: With| {
        let reasons = info.reasons(prefix);
        reasons.map(|(name, reason)| faults(&what(&reason), name)).collect::<Vec<_>>()
    };
    let rate =
        lines_a_second(app, info).map_or("–".to_owned(), |rate| grouped(rate.round() as u64));
    let delay = number("write_delay_seconds");
    let age = number("oldest_pending_age_seconds");
    let mut facts = vec![
        Fact::count(text.hosts, number("hosts")),
        Fact::count(text.series, number("series")),
        Fact::count(text.lines_accepted, number("lines_accepted")),
        Fact::new(text.lines_a_second, rate),
        faults(text.lines_rejected, "lines_rejected"),
    ];
    facts.extend(reasons("rejected_", text.rejected));
    facts.extend([
        faults(text.pushes_refused, "pushes_refused"),
        Fact::count(text.points_pending, number("pending_points")),
        Fact::count(text.bytes_pending, number("pending_bytes")),
        // A write delay is spread over the hosts, and a file may be written a moment late.
        Fact::count(text.oldest_pending, age).bad_if(age > delay + delay / 2 + 60),
        Fact::count(text.write_delay, delay),
        Fact::count(text.points_written, number("points_written_per_second")),
        Fact::count(text.points_skipped, number("points_skipped")),
        Fact::new(
            text.writing_paused,
            if number("writing_paused") > 0 { text.yes } else { text.no },
        )
        .bad_if(number("writing_paused") > 0),
    ]);
    facts.extend(reasons("write_errors_", text.write_errors));
    facts.extend([
        Fact::new(text.durability, &info.durability),
        Fact::new(text.data_directory, info.data_dir.display()),
    ]);
    facts
}

fn lease_fact(text: &Texts, lease: &Lease) -> Fact {
    let name = match lease.name.as_str() {
        "" => text.poller_lease.to_owned(),
        name => (text.poller_lease_of)(&name),
    };
    match &lease.state {
        LeaseState::Held(holder) => Fact::new(&name, holder),
        LeaseState::Lost(holder) => Fact::new(&name, (text.lease_lost)(holder)).bad_if(true),
        LeaseState::NeverHeld => Fact::new(&name, text.lease_free),
    }
}

/// Between this look at the pipeline and one some seconds before.
fn lines_a_second(app: &App, info: &Info) -> Option<f64> {
    let (now, lines) = (Instant::now(), info.number("lines_accepted"));
    let mut seen = app.lines_seen.lock().unwrap_or_else(PoisonError::into_inner);
    let (since, before) = seen.get_or_insert((now, lines));
    let passed = now.duration_since(*since);
    if passed < RATE_NEEDS {
        return None;
    }
    // Fewer than before where Redis was started anew.
    let rate = lines.checked_sub(*before).map(|new| new as f64 / passed.as_secs_f64());
    (*since, *before) = (now, lines);
    rate
}

async fn pollers(app: &App, hosts: &[&Arc<Host>], now: i64) -> Vec<Poller> {
    let text = languages::text();
    let mut pollers = Vec::new();
    let with_plugin = hosts
        .iter()
        .copied()
        .filter(|host| host.roll.plugins.iter().any(|plugin| plugin.as_str() == POLLER_PLUGIN));
    let with_plugin: Vec<&Arc<Host>> = with_plugin.take(POLLERS).collect();
    let known = app.known(&with_plugin).await;
    for (host, known) in std::iter::zip(with_plugin, &known) {
        let state = known.state.as_ref().and_then(|state| state.plugins.get(POLLER_PLUGIN));
        let last = state.and_then(|state| state.last_received);
        let mut facts = vec![match last {
            Some(time) => Fact::new(text.last_received, show_seconds(time, &app.zone)),
            None => Fact::new(text.last_received, text.never),
        }];
        if let Some(first) = facts.first_mut() {
            first.is_bad = last.is_none_or(|time| now - time > 300);
        }
        match app.redis.last_values(&host.address, POLLER_PLUGIN).await {
            Ok(values) => facts.extend(poller_facts(text, &values)),
            Err(away) => facts.push(away_fact(&away)),
        }
        let warnings = state.into_iter().flat_map(|state| &state.warnings);
        facts.extend(warnings.map(|(key, warning)| Fact::new(key, &warning.text).bad_if(true)));
        let link = Link::to("server").with("address", &host.address);
        pollers.push(Poller {
            hostname: host.hostname.clone(),
            link: link.with("plugin_identifier", POLLER_PLUGIN).finish(),
            facts,
        });
    }
    pollers
}

fn away_fact(away: &RedisAway) -> Fact {
    Fact::new("Redis", away).bad_if(true)
}

/// A count as people read it: `1,234,567`, in all three languages.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What the poller counted in its last minute, in words.
fn poller_facts(text: &Texts, values: &BTreeMap<String, f64>) -> impl Iterator<Item = Fact> {
    // Keys, what they are, and whether more than none is bad.
    let shown = [
        ("targets.gauge", text.targets, false),
        ("fetches.gauge", text.fetches, false),
        ("fetches-failed.gauge", text.fetches_failed, true),
        ("overruns.gauge", text.overruns, true),
        ("duration-mean.gauge", text.mean_duration, false),
        ("duration-max.gauge", text.longest_duration, false),
        ("push-lag.gauge", text.push_lag, false),
        ("waiting-bytes.gauge", text.bytes_waiting, false),
        ("lines-lost.gauge", text.lines_lost, true),
    ];
    shown.into_iter().filter_map(|(key, name, is_bad)| {
        let value = *values.get(key)?;
        // They are counts and seconds: none is negative.
        let text = if value.fract() == 0.0 { grouped(value as u64) } else { format!("{value:.3}") };
        Some(Fact::new(name, text).bad_if(is_bad && value > 0.0))
    })
}

fn strangers(app: &App, all: &BTreeMap<String, i64>) -> List<Stranger> {
    let strangers = all.iter().filter(|(address, _)| app.site.host(address).is_none());
    List::of(strangers.map(|(address, time)| Stranger {
        last_received: match time {
            0 => languages::text().never.to_owned(),
            time => show_seconds(*time, &app.zone),
        },
        line: format!("- {address} {address}"),
        forget_link: Link::to("forget").with("address", address).finish(),
        rename_link: Link::to("rename").with("address", address).finish(),
        address: address.clone(),
    }))
}

/// `states` are those of the hosts, or none where Redis is away.
fn silent<'a>(hosts: &[&'a Arc<Host>], states: &[Option<BriefState>]) -> List<Silent<'a>> {
    let never = |state: &Option<BriefState>| {
        let mut plugins = state.iter().flat_map(|state| state.plugins.values());
        plugins.all(|plugin| plugin.last_received.is_none())
    };
    let silent = std::iter::zip(hosts.iter().copied(), states).filter(|(_, state)| never(state));
    List::of(silent.map(|(host, _)| Silent {
        host: host.as_ref(),
        link: Link::to("server").with("address", &host.address).finish(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_count_is_written_in_groups_of_three_digits() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (767_912, "767,912"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(count), text);
        }
    }
}
