//! What users' view programs print: kept for a short time, asked for once by all who want the same,
//! and few programs at once. A program runs apart from the page that asked: the page waits for its
//! own limit alone, and what comes later is there for the next load.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use line_protocol::Identifier;
use site::program::{Call, Limits};
use site::{GraphDefinition, Group, Host, Meta, Program, program};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::languages::Texts;

/// Programs that run at once, of all pages together.
const AT_ONCE: usize = 16;
/// Of these, runs of one program: so that one that hangs leaves room for others.
const AT_ONCE_OF_ONE: usize = 4;
/// What has not had its turn by then is not run: the page that asked has long been shown.
const TURN_LIMIT: Duration = Duration::from_secs(30);
/// What a program printed, or why it failed, is shown for so long. A changed program is a changed
/// file of the configuration, and is run at once.
const HOLDS: Duration = Duration::from_secs(60);
/// What is kept takes so much at most, in bytes.
const KEPT_BYTES: usize = 32 << 20;
/// A reason on a page has so many characters at most.
const LONGEST_REASON: usize = 500;

/// For how long a page waits for programs; then it shows what it has.
pub const PAGE_LIMIT: Duration = Duration::from_secs(5);

/// Why a view shows nothing, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoView {
    /// Its program has not ended yet.
    #[error("{0}")]
    NotYet(String),
    /// Something must be set right.
    #[error("{0}")]
    Faulty(String),
}

/// What view programs printed.
pub struct ProgramViews {
    turns: Semaphore,
    state: Mutex<State>,
}

/// Which program is asked, and of what.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The program.
    pub program: &'a Program,
    /// The host.
    pub host: &'a Arc<Host>,
    /// The plugin.
    pub identifier: &'a Identifier,
    /// What is known of the plugin, without history.
    pub meta: &'a Meta,
    /// In which a reason is told.
    pub text: &'static Texts,
}

#[derive(Default)]
struct State {
    kept: HashMap<Key, Kept>,
    bytes: usize,
    /// Programs that run, or wait for their turn: who wants the same waits for it.
    under_way: HashMap<Key, watch::Receiver<Option<Outcome>>>,
    /// By program; as many as the configuration has.
    turns_of_one: HashMap<PathBuf, Arc<Semaphore>>,
}

/// What a program's output depends on, as far as it changes while the web runs.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    program: PathBuf,
    address: String,
    identifier: String,
    graph: Option<String>,
    meta: Vec<(String, String)>,
}

/// What was printed, or why nothing was.
type Outcome = Arc<Result<String, String>>;

/// What is there when one asks.
enum Asked {
    Kept(Outcome),
    /// `None` until it has ended; closed without more where it had no turn.
    UnderWay(watch::Receiver<Option<Outcome>>),
}

struct Kept {
    outcome: Outcome,
    since: Instant,
    bytes: usize,
}

impl Default for ProgramViews {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), state: Mutex::default() }
    }
}

