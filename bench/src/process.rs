//! A server under measurement: started, watched through /proc, ended by its own handle.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// A running program. It is killed when this is dropped, and when this program dies.
pub struct Process {
    child: Child,
}

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds on a processor, all threads together.
    pub cpu: f64,
    /// Bytes of pages that it made dirty, and that so go to a disk.
    pub written: u64,
}

impl Process {
    /// Starts `program` with its output in `log`.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn start(program: &str, arguments: &[String], log: &Path) -> Result<Self> {
        let out = fs::File::create(log)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|error| format!("can't start setpriv (of util-linux) {program}: {error}"))?;
        Ok(Self { child })
    }

    /// Waits until `probe` gives something.
    ///
    /// # Errors
    /// Where the process ends before, or nothing comes within a minute; with the log's end.
    pub fn wait_until<T>(&mut self, log: &Path, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = probe() {
                return Ok(found);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > end {
                let text = fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(5).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                let state = ended.map_or("does not answer".to_owned(), |status| status.to_string());
                return Err(format!("server {state}: {}", last.join(" / ")).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// Where /proc does not say.
    pub fn usage(&self) -> Result<Usage> {
        let mut nanoseconds = 0.0;
        for task in fs::read_dir(self.proc("task"))? {
            // A thread may end meanwhile.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += on_a_processor(&text).unwrap_or(0.0);
        }
        let written = field(&fs::read_to_string(self.proc("io"))?, "write_bytes:")?;
        Ok(Usage { cpu: nanoseconds / 1e9, written })
    }

    /// Seconds on a processor of all threads, those that have ended too.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn cpu_of_all_threads(&self) -> Result<f64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let mut clock = 0;
        // SAFETY: the child has not been waited for, so its id is its own; both are written within their
        // bounds.
        let asked = unsafe {
            libc::clock_getcpuclockid(self.child.id().cast_signed(), &mut clock) == 0
                && libc::clock_gettime(clock, &mut time) == 0
        };
        if !asked {
            return Err("the system does not say what a process has used".into());
        }
        Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    /// Its memory in RAM, in bytes.
    ///
    /// # Errors
    /// Where /proc does not say.
    pub fn resident(&self) -> Result<u64> {
        Ok(1024 * field(&fs::read_to_string(self.proc("status"))?, "VmRSS:")?)
    }

    fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::ops::Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { cpu: self.cpu - before.cpu, written: self.written.saturating_sub(before.written) }
    }
}

/// Seconds that the thread which asks was on a processor.
///
/// # Errors
/// Where /proc does not say.
pub fn of_this_thread() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(on_a_processor(&text).ok_or("/proc/thread-self/schedstat has no time")? / 1e9)
}

/// The first field of a thread's `schedstat`, in nanoseconds.
fn on_a_processor(schedstat: &str) -> Option<f64> {
    schedstat.split(' ').next()?.parse().ok()
}

/// A loopback port that was free a moment ago.
///
/// # Errors
/// Where there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("/proc has no {name}").into())
}
