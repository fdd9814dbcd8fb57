//! Running one command of the operator's: for a limited time, with limited output, and with all
//! processes that it has started ended when a limit is passed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::signals;
use crate::stop::Stop;

/// How much a command may take.
pub struct Limits {
    /// From its start to the end of its output and of the shell.
    pub time: Duration,
    /// Bytes on its standard output.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), output: 1024 * 1024 }
    }
}

/// Most of a command's standard error that is kept, in bytes; the rest is read and dropped.
const MAX_ERRORS: usize = 4096;

/// How often a wait looks up to see whether the agent stops.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Why a command gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The shell could not be started, or its output not be read.
    #[error("cannot run: {0}")]
    Io(#[from] io::Error),
    /// It ended badly.
    #[error("{}", ended(.0, .1))]
    Ended(ExitStatus, String),
    /// It ran too long, and was ended.
    #[error("ended after {} s, the time limit", .0.as_secs())]
    TooLong(Duration),
    /// It printed too much, and was ended.
    #[error("ended as it printed more than {0} bytes")]
    TooMuch(usize),
    /// The agent stops.
    #[error("ended as the agent stops")]
    Stopped,
}

/// Runs `/bin/sh -c command` in a process group of its own; what it printed.
pub fn run(command: &str, limits: &Limits, stop: &Stop) -> Result<String, Failure> {
    let deadline = Instant::now() + limits.time;
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(command)
        .env_remove(crate::PASSWORD_VARIABLE)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: what runs between fork and exec takes no lock and no memory.
    unsafe { shell.pre_exec(signals::unblock) };
    let mut child = shell.spawn()?;
    let ended = watch(&mut child, deadline, limits, stop);
    if ended.is_err() {
        end_group(&mut child);
    }
    let (status, output, errors) = ended?;
    if status.success() {
        Ok(String::from_utf8_lossy(&output).into_owned())
    } else {
        let errors = String::from_utf8_lossy(&errors).trim().to_owned();
        Err(Failure::Ended(status, errors))
    }
}

/// Reads to the end of both streams, then waits for the shell. The shell is not waited for
/// earlier: until then its process id, and so its group, can't have become another's.
fn watch(
    child: &mut Child,
    deadline: Instant,
    limits: &Limits,
    stop: &Stop,
) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), Failure> {
    let mut output = Stream::new(child.stdout.take().map(OwnedFd::from));
    let mut errors = Stream::new(child.stderr.take().map(OwnedFd::from));
    while output.is_open() || errors.is_open() {
        let left = time_left(deadline, limits, stop)?;
        let mut polled = [output.poll_entry(), errors.poll_entry()];
        let timeout = i32::try_from(left.min(LOOK_UP).as_millis()).unwrap_or(0) + 1;
        // SAFETY: the array has as many entries as are named, and lives through the call.
        unsafe { libc::poll(polled.as_mut_ptr(), 2, timeout) };
        let [of_output, of_errors] = polled;
        if of_output.revents != 0 {
            output.read_some()?;
        }
        if of_errors.revents != 0 {
            errors.read_some()?;
            errors.bytes.truncate(MAX_ERRORS);
        }
        if output.bytes.len() > limits.output {
            return Err(Failure::TooMuch(limits.output));
        }
    }
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, output.bytes, errors.bytes));
        }
        let left = time_left(deadline, limits, stop)?;
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LOOK_UP);
    }
}

fn time_left(deadline: Instant, limits: &Limits, stop: &Stop) -> Result<Duration, Failure> {
    if stop.is_set() {
        return Err(Failure::Stopped);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Failure::TooLong(limits.time));
    }
    Ok(left)
}

/// One of a command's streams: what came, until it ends.
struct Stream {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe: pipe.map(File::from), bytes: Vec::new() }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Asks for something to read; poll passes over a negative descriptor.
    fn poll_entry(&self) -> libc::pollfd {
        libc::pollfd {
            fd: self.pipe.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            events: libc::POLLIN,
            revents: 0,
        }
    }

    fn read_some(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(len) => self.bytes.extend(buffer.iter().take(len)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn end_group(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: kill takes no memory; the group is the child's own, made at its start, and the
        // child has not been waited for.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
    let _ = child.wait();
}

fn ended(status: &ExitStatus, errors: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    if errors.is_empty() { how } else { format!("{how}: {errors}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(milliseconds: u64) -> Limits {
        Limits { time: Duration::from_millis(milliseconds), output: 1000 }
    }

    fn run_now(command: &str) -> Result<String, Failure> {
        run(command, &Limits::default(), &Stop::default())
    }

    /// Whether a process lives; one that has ended and waits for its parent does not.
    fn lives(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn output_is_taken_where_the_status_is_zero_whatever_was_said_on_standard_error() {
        assert_eq!(run_now("echo out; echo err >&2").unwrap(), "out\n");
    }

    #[test]
    fn a_command_past_its_time_is_ended_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let command = format!("sleep 600 & echo $! > '{}'; sleep 600", file.display());
        let error = run(&command, &limits(500), &Stop::default()).unwrap_err();
        assert!(matches!(error, Failure::TooLong(_)));
        let pid = std::fs::read_to_string(file).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while lives(pid.trim()) {
            assert!(Instant::now() < deadline, "process {pid} was left behind");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_shell_that_closes_its_streams_and_goes_on_is_ended_too() {
        let error = run("exec >&- 2>&-; sleep 600", &limits(300), &Stop::default());
        assert!(matches!(error, Err(Failure::TooLong(_))));
    }

    #[test]
    fn a_command_that_prints_without_end_is_ended() {
        let error = run("yes", &limits(10_000), &Stop::default());
        assert!(matches!(error, Err(Failure::TooMuch(1000))));
    }

    #[test]
    fn standard_error_without_end_is_cut_and_does_not_block_the_command() {
        let error = run_now("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 2").unwrap_err();
        assert_eq!(error.to_string().len(), "exit status 2: ".len() + MAX_ERRORS);
    }

    #[test]
    fn a_signal_is_named() {
        assert_eq!(run_now("kill -9 $$").unwrap_err().to_string(), "ended by signal 9");
    }

    #[test]
    fn stopping_the_agent_ends_the_command() {
        let stop = Stop::default();
        stop.set();
        let error = run("sleep 600", &Limits::default(), &stop);
        assert!(matches!(error, Err(Failure::Stopped)));
    }

    #[test]
    fn signals_that_the_agent_waits_for_are_not_blocked_in_the_command() {
        signals::block();
        assert_eq!(
            run_now("kill -TERM $$; echo still here").unwrap_err().to_string(),
            "ended by signal 15"
        );
    }
}
