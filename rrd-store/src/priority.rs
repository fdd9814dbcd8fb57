//! Who goes first where processors are short.

/// What the threads that write give way by: the nice value of a background task, 0 to 19.
const NICE: libc::c_int = 10;

/// Lets other threads of the machine, the server's main thread above all, go before this one.
pub fn give_way() {
    // SAFETY: takes and gives plain numbers. On Linux, 0 names the calling thread. Where it fails,
    // the thread works as before.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}