impl ProgramViews {
    /// The groups that a program shows. Waits until `until` at most.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn groups(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        until: Instant,
    ) -> Result<Vec<Group>, NoView> {
        let printed = self.printed(wanted, None, until).await;
        let groups = printed.and_then(|output| {
            program::groups(&output).map_err(|error| NoView::Faulty(error.to_string()))
        });
        groups.map_err(|reason| reason.of(&wanted))
    }

    /// What a graph of a program draws. Waits until `until` at most.
    ///
    /// # Errors
    /// Why it can't be drawn.
    pub async fn graph(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        graph: &str,
        until: Instant,
    ) -> Result<GraphDefinition, NoView> {
        let printed = self.printed(wanted, Some(graph), until).await;
        let graph = printed.and_then(|output| {
            GraphDefinition::parse(&output).map_err(|error| NoView::Faulty(error.to_string()))
        });
        graph.map_err(|reason| reason.of(&wanted))
    }

    /// Has a program asked for graphs that [`Self::graph`] will want: they run beside each other.
    pub fn ask_ahead(self: &Arc<Self>, wanted: Wanted<'_>, graphs: &[String]) {
        for graph in graphs {
            self.ask(wanted, Some(graph));
        }
    }

    async fn printed(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        graph: Option<&str>,
        until: Instant,
    ) -> Result<String, NoView> {
        let kept = |outcome: &Outcome| Result::clone(outcome).map_err(NoView::Faulty);
        let mut answer = match self.ask(wanted, graph) {
            Asked::Kept(outcome) => return kept(&outcome),
            Asked::UnderWay(answer) => answer,
        };
        match tokio::time::timeout_at(until.into(), answer.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => match &*outcome {
                Some(outcome) => kept(outcome),
                None => Err(NoView::Faulty("it printed nothing".to_owned())),
            },
            Ok(Err(_)) => {
                Err(NoView::NotYet((wanted.text.program_had_no_turn)(&TURN_LIMIT.as_secs())))
            }
            Err(_) => Err(NoView::NotYet(wanted.text.program_not_ready.to_owned())),
        }
    }

    /// What is kept, or what is under way: it is started where nobody asked for it yet.
    fn ask(self: &Arc<Self>, wanted: Wanted<'_>, graph: Option<&str>) -> Asked {
        let Wanted { program, host, identifier, meta, .. } = wanted;
        let key = Key {
            program: program.path().to_owned(),
            address: host.address.clone(),
            identifier: identifier.to_string(),
            graph: graph.map(str::to_owned),
            meta: meta.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
        };
        let mut state = self.lock();
        if let Some(outcome) = state.fresh(&key) {
            return Asked::Kept(outcome);
        }
        if let Some(answer) = state.under_way.get(&key) {
            return Asked::UnderWay(answer.clone());
        }
        let (tell, answer) = watch::channel(None);
        state.under_way.insert(key.clone(), answer.clone());
        let turns = state.turns_of(program);
        drop(state);

        let run = Run { views: Arc::clone(self), key };
        let (program, host) = (program.clone(), Arc::clone(host));
        let (identifier, meta) = (identifier.clone(), meta.clone());
        tokio::spawn(async move {
            let views = Arc::clone(&run.views);
            let turn = tokio::time::timeout(TURN_LIMIT, views.turn(&turns));
            let Ok(Some(_turn)) = turn.await else {
                return;
            };
            let call = Call::of(&host, &identifier, &meta);
            let printed = program.run(&call, run.key.graph.as_deref(), Limits::default()).await;
            let outcome = Arc::new(match printed {
                Ok(printed) => {
                    if !printed.errors.is_empty() {
                        tracing::debug!("{} said: {}", program.path().display(), printed.errors);
                    }
                    Ok(printed.output)
                }
                Err(error) => Err(error.to_string()),
            });
            views.lock().keep(run.key.clone(), &outcome);
            tell.send_replace(Some(outcome));
        });
        Asked::UnderWay(answer)
    }

    /// A turn among the runs of one program, and among all.
    async fn turn<'a>(
        &'a self,
        of_one: &'a Semaphore,
    ) -> Option<(SemaphorePermit<'a>, SemaphorePermit<'a>)> {
        Some((of_one.acquire().await.ok()?, self.turns.acquire().await.ok()?))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program that is under way, until it is dropped.
struct Run {
    views: Arc<ProgramViews>,
    key: Key,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.views.lock().under_way.remove(&self.key);
    }
}

impl State {
    fn fresh(&self, key: &Key) -> Option<Outcome> {
        let kept = self.kept.get(key)?;
        kept.is_fresh().then(|| Arc::clone(&kept.outcome))
    }

