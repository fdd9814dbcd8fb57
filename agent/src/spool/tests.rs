use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const LIMIT: u64 = 1024 * 1024;

fn payload(number: u64) -> Payload {
    Payload {
        time: 60 * number,
        lines: format!("base.metrics.n.gauge\t{number}\t{}\n", 60 * number),
    }
}

/// Sends everything: the numbers of the payloads, in the order in which they left.
fn drain(spool: &mut Spool) -> Vec<u64> {
    std::iter::from_fn(|| {
        let payload = spool.take()?;
        spool.taken();
        Some(payload.time / 60)
    })
    .collect()
}

fn new() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("spool");
    (parent, path)
}

fn filled(path: &Path, numbers: std::ops::Range<u64>) -> Spool {
    let mut spool = Spool::open(path, LIMIT);
    for number in numbers {
        spool.put(payload(number));
    }
    spool.store();
    spool
}

/// The files of a spool, oldest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap() != "lock");
    files.sort();
    files
}

#[test]
fn the_directory_is_made_when_it_is_needed_and_nobody_else_may_look_into_it() {
    let (_parent, path) = new();
    let mut spool = Spool::open(&path, LIMIT);
    spool.put(payload(1));
    assert!(!path.exists());
    spool.store();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("lock")), 0o600);
    assert_eq!(mode(&files(&path)[0]), 0o600);
    assert_eq!((spool.len(), spool.in_memory()), (1, 0));
}

#[test]
fn what_is_in_the_directory_is_sent_before_what_is_new() {
    let (_parent, path) = new();
    drop(filled(&path, 1..3));
    let mut spool = Spool::open(&path, LIMIT);
    spool.put(payload(3));
    assert_eq!(drain(&mut spool), [1, 2, 3]);
    assert!(files(&path).is_empty());
}

#[test]
fn order_is_that_of_putting_whatever_the_clock_did() {
    let (_parent, path) = new();
    drop(filled(&path, 90..92));
    drop(filled(&path, 5..7));
    drop(filled(&path, 200..201));
    assert_eq!(drain(&mut Spool::open(&path, LIMIT)), [90, 91, 5, 6, 200]);
}

#[test]
fn a_payload_that_nobody_confirmed_is_given_again() {
    let (_parent, path) = new();
    let mut spool = filled(&path, 1..2);
    assert_eq!(spool.take(), Some(payload(1)));
    assert_eq!(spool.take(), Some(payload(1)));
    // It moves to the disk while it is under way.
    let mut spool = Spool::open(&path.with_file_name("other"), LIMIT);
    spool.put(payload(1));
    spool.take();
    spool.put(payload(2));
    spool.store();
    spool.taken();
    assert_eq!(drain(&mut spool), [2]);
}

#[test]
fn past_its_size_the_oldest_go_and_are_counted_until_told() {
    let (_parent, path) = new();
    let mut spool = Spool::open(&path, 5 * 4096);
    for number in 1..=8 {
        spool.put(payload(number));
        spool.store();
    }
    assert_eq!((spool.len(), spool.in_memory(), files(&path).len()), (5, 0, 5));
    let dropped = spool.take_dropped().unwrap();
    assert_eq!(dropped, Dropped::one(60).and(Dropped::one(120)).and(Dropped::one(180)));
    assert_eq!(spool.take_dropped(), None);
    spool.untold(dropped);
    spool.put(payload(9));
    spool.store();
    assert_eq!(spool.take_dropped().unwrap().count, 4);
    assert_eq!(drain(&mut spool), [5, 6, 7, 8, 9]);
}

#[test]
fn one_that_is_dropped_while_it_is_under_way_takes_no_other_with_it() {
    let (_parent, path) = new();
    let mut spool = Spool::open(&path, 2 * 4096);
    for number in 1..=2 {
        spool.put(payload(number));
        spool.store();
    }
    assert_eq!(spool.take(), Some(payload(1)));
    spool.put(payload(3));
    spool.store();
    spool.taken();
    assert_eq!(drain(&mut spool), [2, 3]);
}

#[test]
fn without_a_directory_memory_has_a_bound_too() {
    let (_parent, path) = new();
    let mut spool = Spool::open(&path, 0);
    let big = |time| Payload { time, lines: "x\n".repeat(MAX_MEMORY / 6) };
    for time in 0..4 {
        spool.put(big(time));
        spool.store();
    }
    assert!(!path.exists());
    assert!(spool.memory_bytes <= MAX_MEMORY);
    assert!(spool.take_dropped().is_some());
    assert_eq!(spool.oldest_time(), Some(1));
    // One payload is kept, whatever its length.
    spool.put(Payload { time: 9, lines: "y\n".repeat(MAX_MEMORY) });
    assert_eq!(spool.oldest_time(), Some(9));
    assert_eq!(spool.memory_bytes, 2 * MAX_MEMORY);
    // But one alone: what many commands print at one tick comes in payloads of one time.
    spool.put(big(9));
    spool.put(big(9));
    spool.put(big(9));
    spool.put(big(9));
    assert!(spool.memory_bytes <= MAX_MEMORY);
}

