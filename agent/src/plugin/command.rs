//! Running one command of the operator's: for a limited time, with limited output, and with all
//! processes that it has started ended when a limit is passed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use process_watcher::Watcher;

use super::account::Account;
use super::definition::Plugin;
use super::{descendants, subreaper};
use crate::redis;
use crate::stop::Stop;

/// Most of a command's standard output that is read, in bytes.
pub const MAX_OUTPUT: usize = 1024 * 1024;

/// Most of a command's standard error that is kept, in bytes; the rest is read and dropped.
const MAX_ERRORS: usize = 4096;

/// How often a wait looks up to see whether the command has ended or the agent stops.
const LOOK_UP: Duration = Duration::from_millis(100);

/// How long what a shell has started and not waited for may go on to print when the shell has ended.
/// Then it is killed, and what was printed counts.
const GRACE: Duration = Duration::from_secs(1);

/// Variables of the agent's own that are no plugin's business. Of the last one the systemd unit makes
/// the agent's options, and a URL among them may have a password.
const OWN_VARIABLES: [&str; 3] =
    [redis::PASSWORD_VARIABLE, redis::SERVER_VARIABLE, "KURADO_AGENT_OPTIONS"];

static WATCHER: Watcher = Watcher::new("kurado-agent-watcher");

/// What a command did.
pub struct Outcome {
    /// How it ended; an error where what it printed is not to be used.
    pub end: Result<(), Failure>,
    /// What it printed, up to [`MAX_OUTPUT`].
    pub output: Vec<u8>,
    /// The beginning of what it said on standard error.
    pub errors: String,
    /// From its start to its end.
    pub took: Duration,
}

