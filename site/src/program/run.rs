//! Running one program: for a limited time, with limited output, and with all processes that it
//! has started killed when a limit is passed or nobody waits any more.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_watcher::Watcher;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Limits, Printed, ProgramError};

/// Most of a program's standard error that is kept, in bytes; the rest is read and dropped.
const MAX_ERRORS: usize = 4096;
/// How long processes that a program has started and not waited for may go on to print behind it.
/// Then they are killed, and what was printed counts.
const GRACE: Duration = Duration::from_secs(1);

static WATCHER: Watcher = Watcher::new("kurado-program-watcher");

/// A program that has been started, and nobody has waited for yet.
pub(super) struct Started {
    group: Group,
    child: Child,
    /// SIGCHLD, from before the start, so that its end is not missed.
    ends: Signal,
}

/// Starts a command, in a process group of its own.
pub(super) fn start(mut command: Command) -> std::io::Result<Started> {
    command
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ends = signal(SignalKind::child())?;
    WATCHER.prepare();
    let child = command.spawn()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = group {
        WATCHER.begun(group);
    }
    Ok(Started { group: Group(group), child, ends })
}

/// Follows a program to the end of itself and of its streams.
pub(super) async fn run(started: Started, limits: Limits) -> Result<Printed, ProgramError> {
    // The group behind the child, so that it is dropped before it: it is killed while the child's id
    // can't be another's yet.
    let Started { mut child, mut group, mut ends } = started;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    {
        let reading = async {
            tokio::try_join!(
                whole(stdout, limits.output, &mut output),
                beginning(stderr, MAX_ERRORS, &mut errors)
            )
        };
        tokio::pin!(reading);
        let mut is_read = false;
        let ended = tokio::time::timeout(limits.time, async {
            tokio::select! {
                read = &mut reading => {
                    read?;
                    is_read = true;
                }
                () = group.first_ended(&mut ends) => {}
            }
            group.first_ended(&mut ends).await;
            Ok::<_, ProgramError>(())
        });
        ended.await.map_err(|_| ProgramError::TimedOut(limits.time))??;
        if !is_read {
            match tokio::time::timeout(GRACE, reading).await {
                Ok(read) => drop(read?),
                Err(_) => group.kill(),
            }
        }
    }
    group.release();
    let status = child.wait().await?;
    let errors = String::from_utf8_lossy(&errors).trim().to_owned();
    if status.success() {
        Ok(Printed { output: String::from_utf8_lossy(&output).into_owned(), errors })
    } else if errors.is_empty() {
        Err(ProgramError::Ended(how(status)))
    } else {
        Err(ProgramError::Ended(errors))
    }
}

async fn whole(
    stream: Option<impl AsyncRead + Unpin>,
    most: usize,
    bytes: &mut Vec<u8>,
) -> Result<(), ProgramError> {
    if let Some(stream) = stream {
        stream.take(most as u64 + 1).read_to_end(bytes).await?;
    }
    if bytes.len() > most { Err(ProgramError::TooMuch(most)) } else { Ok(()) }
}

async fn beginning(
    stream: Option<impl AsyncRead + Unpin>,
    most: usize,
    bytes: &mut Vec<u8>,
) -> Result<(), ProgramError> {
    if let Some(mut stream) = stream {
        (&mut stream).take(most as u64).read_to_end(bytes).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(())
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}, and nothing on standard error"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The process group of a child that was not waited for; killed when dropped.
struct Group(Option<i32>);

impl Group {
    /// Waits until the child has ended, and leaves its id what it is. The signal is SIGCHLD.
    async fn first_ended(&self, ends: &mut Signal) {
        while self.0.is_some_and(|id| !has_ended(id)) {
            ends.recv().await;
        }
    }

    fn kill(&self) {
        if let Some(id) = self.0 {
            // SAFETY: kill takes no memory; the group is the child's own, made at its start, and
            // the child has not been waited for.
            unsafe { libc::kill(-id, libc::SIGKILL) };
        }
    }

    /// Lets go of it: the child will be waited for, and its id may be another's then.
    fn release(&mut self) {
        if let Some(id) = self.0.take() {
            WATCHER.ended(id);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.release();
    }
}

/// Whether a child has ended; it can be waited for after that as before.
fn has_ended(id: i32) -> bool {
    // SAFETY: of numbers alone, and pointers that may be null.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: it writes to `info` alone, which is the caller's own.
    let asked = unsafe { libc::waitid(libc::P_PID, id.cast_unsigned(), &raw mut info, options) };
    // SAFETY: of a child that has ended its id is there, and 0 of one that has not.
    asked != 0 || unsafe { info.si_pid() } != 0
}
