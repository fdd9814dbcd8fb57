//! Hearing signals, in a thread that begins before anything that may hang: a disk, a directory, a
//! server. So a stop always ends the process.

use std::io;
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, sleep};
use std::time::Duration;

use tracing::warn;

use crate::pidfile;
use crate::plugin::Plugins;
use crate::signals::{self, Wish};
use crate::stop::Stop;

/// How long a stop waits for what is under way, at most.
pub const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Seconds that the last message and the pidfile's end may take after that: they may hang as well.
const LAST_LIMIT: u32 = 1;

/// From one reading of the plugins' directory to the next, at least.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// What HUP means.
pub enum Hangup {
    /// The same as TERM, as to any other program.
    Stop,
    /// To read the plugins again.
    Reload(Hangups),
}

/// Hangups that were heard: however many come while one is followed, they are one more. Clones share them.
#[derive(Clone, Default)]
pub struct Hangups(Arc<(Mutex<bool>, Condvar)>);

impl Hangups {
    fn note(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_one();
    }

    fn wait(&self) {
        let mut heard = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !std::mem::take(&mut *heard) {
            heard = self.0.1.wait(heard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Starts the thread that hears signals; they must be blocked. One that means stop sets `stop`; where
/// the process goes on for longer than anybody wants to wait, it is ended.
///
/// # Errors
/// Where the thread can't be started.
pub fn start(stop: Stop, pidfile: Option<PathBuf>, hangup: Hangup) -> io::Result<()> {
    Builder::new().name("signals".to_owned()).spawn(move || {
        // What was to be printed was not, where there is nothing to read again.
        let status = i32::from(matches!(hangup, Hangup::Stop));
        while let (Wish::Reload, Hangup::Reload(hangups)) = (signals::wait(), &hangup) {
            hangups.note();
        }
        stop.set();
        sleep(STOP_LIMIT);
        // SAFETY: it takes a number; the signal that comes then ends the process.
        unsafe { libc::alarm(LAST_LIMIT) };
        warn!("stopped without waiting any longer for what is under way");
        if let Some(path) = pidfile {
            pidfile::remove(&path);
        }
        process::exit(status);
    })?;
    Ok(())
}

/// Starts the thread that reads these plugins again at each hangup.
///
/// # Errors
/// Where it can't be started.
pub fn follow(hangups: Hangups, plugins: Plugins) -> io::Result<()> {
    Builder::new().name("reload".to_owned()).spawn(move || {
        loop {
            hangups.wait();
            plugins.reload();
            sleep(RELOAD_PAUSE);
        }
    })?;
    Ok(())
}
