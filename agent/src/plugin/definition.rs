//! One file of `conf.d`: which commands it names.
//!
//! ```toml
//! [plugin.metrics.NAME]
//! command  = "…"                  # what /bin/sh -c is given
//! timeout  = 10                   # seconds
//! interval = 5                    # minutes; without it, each tick
//! user     = "postgres"           # or a uid, or "uid:gid"
//! env      = { PGPORT = "5433" }
//! ```
//!
//! Tables of other names are left alone: other tools keep theirs in the same files.

use std::ops::Range;
use std::time::Duration;

use line_protocol::Identifier;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::account::Account;

/// How long a command may take where its file does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time limit that a file may set, in seconds.
const MAX_TIMEOUT: u64 = 3600;

/// The longest interval that a file may set, in minutes: a day.
const MAX_INTERVAL: u64 = 1440;

/// Longest command, in bytes: below what Linux takes as one argument.
const MAX_COMMAND: usize = 100_000;

/// Most faults of a file that are told.
const MAX_FAULTS: usize = 100;

/// Most plugins that run.
pub const MAX_PLUGINS: usize = 1000;

const KEYS: [&str; 5] = ["command", "timeout", "interval", "user", "env"];

/// A command whose output is metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The escaped identifier that stands in front of its keys.
    pub name: String,
    /// What `/bin/sh -c` is given.
    pub command: String,
    /// How long it may take.
    pub timeout: Duration,
    /// From one run to the next; `None` for each tick.
    pub interval: Option<Duration>,
    /// As whom it runs; `None` for the agent's own user.
    pub user: Option<Account>,
    /// What its environment has besides the agent's.
    pub env: Vec<(String, String)>,
}

/// What one file says.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The plugins that are well, each with the line that it begins at.
    pub plugins: Vec<(usize, Plugin)>,
    /// What costs a plugin, or the file; each begins with its line's number.
    pub faults: Vec<String>,
    /// What was passed over, in the same form.
    pub warnings: Vec<String>,
}

/// What a definition is held against.
#[derive(Clone, Copy)]
pub struct Rules {
    /// From one tick of the agent to the next.
    pub tick: Duration,
    /// The agent's own user: all but root run commands as themselves only.
    pub uid: u32,
}

impl Rules {
    /// Those of the agent that runs this.
    pub fn of_this_process(tick: Duration) -> Self {
        // SAFETY: geteuid takes nothing and can't fail.
        Self { tick, uid: unsafe { libc::geteuid() } }
    }
}

/// A place in the file, and what is wrong there.
type Fault = (Range<usize>, String);

impl Definitions {
    /// Reads a file's text. A fault of its syntax costs the file, any other the plugin that it is in.
    pub fn parse(text: &str, rules: Rules) -> Self {
        let line = |place: &Range<usize>| {
            text.as_bytes().iter().take(place.start).filter(|byte| **byte == b'\n').count() + 1
        };
        let told = |(place, what): Fault| format!("{}: {what}", line(&place));
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let faults = errors
                .into_iter()
                .map(|error| (error.span().unwrap_or(0..0), error.message().to_owned()));
            return Self { faults: first(faults.collect()).map(told).collect(), ..Self::default() };
        }
        let mut found = Found::default();
        found.file(root.get_ref(), rules);
        found.plugins.sort_by_key(|(place, _)| place.start);
        // One more than run, so that the bound is told.
        found.plugins.truncate(MAX_PLUGINS + 1);
        Self {
            plugins: found.plugins.into_iter().map(|(at, plugin)| (line(&at), plugin)).collect(),
            faults: first(found.faults).map(told).collect(),
            warnings: first(found.warnings).map(told).collect(),
        }
    }
}

/// The first of a file's faults, by place; the last one says how many more there are.
fn first(mut faults: Vec<Fault>) -> impl Iterator<Item = Fault> {
    faults.sort_by_key(|(place, _)| place.start);
    let more = faults.len().saturating_sub(MAX_FAULTS);
    faults.truncate(MAX_FAULTS);
    if let (Some((_, last)), 1..) = (faults.last_mut(), more) {
        last.push_str(&format!("; and {more} more in this file"));
    }
    faults.into_iter()
}

