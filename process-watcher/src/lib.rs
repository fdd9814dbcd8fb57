//! What becomes of programs when the process that runs them is killed: a watcher, a process of its
//! own, then kills them too.
//!
//! It is told of each group of processes at its start and at its end, through a pipe that closes
//! when this process ends, however that comes about. A program may tell it by itself that it starts, before
//! it is executed: then no moment is left in which it runs unwatched. `PR_SET_PDEATHSIG` would go by the
//! thread that started a program, which may end long before, and reach none of the program's own children.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the watcher does: it is small, and there is a shell wherever there are programs. The signals
/// that it ignores are those which end this process in an orderly way, that may take a while. One program
/// starts at a time.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
starting=
while read -r change group; do
    case $change$groups in
    starting*) starting=$group ;;
    failed*) starting= ;;
    begun*) starting= groups="$groups$group " ;;
    ended*" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups $starting; do kill -s KILL -- "-$group"; done
"#;

/// Knows the groups of processes that run, and has them killed when this process is.
pub struct Watcher(Mutex<Programs>);

/// A program that is about to start; dropped where it did not.
pub struct Starting<'a>(MutexGuard<'a, Programs>);

/// The programs that run.
struct Programs {
    /// As which the watcher shows in `ps`, behind the script.
    name: &'static str,
    groups: BTreeSet<i32>,
    /// `None` before the first program, and where it can't be started.
    watcher: Option<Child>,
}

impl Watcher {
    /// One that knows of no group yet, and shows as `name` in `ps`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Mutex::new(Programs { name, groups: BTreeSet::new(), watcher: None }))
    }

    /// To be called when all about a command is settled, just before it is started; others wait
    /// meanwhile. It will run in a process group of its own. For commands that the kernel can execute: of any
    /// other, the standard library makes a shell script where it forks, as this makes it do.
    pub fn starting(&self, command: &mut Command) -> Starting<'_> {
        let mut programs = self.lock();
        programs.have_watcher();
        command.process_group(0);
        if let Some(pipe) = programs.pipe().and_then(|pipe| pipe.try_clone_to_owned().ok()) {
            // SAFETY: between fork and exec it makes calls to the system alone, without memory or locks.
            unsafe { command.pre_exec(move || announce(&pipe)) };
        }
        Starting(programs)
    }

    /// To be called before a program is started that [`Self::begun`] will tell of, so that little time passes
    /// until then. One that begins just as this process is killed, before it is told, lives on to its own end.
    pub fn prepare(&self) {
        self.lock().have_watcher();
    }

    /// A program has started, and this is its group: the id of its first process.
    pub fn begun(&self, group: i32) {
        self.lock().begun(group);
    }

    /// A group has ended, or is killed. To be told before its first process is waited for: after that, its id
    /// may become another's.
    pub fn ended(&self, group: i32) {
        let mut programs = self.lock();
        programs.groups.remove(&group);
        // Without a watcher there is nobody who would have to know.
        let _ = programs.tell(&[("ended", group)]);
    }

    fn lock(&self) -> MutexGuard<'_, Programs> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Starting<'_> {
    /// It has started, and this is its group: the id of its first process.
    pub fn begun(mut self, group: i32) {
        self.0.begun(group);
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        // After a start this changes nothing.
        let _ = self.0.tell(&[("failed", 0)]);
    }
}

impl Programs {
    fn have_watcher(&mut self) {
        if self.watcher.is_none() {
            self.replace_watcher();
        }
    }

    fn begun(&mut self, group: i32) {
        self.groups.insert(group);
        if self.tell(&[("begun", group)]).is_err() {
            // There is none, or somebody ended it.
            self.replace_watcher();
        }
    }

    fn pipe(&self) -> Option<BorrowedFd<'_>> {
        Some(self.watcher.as_ref()?.stdin.as_ref()?.as_fd())
    }

    fn tell(&mut self, changes: &[(&str, i32)]) -> io::Result<()> {
        let mut pipe = self.watcher.as_ref().and_then(|watcher| watcher.stdin.as_ref());
        let pipe = pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let text: String =
            changes.iter().map(|(change, group)| format!("{change} {group}\n")).collect();
        pipe.write_all(text.as_bytes())
    }

    fn replace_watcher(&mut self) {
        if let Some(mut ended) = self.watcher.take() {
            let _ = ended.kill();
            let _ = ended.wait();
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, self.name]).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.watcher = command.spawn().ok();
        let groups: Vec<_> = self.groups.iter().map(|group| ("begun", *group)).collect();
        // Programs run without a watcher too: they are killed as long as this process lives.
        let _ = self.tell(&groups);
    }
}