#[test]
fn two_agents_do_not_share_a_directory() {
    let (_parent, path) = new();
    let mut first = filled(&path, 1..2);
    let mut second = filled(&path, 7..8);
    assert!(second.told.as_ref().unwrap().contains("another agent uses it"));
    assert_eq!((second.len(), second.in_memory()), (1, 1));
    assert_eq!(drain(&mut first), [1]);
    first.put(payload(2));
    first.store();
    drop(first);
    // When the first has gone, what it left is sent by the other, before its own.
    second.retry_at = None;
    second.store();
    assert_eq!(drain(&mut second), [2, 7]);
}

#[test]
fn what_waits_in_a_directory_that_can_be_used_again_is_found_though_nothing_new_waits() {
    let (_parent, path) = new();
    let first = filled(&path, 1..3);
    let mut second = Spool::open(&path, LIMIT);
    second.store_at_last();
    assert!(second.told.as_ref().unwrap().contains("another agent uses it"));
    // Not before the time to try again has come.
    second.look_again();
    drop(first);
    second.look_again();
    assert_eq!(second.len(), 0);
    second.retry_at = None;
    second.look_again();
    assert_eq!(second.told, None);
    assert_eq!(drain(&mut second), [1, 2]);
}

#[test]
fn a_system_without_free_files_costs_no_payload() {
    let (_parent, path) = new();
    let mut spool = filled(&path, 1..3);
    // A process of its own, as it has no file left for anything else.
    // SAFETY: fork; the child calls what takes no lock that another thread may hold, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit lives through the call.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) };
        let is_kept = spool.take().is_none() && spool.len() == 2;
        // SAFETY: it ends this process and nothing else.
        unsafe { libc::_exit(i32::from(!is_kept)) };
    }
    let mut status = -1;
    // SAFETY: the status lives through the call.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(drain(&mut spool), [1, 2]);
}

#[test]
fn a_payload_under_way_is_not_mistaken_for_one_that_was_found_meanwhile() {
    let (_parent, path) = new();
    let first = filled(&path, 1..2);
    let mut second = filled(&path, 7..8);
    assert_eq!(second.take(), Some(payload(7)));
    drop(first);
    second.store_at_last();
    second.taken();
    assert_eq!(drain(&mut second), [1, 7]);
}

#[test]
fn a_directory_that_others_may_write_to_or_that_they_linked_is_not_used() {
    let (_parent, path) = new();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let spool = filled(&path, 1..2);
    assert_eq!(spool.in_memory(), 1);
    assert!(spool.told.unwrap().contains("others may write to it: its mode is 777"));
    assert!(files(&path).is_empty());
    // systemd makes a link that belongs to root, or to the user itself.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let link = path.with_file_name("link");
    symlink(&path, &link).unwrap();
    assert_eq!(filled(&link, 1..2).in_memory(), 0);
}

#[test]
fn a_file_in_the_directorys_place_is_told_and_memory_is_used() {
    let (_parent, path) = new();
    fs::write(&path, "").unwrap();
    let mut spool = filled(&path, 1..3);
    assert_eq!(spool.in_memory(), 2);
    assert!(spool.told.is_some());
    fs::remove_file(&path).unwrap();
    spool.retry_at = None;
    spool.store();
    assert_eq!((spool.in_memory(), spool.told.as_ref()), (0, None));
    assert_eq!(drain(&mut spool), [1, 2]);
}

#[test]
fn links_and_strange_files_are_left_alone_and_not_sent() {
    let (_parent, path) = new();
    drop(filled(&path, 1..3));
    let outside = path.with_file_name("outside");
    fs::write(&outside, "root's own").unwrap();
    symlink(&outside, path.join(format!("{:020}-5.payload", 0))).unwrap();
    symlink(&outside, path.join("new.tmp")).unwrap();
    fs::write(path.join("99999999999999999999-5.payload"), "").unwrap();
    fs::write(path.join("7-5.payload"), "").unwrap();
    fs::write(path.join("notes"), "").unwrap();
    fs::create_dir(path.join(format!("{:020}-6.payload", 0))).unwrap();
    let mut spool = Spool::open(&path, LIMIT);
    spool.put(payload(3));
    spool.store();
    assert_eq!(drain(&mut spool), [1, 2, 3]);
    assert_eq!(fs::read_to_string(outside).unwrap(), "root's own");
    assert_eq!(files(&path).len(), 5);
}

