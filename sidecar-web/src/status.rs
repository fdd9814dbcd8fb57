//! The status of a host, from its configuration and what Redis knows of it.

use line_protocol::Identifier;
use site::{Definitions, Host};

use crate::host_state::BriefState;

/// What was not received for so many seconds is stale.
pub const STALE_AFTER: i64 = 300;

/// The plugin that every agent sends: where it is stale, the host counts as down.
const BASE: &str = "base";

/// How a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is as it should be.
    Ok,
    /// A live warning, or a plugin that pushes went silent.
    Warning,
    /// `base` went silent or never came, or nothing is known of the host.
    Critical,
    /// Redis is away: nobody knows.
    Unknown,
}

impl Status {
    /// As the JSON has it; an unknown status has no number.
    #[must_use]
    pub fn number(self) -> Option<u8> {
        match self {
            Self::Ok => Some(0),
            Self::Warning => Some(1),
            Self::Critical => Some(2),
            Self::Unknown => None,
        }
    }

    /// As style sheets and people have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a plugin that agents push was not received for [`STALE_AFTER`] seconds, or never.
#[must_use]
pub fn is_stale(
    definitions: &Definitions,
    identifier: &Identifier,
    last_received: Option<i64>,
    now: i64,
) -> bool {
    definitions.is_pushed(identifier.name())
        && last_received.is_none_or(|last| now - last >= STALE_AFTER)
}

/// The status of a host of the configuration; `state` is what Redis knows of it.
#[must_use]
pub fn of_host(
    definitions: &Definitions,
    host: &Host,
    state: Option<&BriefState>,
    now: i64,
) -> Status {
    let Some(state) = state else {
        return Status::Critical;
    };
    let mut status = Status::Ok;
    for identifier in &host.roll.plugins {
        let plugin = state.plugins.get(&identifier.escaped()).copied().unwrap_or_default();
        if is_stale(definitions, identifier, plugin.last_received, now) {
            if identifier.name() == BASE {
                return Status::Critical;
            }
            status = Status::Warning;
        }
        if plugin.has_warnings {
            status = Status::Warning;
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use site::Roll;

    use super::*;
    use crate::host_state::BriefPlugin;

    const NOW: i64 = 1_404_873_350;

    fn definitions() -> Definitions {
        let dir = tempfile::tempdir().unwrap();
        let queue = "push = true\n[[group]]\nlabel = 'Queue'\ngraphs = []\n";
        std::fs::write(dir.path().join("queue.toml"), queue).unwrap();
        Definitions::load(&[dir.path().to_owned()]).unwrap()
    }

    fn host(plugins: &[&str]) -> Host {
        Host {
            address: "10.0.0.1".into(),
            hostname: "web-1".into(),
            comments: String::new(),
            service: "Shop".into(),
            label: None,
            roll: Arc::new(Roll {
                file: "all.yml".into(),
                metrics_config: serde_json::Map::new(),
                plugins: plugins.iter().map(|text| Identifier::parse(text).unwrap()).collect(),
            }),
        }
    }

    fn received(plugin: &str, seconds_ago: i64) -> BriefState {
        let state = BriefPlugin { last_received: Some(NOW - seconds_ago), has_warnings: false };
        BriefState { plugins: [(plugin.to_owned(), state)].into() }
    }

    #[test]
    fn a_host_is_critical_when_base_was_not_received_for_300_seconds_or_never() {
        let host = host(&["base", "http:80"]);
        assert_eq!(of_host(&definitions(), &host, Some(&received("base", 299)), NOW), Status::Ok);
        assert_eq!(
            of_host(&definitions(), &host, Some(&received("base", 300)), NOW),
            Status::Critical
        );
        assert_eq!(
            of_host(&definitions(), &host, Some(&received("http%3A80", 0)), NOW),
            Status::Critical
        );
        assert_eq!(of_host(&definitions(), &host, None, NOW), Status::Critical);
    }

    #[test]
    fn a_live_warning_of_one_of_its_plugins_is_a_warning() {
        let host = host(&["http:80"]);
        let mut state = received("http%3A80", 9000);
        assert_eq!(
            of_host(&definitions(), &host, Some(&state), NOW),
            Status::Ok,
            "the poller warns by itself"
        );
        state.plugins.get_mut("http%3A80").unwrap().has_warnings = true;
        assert_eq!(of_host(&definitions(), &host, Some(&state), NOW), Status::Warning);
        // Of a plugin that the roll no longer names, nobody wants to hear.
        assert_eq!(of_host(&definitions(), &self::host(&["nginx"]), Some(&state), NOW), Status::Ok);
    }

    #[test]
    fn a_pushed_plugin_that_went_silent_is_a_warning() {
        let host = host(&["queue"]);
        let status = |state: &BriefState| of_host(&definitions(), &host, Some(state), NOW);
        assert_eq!(status(&received("queue", 299)), Status::Ok);
        assert_eq!(status(&received("queue", 300)), Status::Warning);
        assert_eq!(status(&received("base", 0)), Status::Warning, "it never came");
    }
}