/// What was found in a file so far, by place.
#[derive(Default)]
struct Found {
    plugins: Vec<(Range<usize>, Plugin)>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Found {
    fn file(&mut self, root: &DeTable<'_>, rules: Rules) {
        let Some(metrics) =
            self.below(root, "plugin").and_then(|plugin| self.below(plugin, "metrics"))
        else {
            if self.faults.is_empty() && self.warnings.is_empty() {
                let what = "there is no [plugin.metrics.NAME] in this file".to_owned();
                self.warnings.push((0..0, what));
            }
            return;
        };
        for (name, entry) in metrics {
            let before = self.faults.len();
            let plugin = self.plugin(name, entry, rules);
            if let (Some(plugin), true) = (plugin, before == self.faults.len()) {
                self.plugins.push((name.span(), plugin));
            }
        }
    }

    /// The table of a name; where there is none, one of nearly that name is told.
    fn below<'a, 'i>(&mut self, table: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
        match table.iter().find(|(key, _)| key.get_ref() == name) {
            Some((key, value)) => match value.get_ref() {
                DeValue::Table(below) => Some(below),
                other => {
                    self.faults.push((key.span(), must_be(name, "a table", other)));
                    None
                }
            },
            None => {
                for key in table.keys().filter(|key| near(key.get_ref(), &[name]).is_some()) {
                    let what = format!("'{}': did you mean '{name}'?", key.get_ref());
                    self.warnings.push((key.span(), what));
                }
                None
            }
        }
    }

    fn plugin(
        &mut self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        entry: &Spanned<DeValue<'_>>,
        rules: Rules,
    ) -> Option<Plugin> {
        // A name may be written as a roll has it, or as keys have it.
        let text = name.get_ref();
        let identifier = Identifier::parse(text)
            .or_else(|fault| Identifier::from_escaped(text).map_err(|_| fault));
        if let Err(fault) = &identifier {
            self.faults.push((name.span(), fault.to_string()));
        }
        let DeValue::Table(table) = entry.get_ref() else {
            let what = format!("plugin '{text}' must be a table with a command");
            self.faults.push((name.span(), what));
            return None;
        };
        for key in table.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref())) {
            let known = near(key.get_ref(), &KEYS)
                .map_or_else(String::new, |known| format!("; did you mean '{known}'?"));
            let what =
                format!("plugin '{text}': unknown key '{}' is passed over{known}", key.get_ref());
            self.warnings.push((key.span(), what));
        }
        let mut of = Entry { name: text, table, faults: &mut self.faults };
        let interval = of.number("interval", MAX_INTERVAL).map(|min| Duration::from_secs(min * 60));
        let timeout = of.number("timeout", MAX_TIMEOUT).map(Duration::from_secs);
        let most = interval.unwrap_or_default().max(rules.tick);
        if let Some(timeout) = timeout.filter(|timeout| *timeout >= most) {
            of.fault(
                "timeout",
                format!(
                    "timeout of {} s must be shorter than the interval, {} s",
                    timeout.as_secs(),
                    most.as_secs()
                ),
            );
        }
        let command = of.command();
        if command.is_none() && !table.contains_key("command") {
            of.faults.push((name.span(), format!("plugin '{text}' has no command")));
        }
        let user = of.user(rules.uid);
        let env = of.env();
        Some(Plugin {
            name: identifier.ok()?.escaped(),
            command: command?,
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            interval,
            user,
            env,
        })
    }
}

/// The table of one plugin.
struct Entry<'a, 'i> {
    name: &'a str,
    table: &'a DeTable<'i>,
    faults: &'a mut Vec<Fault>,
}

impl<'a, 'i> Entry<'a, 'i> {
    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn fault(&mut self, key: &str, what: String) {
        let place = self.value(key).map_or(0..0, Spanned::span);
        self.faults.push((place, format!("plugin '{}': {what}", self.name)));
    }

