//! `kurado-poller check`: what the configuration says, as tables, and what a person should mend.
//!
//! A fault of a file's form keeps the whole configuration from being taken, so it is found when that is
//! read. What is found here costs no more than the plugin that it is about: the poller goes on with all
//! others, and tells it in its log.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use line_protocol::Identifier;
use site::prometheus::Mapping;
use site::{Configuration, Definitions, Fault, Roll, Site, View, WrittenSettings, did_you_mean};

use crate::fetch::Fetcher;
use crate::fetch::declaration::{Declaration, SettingFault, Settings};
use crate::output::print;
use crate::own_report::OWN_PLUGIN;
use crate::targets::{Way, plugins};
use crate::{Failure, data_dir, tls};

/// What becomes of a configuration that has warnings, but no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warnings {
    /// It is good.
    Pass,
    /// It is not.
    Fail,
}

/// Prints the tables, what a person should mend, and a verdict.
///
/// # Errors
/// The verdict, where it is a bad one.
pub async fn run(config: &Path, may: Warnings) -> Result<(), Failure> {
    let file = config.display();
    let configuration = Configuration::load(config).map_err(|fault| {
        let count = fault.all().map(|fault| eprintln!("error: {fault}")).count();
        let more = if count == Fault::MOST { " or more" } else { "" };
        format!("{file} can not be used: {}{more}", counted(count, "error"))
    })?;
    let Configuration { site, definitions } = &configuration;
    print(&tables(site, definitions))?;
    let Findings { mut errors, mut warnings } = Findings::of(&configuration);
    // A Redis that is not there now is no matter of the configuration.
    warnings.extend(data_dir::warning(site.config()).await.ok().flatten());
    errors.extend(site.secret_faults().iter().map(ToString::to_string));
    for error in &errors {
        eprintln!("error: {error}");
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    let warned = counted(warnings.len(), "warning");
    if !errors.is_empty() {
        return Err(format!("{file} has {} and {warned}", counted(errors.len(), "error")).into());
    }
    if !warnings.is_empty() && may == Warnings::Fail {
        return Err(format!("{file} has {warned}, and --strict lets none pass").into());
    }
    let found = [
        counted(site.services().len(), "service"),
        counted(site.hosts().count(), "host"),
        counted(plugins(site).len(), "plugin"),
    ];
    print(&format!("\n{file} is good: {}, {warned}\n", found.join(", ")))?;
    Ok(())
}

/// `1 host`, `2 hosts`, `no hosts`.
fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// Hosts a service, and the plugins found: whether their graphs are defined, and how their numbers
/// come.
#[must_use]
pub fn tables(site: &Site, definitions: &Definitions) -> String {
    let services: Vec<[String; 2]> = site
        .services()
        .iter()
        .map(|service| [service.name.clone(), service.hosts().count().to_string()])
        .collect();
    let plugins: Vec<[String; 3]> = plugins(site)
        .into_iter()
        .map(|name| {
            let shown = match definitions.view(name) {
                Some(View::Data(_)) => "yes",
                Some(View::Program(_)) => "by a program",
                None => "no definition",
            };
            let numbers = match Way::of(name, definitions) {
                Way::Fetched(_) => "fetched",
                Way::Pushed if name == OWN_PLUGIN => "the poller's own",
                Way::Pushed => "pushed by agents",
                Way::Program(program) if Fetcher::named(name).is_some() => {
                    let program = program.path().display();
                    return [name, shown, &format!("fetched by {program}")].map(str::to_owned);
                }
                Way::Program(_) => "fetched by a program",
                Way::Shown => "not fetched",
                Way::Unknown => "not known",
            };
            [name, shown, numbers].map(str::to_owned)
        })
        .collect();
    let mut text = table(["SERVICE", "HOSTS"], &services);
    text.push('\n');
    text.push_str(&table(["PLUGIN", "GRAPHS", "NUMBERS"], &plugins));
    text
}

/// What a person should mend, each text beginning with `file:line: ` where one is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What can't work, such as a port that is none.
    pub errors: Vec<String>,
    /// What may be meant so, such as a setting that nobody knows.
    pub warnings: Vec<String>,
}