    fn turns_of(&mut self, program: &Program) -> Arc<Semaphore> {
        let turns = self.turns_of_one.entry(program.path().to_owned());
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_OF_ONE))))
    }

    /// Keeps an outcome, and makes room for it.
    fn keep(&mut self, key: Key, outcome: &Outcome) {
        let text = match &**outcome {
            Ok(text) | Err(text) => text.len(),
        };
        let bytes = text + key.bytes();
        self.bytes += bytes;
        let kept = Kept { outcome: Arc::clone(outcome), since: Instant::now(), bytes };
        self.bytes -= self.kept.insert(key, kept).map_or(0, |old| old.bytes);
        if self.bytes <= KEPT_BYTES {
            return;
        }
        // Rarely, and then a quarter at once.
        self.kept.retain(|_, kept| kept.is_fresh());
        let mut by_age: Vec<(Instant, Key)> =
            self.kept.iter().map(|(key, kept)| (kept.since, key.clone())).collect();
        by_age.sort_unstable_by_key(|(since, _)| *since);
        self.bytes = self.kept.values().map(|kept| kept.bytes).sum();
        for (_, key) in by_age {
            if self.bytes <= KEPT_BYTES / 4 * 3 {
                break;
            }
            self.bytes -= self.kept.remove(&key).map_or(0, |kept| kept.bytes);
        }
    }
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < HOLDS
    }
}

impl Key {
    /// What it takes in memory: its texts, and some for keeping them.
    fn bytes(&self) -> usize {
        let meta: usize = self.meta.iter().map(|(n, v)| n.len() + v.len() + 48).sum();
        self.program.as_os_str().len() + self.address.len() + self.identifier.len() + meta + 300
    }
}

