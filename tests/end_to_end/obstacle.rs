//! What keeps a server from writing a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::server::Server;

/// The lock that librrd takes for an update, until it is dropped.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a file. The test must not open it elsewhere meanwhile: closing that would unlock it.
    pub fn take(path: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(path).expect("the file");
        let wish = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        // SAFETY: the descriptor is open and `wish` is a whole `flock`.
        let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &wish) };
        assert_eq!(taken, 0, "{}: {}", path.display(), io::Error::last_os_error());
        Self { _file: file }
    }
}

/// Stops a server's first writer thread for good, as a disk that answers no more would. What is
/// returned ends when that thread does, and must be joined after the server's end.
pub fn hang_writer(server: &Server) -> JoinHandle<()> {
    let thread = writer_thread(server);
    let (stopped, is_stopped) = mpsc::channel();
    // Whoever traces a thread must be the one who takes note of its end.
    let tracer = thread::spawn(move || {
        let none = std::ptr::null_mut::<libc::c_void>();
        let wait = || {
            let mut status = 0;
            // SAFETY: the status outlives the call.
            unsafe { libc::waitpid(thread, &mut status, libc::__WALL) };
            status
        };
        // SAFETY: both take numbers alone here.
        unsafe {
            let seized = libc::ptrace(libc::PTRACE_SEIZE, thread, none, none);
            assert_eq!(seized, 0, "{}", io::Error::last_os_error());
            libc::ptrace(libc::PTRACE_INTERRUPT, thread, none, none);
        }
        assert!(libc::WIFSTOPPED(wait()), "the thread stops");
        stopped.send(()).expect("the test waits");
        let status = wait();
        assert!(libc::WIFEXITED(status) || libc::WIFSIGNALED(status), "status {status}");
    });
    is_stopped.recv().expect("a thread that stopped");
    tracer
}

fn writer_thread(server: &Server) -> libc::pid_t {
    let tasks = format!("/proc/{}/task", server.process_id());
    let threads = std::fs::read_dir(tasks).expect("its threads");
    let found = threads.flatten().find(|thread| {
        let name = std::fs::read_to_string(thread.path().join("comm"));
        name.is_ok_and(|name| name == "kurado-rrd-0\n")
    });
    found.expect("a writer").file_name().to_str().and_then(|id| id.parse().ok()).expect("an id")
}
