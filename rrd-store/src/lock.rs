//! Locks of whole files as librrd takes them (POSIX): they belong to a process and not to its
//! children, and go with the first descriptor of the file that the process closes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// What a lock excludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Other processes' exclusive locks.
    Shared,
    /// All locks of other processes.
    Exclusive,
}

/// Takes a lock.
///
/// # Errors
/// `EAGAIN` or `EACCES` where another process has one that excludes it.
pub(crate) fn try_lock(file: &File, kind: Kind) -> io::Result<()> {
    let wish = whole_file(kind);
    // SAFETY: the descriptor is open and `wish` is a whole `flock`.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &wish) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// The process whose lock excludes this one, if it still does.
pub(crate) fn holder(file: &File, kind: Kind) -> Option<libc::pid_t> {
    let mut wish = whole_file(kind);
    // SAFETY: as above; the call fills in who has the lock.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &mut wish) } == 0;
    let is_taken = asked && wish.l_type != libc::F_UNLCK as libc::c_short && wish.l_pid > 0;
    is_taken.then_some(wish.l_pid)
}

fn whole_file(kind: Kind) -> libc::flock {
    let kind = match kind {
        Kind::Shared => libc::F_RDLCK,
        Kind::Exclusive => libc::F_WRLCK,
    };
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