/// A reason with the program's name, of a length that a page has room for.
impl NoView {
    /// The same with the program's name.
    fn of(self, wanted: &Wanted<'_>) -> Self {
        let name = wanted.program.path().file_name().unwrap_or_default().to_string_lossy();
        let named = |reason: String| {
            let plain = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
            let reason: String = plain.take(LONGEST_REASON).collect();
            (wanted.text.view_program)(&name, &reason)
        };
        match self {
            Self::NotYet(reason) => Self::NotYet(named(reason)),
            Self::Faulty(reason) => Self::Faulty(named(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use site::{Definitions, Roll, View};
    use std::path::Path;

    /// A program that notes each of its starts in the file `starts` beside it.
    fn noted(dir: &Path, rest: &str) -> Program {
        let path = dir.join("view/shop");
        let text = format!("#!/bin/sh\ncd '{}' && echo start >>starts\n{rest}", dir.display());
        test_redis::write_program(&path, &text);
        let definitions = Definitions::load(&[dir.to_owned()]).unwrap();
        match definitions.view("shop") {
            Some(View::Program(program)) => program.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn starts(dir: &Path) -> usize {
        std::fs::read_to_string(dir.join("starts")).unwrap_or_default().lines().count()
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    async fn groups(
        views: &Arc<ProgramViews>,
        program: &Program,
        address: &str,
        version: &str,
        until: Instant,
    ) -> Result<Vec<Group>, NoView> {
        let identifier = Identifier::parse("shop").unwrap();
        let meta = Meta::from([("version".to_owned(), version.to_owned())]);
        let roll = Roll {
            file: "all.yml".into(),
            metrics_config: serde_json::Map::new(),
            plugins: vec![identifier.clone()],
        };
        let host = Arc::new(Host {
            address: address.to_owned(),
            hostname: "h".to_owned(),
            comments: String::new(),
            service: "Shop".to_owned(),
            label: None,
            roll: Arc::new(roll),
        });
        let text = crate::languages::text();
        let wanted = Wanted { program, host: &host, identifier: &identifier, meta: &meta, text };
        views.groups(wanted, until).await
    }

    #[tokio::test]
    async fn a_program_is_asked_again_only_for_another_host_or_other_meta() {
        let dir = tempfile::tempdir().unwrap();
        let program = noted(dir.path(), "printf '#Shop\\nreqs\\n'\n");
        let views = Arc::default();
        for (address, version, wanted) in
            [("a", "1", 1), ("a", "1", 1), ("b", "1", 2), ("a", "2", 3), ("b", "1", 3)]
        {
            let groups = groups(&views, &program, address, version, in_a_minute()).await.unwrap();
            assert_eq!((groups[0].label.as_str(), groups[0].graphs.len()), ("Shop", 1));
            assert_eq!(starts(dir.path()), wanted, "{address} {version}");
        }
    }

    #[tokio::test]
    async fn those_who_ask_for_the_same_at_once_share_one_program() {
        let dir = tempfile::tempdir().unwrap();
        let program = noted(dir.path(), "printf '#Shop\\n'\n");
        let views = Arc::default();
        let ask = || groups(&views, &program, "a", "1", in_a_minute());
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert!(one.is_ok() && two == one && three == one);
        assert_eq!(starts(dir.path()), 1);
    }

    #[tokio::test]
    async fn no_more_than_a_few_runs_of_one_program_go_on_at_once() {
        let dir = tempfile::tempdir().unwrap();
        // Each holds a file while it runs, and tells how many there were.
        let rest = ": >run.$$ && sleep 0.2 && set -- run.*\nprintf '#%s\\n' $# && rm run.$$\n";
        let program = noted(dir.path(), rest);
        let views = Arc::new(ProgramViews::default());
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (views, program) = (Arc::clone(&views), program.clone());
            asked.spawn(async move {
                groups(&views, &program, &number.to_string(), "1", in_a_minute()).await
            });
        }
        for groups in asked.join_all().await {
            let most: usize = groups.unwrap()[0].label.parse().unwrap();
            assert!((1..=AT_ONCE_OF_ONE).contains(&most), "{most}");
        }
        assert_eq!(starts(dir.path()), 20);
    }

    /// Prints when the file `go` is there.
    const WAITS: &str = "until [ -e go ]; do sleep 0.02; done\nprintf '#Shop\\n'\n";

    #[tokio::test]
    async fn a_page_waits_for_its_limit_alone_and_the_next_has_what_came_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let program = noted(dir.path(), WAITS);
        let views = Arc::default();
        let now = Instant::now();
        let reason = groups(&views, &program, "a", "1", now).await.unwrap_err();
        assert_eq!(
            reason,
            NoView::NotYet(
                "view program shop: not ready yet; what it prints is shown when the page is loaded \
                 again"
                    .to_owned()
            )
        );
        std::fs::write(dir.path().join("go"), "").unwrap();
        assert!(groups(&views, &program, "a", "1", in_a_minute()).await.is_ok());
        assert!(groups(&views, &program, "a", "1", now).await.is_ok(), "it is kept");
        assert_eq!(starts(dir.path()), 1, "one run served all");
        assert!(views.lock().under_way.is_empty());
    }

    #[tokio::test]
    async fn a_program_that_hangs_leaves_turns_to_others() {
        let (slow, quick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let waits = noted(slow.path(), WAITS);
        let views = Arc::default();
        let now = Instant::now();
        for number in 0..2 * AT_ONCE {
            let asked = groups(&views, &waits, &number.to_string(), "1", now).await;
            assert!(asked.is_err());
        }
        let prints = noted(quick.path(), "printf '#Shop\\n'\n");
        assert!(groups(&views, &prints, "a", "1", in_a_minute()).await.is_ok());
        assert!(starts(slow.path()) <= AT_ONCE_OF_ONE);
        std::fs::write(slow.path().join("go"), "").unwrap();
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut state = State::default();
        let key = |number: usize| Key {
            program: "/x".into(),
            address: number.to_string(),
            identifier: "shop".into(),
            graph: None,
            meta: Vec::new(),
        };
        for number in 0..100 {
            let outcome = Arc::new(Ok("x".repeat(1 << 20)));
            state.keep(key(number), &outcome);
            assert!(state.bytes <= KEPT_BYTES);
            assert!(state.fresh(&key(number)).is_some());
        }
        assert!(state.fresh(&key(0)).is_none());
        let sum: usize = state.kept.values().map(|kept| kept.bytes).sum();
        assert_eq!(sum, state.bytes);
    }
}
