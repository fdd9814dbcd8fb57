//! The signals that mean stop: TERM and INT.

use std::io;
use std::mem::MaybeUninit;

fn stop_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set; the signals added are valid.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
        set.assume_init()
    }
}

/// Keeps these signals from ending the process, so that a thread can wait for them. Threads that this
/// one starts inherit it, and so do processes.
pub fn block() {
    // SAFETY: the set lives through the call, and nothing is written back.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &stop_signals(), std::ptr::null_mut()) };
}

/// Undoes [`block`]. It may run in a child between fork and exec: it takes no lock and no memory.
pub fn unblock() -> io::Result<()> {
    // SAFETY: as in `block`.
    match unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &stop_signals(), std::ptr::null_mut()) }
    {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Waits for one of these signals; they must be blocked.
pub fn wait() {
    let mut signal = 0;
    // SAFETY: both live through the call.
    while unsafe { libc::sigwait(&stop_signals(), &mut signal) } != 0 {}
}
