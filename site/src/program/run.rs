//! Running one program: for a limited time, with limited output, and with all processes that it
//! has started killed when a limit is passed or nobody waits any more.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::{Limits, Printed, ProgramError};

/// Most of a program's standard error that is kept, in bytes; the rest is read and dropped.
const MAX_ERRORS: usize = 4096;

/// Runs a command to the end of its streams and of itself.
pub(super) async fn run(mut command: Command, limits: Limits) -> Result<Printed, ProgramError> {
    command
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|error| ProgramError::Start { path: Default::default(), error })?;
    // Behind the child, so that it is dropped before it: the group is killed while the child's id
    // can't be another's yet.
    let group = Group::of(&child);
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let ended = tokio::time::timeout(limits.time, async {
        let (output, errors) =
            tokio::try_join!(whole(output, limits.output), beginning(errors, MAX_ERRORS))?;
        // Not waited for earlier: until then its id, and so its group, can't become another's.
        Ok::<_, ProgramError>((child.wait().await?, output, errors))
    });
    let (status, output, errors) =
        ended.await.map_err(|_| ProgramError::TimedOut(limits.time))??;
    group.ended();
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
) -> Result<Vec<u8>, ProgramError> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(most as u64 + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() > most { Err(ProgramError::TooMuch(most)) } else { Ok(bytes) }
}

async fn beginning(
    stream: Option<impl AsyncRead + Unpin>,
    most: usize,
) -> Result<Vec<u8>, ProgramError> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(most as u64).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
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
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()))
    }

    /// The child was waited for: its id may be another's now.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // SAFETY: kill takes no memory; the group is the child's own, made at its start, and
            // the child has not been waited for.
            unsafe { libc::kill(-id, libc::SIGKILL) };
        }
    }
}
