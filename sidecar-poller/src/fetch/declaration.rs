//! What may stand behind a built-in plugin's name in a roll, and in its settings: each fetcher says it
//! once, for its fetch and for `check` alike.

use line_protocol::Identifier;
use serde_json::{Map, Value as Json};
use site::did_you_mean;

/// All that a fetcher takes, and what it stores.
pub struct Declaration {
    /// Behind its name.
    pub arguments: Arguments,
    /// In `metrics_config`.
    pub settings: Settings,
    /// Keys that it stores and its built-in definition does not draw.
    pub not_drawn: &'static [&'static str],
}

/// The arguments of a plugin with their defaults, which hold where one is missing, empty or `0`, as
/// people write it to keep the default.
#[derive(Clone, Copy)]
pub enum Arguments {
    /// `[:port]`
    Port(u16),
    /// `[:port[:path]]`
    PortAndPath(u16, &'static str),
    /// `[:port[:path[:http_host]]]`, the last by default the host's address.
    PortPathAndHost(u16, &'static str),
}

/// The arguments of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given<'a> {
    /// Where the server listens.
    pub port: u16,
    /// The page to ask for; empty where the plugin has none.
    pub path: &'a str,
    /// The host's name in requests, where it is not the address.
    pub http_host: Option<&'a str>,
}

/// The settings of a plugin in `metrics_config`.
#[derive(Clone, Copy)]
pub enum Settings {
    /// It has none.
    None,
    /// Below this name, of which the case does not count, a mapping with these.
    Named(&'static str, &'static [(&'static str, Kind)]),
    /// Which metrics to take, by port, as [`site::prometheus`] reads it.
    Mapping,
}

/// What a setting must be; one that is empty counts as not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text, or a number that is taken as one.
    Text,
    /// From 1 to 65535.
    Port,
    /// `true` or `false`.
    Switch,
}

impl Declaration {
    /// Of a fetcher without settings, all of whose keys are drawn.
    pub const fn of(arguments: Arguments) -> Self {
        Self { arguments, settings: Settings::None, not_drawn: &[] }
    }
}

impl Arguments {
    /// The same with another default port, where there is one.
    #[must_use]
    pub fn with_port(self, port: Option<u16>) -> Self {
        let Some(port) = port else { return self };
        match self {
            Self::Port(_) => Self::Port(port),
            Self::PortAndPath(_, path) => Self::PortAndPath(port, path),
            Self::PortPathAndHost(_, path) => Self::PortPathAndHost(port, path),
        }
    }

    /// Reads those of a target; superfluous ones don't count.
    ///
    /// # Errors
    /// Where one can't be what it must be.
    pub fn of<'a>(self, identifier: &'a Identifier) -> Result<Given<'a>, String> {
        let (default_port, default_path) = match self {
            Self::Port(port) => (port, None),
            Self::PortAndPath(port, path) | Self::PortPathAndHost(port, path) => (port, Some(path)),
        };
        let argument = |index| match index < self.names().len() {
            true => identifier.argument(index),
            false => None,
        };
        Ok(Given {
            port: argument(0).map_or(Ok(default_port), port)?,
            path: match (argument(1), default_path) {
                (Some(given), Some(_)) => path(given)?,
                (_, default) => default.unwrap_or_default(),
            },
            http_host: argument(2).map(http_host).transpose()?,
        })
    }

    /// How many arguments the plugin takes, where a target has more.
    ///
    /// # Errors
    /// That it has more, and what it may have.
    pub fn check_number(self, identifier: &Identifier) -> Result<(), String> {
        let (given, taken) = (identifier.arguments().count(), self.names().len());
        if given <= taken {
            return Ok(());
        }
        let form: String = self.names().iter().map(|name| format!("[:{name}")).collect();
        Err(format!(
            "plugin '{identifier}' has {given} arguments; it takes {}{form}{}, and leaves the others out",
            identifier.name(),
            "]".repeat(taken)
        ))
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Port(_) => &["port"],
            Self::PortAndPath(..) => &["port", "path"],
            Self::PortPathAndHost(..) => &["port", "path", "http_host"],
        }
    }
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("port '{text}' must be a number from 1 to 65535"))
}

/// A path, as it can stand in a request.
///
/// # Errors
/// Where it can't.
pub fn path(text: &str) -> Result<&str, String> {
    if !text.starts_with('/') {
        return Err(format!("path '{text}' must begin with /"));
    }
    check_target(text).map(|()| text)
}