    fn command(&mut self) -> Option<String> {
        match self.value("command")?.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                self.fault("command", "the command is empty".to_owned());
            }
            DeValue::String(text) if text.contains('\0') => {
                self.fault("command", "the command must not hold a zero byte".to_owned());
            }
            DeValue::String(text) if text.len() > MAX_COMMAND => {
                let what = format!(
                    "the command has {} bytes; at most {MAX_COMMAND} are taken",
                    text.len()
                );
                self.fault("command", what);
            }
            DeValue::String(text) => return Some(text.clone().into_owned()),
            other => self.fault("command", must_be("command", "a text", other)),
        }
        None
    }

    fn number(&mut self, key: &str, most: u64) -> Option<u64> {
        let value = self.value(key)?.get_ref();
        let number = value
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.fault(key, must_be(key, &format!("a whole number from 1 to {most}"), value));
        }
        number
    }

    fn user(&mut self, own_uid: u32) -> Option<Account> {
        let user = match self.value("user")?.get_ref() {
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            other => {
                self.fault("user", must_be("user", "a name or a uid", other));
                return None;
            }
        };
        match Account::find(&user) {
            Ok(account) if own_uid == 0 => Some(account),
            Ok(account) if account.uid == own_uid => None,
            Ok(_) => {
                let what = format!(
                    "user '{user}': only root may run commands as others; the agent runs as uid {own_uid}"
                );
                self.fault("user", what);
                None
            }
            Err(fault) => {
                self.fault("user", fault);
                None
            }
        }
    }

    fn env(&mut self) -> Vec<(String, String)> {
        let Some(value) = self.value("env") else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.fault("env", must_be("env", "a table of texts", value.get_ref()));
            return Vec::new();
        };
        let mut env = Vec::new();
        for (name, value) in table {
            let fault = match value.get_ref() {
                _ if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) => {
                    format!("env: '{}' can't name a variable", name.get_ref().escape_default())
                }
                DeValue::String(text) if text.contains('\0') => {
                    format!("env.{} must not hold a zero byte", name.get_ref())
                }
                DeValue::String(text) => {
                    env.push((name.get_ref().to_string(), text.to_string()));
                    continue;
                }
                other => must_be(&format!("env.{}", name.get_ref()), "a text", other),
            };
            self.faults.push((name.span(), format!("plugin '{}': {fault}", self.name)));
        }
        env
    }
}