/// Tells the watcher of the process group that this is in. For a process between fork and exec.
fn announce(pipe: &OwnedFd) -> io::Result<()> {
    const DIGITS: usize = 10;
    let mut line = *b"starting           \n";
    let end = line.len() - 1;
    // SAFETY: it takes nothing.
    let mut group = unsafe { libc::getpgrp() };
    for digit in line[end - DIGITS..end].iter_mut().rev() {
        *digit = b'0' + u8::try_from(group % 10).unwrap_or_default();
        group /= 10;
    }
    // SAFETY: these take numbers, and a pointer to as many bytes as are named. A watcher that is gone is
    // noticed by the process that starts this one; here a program must not end by it.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::write(pipe.as_raw_fd(), line.as_ptr().cast(), line.len());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn sleep() -> Command {
        let mut sleep = Command::new("sleep");
        sleep.arg("600").stdin(Stdio::null()).stdout(Stdio::null());
        sleep
    }

    /// As when this process is killed: the pipe closes. Returns when the watcher has done its work.
    fn end_pipe(programs: &mut Programs) {
        let mut watcher = programs.watcher.take().unwrap();
        drop(watcher.stdin.take());
        assert!(watcher.wait().is_ok());
    }

    #[test]
    fn a_program_is_watched_before_the_one_that_started_it_says_so() {
        let watcher = Watcher::new("watcher-of-a-test");
        let mut command = sleep();
        let mut starting = watcher.starting(&mut command);
        let mut child = command.spawn().unwrap();
        drop(command);
        end_pipe(&mut starting.0);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn of_programs_those_are_killed_that_have_begun_and_not_ended() {
        let watcher = Watcher::new("watcher-of-a-test");
        let mut children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = sleep();
                let starting = watcher.starting(&mut command);
                let child = command.spawn().unwrap();
                starting.begun(child.id().cast_signed());
                child
            })
            .collect();
        watcher.ended(children[0].id().cast_signed());
        watcher.ended(children[2].id().cast_signed());
        end_pipe(&mut watcher.lock());
        for killed in [1, 3] {
            assert_eq!(children[killed].wait().unwrap().signal(), Some(libc::SIGKILL));
        }
        for ended in [0, 2] {
            assert!(children[ended].try_wait().unwrap().is_none());
            children[ended].kill().unwrap();
            children[ended].wait().unwrap();
        }
    }

    #[test]
    fn a_program_that_did_not_start_is_no_group_to_kill() {
        let watcher = Watcher::new("watcher-of-a-test");
        let mut command = Command::new("/nonexistent/program");
        let starting = watcher.starting(&mut command);
        assert!(command.spawn().is_err());
        drop((starting, command));
        // The kernel may have given the id of that one to another meanwhile.
        let mut other = sleep().process_group(0).spawn().unwrap();
        let group = other.id().cast_signed();
        let mut programs = watcher.lock();
        programs.tell(&[("starting", group), ("failed", 0)]).unwrap();
        end_pipe(&mut programs);
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_watcher_that_somebody_killed_is_replaced_and_the_program_runs() {
        let watcher = Watcher::new("watcher-of-a-test");
        let first = {
            let mut programs = watcher.lock();
            programs.replace_watcher();
            let first = programs.watcher.as_mut().unwrap();
            first.kill().unwrap();
            first.wait().unwrap();
            first.id()
        };
        let mut command = sleep();
        let starting = watcher.starting(&mut command);
        let mut child = command.spawn().unwrap();
        starting.begun(child.id().cast_signed());
        drop(command);
        let mut programs = watcher.lock();
        assert_ne!(programs.watcher.as_ref().unwrap().id(), first);
        end_pipe(&mut programs);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
