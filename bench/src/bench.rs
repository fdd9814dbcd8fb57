//! What all benchmarks share: where data lies, which module is measured, and the commands that
//! were run.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;
use crate::process::Process;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// What the published tables show.
    Full,
    /// As little as shows that all works.
    Quick,
}

impl Scale {
    /// One of two, by scale.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// One run of this program.
pub struct Bench {
    /// How much is measured.
    pub scale: Scale,
    /// Rounds of each measurement, besides one before that does not count.
    pub rounds: usize,
    module: PathBuf,
    data: TempDir,
    // A socket's path has about a hundred bytes at most, so not below the checkout.
    sockets: TempDir,
    next_socket: Cell<usize>,
    commands: RefCell<Vec<String>>,
}

impl Bench {
    /// Makes the directories, below `data` and the system's for temporary files; they go when this
    /// is dropped.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn new(scale: Scale, rounds: usize, module: PathBuf, data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let data = tempfile::tempdir_in(data.canonicalize()?)?;
        let sockets = tempfile::tempdir()?;
        let (next_socket, commands) = (Cell::new(0), RefCell::default());
        Ok(Self { scale, rounds, module, data, sockets, next_socket, commands })
    }

    /// `libkurado.so`.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// Where all data lies.
    pub fn path(&self) -> &Path {
        self.data.path()
    }

    /// A new directory on the disk that is measured.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn directory(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir_in(self.data.path())?)
    }

    /// The path of a new socket.
    pub fn socket(&self) -> PathBuf {
        let number = self.next_socket.get();
        self.next_socket.set(number + 1);
        self.sockets.path().join(number.to_string())
    }

    /// Starts a server and notes its command.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn start(&self, program: &str, arguments: &[String], log: &Path) -> Result<Process> {
        self.note(program, arguments);
        Process::start(program, arguments, log)
    }

    /// Notes a command once, with names in place of paths and ports that differ each time.
    pub fn note(&self, program: &str, arguments: &[String]) {
        let mut command = program.to_owned();
        let mut before = "";
        for argument in arguments {
            let word = if before == "--port" { "PORT".to_owned() } else { self.shown(argument) };
            command = command + " " + &word;
            before = argument;
        }
        let mut commands = self.commands.borrow_mut();
        if !commands.contains(&command) {
            commands.push(command);
        }
    }

    fn shown(&self, argument: &str) -> String {
        let names = [
            (self.sockets.path(), "SOCKET"),
            (self.data.path(), "DIR"),
            (self.module.as_path(), "target/release/libkurado.so"),
            (Path::new("127.0.0.1:"), "127.0.0.1:PORT"),
        ];
        for (path, name) in names {
            if let Some((before, _)) = argument.split_once(&path.display().to_string()) {
                return before.to_owned() + name;
            }
        }
        if argument.is_empty() { "''".to_owned() } else { argument.to_owned() }
    }

    /// The commands that were started, each once.
    pub fn commands(&self) -> Vec<String> {
        self.commands.borrow().clone()
    }
}