/// Holds that a path, or what else is asked for, can stand in a request.
///
/// # Errors
/// Where it can't.
pub fn check_target(text: &str) -> Result<(), String> {
    match is_plain(text) {
        true => Ok(()),
        false => Err(format!(
            "path '{text}' must be of ASCII characters without spaces; others are written as %20"
        )),
    }
}

/// A host's name, as it can stand in a request.
///
/// # Errors
/// Where it can't.
pub fn http_host(text: &str) -> Result<&str, String> {
    match is_plain(text) {
        true => Ok(text),
        false => Err(format!(
            "http_host '{text}' must be a host's name, of ASCII characters without spaces"
        )),
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingFault {
    /// Nothing will come of a setting with this name; others may use it.
    Unknown(String),
    /// It can't work.
    Wrong(String),
}

impl Settings {
    /// The plugin's settings, and of these only what is declared here; `None` where there are none.
    /// Where two names differ in case alone, the declared one counts.
    #[must_use]
    pub fn of(self, metrics_config: &Map<String, Json>) -> Option<Json> {
        let Self::Named(name, known) = self else { return None };
        let settings = metrics_config.get(name).or_else(|| {
            let mut all = metrics_config.iter();
            all.find(|(written, _)| written.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        })?;
        let declared = known.iter().filter_map(|(setting, _)| {
            Some(((*setting).to_owned(), settings.get(*setting)?.clone()))
        });
        Some(Json::Object(declared.collect()))
    }

    /// What is wrong with settings that stand below `plugin`, each with the key that it is about;
    /// without one it is about the whole. No text has a value, as there are passwords among them.
    #[must_use]
    pub fn faults(self, plugin: &str, value: &Json) -> Vec<(Option<String>, SettingFault)> {
        let of_whole = |fault| vec![(None, fault)];
        let known = match self {
            Self::Mapping => return Vec::new(),
            Self::None => {
                let text = format!("metrics_config {plugin}: this plugin has no settings");
                return of_whole(SettingFault::Unknown(text));
            }
            Self::Named(_, known) => known,
        };
        let names = || known.iter().map(|(name, _)| *name);
        let allowed = names().collect::<Vec<_>>().join(", ");
        let Json::Object(settings) = value else {
            let text = format!(
                "metrics_config {plugin} is no mapping; it must have {allowed} below it, each with ': ' and a value"
            );
            return match value {
                Json::Null => Vec::new(),
                _ => of_whole(SettingFault::Wrong(text)),
            };
        };
        let fault = |(name, value): (&String, &Json)| {
            let what = format!("metrics_config {plugin}: {{{name}: …}}");
            let fault = match known.iter().find(|(known, _)| known == name) {
                Some((_, kind)) if kind.takes(value) => return None,
                Some((_, kind)) => SettingFault::Wrong(format!("{what} must be {}", kind.rule())),
                None => {
                    let near = did_you_mean(name, names());
                    SettingFault::Unknown(format!(
                        "metrics_config {plugin} has no setting '{name}'; it has {allowed}{near}"
                    ))
                }
            };
            Some((Some(name.clone()), fault))
        };
        settings.iter().filter_map(fault).collect()
    }
}

impl Kind {
    fn takes(self, value: &Json) -> bool {
        match (self, value) {
            (_, Json::Null) | (Self::Text, Json::String(_) | Json::Number(_)) => true,
            (Self::Port, Json::String(text)) => text.is_empty() || port(text).is_ok(),
            (Self::Port, Json::Number(number)) => port(&number.to_string()).is_ok(),
            (Self::Switch, Json::Bool(_)) => true,
            _ => false,
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Port => "a number from 1 to 65535",
            Self::Switch => "true or false",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identifier(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    const ALL: Arguments = Arguments::PortPathAndHost(80, "/status");

    #[test]
    fn an_argument_that_is_missing_empty_or_0_has_its_default() {
        for (text, port, path, http_host) in [
            ("x", 80, "/status", None),
            ("x:8080", 8080, "/status", None),
            ("x::/a", 80, "/a", None),
            ("x:0:0:0", 80, "/status", None),
            ("x:::www", 80, "/status", Some("www")),
        ] {
            let given = Given { port, path, http_host };
            assert_eq!(ALL.of(&identifier(text)), Ok(given), "{text}");
        }
    }

    #[test]
    fn an_argument_that_can_not_work_is_a_fault_that_names_it_and_the_rule() {
        for (text, fault) in [
            ("x:abc", "port 'abc' must be a number from 1 to 65535"),
            ("x:99999", "port '99999' must be a number from 1 to 65535"),
            ("x:-1", "port '-1' must be a number from 1 to 65535"),
            ("x:80:status", "path 'status' must begin with /"),
            (
                "x:80:/a b",
                "path '/a b' must be of ASCII characters without spaces; others are written as %20",
            ),
            (
                "x:80:/:a b",
                "http_host 'a b' must be a host's name, of ASCII characters without spaces",
            ),
        ] {
            assert_eq!(ALL.of(&identifier(text)), Err(fault.to_owned()), "{text}");
        }
    }

    #[test]
    fn superfluous_arguments_do_no_harm_and_are_told() {
        let arguments = Arguments::Port(11211);
        let more = identifier("memcached:11212:no-path:x");
        assert_eq!(arguments.of(&more).unwrap(), Given { port: 11212, path: "", http_host: None });
        assert_eq!(
            arguments.check_number(&identifier("memcached:11211:x:y")).unwrap_err(),
            "plugin 'memcached:11211:x:y' has 3 arguments; it takes memcached[:port], and leaves the others out"
        );
        assert!(
            ALL.check_number(&identifier("x:1:/:h:y"))
                .unwrap_err()
                .contains("takes x[:port[:path[:http_host]]], and")
        );
        assert!(ALL.check_number(&identifier("x:1:/:h")).is_ok());
    }

    const SETTINGS: Settings = Settings::Named(
        "MySQL",
        &[
            ("user", Kind::Text),
            ("password", Kind::Text),
            ("port", Kind::Port),
            ("tls", Kind::Switch),
        ],
    );

    #[test]
    fn a_fetch_sees_only_settings_that_are_declared_whatever_the_case_of_the_name() {
        let of = |config: Json| SETTINGS.of(config.as_object().unwrap());
        let own = serde_json::json!({"user": "u", "password": 5});
        for name in ["MySQL", "MYSQL", "mysql"] {
            let written = serde_json::json!({name: {"user": "u", "password": 5, "pasword": "x"}});
            assert_eq!(of(written), Some(own.clone()));
        }
        let both = serde_json::json!({"MYSQL": {"user": "a"}, "MySQL": {"user": "b"}});
        assert_eq!(of(both), Some(serde_json::json!({"user": "b"})));
        assert_eq!(of(serde_json::json!({"Redis": {}})), None);
        assert_eq!(of(serde_json::json!({"MySQL": "text"})), Some(serde_json::json!({})));
    }

    #[test]
    fn a_setting_that_nobody_knows_is_told_with_what_may_have_been_meant() {
        let faults =
            SETTINGS.faults("MYSQL", &serde_json::json!({"user": "u", "pasword": "geheim"}));
        assert_eq!(
            faults,
            [(
                Some("pasword".to_owned()),
                SettingFault::Unknown(
                    "metrics_config MYSQL has no setting 'pasword'; it has user, password, port, tls; did you mean 'password'?"
                        .to_owned()
                )
            )]
        );
    }

    #[test]
    fn a_setting_of_the_wrong_kind_is_told_without_its_value() {
        for (settings, fault) in [
            (serde_json::json!("geheim"), "metrics_config M is no mapping; it must have user"),
            (serde_json::json!(["geheim"]), "metrics_config M is no mapping; it must have user"),
            (serde_json::json!({"password": ["geheim"]}), "M: {password: …} must be a text"),
            (serde_json::json!({"password": true}), "M: {password: …} must be a text"),
            (
                serde_json::json!({"port": "geheim"}),
                "M: {port: …} must be a number from 1 to 65535",
            ),
            (serde_json::json!({"port": 99999}), "M: {port: …} must be a number from 1 to 65535"),
            (serde_json::json!({"tls": "geheim"}), "M: {tls: …} must be true or false"),
        ] {
            let faults = SETTINGS.faults("M", &settings);
            let [(_, SettingFault::Wrong(text))] = faults.as_slice() else { panic!("{faults:?}") };
            assert!(text.contains(fault) && !text.contains("geheim"), "{text}");
        }
        for fine in [serde_json::json!(null), serde_json::json!({"password": null, "port": "3306"})]
        {
            assert!(SETTINGS.faults("M", &fine).is_empty(), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_behind_a_name_is_taken_or_a_fault_that_names_it(text in "[ -~é]{0,20}") {
            let identifier = identifier(&format!("x:{text}"));
            match ALL.of(&identifier) {
                Ok(given) => prop_assert!(given.path.starts_with('/') && given.port > 0),
                Err(fault) => {
                    let mut arguments = identifier.arguments();
                    let is_named = arguments.any(|given| fault.contains(&format!("'{given}'")));
                    prop_assert!(is_named, "{}", fault);
                }
            }
        }
    }
}
