//! The signals that mean something here: TERM and INT to stop, HUP to read the plugins again.

use std::mem::MaybeUninit;

/// What a signal asks for.
pub enum Wish {
    /// TERM, INT.
    Stop,
    /// HUP.
    Reload,
}

fn awaited() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set; the signals added are valid.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Keeps these signals from ending the process, so that a thread can wait for them. Threads that this
/// one starts inherit it, and so do processes. Whoever started the agent may have left SIGCHLD
/// ignored: then no command could be waited for, so that is undone.
pub fn block() {
    // SAFETY: signal takes numbers.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    // SAFETY: the set lives through the call, and nothing is written back.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &awaited(), std::ptr::null_mut()) };
}

/// Waits for one of these signals; they must be blocked.
pub fn wait() -> Wish {
    let mut signal = 0;
    // SAFETY: both live through the call.
    while unsafe { libc::sigwait(&awaited(), &mut signal) } != 0 {}
    if signal == libc::SIGHUP && !is_stop_pending() { Wish::Reload } else { Wish::Stop }
}

/// Whether a stop waits behind what was heard: of several signals the kernel gives HUP first, so one that
/// comes again and again would keep the others from being heard.
fn is_stop_pending() -> bool {
    let mut pending = MaybeUninit::uninit();
    // SAFETY: sigpending fills the set where it succeeds, and it is read only then.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0
            && [libc::SIGTERM, libc::SIGINT]
                .iter()
                .any(|signal| libc::sigismember(pending.as_ptr(), *signal) == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_heard_before_any_number_of_reloads() {
        block();
        // SAFETY: these take numbers. The thread's own signals are blocked, so they wait for it.
        unsafe {
            libc::pthread_kill(libc::pthread_self(), libc::SIGHUP);
            libc::pthread_kill(libc::pthread_self(), libc::SIGTERM);
        }
        assert!(matches!(wait(), Wish::Stop));
        let mut signal = 0;
        // SAFETY: both live through the call; TERM is pending, so it returns.
        unsafe { libc::sigwait(&awaited(), &mut signal) };
        assert_eq!(signal, libc::SIGTERM);
        // SAFETY: as above.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGHUP) };
        assert!(matches!(wait(), Wish::Reload));
    }
}