/// What a value is, and should be. Texts are not shown: some hold passwords.
fn must_be(key: &str, what: &str, value: &DeValue<'_>) -> String {
    let is = match value {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(true) => "true".to_owned(),
        DeValue::Boolean(false) => "false".to_owned(),
        DeValue::String(_) => "a text".to_owned(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    format!("{key} must be {what}, not {is}")
}

/// The known word that a misspelt one was meant to be: one letter in three may be wrong.
fn near<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (strsim::osa_distance(&word.to_lowercase(), known), *known))
        .filter(|(distance, known)| *distance <= known.len().min(word.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules = Rules { tick: Duration::from_secs(60), uid: 0 };

    fn parse(text: &str) -> Definitions {
        Definitions::parse(text, RULES)
    }

    #[test]
    fn all_settings_are_taken() {
        let file = parse(
            "[plugin.metrics.\"http:80\"]\ncommand = 'x'\ntimeout = 50\ninterval = 5\nuser = 0\n\
             env = { A = 'b', C = '' }\n[plugin.checks.y]\nz = 1\n[other]\n",
        );
        assert!(file.faults.is_empty() && file.warnings.is_empty(), "{file:?}");
        let [(1, plugin)] = file.plugins.as_slice() else { panic!("{file:?}") };
        assert_eq!(plugin.name, "http%3A80");
        assert_eq!(plugin.timeout, Duration::from_secs(50));
        assert_eq!(plugin.interval, Some(Duration::from_secs(300)));
        assert_eq!(plugin.user.as_ref().map(|user| user.uid), Some(0));
        assert_eq!(plugin.env.len(), 2);
    }

    #[test]
    fn an_escaped_name_is_not_escaped_again() {
        let file = parse("[plugin.metrics.\"http%3A80\"]\ncommand = 'x'\n");
        assert_eq!(file.plugins[0].1.name, "http%3A80");
    }

    #[test]
    fn each_fault_has_its_line_and_costs_its_plugin_only() {
        let file = parse(
            "[plugin.metrics.a]\ncommand = 5\n[plugin.metrics.b]\n[plugin.metrics.good]\ncommand = 'x'\n\
             [plugin.metrics.'../c']\ncommand = 'x'\n[plugin.metrics.d]\ncommand = 'x'\ntimeout = 60\n\
             interval = 0\nuser = 'nobody-here'\nenv = { A = 1, 'B=' = '' }\n[plugin.metrics]\ne = 1\n\
             f.command = ' '\nf.timeout = 1.5\n",
        );
        assert_eq!(
            file.faults,
            [
                "2: plugin 'a': command must be a text, not 5",
                "3: plugin 'b' has no command",
                "6: plugin name '../c' holds '.'; only letters, digits, '_' and '-' may stand in it",
                "10: plugin 'd': timeout of 60 s must be shorter than the interval, 60 s",
                "11: plugin 'd': interval must be a whole number from 1 to 1440, not 0",
                "12: plugin 'd': user 'nobody-here' is not in /etc/passwd; one of LDAP and the like is written uid:gid",
                "13: plugin 'd': env.A must be a text, not 1",
                "13: plugin 'd': env: 'B=' can't name a variable",
                "15: plugin 'e' must be a table with a command",
                "16: plugin 'f': the command is empty",
                "17: plugin 'f': timeout must be a whole number from 1 to 3600, not 1.5",
            ]
        );
        assert_eq!(file.plugins.iter().map(|(_, p)| p.name.as_str()).collect::<Vec<_>>(), ["good"]);
    }

    #[test]
    fn all_faults_of_the_syntax_are_told_and_cost_the_file() {
        let file = parse("[plugin.metrics.a]\ncommand = 'x'\nx = \n\ny = 08\n");
        let lines: Vec<_> =
            file.faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        assert_eq!(lines, ["3", "5"], "{file:?}");
        assert!(file.plugins.is_empty());
    }

    #[test]
    fn an_unknown_key_is_passed_over_and_told_with_what_was_meant() {
        let file = parse("[plugin.metrics.a]\ncommand = 'x'\ntimeot = 5\ncolour = 'red'\n");
        assert_eq!(file.plugins.len(), 1);
        assert_eq!(
            file.warnings,
            [
                "3: plugin 'a': unknown key 'timeot' is passed over; did you mean 'timeout'?",
                "4: plugin 'a': unknown key 'colour' is passed over",
            ]
        );
    }

    #[test]
    fn a_misspelt_table_is_told() {
        assert_eq!(
            parse("[plugins.metrics.a]\n").warnings,
            ["1: 'plugins': did you mean 'plugin'?"]
        );
        assert_eq!(
            parse("\n[plugin.metric.a]\n").warnings,
            ["2: 'metric': did you mean 'metrics'?"]
        );
        assert_eq!(
            parse("[other]\n").warnings,
            ["1: there is no [plugin.metrics.NAME] in this file"]
        );
    }

    #[test]
    fn only_root_runs_commands_as_others() {
        let text = "[plugin.metrics.a]\ncommand = 'x'\nuser = 'root'\n";
        let rules = Rules { uid: 4711, ..RULES };
        assert_eq!(
            Definitions::parse(text, rules).faults,
            [
                "3: plugin 'a': user 'root': only root may run commands as others; the agent runs as uid 4711"
            ]
        );
    }

    #[test]
    fn of_many_faults_the_first_are_told_and_how_many_more_there_are() {
        let text: String = (0..150).map(|n| format!("[plugin.metrics.p{n}]\n")).collect();
        let file = parse(&text);
        assert_eq!(file.faults.len(), MAX_FAULTS);
        assert_eq!(
            file.faults[MAX_FAULTS - 1],
            "100: plugin 'p99' has no command; and 50 more in this file"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(
            text in "(\\[plugin(\\.metrics)?\\.?|\\]|\"|'|\n|[a-z]{1,3}|command|env|user|timeout| = |[0-9.]|\\{|\\}|\\.|,|.){0,40}"
        ) {
            let _ = parse(&text);
        }
    }
}
