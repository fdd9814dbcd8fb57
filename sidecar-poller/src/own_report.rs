//! The plugin `kurado` of the host on which the poller's own numbers are shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use line_protocol::Identifier;
use site::Configuration;

use crate::fetch::Report;
use crate::lease::{Holder, Role};
use crate::metrics::{Metrics, Snapshot};
use crate::poll::since_1970;
use crate::push::Buffer;

/// The plugin of the poller's own numbers.
pub const OWN_PLUGIN: &str = "kurado";

/// What may be wrong, as the warning's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The files have a fault, and the configuration of before holds.
    Configuration,
    /// `data_dir` is not that of Redis.
    DataDir,
}

impl Trouble {
    const ALL: [Self; 2] = [Self::Configuration, Self::DataDir];

    fn key(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::DataDir => "data-dir",
        }
    }
}

/// What is told of the poller itself, each minute. One that stands by tells only that: the numbers
/// on the page are those of the one that fetches.
pub struct OwnReport {
    /// The host's address, where there is one.
    address: Option<String>,
    buffer: Arc<Buffer>,
    metrics: Arc<Metrics>,
    role: Role,
    before: Option<Snapshot>,
    started: Duration,
    troubles: BTreeMap<Trouble, String>,
    /// Whether what another poller may have left is ended.
    is_begun: bool,
}

impl OwnReport {
    /// Nothing is wrong yet.
    #[must_use]
    pub fn new(configuration: &Configuration, buffer: Arc<Buffer>, metrics: Arc<Metrics>) -> Self {
        Self {
            address: own_address(configuration),
            buffer,
            metrics,
            role: Role::Unknown,
            before: None,
            started: since_1970(),
            troubles: BTreeMap::new(),
            is_begun: false,
        }
    }

    /// Tells what the minute brought.
    pub fn end_minute(&mut self) {
        self.metrics.end_minute();
        match &self.role {
            Role::Unknown => {}
            Role::Standby(_) => {
                let mut report = Report::default();
                report.meta("standby", &format!("{}, ready to take over", Holder::this()));
                self.push(&report);
            }
            Role::Active => {
                let now = self.metrics.snapshot(self.buffer.waiting());
                let mut report = now.report(self.before.as_ref());
                self.before = Some(now);
                report.meta("version", env!("CARGO_PKG_VERSION"));
                let uptime = since_1970().saturating_sub(self.started);
                report.meta("uptime", &uptime.as_secs().to_string());
                for (trouble, text) in &self.troubles {
                    report.warning(trouble.key(), text);
                }
                self.push(&report);
            }
        }
    }

    /// Goes over to another role.
    pub fn follow_role(&mut self, role: Role) {
        self.metrics.is_standby.set(u64::from(matches!(role, Role::Standby(_))));
        if self.role == role {
            return;
        }
        self.role = role;
        if self.role == Role::Active && !self.is_begun {
            self.is_begun = true;
            // A warning of the poller before this one may be over.
            let mut report = Report::default();
            for trouble in Trouble::ALL {
                let text = self.troubles.get(&trouble).map_or("", String::as_str);
                report.warning(trouble.key(), text);
            }
            self.push(&report);
        }
        // Told now: a minute is long for whoever has just started it, maybe one too many.
        self.end_minute();
    }

    /// Takes another configuration.
    pub fn follow(&mut self, configuration: &Configuration) {
        self.address = own_address(configuration);
    }

    /// Notes what is wrong, or that it is not any more; whether that is new. The page tells it at
    /// once.
    pub fn note(&mut self, trouble: Trouble, text: Option<String>) -> bool {
        if self.troubles.get(&trouble) == text.as_ref() {
            return false;
        }
        if self.role == Role::Active {
            let mut report = Report::default();
            // An empty text ends a warning.
            report.warning(trouble.key(), text.as_deref().unwrap_or_default());
            self.push(&report);
        }
        match text {
            Some(text) => self.troubles.insert(trouble, text),
            None => self.troubles.remove(&trouble),
        };
        true
    }

    fn push(&self, report: &Report) {
        if let Some(address) = &self.address
            && let Ok(plugin) = Identifier::parse(OWN_PLUGIN)
        {
            self.buffer.add(report.lines(address, &plugin, since_1970().as_secs()));
        }
    }
}

fn own_address(configuration: &Configuration) -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    configuration.site.poller_address(OWN_PLUGIN, name.trim()).map(str::to_owned)
}
