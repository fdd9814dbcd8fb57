//! Which processes a process has started, and they in turn, by `/proc`.
//!
//! A process whose own parent has ended belongs to the nearest subreaper above it, as `subreaper` makes one.

/// The ids of all descendants; none where `/proc` can't be read.
pub fn of(process: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let parents: Vec<(i32, i32)> = entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read(entry.path().join("stat")).ok()?;
            Some((id, parent(&String::from_utf8_lossy(&stat))?))
        })
        .collect();
    let mut family = vec![process];
    let mut done = 0;
    while let Some(&of) = family.get(done) {
        for (id, parent) in &parents {
            if *parent == of && !family.contains(id) {
                family.push(*id);
            }
        }
        done += 1;
    }
    family.split_off(1)
}

/// The parent's id in `PID (NAME) STATE PPID …`; the name may hold anything.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_stands_behind_the_name_whatever_that_holds() {
        assert_eq!(parent("12 (a) S 7 8) S 3 4 5"), Some(3));
        assert_eq!(parent("12 (a) S"), None);
        assert_eq!(parent(""), None);
    }

    #[test]
    fn children_of_children_are_found() {
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", "sh -c 'sleep 600; :' & wait"])
            .spawn()
            .unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while of(own).len() < 3 {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        for process in of(own) {
            // SAFETY: kill takes no memory; these are of this test.
            unsafe { libc::kill(process, libc::SIGKILL) };
        }
        shell.wait().unwrap();
    }
}
