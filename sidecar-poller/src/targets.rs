//! What is fetched: each host's plugins that a fetcher knows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use line_protocol::Identifier;
use site::{Definitions, Host, Program, Site};

use crate::fetch::external::{External, Shared};
use crate::fetch::{Fetcher, Request};
use crate::fetch_log::Health;

/// One plugin of one host.
pub struct Target {
    /// The host.
    pub host: Arc<Host>,
    /// The plugin.
    pub identifier: Identifier,
    /// How it is fetched.
    pub fetcher: Fetcher,
    /// How it is doing.
    pub state: Arc<State>,
}

/// How a target is doing: stays with it when the configuration is read anew.
#[derive(Debug, Default)]
pub struct State {
    /// Whether a fetch is under way or waits for its turn.
    pub busy: AtomicBool,
    /// What the log has told of it.
    pub health: Health,
}

impl Target {
    /// What to ask for.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request {
            address: &self.host.address,
            identifier: &self.identifier,
            metrics_config: &self.host.roll.metrics_config,
        }
    }
}

/// How a plugin's numbers come.
#[derive(Debug, Clone)]
pub enum Way {
    /// This program asks for them.
    Fetched(Fetcher),
    /// A user's program asks for them.
    Program(Program),
    /// An agent sends them, as its definition says.
    Pushed,
    /// Nothing fetches them, and nothing says that an agent sends them: it is shown alone.
    Shown,
    /// Neither a fetcher nor a definition knows it.
    Unknown,
}

impl Way {
    /// The way of a plugin, by its name. A user's program comes before the fetcher that is built in.
    #[must_use]
    pub fn of(name: &str, definitions: &Definitions) -> Self {
        if let Some(program) = definitions.fetch_program(name) {
            return Self::Program(program.clone());
        }
        match Fetcher::named(name) {
            Some(fetcher) => Self::Fetched(fetcher),
            None if definitions.says_push(name) => Self::Pushed,
            None if definitions.view(name).is_some() => Self::Shown,
            None => Self::Unknown,
        }
    }

    /// What a person should know of it.
    #[must_use]
    pub fn warning(&self, name: &str) -> Option<String> {
        match self {
            Self::Fetched(_) | Self::Program(_) | Self::Pushed => None,
            Self::Shown => Some(format!(
                "plugin '{name}' is shown, but nothing fetches it; if agents push it, {name}.toml in metrics_plugin_dir says so: push = true"
            )),
            Self::Unknown => Some(format!(
                "plugin '{name}' is neither fetched nor shown: there is no built-in one of that name, and in metrics_plugin_dir no {name}.toml and no executable fetch/{name} or view/{name}"
            )),
        }
    }

    /// What fetches the plugin of a host; `None` where nothing does.
    #[must_use]
    pub fn fetcher(self, host: &Host, shared: &Arc<Shared>) -> Option<Fetcher> {
        match self {
            Self::Fetched(fetcher) => Some(fetcher),
            Self::Program(program) => {
                let external = External::new(program, host, Arc::clone(shared));
                Some(Fetcher::External(Arc::new(external)))
            }
            Self::Pushed | Self::Shown | Self::Unknown => None,
        }
    }
}

/// All that is to be fetched, by address and in the order of the rolls.
#[must_use]
pub fn targets(site: &Site, definitions: &Definitions) -> Vec<Arc<Target>> {
    let shared = Arc::new(Shared::new(site.config()));
    let mut targets = Vec::new();
    for host in site.hosts() {
        for identifier in &host.roll.plugins {
            let way = Way::of(identifier.name(), definitions);
            if let Some(fetcher) = way.fetcher(host, &shared) {
                targets.push(Arc::new(Target {
                    host: Arc::clone(host),
                    identifier: identifier.clone(),
                    fetcher,
                    state: Arc::default(),
                }));
            }
        }
    }
    targets
}

