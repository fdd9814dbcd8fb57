//! Plugins that are users' programs, in any language: `<metrics_plugin_dir>/fetch/<name>[.*]` prints
//! a plugin's numbers, and `<metrics_plugin_dir>/view/<name>[.*]` what is shown of them.

mod run;
mod view;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use line_protocol::Identifier;
use serde_json::{Map, Value as Json};
use tokio::process::Command;

use crate::definition::Meta;
use crate::regular_file;
use crate::site::Host;
pub use view::{groups, list};

/// What is taken over from the environment of whoever calls, beside `LC_*`: no password of ours.
const ENVIRONMENT: [&str; 4] = ["PATH", "LANG", "HOME", "TZ"];
/// Where programs are looked for when nobody said it.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The kernel takes 128 KiB for one variable.
const LONGEST_VARIABLE: usize = 120 * 1024;

/// A user's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    /// Others beside it for the same plugin, which are not run.
    passed_over: Vec<PathBuf>,
}

/// What programs are for, and so the folder that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `fetch/`: prints numbers.
    Fetch,
    /// `view/`: prints groups and graphs.
    View,
}

/// What a program is called with. Not to be printed: its settings hold passwords.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The host's address.
    pub address: &'a str,
    /// The host's name.
    pub hostname: &'a str,
    /// The rest of the host's line; may be empty.
    pub comments: &'a str,
    /// The plugin with its arguments.
    pub identifier: &'a Identifier,
    /// Settings of the host's roll, by plugin.
    pub metrics_config: &'a Map<String, Json>,
    /// What is known of the plugin, without history.
    pub meta: &'a Meta,
}

impl<'a> Call<'a> {
    /// For a plugin of a host of the configuration.
    #[must_use]
    pub fn of(host: &'a Host, identifier: &'a Identifier, meta: &'a Meta) -> Self {
        Self {
            address: &host.address,
            hostname: &host.hostname,
            comments: &host.comments,
            identifier,
            metrics_config: &host.roll.metrics_config,
            meta,
        }
    }
}

/// How much a program may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From its start to the end of its output and of itself.
    pub time: Duration,
    /// Bytes on its standard output.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), output: 1 << 20 }
    }
}

/// What a program printed, where it ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// On its standard output.
    pub output: String,
    /// On its standard error: the beginning.
    pub errors: String,
}

/// Why a program gave nothing, in words that a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("{} can not be started: {reason}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What is wrong with it, or how the system says it.
        reason: String,
    },
    /// What it is called with could not be written to a temporary file, or its output not be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It ended with another status than 0: what it printed on its standard error, or how it ended.
    #[error("{0}")]
    Ended(String),
    /// It ran too long, and was killed with all that it had started.
    #[error("timed out after {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It printed too much, and was killed with all that it had started.
    #[error("printed more than {0} bytes, and was ended")]
    TooMuch(usize),
    /// What it printed is not what it should have printed.
    #[error("{0}")]
    Misprinted(String),
}

/// Why a program could not be started, by its beginning and what the system says.
fn reason(begin: &[u8], error: &std::io::Error) -> String {
    let line = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(interpreter) = line.strip_prefix(b"#!") else {
        return match error.raw_os_error() {
            Some(libc::ENOEXEC) if begin.is_empty() => "it is empty".to_owned(),
            Some(libc::ENOEXEC) => "it is no program for this machine".to_owned(),
            _ => error.to_string(),
        };
    };
    let text = String::from_utf8_lossy(interpreter);
    let path = text.trim().split([' ', '\t']).next().unwrap_or_default();
    if line.ends_with(b"\r") {
        "its lines end in CR LF, as on Windows; they must end in LF alone".to_owned()
    } else if path.is_empty() {
        "its first line, #!, names no interpreter".to_owned()
    } else {
        format!("the interpreter {path}, which its first line names: {error}")
    }
}

/// Endings of copies that editors and package managers leave beside a file.
const COPIES: [&str; 12] = [
    "~",
    ".bak",
    ".orig",
    ".old",
    ".rpmsave",
    ".rpmnew",
    ".rpmorig",
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-dist",
    ".swp",
    ".tmp",
];

/// The plugin that a file is a program of, by its name up to the first dot, as a plugin's name has none.
/// Hidden files and copies are of none.
fn plugin(path: &Path) -> Option<&str> {
    let file = path.file_name()?.to_str()?;
    let name = file.split('.').next().filter(|name| !name.is_empty())?;
    let is_copy = COPIES.iter().any(|ending| file.ends_with(ending));
    (!is_copy).then_some(name)
}

impl Purpose {
    fn folder(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::View => "view",
        }
    }
}

