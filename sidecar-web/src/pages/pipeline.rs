//! `GET /pipeline`: how Kurado itself is doing: what Redis takes and writes, what the poller fetches,
//! what is wrong with the configuration, and where that and what is pushed differ.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use site::{Host, SiteError};

use crate::app::{App, Known};
use crate::error::PageError;
use crate::info::Info;
use crate::links::Link;
use crate::pages::frame::{ChosenTheme, Frame};
use crate::pages::html;
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
    notices: Vec<String>,
    /// Of Redis and the module; empty where it is away.
    redis: Vec<Fact>,
    pollers: Vec<Poller>,
    /// What is odd in the files.
    warnings: &'a [SiteError],
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
}

struct Silent<'a> {
    host: &'a Host,
    link: String,
}

impl Fact {
    fn new(name: &str, value: impl ToString) -> Self {
        Self { name: name.to_owned(), value: value.to_string(), is_bad: false }
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
    let known = app.known(&hosts).await;
    let now = App::now();
    let redis = match app.redis.info().await {
        Ok(info) => redis_facts(&info, lines_a_second(&app, &info)),
        // The notice says it.
        Err(_) => Vec::new(),
    };
    let all = app.redis.all_hosts().await.unwrap_or_default();
    html(&PipelinePage {
        frame: Frame::new(theme, &app.zone),
        notices: app.notices(&known).await,
        redis,
        pollers: pollers(&app, &hosts, &known, now).await,
        warnings: app.site.warnings(),
        strangers: strangers(&app, &all),
        silent: silent(&hosts, &known),
    })
}

fn redis_facts(info: &Info, lines_a_second: Option<f64>) -> Vec<Fact> {
    let number = |name| info.number(name);
    let rate = lines_a_second.map_or("–".to_owned(), |rate| format!("{rate:.0}"));
    let delay = number("write_delay_seconds");
    let age = number("oldest_pending_age_seconds");
    let mut facts = vec![
        Fact::new("Hosts", number("hosts")),
        Fact::new("Series", number("series")),
        Fact::new("Lines accepted", number("lines_accepted")),
        Fact::new("Lines a second", rate),
        Fact::new("Lines rejected", number("lines_rejected")).bad_if(number("lines_rejected") > 0),
    ];
    let counted = |what: &str, (reason, count): (String, u64)| {
        Fact::new(&format!("{what}: {reason}"), count).bad_if(true)
    };
    facts.extend(info.reasons("rejected_").map(|reason| counted("Rejected", reason)));
    facts.extend([
        Fact::new("Pushes refused", number("pushes_refused")).bad_if(number("pushes_refused") > 0),
        Fact::new("Points pending", number("pending_points")),
        Fact::new("Bytes pending", number("pending_bytes")),
        // A write delay is spread over the hosts, and a file may be written a moment late.
        Fact::new("Oldest pending point, s", age).bad_if(age > delay + delay / 2 + 60),
        Fact::new("Write delay, s", delay),
        Fact::new("Points written a second", number("points_written_per_second")),
        Fact::new("Points skipped", number("points_skipped")),
        Fact::new("Writing paused", if number("writing_paused") > 0 { "yes" } else { "no" })
            .bad_if(number("writing_paused") > 0),
    ]);
    facts.extend(info.reasons("write_errors_").map(|reason| counted("Write errors", reason)));
    facts.extend([
        Fact::new("Durability", &info.durability),
        Fact::new("Data directory", info.data_dir.display()),
    ]);
    facts
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

async fn pollers(app: &App, hosts: &[&Arc<Host>], known: &[Known], now: i64) -> Vec<Poller> {
    let mut pollers = Vec::new();
    let with_plugin = std::iter::zip(hosts, known).filter(|(host, _)| {
        host.roll.plugins.iter().any(|plugin| plugin.as_str() == POLLER_PLUGIN)
    });
    for (host, known) in with_plugin.take(POLLERS) {
        let state = known.state.as_ref().and_then(|state| state.plugins.get(POLLER_PLUGIN));
        let last = state.and_then(|state| state.last_received);
        let mut facts = vec![match last {
            Some(time) => Fact::new("Last received", show_seconds(time, &app.zone)),
            None => Fact::new("Last received", "never"),
        }];
        if let Some(first) = facts.first_mut() {
            first.is_bad = last.is_none_or(|time| now - time > 300);
        }
        match app.redis.last_values(&host.address, POLLER_PLUGIN).await {
            Ok(values) => facts.extend(poller_facts(&values)),
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

/// What the poller counted in its last minute, in words.
fn poller_facts(values: &BTreeMap<String, f64>) -> impl Iterator<Item = Fact> + '_ {
    /// Keys, what they are, and whether more than none is bad.
    const SHOWN: [(&str, &str, bool); 9] = [
        ("targets.gauge", "Targets", false),
        ("fetches.gauge", "Fetches a minute", false),
        ("fetches-failed.gauge", "Failed a minute", true),
        ("overruns.gauge", "Overruns a minute", true),
        ("duration-mean.gauge", "Mean duration, s", false),
        ("duration-max.gauge", "Longest duration, s", false),
        ("push-lag.gauge", "Push lag, s", false),
        ("waiting-bytes.gauge", "Bytes waiting", false),
        ("lines-lost.gauge", "Lines lost a minute", true),
    ];
    SHOWN.into_iter().filter_map(|(key, name, is_bad)| {
        let value = *values.get(key)?;
        let text = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        Some(Fact::new(name, text).bad_if(is_bad && value > 0.0))
    })
}

fn strangers(app: &App, all: &BTreeMap<String, i64>) -> List<Stranger> {
    let strangers = all.iter().filter(|(address, _)| app.site.host(address).is_none());
    List::of(strangers.map(|(address, time)| Stranger {
        last_received: match time {
            0 => "never".to_owned(),
            time => show_seconds(*time, &app.zone),
        },
        line: format!("- {address} {address}"),
        forget_link: Link::to("forget").with("address", address).finish(),
        address: address.clone(),
    }))
}

fn silent<'a>(hosts: &[&'a Arc<Host>], known: &[Known]) -> List<Silent<'a>> {
    let never = |known: &Known| {
        let plugins = || known.state.iter().flat_map(|state| state.plugins.values());
        known.away.is_none() && plugins().all(|plugin| plugin.last_received.is_none())
    };
    let silent = std::iter::zip(hosts.iter().copied(), known).filter(|(_, known)| never(known));
    List::of(silent.map(|(host, _)| Silent {
        host: host.as_ref(),
        link: Link::to("server").with("address", &host.address).finish(),
    }))
}
