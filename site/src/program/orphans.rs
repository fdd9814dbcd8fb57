//! What becomes of programs when the process that runs them is killed: a watcher, a process of its
//! own, then kills them too.
//!
//! It is told of each group of processes at its start and at its end, through a pipe that closes
//! when this process ends, however that comes about. `PR_SET_PDEATHSIG` would go by the thread that
//! started a program, and reach none of the program's own children.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the watcher does: it is small, and there is a shell wherever there are programs. The signals
/// that it ignores are those which end this process in an orderly way, that may take a while.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r change group; do
    case $change$groups in
    begun*) groups="$groups$group " ;;
    ended*" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
"#;
/// As which it shows in `ps`, behind the script.
const NAME: &str = "kurado-program-watcher";

static PROGRAMS: Mutex<Programs> = Mutex::new(Programs { groups: BTreeSet::new(), watcher: None });

/// The programs that run.
struct Programs {
    groups: BTreeSet<i32>,
    /// `None` before the first program, and where it can't be started.
    watcher: Option<Child>,
}

/// A group of processes has begun. (One that begins just as this process is killed, before it is
/// told here, lives on to its own end.)
pub(super) fn begun(group: i32) {
    let mut programs = lock();
    programs.groups.insert(group);
    if programs.tell(&[("begun", group)]).is_err() {
        // There is none yet, or somebody ended it.
        programs.replace_watcher();
    }
}

/// It has ended, or is killed. To be told before its first process is waited for: after that, its id
/// may become another's.
pub(super) fn ended(group: i32) {
    let mut programs = lock();
    programs.groups.remove(&group);
    // Without a watcher there is nobody who would have to know.
    let _ = programs.tell(&[("ended", group)]);
}

fn lock() -> MutexGuard<'static, Programs> {
    // Nothing in here panics half-way through a change.
    PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Programs {
    fn tell(&mut self, changes: &[(&str, i32)]) -> std::io::Result<()> {
        let mut pipe = self.watcher.as_ref().and_then(|watcher| watcher.stdin.as_ref());
        let pipe = pipe.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
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
        command.args(["-c", SCRIPT, NAME]).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.watcher = command.spawn().ok();
        let groups: Vec<_> = self.groups.iter().map(|group| ("begun", *group)).collect();
        // Programs run without a watcher too: they are killed as long as this process lives.
        let _ = self.tell(&groups);
    }
}
