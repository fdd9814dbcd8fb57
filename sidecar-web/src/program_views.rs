//! What users' view programs print: kept for a short time, asked for once by all who want the same,
//! and few programs at once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use site::program::{Call, Limits};
use site::{GraphDefinition, Group, Program, program};
use tokio::sync::{OnceCell, Semaphore};

/// Programs that run at once, of all pages together.
const AT_ONCE: usize = 4;
/// What a program printed, or why it failed, is shown for so long. A changed program is a changed
/// file of the configuration, and is run at once.
const HOLDS: Duration = Duration::from_secs(60);
/// What is kept takes so much at most, in bytes.
const KEPT_BYTES: usize = 32 << 20;
/// A reason on a page has so many characters at most.
const LONGEST_REASON: usize = 500;

/// For how long a page starts programs; then it shows what it has.
pub const PAGE_LIMIT: Duration = Duration::from_secs(10);

/// What view programs printed.
pub struct ProgramViews {
    turns: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<Key, Kept>,
    bytes: usize,
    /// Programs that run: who wants the same waits for it.
    under_way: HashMap<Key, Weak<OnceCell<Outcome>>>,
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
    /// The groups that a program shows. After `until` none is started any more.
    ///
    /// # Errors
    /// Why there are none, in words for people.
    pub async fn groups(
        &self,
        program: &Program,
        call: &Call<'_>,
        until: Instant,
    ) -> Result<Vec<Group>, String> {
        let printed = self.printed(program, call, None, until).await;
        let groups = printed.and_then(|output| program::groups(&output).map_err(|e| e.to_string()));
        groups.map_err(|reason| named(program, &reason))
    }

    /// What a graph of a program draws. After `until` none is started any more.
    ///
    /// # Errors
    /// Why it can't be drawn, in words for people.
    pub async fn graph(
        &self,
        program: &Program,
        call: &Call<'_>,
        graph: &str,
        until: Instant,
    ) -> Result<GraphDefinition, String> {
        let printed = self.printed(program, call, Some(graph), until).await;
        let graph =
            printed.and_then(|output| GraphDefinition::parse(&output).map_err(|e| e.to_string()));
        graph.map_err(|reason| named(program, &reason))
    }