impl Findings {
    /// All that can be found in a configuration that was read.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        let Configuration { site, definitions } = configuration;
        let mut findings = Self::default();
        findings.warnings.extend(site.warnings().iter().map(ToString::to_string));
        findings.errors.extend(site.address_faults().iter().map(ToString::to_string));
        let mut told = BTreeSet::new();
        for written in site.rolls() {
            for (identifier, line) in written.roll.plugins.iter().zip(&written.lines) {
                let place = place(&written.file, *line);
                findings.check_target(identifier, &written.roll, definitions, &place);
                // Each plugin once, at its first place.
                if told.insert(identifier.name()) {
                    findings.check_plugin(identifier.name(), definitions, &place);
                }
            }
        }
        let fetched: Vec<&str> = plugins(site).into_iter().collect();
        for settings in site.settings() {
            findings.check_settings(settings, definitions, &fetched);
        }
        findings
    }

    /// All texts.
    #[must_use]
    pub fn into_texts(self) -> Vec<String> {
        self.errors.into_iter().chain(self.warnings).collect()
    }

    /// Whether the arguments of one plugin of a roll can work.
    fn check_target(
        &mut self,
        identifier: &Identifier,
        roll: &Roll,
        definitions: &Definitions,
        place: &str,
    ) {
        let Some(declaration) = declaration(identifier.name(), definitions) else { return };
        if let Err(fault) = declaration.arguments.of(identifier) {
            self.errors.push(format!("{place}: plugin '{identifier}': {fault}"));
        } else if let Settings::Mapping = declaration.settings
            && let Err(fault) = Mapping::of(&roll.metrics_config, identifier)
        {
            self.errors.push(format!("{place}: plugin '{identifier}': {fault}"));
        }
        if let Err(more) = declaration.arguments.check_number(identifier) {
            self.warnings.push(format!("{place}: {more}"));
        }
    }

    /// Whether a plugin is fetched and shown, and its definition draws what is fetched.
    fn check_plugin(&mut self, name: &str, definitions: &Definitions, place: &str) {
        let way = Way::of(name, definitions);
        if let Some(warning) = way.warning(name) {
            let near = match way {
                Way::Unknown => did_you_mean(name, definitions.iter().map(|(known, _)| known)),
                _ => String::new(),
            };
            self.warnings.push(format!("{place}: {warning}{near}"));
        }
        let view = match definitions.view(name) {
            Some(View::Program(program)) => Some(program),
            _ => None,
        };
        for program in definitions.fetch_program(name).into_iter().chain(view) {
            let run = program.path().display();
            for other in program.passed_over().iter().map(|path| path.display()) {
                let text =
                    format!("several programs for plugin {name}: {run} is run, {other} is not");
                self.warnings.push(text);
            }
        }
        for program in definitions.not_executable(name) {
            let program = program.display();
            let text =
                format!("{program}: is not executable, so it is not run: chmod +x {program}");
            self.warnings.push(text);
        }
        if let Way::Fetched(_) = way
            && let Some(View::Data(_)) = definitions.view(name)
            && let Some(declaration) = declaration(name, definitions)
        {
            let keys = definitions.unknown_keys(name, declaration.not_drawn);
            self.warnings.extend(keys.iter().map(ToString::to_string));
        }
    }

    /// Whether settings are such that a built-in fetcher can use them. Those of users' programs are
    /// their own affair.
    fn check_settings(
        &mut self,
        settings: &WrittenSettings,
        definitions: &Definitions,
        plugins: &[&str],
    ) {
        let name = settings.plugin.to_lowercase();
        let Some(declaration) = declaration(&name, definitions) else {
            self.check_name(settings, definitions, plugins);
            return;
        };
        let mut faults = declaration.settings.faults(&settings.plugin, &settings.value);
        let is_wrong = |(_, fault): &(_, SettingFault)| matches!(fault, SettingFault::Wrong(_));
        if let Settings::Named(_, known) = declaration.settings
            && known.iter().any(|(name, _)| *name == "tls")
            && !faults.iter().any(is_wrong)
            && let Err(tls::Fault { setting, reason }) = tls::check(&settings.value)
        {
            let text = format!("metrics_config {}: {reason}", settings.plugin);
            faults.push((Some(setting.to_owned()), SettingFault::Wrong(text)));
        }
        for (key, fault) in faults {
            let line = key.and_then(|key| {
                // What came from a file stands there under another name.
                let from_file = settings.lines.get(&format!("{key}_file"));
                settings.lines.get(&key).or(from_file).copied()
            });
            let place = place(&settings.file, line.unwrap_or(settings.line));
            match fault {
                SettingFault::Wrong(text) => self.errors.push(format!("{place}: {text}")),
                SettingFault::Unknown(text) => self.warnings.push(format!("{place}: {text}")),
            }
        }
    }

    /// Whether settings that no built-in fetcher reads are only misspelt.
    fn check_name(
        &mut self,
        settings: &WrittenSettings,
        definitions: &Definitions,
        plugins: &[&str],
    ) {
        let name = &settings.plugin;
        let is_plugin = |known: &&str| known.eq_ignore_ascii_case(name);
        if plugins.iter().any(is_plugin) || definitions.fetch_program(name).is_some() {
            return;
        }
        let known =
            Fetcher::all().filter_map(|(plugin, fetcher)| match fetcher.declaration()?.settings {
                Settings::Named(name, _) => Some(name),
                Settings::Mapping => Some(plugin),
                Settings::None => None,
            });
        let near = did_you_mean(name, known);
        if !near.is_empty() {
            let place = place(&settings.file, settings.line);
            self.warnings
                .push(format!("{place}: metrics_config has settings of '{name}', which no host has as a plugin{near}"));
        }
    }
}