#[test]
fn damaged_files_are_set_aside_and_do_not_grow_in_number() {
    let (_parent, path) = new();
    drop(filled(&path, 1..21));
    for file in &files(&path)[..19] {
        let mut bytes = fs::read(file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
    }
    let mut spool = Spool::open(&path, LIMIT);
    assert_eq!(drain(&mut spool), [20]);
    assert_eq!(files(&path).len(), 8);
    assert!(drain(&mut Spool::open(&path, LIMIT)).is_empty());
}

#[test]
fn a_file_longer_than_any_payload_is_not_read() {
    let (_parent, path) = new();
    drop(filled(&path, 1..3));
    let file = fs::OpenOptions::new().write(true).open(&files(&path)[0]).unwrap();
    file.set_len(1 << 40).unwrap();
    assert_eq!(drain(&mut Spool::open(&path, 1 << 50)), [2]);
}

#[test]
fn a_directory_that_is_removed_is_made_again_and_what_is_new_is_kept() {
    let (_parent, path) = new();
    let mut spool = filled(&path, 1..3);
    assert_eq!(spool.take(), Some(payload(1)));
    fs::remove_dir_all(&path).unwrap();
    spool.put(payload(3));
    spool.store();
    spool.taken();
    assert_eq!(spool.in_memory(), 0);
    drop(spool);
    assert_eq!(drain(&mut Spool::open(&path, LIMIT)), [3]);
}

#[test]
fn files_that_somebody_removes_are_passed_over() {
    let (_parent, path) = new();
    let mut spool = filled(&path, 1..5);
    fs::remove_file(&files(&path)[0]).unwrap();
    fs::remove_file(&files(&path)[1]).unwrap();
    assert_eq!(drain(&mut spool), [2, 4]);
}

#[test]
fn systemds_directory_comes_before_the_usual_one() {
    let of = |given: Option<&str>| default_directory(given.map(OsString::from));
    assert_eq!(of(Some("/var/lib/a:/var/lib/b")), Path::new("/var/lib/a"));
    assert_eq!(of(Some("")), Path::new(DEFAULT));
    assert_eq!(of(None), Path::new(DEFAULT));
}

/// What may happen to a spool.
#[derive(Clone, Debug)]
enum Step {
    Put,
    Store,
    Sent,
    /// The server did not answer.
    NotSent,
    /// The agent is killed; begun again at once.
    Kill,
    /// It is killed while it writes, which leaves so much of the next payload: under the name of
    /// what is being written, or on a disk that keeps no order, of what is whole.
    KillInWrite(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Put),
        3 => Just(Step::Store),
        3 => Just(Step::Sent),
        1 => Just(Step::NotSent),
        1 => Just(Step::Kill),
        1 => (0usize..200, any::<bool>()).prop_map(|(bytes, named)| Step::KillInWrite(bytes, named)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_order_is_kept_and_only_what_was_not_stored_or_did_not_fit_is_lost(
        steps in proptest::collection::vec(step(), 0..60),
        fits in 2usize..8,
    ) {
        let (_parent, path) = new();
        let limit = 4096 * fits as u64;
        let mut spool = Spool::open(&path, limit);
        // Numbers on the disk, and in memory.
        let (mut stored, mut memory) = (Vec::new(), Vec::new());
        let mut next = 1;
        for step in steps {
            match step {
                Step::Put => {
                    spool.put(payload(next));
                    memory.push(next);
                    next += 1;
                }
                Step::Store => {
                    spool.store();
                    stored.append(&mut memory);
                    stored.drain(..stored.len().saturating_sub(fits));
                }
                Step::Sent => {
                    let expected = stored.first().or(memory.first()).copied();
                    prop_assert_eq!(spool.take(), expected.map(payload));
                    spool.taken();
                    let of = if stored.is_empty() { &mut memory } else { &mut stored };
                    if !of.is_empty() {
                        of.remove(0);
                    }
                }
                Step::NotSent => {
                    spool.take();
                }
                Step::Kill | Step::KillInWrite(..) => {
                    drop(spool);
                    memory.clear();
                    if let Step::KillInWrite(bytes, named) = step && path.exists() {
                        let Payload { time, lines } = payload(next);
                        let mut file = record::header(&lines) + &lines;
                        file.truncate(bytes.min(file.len() - 1));
                        let name = format!("{:020}-{time}.payload", 1_000_000 + next);
                        fs::write(path.join(if named { &name } else { "new.tmp" }), file).unwrap();
                        next += 1;
                    }
                    spool = Spool::open(&path, limit);
                    // It takes room until it is read: bring that to pass.
                    if matches!(step, Step::KillInWrite(_, true)) && path.exists() {
                        let drained = drain(&mut spool);
                        prop_assert_eq!(&drained, &stored);
                        stored.clear();
                    }
                }
            }
            prop_assert_eq!(spool.len(), stored.len() + memory.len());
        }
        stored.append(&mut memory);
        prop_assert_eq!(drain(&mut spool), stored);
    }
}