/// The programs of one purpose, by the plugin's name. The first folder wins, and in a folder the
/// file name that sorts first. A file that is not executable is none.
#[must_use]
pub fn find(dirs: &[PathBuf], purpose: Purpose) -> BTreeMap<String, Program> {
    let mut programs = BTreeMap::new();
    for dir in dirs {
        // A folder that can't be read is as one that is not there: most sites have none.
        let Ok(entries) = std::fs::read_dir(dir.join(purpose.folder())) else { continue };
        let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| is_executable(path)) {
            let Some(name) = plugin(&path).map(str::to_owned) else { continue };
            match programs.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(Program { path, passed_over: Vec::new() });
                }
                Entry::Occupied(mut entry) => {
                    let program = entry.get_mut();
                    // That a folder comes before another is what folders are for.
                    if program.path.parent() == path.parent() {
                        program.passed_over.push(path);
                    }
                }
            }
        }
    }
    programs
}

/// Files of one purpose that begin as programs do but are not executable, by the plugin's name.
pub(crate) fn not_executable(dirs: &[PathBuf], purpose: Purpose) -> Vec<(String, PathBuf)> {
    let folders = dirs.iter().filter_map(|dir| dir.join(purpose.folder()).read_dir().ok());
    let paths = folders.flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let programs = paths.filter(|path| !is_executable(path) && begins_as_program(path));
    let named = programs.filter_map(|path| {
        let name = plugin(&path)?.to_owned();
        Some((name, path))
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

fn begins_as_program(path: &Path) -> bool {
    // Others, such as a pipe, might keep whoever opens them waiting.
    if !path.is_file() {
        return false;
    }
    let mut begin = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && (begin.starts_with(b"#!") || begin == *b"\x7fELF")
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

impl Program {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Others in its folder that are for the same plugin, and are not run as their names sort behind.
    #[must_use]
    pub fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    /// Runs it once. With `graph` it is a view program that is asked for that graph's definition.
    /// If the future is dropped, or this process is killed, so is the program with all that it has
    /// started.
    ///
    /// Settings and meta are given as the paths of two files of mode 0600, as arguments show in
    /// `ps`, and as JSON in the environment. The files have no name of their own: they are gone with
    /// this process, however it ends.
    ///
    /// # Errors
    /// Where it can't be started, ends with another status than 0, or passes a limit.
    pub async fn run(
        &self,
        call: &Call<'_>,
        graph: Option<&str>,
        limits: Limits,
    ) -> Result<Printed, ProgramError> {
        let config = Input::new("metrics_config_json", &Json::Object(call.metrics_config.clone()))?;
        let meta = call.meta.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str())));
        let meta = Input::new("metrics_meta_json", &Json::Object(meta.collect()))?;

        let files = [("--metrics-config-json", &config), ("--metrics-meta-json", &meta)];
        let prepared = |command| prepared(command, call, graph, files);
        let started = run::start(prepared(Command::new(&self.path))).or_else(|error| {
            let begin = beginning(&self.path);
            // A script without #!: as shells and execvp do.
            if error.raw_os_error() == Some(libc::ENOEXEC) && is_text(&begin) {
                let mut shell = Command::new("/bin/sh");
                shell.arg(&self.path);
                return Ok(run::start(prepared(shell))?);
            }
            let reason = reason(&begin, &error);
            Err(ProgramError::Start { path: self.path.clone(), reason })
        })?;
        run::run(started, limits).await
    }
}

/// A command with a program's arguments and environment; `files` by their options.
fn prepared(
    mut command: Command,
    call: &Call<'_>,
    graph: Option<&str>,
    files: [(&str, &Input); 2],
) -> Command {
    command.args(["--address", call.address, "--hostname", call.hostname]);
    if !call.comments.is_empty() {
        command.args(["--comments", call.comments]);
    }
    for argument in call.identifier.arguments() {
        command.args(["--plugin-arguments", argument]);
    }
    if let Some(graph) = graph {
        command.args(["--graph", graph]);
    }
    command.env_clear().env("PATH", DEFAULT_PATH);
    command.envs(std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        ENVIRONMENT.contains(&name.as_ref()) || name.starts_with("LC_")
    }));
    for (option, input) in files {
        command.arg(option).arg(input.path());
        command.env(format!("kurado.{}", input.name), input.variable());
    }
    command
}

/// The first bytes of a program; none where it can't be read, as it need not be.
fn beginning(path: &Path) -> Vec<u8> {
    let mut begin = Vec::new();
    let read = regular_file::open(path).and_then(|file| file.take(512).read_to_end(&mut begin));
    if read.is_ok() { begin } else { Vec::new() }
}

/// Whether a file begins as texts do, and not as a program of another machine.
fn is_text(begin: &[u8]) -> bool {
    !begin.is_empty() && !begin.contains(&0)
}

/// A JSON value that a program is given, in a file that goes with it.
struct Input {
    name: &'static str,
    json: String,
    file: File,
}

impl Input {
    fn new(name: &'static str, value: &Json) -> std::io::Result<Self> {
        let json = value.to_string();
        let mut file = tempfile::tempfile()?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(json.as_bytes())?;
        Ok(Self { name, json, file })
    }

    /// Where whoever may see into this process, as programs that it starts may, can open the file.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// The JSON, or the file's path where it is too long for the environment.
    fn variable(&self) -> String {
        if self.json.len() > LONGEST_VARIABLE { self.path() } else { self.json.clone() }
    }
}

#[cfg(test)]
mod tests;