    async fn printed(
        &self,
        program: &Program,
        call: &Call<'_>,
        graph: Option<&str>,
        until: Instant,
    ) -> Result<String, String> {
        let key = Key {
            program: program.path().to_owned(),
            address: call.address.to_owned(),
            identifier: call.identifier.to_string(),
            graph: graph.map(str::to_owned),
            meta: call.meta.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
        };
        let cell = {
            let mut state = self.lock();
            if let Some(outcome) = state.fresh(&key) {
                return Result::clone(&outcome);
            }
            state.under_way.retain(|_, cell| cell.strong_count() > 0);
            let joined = state.under_way.get(&key).and_then(Weak::upgrade);
            joined.unwrap_or_else(|| {
                let cell = Arc::new(OnceCell::new());
                state.under_way.insert(key.clone(), Arc::downgrade(&cell));
                cell
            })
        };
        let outcome = cell
            .get_or_try_init(async || {
                let turn = tokio::time::timeout_at(until.into(), self.turns.acquire());
                let Ok(_turn) = turn.await else {
                    return Err(
                        "not asked in time: other view programs took too long; load the page again",
                    );
                };
                let printed = program.run(call, graph, Limits::default()).await;
                Ok(Arc::new(match printed {
                    Ok(printed) => {
                        if !printed.errors.is_empty() {
                            tracing::debug!(
                                "{} said: {}",
                                program.path().display(),
                                printed.errors
                            );
                        }
                        Ok(printed.output)
                    }
                    Err(error) => Err(error.to_string()),
                }))
            })
            .await?;
        self.lock().keep(key, outcome);
        Result::clone(outcome)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh(&self, key: &Key) -> Option<Outcome> {
        let kept = self.kept.get(key)?;
        kept.is_fresh().then(|| Arc::clone(&kept.outcome))
    }

    /// Keeps an outcome, and makes room for it.
    fn keep(&mut self, key: Key, outcome: &Outcome) {
        if self.kept.get(&key).is_some_and(|kept| Arc::ptr_eq(&kept.outcome, outcome)) {
            return;
        }
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
fn named(program: &Program, reason: &str) -> String {
    let name = program.path().file_name().unwrap_or_default().to_string_lossy();
    let reason: String =
        reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect();
    format!("view program {name}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::Identifier;
    use site::{Definitions, Meta, View};
    use std::path::Path;

    /// A program that notes each of its starts in the file `starts` beside it.
    fn noted(dir: &Path, rest: &str) -> Program {
        let path = dir.join("view/shop");
        let text = format!("#!/bin/sh\necho start >>'{}/starts'\n{rest}", dir.display());
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
        views: &ProgramViews,
        program: &Program,
        address: &str,
        version: &str,
    ) -> Result<Vec<Group>, String> {
        let identifier = Identifier::parse("shop").unwrap();
        let meta = Meta::from([("version".to_owned(), version.to_owned())]);
        let metrics_config = serde_json::Map::new();
        let call = Call {
            address,
            hostname: "h",
            comments: "",
            identifier: &identifier,
            metrics_config: &metrics_config,
            meta: &meta,
        };
        views.groups(program, &call, in_a_minute()).await
    }

    #[tokio::test]
    async fn a_program_is_asked_again_only_for_another_host_or_other_meta() {
        let dir = tempfile::tempdir().unwrap();
        let program = noted(dir.path(), "printf '#Shop\\nreqs\\n'\n");
        let views = ProgramViews::default();
        for (address, version, wanted) in
            [("a", "1", 1), ("a", "1", 1), ("b", "1", 2), ("a", "2", 3), ("b", "1", 3)]
        {
            let groups = groups(&views, &program, address, version).await.unwrap();
            assert_eq!((groups[0].label.as_str(), groups[0].graphs.len()), ("Shop", 1));
            assert_eq!(starts(dir.path()), wanted, "{address} {version}");
        }
    }

    #[tokio::test]
    async fn those_who_ask_for_the_same_at_once_share_one_program() {
        let dir = tempfile::tempdir().unwrap();
        let program = noted(dir.path(), "sleep 0.3\nprintf '#Shop\\n'\n");
        let views = ProgramViews::default();
        let ask = || groups(&views, &program, "a", "1");
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert!(one.is_ok() && two == one && three == one);
        assert_eq!(starts(dir.path()), 1);
    }

    #[tokio::test]
    async fn no_more_than_a_few_run_at_once() {
        let dir = tempfile::tempdir().unwrap();
        // Each holds a file while it runs, and tells how many there were.
        let rest = format!(
            "cd '{}' && : >run.$$ && sleep 0.2 && set -- run.*\nprintf '#%s\\n' $# && rm run.$$\n",
            dir.path().display()
        );
        let program = noted(dir.path(), &rest);
        let views = Arc::new(ProgramViews::default());
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (views, program) = (Arc::clone(&views), program.clone());
            asked.spawn(async move { groups(&views, &program, &number.to_string(), "1").await });
        }
        for groups in asked.join_all().await {
            let most: usize = groups.unwrap()[0].label.parse().unwrap();
            assert!((1..=AT_ONCE).contains(&most), "{most}");
        }
        assert_eq!(starts(dir.path()), 20);
    }

    #[tokio::test]
    async fn a_page_that_has_waited_too_long_starts_no_program() {
        let dir = tempfile::tempdir().unwrap();
        let program = noted(dir.path(), "printf '#Shop\\n'\n");
        let views = ProgramViews::default();
        let _all = views.turns.acquire_many(AT_ONCE as u32).await.unwrap();
        let identifier = Identifier::parse("shop").unwrap();
        let call = Call {
            address: "a",
            hostname: "h",
            comments: "",
            identifier: &identifier,
            metrics_config: &serde_json::Map::new(),
            meta: &Meta::new(),
        };
        let reason = views.groups(&program, &call, Instant::now()).await.unwrap_err();
        assert!(reason.contains("load the page again"), "{reason}");
        assert_eq!(starts(dir.path()), 0);
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