/// Why a command gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The shell could not be started, or its output not be read.
    #[error("cannot run: {0}")]
    Io(#[from] io::Error),
    /// It ended badly.
    #[error("{}", how(.0))]
    Ended(ExitStatus),
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

impl Outcome {
    /// Why what it printed is not to be used, with what it said on standard error.
    pub fn failure(&self) -> Option<String> {
        let failure = self.end.as_ref().err()?;
        Some(match self.errors.as_str() {
            "" => failure.to_string(),
            errors => format!("{failure}: {errors}"),
        })
    }
}

/// Runs a plugin's command by `/bin/sh -c`, in a process group of its own.
pub fn run(plugin: &Plugin, stop: &Stop) -> Outcome {
    let started = Instant::now();
    let mut output = Stream::default();
    let mut errors = Stream::default();
    let end = start(plugin).map_err(Failure::from).and_then(|mut group| {
        let streams = &mut group.child;
        output.pipe = streams.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        errors.pipe = streams.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let watched = watch(&group, &mut output, &mut errors, started, plugin.timeout, stop);
        if !matches!(watched, Ok(Rest::Nothing)) {
            group.kill();
        }
        let status = group.wait()?;
        watched?;
        if status.success() { Ok(()) } else { Err(Failure::Ended(status)) }
    });
    output.bytes.truncate(MAX_OUTPUT);
    let errors = String::from_utf8_lossy(&errors.bytes).trim().to_owned();
    Outcome { end, output: output.bytes, errors, took: started.elapsed() }
}

fn start(plugin: &Plugin) -> io::Result<Group> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(&plugin.command);
    for variable in OWN_VARIABLES {
        shell.env_remove(variable);
    }
    if let Some(user) = &plugin.user {
        shell.env("HOME", &user.home).env("USER", &user.name).env("LOGNAME", &user.name);
    }
    shell
        .envs(plugin.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let user = plugin.user.clone();
    // SAFETY: what runs between fork and exec takes no memory, and no lock that may be held.
    unsafe {
        shell.pre_exec(move || {
            subreaper::stand_between()?;
            become_plain(user.as_ref())
        })
    };
    let starting = WATCHER.starting(&mut shell);
    let child = shell.spawn()?;
    // Linux has no process id that is too large for this.
    let id = i32::try_from(child.id()).unwrap_or(i32::MAX);
    starting.begun(id);
    Ok(Group { child, id })
}

/// Gives a child between fork and exec what a program may expect: no signal blocked or ignored, the
/// usual mask of new files, and its user. It takes no lock and no memory.
fn become_plain(user: Option<&Account>) -> io::Result<()> {
    /// The last of Linux's signals.
    const LAST_SIGNAL: i32 = 64;
    fn checked(status: i32) -> io::Result<()> {
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    // SAFETY: these calls take numbers and pointers to what lives through them. Signals that can't be
    // set are left as they are.
    unsafe {
        for signal in 1..=LAST_SIGNAL {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        checked(libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()))?;
        libc::umask(0o022);
        if let Some(user) = user {
            checked(libc::setgroups(user.groups.len(), user.groups.as_ptr()))?;
            checked(libc::setgid(user.gid))?;
            checked(libc::setuid(user.uid))?;
        }
    }
    Ok(())
}

/// Keeps commands from inheriting what this process has inherited: all that it opens itself is
/// closed in them already.
pub fn keep_inherited_files() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    for entry in entries.flatten() {
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if fd > libc::STDERR_FILENO {
            // SAFETY: fcntl takes numbers; of one that was closed meanwhile it says so.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// What is left of a command whose shell has ended.
enum Rest {
    Nothing,
    /// Processes that hold its streams open.
    Processes,
}

/// Reads both streams until they and the shell have ended, or a limit is passed.
fn watch(
    group: &Group,
    output: &mut Stream,
    errors: &mut Stream,
    started: Instant,
    limit: Duration,
    stop: &Stop,
) -> Result<Rest, Failure> {
    let mut shell_ended: Option<Instant> = None;
    let mut pause = Duration::from_millis(1);
    loop {
        if stop.is_set() {
            return Err(Failure::Stopped);
        }
        if shell_ended.is_none() && group.first_ended() {
            shell_ended = Some(Instant::now());
        }
        let is_open = output.pipe.is_some() || errors.pipe.is_some();
        let left = match shell_ended {
            Some(_) if !is_open => return Ok(Rest::Nothing),
            Some(at) => match GRACE.checked_sub(at.elapsed()) {
                Some(left) => left,
                None => return Ok(Rest::Processes),
            },
            None => limit.checked_sub(started.elapsed()).ok_or(Failure::TooLong(limit))?,
        };
        if is_open {
            read_ready(output, errors, left.min(LOOK_UP))?;
            errors.bytes.truncate(MAX_ERRORS);
            if output.bytes.len() > MAX_OUTPUT {
                return Err(Failure::TooMuch(MAX_OUTPUT));
            }
        } else {
            // Its streams have ended: so will the shell, mostly at once.
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LOOK_UP);
        }
    }
}

/// Waits for so long at most, and reads what there is.
fn read_ready(output: &mut Stream, errors: &mut Stream, wait: Duration) -> io::Result<()> {
    let mut polled = [output.poll_entry(), errors.poll_entry()];
    let wait = i32::try_from(wait.as_millis()).unwrap_or(0) + 1;
    // SAFETY: the array has as many entries as are named, and lives through the call.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, wait) };
    let [of_output, of_errors] = polled;
    if of_output.revents != 0 {
        output.read_some()?;
    }
    if of_errors.revents != 0 {
        errors.read_some()?;
    }
    Ok(())
}

/// One of a command's streams: what came, until it ends.
#[derive(Default)]
struct Stream {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Stream {
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

/// The process group of a child that was not waited for, which ends as the command's shell does: until then its process id, and so its
/// group, can't have become another's.
struct Group {
    child: Child,
    id: i32,
}

impl Group {
    /// Whether the shell has ended; it can be waited for after that as before.
    fn first_ended(&self) -> bool {
        // SAFETY: of numbers alone, and pointers that may be null.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: it writes to `info` alone.
        let asked = unsafe { libc::waitid(libc::P_PID, self.child.id(), &raw mut info, options) };
        // SAFETY: of a child that has ended its id is there, and 0 of one that has not.
        asked != 0 || unsafe { info.si_pid() } != 0
    }

    /// Kills the group, and what the command's processes have started in groups of their own.
    fn kill(&self) {
        let others = descendants::of(self.id);
        // SAFETY: kill takes no memory; the group is the child's own, made at its start, and the
        // child has not been waited for.
        unsafe { libc::kill(-self.id, libc::SIGKILL) };
        for process in others {
            // SAFETY: as above. A process of that id was a descendant a moment ago.
            unsafe { libc::kill(process, libc::SIGKILL) };
        }
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        WATCHER.ended(self.id);
        self.child.wait()
    }
}

fn how(status: &ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plugin_for_tests as plugin;
    use super::*;
    use std::path::Path;

    fn limited(command: &str, milliseconds: u64) -> Outcome {
        let timeout = Duration::from_millis(milliseconds);
        run(&Plugin { timeout, ..plugin("p", command) }, &Stop::default())
    }

    fn run_now(command: &str) -> Outcome {
        run(&plugin("p", command), &Stop::default())
    }

    fn output(outcome: &Outcome) -> &str {
        assert!(outcome.end.is_ok(), "{:?}", outcome.failure());
        std::str::from_utf8(&outcome.output).unwrap()
    }

    /// Whether a process lives; one that has ended and waits for its parent does not.
    fn lives(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn wait_for_end(pid: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while lives(pid) {
            assert!(Instant::now() < deadline, "process {pid} was left behind");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn output_is_taken_where_the_status_is_zero_whatever_was_said_on_standard_error() {
        let outcome = run_now("echo out; echo err >&2");
        assert_eq!(output(&outcome), "out\n");
        assert_eq!(outcome.errors, "err");
    }

    #[test]
    fn a_command_past_its_time_is_ended_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name| directory.path().join(name);
        let command = format!(
            "sleep 600 & echo $! > '{}'; setsid sh -c 'echo $$ > {}; sleep 600' & sleep 600",
            file("group").display(),
            file("session").display()
        );
        let outcome = limited(&command, 1000);
        assert!(matches!(outcome.end, Err(Failure::TooLong(_))));
        for name in ["group", "session"] {
            wait_for_end(std::fs::read_to_string(file(name)).unwrap().trim());
        }
    }

    /// A command that leaves a process in a session of its own behind, which loses its parent and then does
    /// `left`; when `DIR/parent` names what it has as its parent then, `goes_on`.
    fn leaves(directory: &Path, left: &str, goes_on: &str) -> Outcome {
        let orphan = format!(
            "while test -d /proc/$1; do sleep 0.01; done
            sed -n 's/^PPid:[^0-9]*//p' /proc/$$/status > DIR/new && mv DIR/new DIR/parent; {left}"
        );
        let command = format!(
            "setsid sh -c 'sh -c \"$ORPHAN\" x $$ >/dev/null 2>&1 & echo $! > DIR/orphan'
            while ! test -e DIR/parent; do sleep 0.01; done; {goes_on}"
        );
        let [orphan, command] =
            [orphan, command].map(|text| text.replace("DIR", directory.to_str().unwrap()));
        let env = vec![("ORPHAN".to_owned(), orphan)];
        run(&Plugin { env, ..plugin("p", &command) }, &Stop::default())
    }

    #[test]
    fn what_a_command_past_a_limit_has_left_without_a_parent_is_ended_too() {
        let directory = tempfile::tempdir().unwrap();
        let outcome = leaves(directory.path(), "sleep 600", "yes");
        assert!(matches!(outcome.end, Err(Failure::TooMuch(_))), "{:?}", outcome.failure());
        let orphan = std::fs::read_to_string(directory.path().join("orphan")).unwrap();
        wait_for_end(orphan.trim());
    }

    #[test]
    fn what_a_command_has_left_without_a_parent_is_waited_for_while_it_runs() {
        let directory = tempfile::tempdir().unwrap();
        let goes_on = "while test -d /proc/$(cat DIR/orphan); do sleep 0.01; done; echo $PPID; cat DIR/parent";
        let outcome = leaves(directory.path(), "true", goes_on);
        let parents: Vec<_> = output(&outcome).lines().collect();
        assert!(matches!(parents[..], [one, other] if one == other), "{parents:?}");
    }

    #[test]
    fn a_daemon_in_a_session_of_its_own_lives_on_where_its_command_ends_well() {
        let outcome = run_now("setsid sh -c 'sleep 600 >/dev/null 2>&1 & echo $!'");
        let pid = output(&outcome).trim().to_owned();
        assert!(lives(&pid));
        // SAFETY: kill takes no memory.
        unsafe { libc::kill(pid.parse().unwrap(), libc::SIGKILL) };
    }

    #[test]
    fn a_command_may_signal_its_group_and_go_on() {
        assert_eq!(output(&run_now("trap '' TERM; kill -s TERM 0; echo on")), "on\n");
    }

    #[test]
    fn what_a_shell_left_behind_with_its_streams_is_ended_and_what_was_printed_counts() {
        let outcome = run_now("sleep 600 & echo $!");
        wait_for_end(output(&outcome).trim());
    }

    #[test]
    fn what_a_shell_left_behind_without_its_streams_lives_on() {
        let outcome = run_now("sleep 600 >/dev/null 2>&1 & echo $!");
        let pid = output(&outcome).trim().to_owned();
        assert!(lives(&pid));
        // SAFETY: kill takes no memory.
        unsafe { libc::kill(pid.parse().unwrap(), libc::SIGKILL) };
    }

    #[test]
    fn a_shell_that_closes_its_streams_and_goes_on_is_ended_too() {
        let outcome = limited("exec >&- 2>&-; sleep 600", 300);
        assert!(matches!(outcome.end, Err(Failure::TooLong(_))));
    }

    #[test]
    fn a_command_that_prints_without_end_is_ended() {
        let outcome = limited("yes", 60_000);
        assert!(matches!(outcome.end, Err(Failure::TooMuch(MAX_OUTPUT))));
        assert_eq!(outcome.output.len(), MAX_OUTPUT);
    }

    #[test]
    fn standard_error_without_end_is_cut_and_does_not_block_the_command() {
        let outcome = run_now("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 2");
        assert_eq!(outcome.failure().unwrap().len(), "exit status 2: ".len() + MAX_ERRORS);
    }

    #[test]
    fn a_signal_is_named() {
        assert_eq!(run_now("kill -9 $$").failure().unwrap(), "ended by signal 9");
    }

    #[test]
    fn stopping_the_agent_ends_the_command() {
        let stop = Stop::default();
        stop.set();
        let outcome = run(&plugin("p", "sleep 600"), &stop);
        assert!(matches!(outcome.end, Err(Failure::Stopped)));
    }

    #[test]
    fn signals_that_the_agent_blocks_or_ignores_are_as_usual_in_the_command() {
        crate::signals::block();
        // SAFETY: signal takes no memory.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        let outcome = run_now("grep -E '^Sig(Blk|Ign)' /proc/self/status");
        let sets: Vec<_> = output(&outcome)
            .lines()
            .filter_map(|line| u64::from_str_radix(line.split_once('\t')?.1, 16).ok())
            // 32 and 33 are the C library's own, which it keeps as they are.
            .map(|set| set & !(3 << 31))
            .collect();
        assert_eq!(sets, [0, 0]);
    }

    #[test]
    fn a_command_has_no_file_that_the_agent_has_inherited() {
        // SAFETY: dup2 takes numbers; nothing here has so high a one.
        assert_eq!(unsafe { libc::dup2(libc::STDERR_FILENO, 777) }, 777);
        let seen = "if test -e /proc/$$/fd/777; then echo seen; else echo none; fi";
        assert_eq!(output(&run_now(seen)), "seen\n");
        keep_inherited_files();
        assert_eq!(output(&run_now(seen)), "none\n");
    }

    #[test]
    fn standard_input_is_empty_and_new_files_are_for_all_to_read() {
        assert_eq!(output(&run_now("cat; umask")), "0022\n");
    }

    #[test]
    fn variables_are_the_agents_and_the_plugins_own() {
        let env = vec![("GREETING".to_owned(), "hello $HOME".to_owned())];
        let outcome = run(
            &Plugin { env, ..plugin("p", "echo \"$GREETING\"; test -n \"$PATH\"") },
            &Stop::default(),
        );
        assert_eq!(output(&outcome), "hello $HOME\n");
    }

    #[test]
    fn a_user_has_its_own_ids_groups_and_home() {
        let root = Account {
            name: "someone".to_owned(),
            uid: 54321,
            gid: 54322,
            groups: vec![54322, 54323],
            home: "/somewhere".to_owned(),
        };
        let user = Some(root);
        let outcome = run(
            &Plugin { user, ..plugin("p", "id -u; id -G; echo $HOME $USER $LOGNAME") },
            &Stop::default(),
        );
        // SAFETY: geteuid takes nothing.
        if unsafe { libc::geteuid() } == 0 {
            assert_eq!(output(&outcome), "54321\n54322 54323\n/somewhere someone someone\n");
        } else {
            assert!(outcome.failure().unwrap().starts_with("cannot run: "));
        }
    }

    #[test]
    fn many_runs_leave_neither_files_nor_processes_behind() {
        let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        // The watcher begins with the first.
        run_now("true");
        let before = files();
        for _ in 0..200 {
            run_now("echo a; echo b >&2; true & exit 1");
        }
        assert_eq!(files(), before);
        // Of children there is the watcher alone.
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(descendants::of(own).len(), 1);
    }
}
