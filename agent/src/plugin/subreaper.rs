//! A process between the agent and a command's shell, for as long as that runs. What the shell's processes
//! leave behind becomes its children (by Linux 3.4 and newer), not those of the system's first process: so
//! they are found when the command is ended, and waited for when they end.

use std::io;

/// Descriptors that are closed where the kernel can't close all at once; the agent has far fewer.
const MAX_DESCRIPTORS: i32 = 1024;

/// Forks once more, between fork and exec of a command: returns in the new process, which goes on to be
/// the command. This one stays, and ends as the command does. It takes no lock but those of `fork`, which the
/// fork before has left free, and no memory.
///
/// # Errors
/// Where the system has no process left.
pub fn stand_between() -> io::Result<()> {
    block_signals();
    // SAFETY: it takes numbers. Older kernels refuse: what is left behind is not found there.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    // SAFETY: only this thread is in this process, and both go on with calls to the system alone.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(()),
        command => stay(command),
    }
}

/// A command may signal its whole process group, and go on itself.
fn block_signals() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset fills the set, which lives through both calls.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

fn stay(command: i32) -> ! {
    close_all();
    // SAFETY: the name ends in a zero byte and is no longer than the kernel takes.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"kurado-command".as_ptr(), 0, 0, 0) };
    let mut status = 0;
    loop {
        // SAFETY: it writes to `status` alone.
        match unsafe { libc::waitpid(-1, &raw mut status, 0) } {
            ended if ended == command => end_as(status),
            // Nothing is left that could end, so the command was not seen to.
            -1 => end_as(libc::SIGKILL),
            _ => {}
        }
    }
}

/// The streams of a command end with it, and the agent's files and pipes are the agent's.
fn close_all() {
    // SAFETY: they take numbers; of what is not open they say so.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) != 0 {
            for descriptor in 0..MAX_DESCRIPTORS {
                libc::close(descriptor);
            }
        }
    }
}

/// Ends this process with a status as `waitpid` gives it.
fn end_as(status: i32) -> ! {
    // SAFETY: these take numbers, and pointers to what lives through the calls.
    unsafe {
        if libc::WIFEXITED(status) {
            libc::_exit(libc::WEXITSTATUS(status));
        }
        let signal = libc::WTERMSIG(status);
        // One core is enough.
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        let mut this = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(this.as_mut_ptr());
        libc::sigaddset(this.as_mut_ptr(), signal);
        libc::kill(libc::getpid(), signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, this.as_ptr(), std::ptr::null_mut());
        libc::_exit(128 + signal)
    }
}