/// For the end of a text that there is no program: `; PROGRAM is not executable: chmod +x PROGRAM`, or
/// nothing where no file looks as if it were meant for one.
#[must_use]
pub fn not_executable(name: &str, definitions: &Definitions) -> String {
    let programs = definitions.not_executable(name).map(Path::display);
    programs.map(|path| format!("; {path} is not executable: chmod +x {path}")).collect()
}

/// What the built-in fetcher of a plugin takes, where it is the one that fetches it.
fn declaration(name: &str, definitions: &Definitions) -> Option<&'static Declaration> {
    match Way::of(name, definitions) {
        Way::Fetched(fetcher) => fetcher.declaration(),
        _ => None,
    }
}

fn place(file: &Path, line: u64) -> String {
    format!("{}:{line}", file.display())
}

fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&heading]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} ")).collect();
        cells.join("|").trim_end().to_owned()
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(text, "{}\n{}", line(&heading), rule.join("+"));
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;
    use test_redis::certificates::Certificates;

    /// A folder with `kurado.yml`, one host with the roll `a.yml`, and users' plugins in `own`.
    struct Folder(TempDir);

    impl Folder {
        /// `roll` is the text of the roll.
        fn new(roll: &str) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            folder.write("rolls/a.yml", roll);
            folder.write("own/none", "");
            folder.write(
                "kurado.yml",
                "config: {metrics_plugin_dir: [own]}\n---\nservice: x\nservers:\n- {roll: a.yml, hosts: [h1, h2]}\n",
            );
            folder
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn write_program(&self, name: &str) {
            self.write(name, "#!/bin/sh\n");
            let path = self.0.path().join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn load(&self) -> Configuration {
            Configuration::load(&self.0.path().join("kurado.yml")).unwrap()
        }

        /// Errors and warnings, with paths as seen from the folder.
        fn findings(&self) -> (Vec<String>, Vec<String>) {
            let here = format!("{}/", self.0.path().display());
            let short =
                |texts: Vec<String>| texts.iter().map(|text| text.replace(&here, "")).collect();
            let findings = Findings::of(&self.load());
            (short(findings.errors), short(findings.warnings))
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn hosts_a_service_and_plugins_are_shown() {
        let folder = Folder::new("metrics: [base, kurado, redis, shop, nobody]");
        folder.write("own/shop.toml", "");
        folder.write(
            "kurado.yml",
            "config: {colour: red, metrics_plugin_dir: [own]}\n---\nservice: zoo\nservers:\n- {roll: a.yml, hosts: [h1, h2]}\n---\nservice: Admin\n",
        );
        let Configuration { site, definitions } = folder.load();
        assert_eq!(
            tables(&site, &definitions),
            concat!(
                " SERVICE | HOSTS\n",
                "---------+-------\n",
                " Admin   | 0\n",
                " zoo     | 2\n",
                "\n",
                " PLUGIN | GRAPHS        | NUMBERS\n",
                "--------+---------------+------------------\n",
                " base   | yes           | pushed by agents\n",
                " kurado | yes           | the poller's own\n",
                " nobody | no definition | not known\n",
                " redis  | yes           | fetched\n",
                " shop   | yes           | not fetched\n",
            )
        );
        let (_, warnings) = folder.findings();
        assert!(warnings[0].starts_with("kurado.yml:1: config has no setting 'colour'"));
    }

    #[test]
    fn an_argument_that_can_not_work_is_an_error_and_the_other_targets_go_on() {
        let folder = Folder::new(
            "metrics:\n- mysql:abc\n- redis:99999\n- http:80:status\n- nginx\n- prometheus:9104\n",
        );
        let (errors, warnings) = folder.findings();
        assert_eq!(
            errors,
            [
                "rolls/a.yml:2: plugin 'mysql:abc': port 'abc' must be a number from 1 to 65535",
                "rolls/a.yml:3: plugin 'redis:99999': port '99999' must be a number from 1 to 65535",
                "rolls/a.yml:4: plugin 'http:80:status': path 'status' must begin with /",
                "rolls/a.yml:6: plugin 'prometheus:9104': metrics_config does not say which metrics of port 9104 to take: Prometheus: {9104: [{metric: …}]}",
            ]
        );
        assert_eq!(warnings, NOTHING);
        let Configuration { site, definitions } = folder.load();
        assert_eq!(crate::targets::targets(&site, &definitions).len(), 10);
    }

    #[test]
    fn superfluous_arguments_are_a_warning() {
        let (errors, warnings) =
            Folder::new("metrics: ['memcached:11211:x', 'nginx:80:/s:www']").findings();
        assert_eq!(errors, NOTHING);
        assert_eq!(
            warnings,
            [
                "rolls/a.yml:1: plugin 'memcached:11211:x' has 2 arguments; it takes memcached[:port], and leaves the others out"
            ]
        );
    }

    #[test]
    fn settings_that_can_not_work_are_errors_and_unknown_ones_warnings_with_their_lines() {
        let folder = Folder::new(
            "metrics: [mysql, redis]\nmetrics_config:\n  MYSQL: geheim\n  Redis:\n    tls: maybe\n    pasword: geheim\n  Nginx:\n    port: 8080\n  Mysqll:\n    user: x\n  Shop: {any: thing}\n",
        );
        let (errors, warnings) = folder.findings();
        assert_eq!(
            errors,
            [
                "rolls/a.yml:3: metrics_config MYSQL is no mapping; it must have user, password, port, tls, ca_file, cert_file, key_file below it, each with ': ' and a value",
                "rolls/a.yml:5: metrics_config Redis: {tls: …} must be true or false",
            ]
        );
        assert_eq!(
            warnings,
            [
                "rolls/a.yml:6: metrics_config Redis has no setting 'pasword'; it has user, password, tls, ca_file, cert_file, key_file; did you mean 'password'?",
                "rolls/a.yml:7: metrics_config Nginx: this plugin has no settings",
                "rolls/a.yml:9: metrics_config has settings of 'Mysqll', which no host has as a plugin; did you mean 'MySQL'?",
            ]
        );
    }

    #[test]
    fn files_for_tls_that_can_not_be_used_are_errors_with_their_lines() {
        let certificates = Certificates::new();
        let settings = |lines: &str| {
            let folder = Folder::new(&format!(
                "metrics: [redis, mysql]\nmetrics_config:\n  Redis:\n{lines}"
            ));
            folder.write("rolls/empty.pem", "");
            for name in ["ca.pem", "client.pem", "client.key"] {
                let here = folder.0.path().join("rolls").join(name);
                fs::copy(certificates.path(name), here).unwrap();
            }
            let (errors, warnings) = folder.findings();
            assert_eq!(warnings, NOTHING);
            errors
        };
        let good = "    tls: true\n    ca_file: ca.pem\n    cert_file: client.pem\n    key_file: client.key\n";
        assert_eq!(settings(good), NOTHING);
        for (before, after, error) in [
            (
                "ca.pem",
                "none.pem",
                "rolls/a.yml:5: metrics_config Redis: ca_file 'rolls/none.pem' can't be read: No such file or directory (os error 2)",
            ),
            (
                "ca.pem",
                "empty.pem",
                "rolls/a.yml:5: metrics_config Redis: ca_file 'rolls/empty.pem' can't be used: it has no certificate in PEM",
            ),
            (
                "client.key",
                "''",
                "rolls/a.yml:6: metrics_config Redis: of cert_file and key_file stands only one",
            ),
            (
                "tls: true",
                "tls: false",
                "rolls/a.yml:5: metrics_config Redis: certificates stand without tls: true",
            ),
        ] {
            assert_eq!(settings(&good.replace(before, after)), [error]);
        }
        let [error] = &settings(&good.replace("client.key", "ca.pem"))[..] else { panic!() };
        assert!(
            error.starts_with(
                "rolls/a.yml:7: metrics_config Redis: key_file 'rolls/ca.pem' can't be used: "
            ),
            "{error}"
        );
    }

    #[test]
    fn a_users_program_takes_any_arguments_and_settings() {
        let folder = Folder::new(
            "metrics: ['mysql:abc:def', 'shop:x:y:z']\nmetrics_config: {MySQL: text, shop: [1], redi: x}\n",
        );
        folder.write_program("own/fetch/mysql.py");
        folder.write_program("own/fetch/shop");
        folder.write_program("own/fetch/redi");
        folder.write("own/shop.toml", "");
        assert_eq!(folder.findings(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_program_in_place_of_a_built_in_fetcher_is_shown_and_a_second_one_is_a_warning() {
        let folder = Folder::new("metrics: [redis]");
        for name in ["redis", "redis.py", "redis.py~", "redis.bak"] {
            folder.write_program(&format!("own/fetch/{name}"));
        }
        let (_, warnings) = folder.findings();
        assert_eq!(
            warnings,
            [
                "several programs for plugin redis: own/fetch/redis is run, own/fetch/redis.py is not"
            ]
        );
        let Configuration { site, definitions } = folder.load();
        let run = folder.0.path().join("own/fetch/redis");
        assert!(tables(&site, &definitions).contains(&format!("fetched by {}\n", run.display())));
    }

    #[test]
    fn addresses_that_can_not_be_right_are_errors_of_their_hosts_alone() {
        let folder = Folder::new("metrics: [redis]");
        folder.write(
            "kurado.yml",
            "config: {metrics_plugin_dir: [own]}\n---\nservice: x\nservers:\n- roll: a.yml\n  hosts:\n  - 127.0.0.300\n  - 127.0.0.1:80 web\n  - '12'\n  - 010.0.0.1\n  - fe80::g\n  - WEB-1\n  - web-1\n  - 2001:DB8::1\n  - 2001:db8:0::1\n  - 10.0.0.1\n",
        );
        let (errors, warnings) = folder.findings();
        let no_ipv4 = |line, address| {
            format!(
                "kurado.yml:{line}: '{address}' is no IPv4 address, which is four numbers from 0 to 255 without zeros in front"
            )
        };
        assert_eq!(
            errors,
            [
                no_ipv4(7, "127.0.0.300"),
                "kurado.yml:8: '127.0.0.1:80' is no address: a port belongs to a plugin, such as redis:6379 in a roll".to_owned(),
                no_ipv4(9, "12"),
                no_ipv4(10, "010.0.0.1"),
                "kurado.yml:11: 'fe80::g' is no IPv6 address".to_owned(),
            ]
        );
        assert_eq!(
            warnings,
            [
                "kurado.yml:13: 'web-1' is the same host as 'WEB-1'; each host may stand once",
                "kurado.yml:15: '2001:db8:0::1' is the same host as '2001:DB8::1'; each host may stand once",
            ]
        );
        assert_eq!(folder.load().site.hosts().count(), 10);
    }

    #[test]
    fn a_key_that_the_built_in_fetcher_does_not_store_is_a_warning_with_its_line() {
        let folder = Folder::new("metrics: [mysql, memcached, shop]");
        folder.write(
            "own/mysql.toml",
            "[[group]]\nlabel = 'M'\ngraphs = ['a']\n[graph.a]\nlabel = 'A'\ndata = { sum = \"com_insert.derive,com_selekt.derive,+\" }\ndraw = [\n  { line = \"sum\" },\n  { line = \"threads_running.derive\" },\n  { line = \"innodb_spin_rounds.derive\" },\n  { line = \"<%RRD_EXTEND nginx 10.0.0.1 any.gauge %>\" },\n]\n",
        );
        let shop = "push = true\n[[group]]\nlabel = 'S'\ngraphs = ['a']\n[graph.a]\nlabel = 'A'\ndraw = [{ line = \"any.gauge\" }]\n";
        folder.write("own/shop.toml", shop);
        folder.write("own/memcached.toml", &shop.replace("push = true", ""));
        folder.write_program("own/fetch/memcached");
        let (errors, warnings) = folder.findings();
        assert_eq!(errors, NOTHING);
        assert_eq!(
            warnings,
            [
                "own/mysql.toml:6: 'com_selekt.derive' is no key that the fetcher of mysql stores; did you mean 'com_select.derive'?",
                "own/mysql.toml:9: 'threads_running.derive' is no key that the fetcher of mysql stores; did you mean 'threads_running.gauge'?",
            ]
        );
    }

    #[test]
    fn what_is_shown_and_not_fetched_is_a_warning_unless_a_definition_says_that_it_is_pushed() {
        let folder = Folder::new("metrics: [pushed, shown, drawn, both]");
        folder.write("own/pushed.toml", "push = true");
        folder.write("own/shown.toml", "");
        folder.write_program("own/view/drawn.sh");
        folder.write_program("own/view/both");
        folder.write("own/both.toml", "push = true");
        let (errors, warnings) = folder.findings();
        assert_eq!(errors, NOTHING);
        let text = |name: &str| {
            format!(
                "rolls/a.yml:1: plugin '{name}' is shown, but nothing fetches it; if agents push it, {name}.toml in metrics_plugin_dir says so: push = true"
            )
        };
        assert_eq!(warnings, [text("shown"), text("drawn")]);
    }

    #[test]
    fn a_program_that_is_not_executable_is_told_with_what_to_do() {
        let folder = Folder::new("metrics: [shop, redis]");
        for name in ["own/fetch/shop.py", "own/fetch/redis", "own/fetch/unused"] {
            folder.write(name, "#!/bin/sh\n");
        }
        folder.write("own/fetch/shop.txt", "notes");
        let (_, warnings) = folder.findings();
        assert!(warnings[0].starts_with("rolls/a.yml:1: plugin 'shop' is neither"), "{warnings:?}");
        assert_eq!(
            warnings[1..],
            ["shop.py", "redis"].map(|name| format!(
                "own/fetch/{name}: is not executable, so it is not run: chmod +x own/fetch/{name}"
            ))
        );
    }

    #[test]
    fn a_misspelt_plugin_is_told_with_its_line_and_what_may_have_been_meant() {
        let (_, warnings) = Folder::new("metrics:\n- base\n- ngnix:80\n").findings();
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(warning.starts_with("rolls/a.yml:3: plugin 'ngnix' is neither"), "{warning}");
        assert!(warning.ends_with("; did you mean 'nginx'?"), "{warning}");
    }

    #[test]
    fn each_built_in_fetcher_has_its_plugins_definition_or_mapping() {
        let definitions = Definitions::load(&[]).unwrap();
        for (name, fetcher) in Fetcher::all() {
            assert!(definitions.view(name).is_some(), "{name}");
            assert!(fetcher.declaration().is_some(), "{name}");
        }
    }
}