/// Gives those of the new targets that were there before their states.
pub fn keep_states(before: &[Arc<Target>], targets: &mut [Arc<Target>]) {
    let name = |target: &Target| (target.host.address.clone(), target.identifier.clone());
    let states: HashMap<_, _> =
        before.iter().map(|target| (name(target), Arc::clone(&target.state))).collect();
    // Nobody else has the new ones yet.
    for target in targets.iter_mut().filter_map(Arc::get_mut) {
        if let Some(state) = states.get(&name(target)) {
            target.state = Arc::clone(state);
        }
    }
}

/// The names of all plugins that hosts have.
#[must_use]
pub fn plugins(site: &Site) -> BTreeSet<&str> {
    site.hosts().flat_map(|host| &host.roll.plugins).map(Identifier::name).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::Map;
    use site::Roll;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::Ordering;

    /// A target of a host without settings.
    pub fn target(address: &str, identifier: &str) -> Arc<Target> {
        let identifier = Identifier::parse(identifier).unwrap();
        let roll =
            Roll { file: "x.yml".to_owned(), metrics_config: Map::new(), plugins: Vec::new() };
        Arc::new(Target {
            host: Arc::new(Host {
                address: address.to_owned(),
                hostname: "h".to_owned(),
                comments: String::new(),
                service: "x".to_owned(),
                label: None,
                roll: Arc::new(roll),
            }),
            fetcher: Fetcher::named(identifier.name()).unwrap_or(Fetcher::Redis),
            identifier,
            state: Arc::default(),
        })
    }

    #[test]
    fn a_target_that_stays_keeps_its_state() {
        let before = [target("a", "redis"), target("b", "redis")];
        before[0].state.busy.store(true, Ordering::Relaxed);
        let mut after = [target("a", "redis"), target("a", "redis:1"), target("c", "redis")];
        keep_states(&before, &mut after);
        let busy = after.map(|target| target.state.busy.load(Ordering::Relaxed));
        assert_eq!(busy, [true, false, false]);
    }

    #[test]
    fn fetched_are_those_that_a_fetcher_knows() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("rolls")).unwrap();
        fs::create_dir_all(path("own/fetch")).unwrap();
        fs::write(path("rolls/all.yml"), "metrics: [base, redis, 'redis:6380', shop, nobody]")
            .unwrap();
        for (file, mode) in [("shop.pl", 0o755), ("nobody.txt", 0o644), ("shopping", 0o755)] {
            fs::write(path("own/fetch").join(file), "").unwrap();
            fs::set_permissions(path("own/fetch").join(file), fs::Permissions::from_mode(mode))
                .unwrap();
        }
        fs::write(
            path("kurado.yml"),
            "config: {metrics_plugin_dir: [none, own]}\n---\nservice: x\nservers:\n- {roll: all.yml, hosts: [h1, h2]}\n",
        )
        .unwrap();
        let site = Site::load(&path("kurado.yml")).unwrap();
        let definitions = Definitions::load(&site.config().metrics_plugin_dir).unwrap();

        let found: Vec<String> = targets(&site, &definitions)
            .iter()
            .map(|target| format!("{} {}", target.host.address, target.identifier))
            .collect();
        assert_eq!(
            found,
            ["h1 redis", "h1 redis:6380", "h1 shop", "h2 redis", "h2 redis:6380", "h2 shop"]
        );

        let way = |name| Way::of(name, &definitions);
        assert!(matches!(way("base"), Way::Pushed));
        assert!(
            matches!(way("shop"), Way::Program(program) if program.path() == path("own/fetch/shop.pl"))
        );
        assert!(matches!(way("nobody"), Way::Unknown));
        assert!(way("nobody").warning("nobody").unwrap().starts_with("plugin 'nobody' is neither"));
        assert_eq!(
            plugins(&site).into_iter().collect::<Vec<_>>(),
            ["base", "nobody", "redis", "shop"]
        );
    }
}
