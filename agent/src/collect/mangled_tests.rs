//! The collectors over files that are mangled: whatever is done to them, nothing panics, what is sent are lines,
//! and what stands in other files is sent as before.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use line_protocol::{parse_line, payload_lines};
use proptest::prelude::*;

use super::laid_out::*;

/// What may be done to a file.
#[derive(Clone, Debug)]
enum Mangle {
    Cut(usize),
    Remove(usize, usize),
    Replace(usize, Vec<u8>),
    /// Without one line.
    RemoveLine(usize),
    /// Another word in place of one.
    ReplaceWord(usize, &'static str),
    /// The file many times in a row, without its ends of lines: one absurdly long line.
    LongLine,
    Empty,
    Missing,
    Directory,
    /// A link to itself: it is there, and can't be read.
    Unreadable,
}

const WORDS: [&str; 11] = [
    "word",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999",
    "1e308",
    "NaN",
    "0x",
    "\0",
    "0",
    "",
];

fn mangle() -> impl Strategy<Value = Mangle> {
    prop_oneof![
        any::<usize>().prop_map(Mangle::Cut),
        (any::<usize>(), 1usize..30).prop_map(|(at, len)| Mangle::Remove(at, len)),
        (any::<usize>(), proptest::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, bytes)| Mangle::Replace(at, bytes)),
        (any::<usize>(), "[0-9 :\t\n/.x-]{1,25}")
            .prop_map(|(at, text)| Mangle::Replace(at, text.into_bytes())),
        any::<usize>().prop_map(Mangle::RemoveLine),
        (any::<usize>(), proptest::sample::select(&WORDS[..]))
            .prop_map(|(at, word)| Mangle::ReplaceWord(at, word)),
        Just(Mangle::LongLine),
        Just(Mangle::Empty),
        Just(Mangle::Missing),
        Just(Mangle::Directory),
        Just(Mangle::Unreadable),
    ]
}

fn mangled(mut bytes: Vec<u8>, how: &Mangle) -> Vec<u8> {
    let len = bytes.len().max(1);
    match how {
        Mangle::Cut(at) => bytes.truncate(at % len),
        Mangle::Remove(at, count) => {
            let start = (at % len).min(bytes.len());
            bytes.drain(start..(start + count).min(bytes.len()));
        }
        Mangle::Replace(at, new) => {
            let start = (at % len).min(bytes.len());
            let end = (start + new.len()).min(bytes.len());
            bytes.splice(start..end, new.iter().copied());
        }
        Mangle::RemoveLine(at) => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            if !lines.is_empty() {
                lines.remove(at % lines.len());
            }
            bytes = lines.concat();
        }
        Mangle::ReplaceWord(at, word) => {
            let blank = |byte: u8| byte.is_ascii_whitespace();
            let start = (at % len).min(bytes.len());
            let start = bytes[..start].iter().rposition(|b| blank(*b)).map_or(0, |found| found + 1);
            let word_len = bytes[start..].iter().position(|b| blank(*b));
            let end = word_len.map_or(bytes.len(), |word_len| start + word_len);
            bytes.splice(start..end, word.bytes());
        }
        Mangle::LongLine => {
            bytes.retain(|byte| *byte != b'\n');
            bytes = bytes.repeat(100_000 / len + 1);
        }
        Mangle::Empty => bytes.clear(),
        Mangle::Missing | Mangle::Directory | Mangle::Unreadable => {}
    }
    bytes
}

fn mangle_file(path: &Path, how: &Mangle) {
    let bytes = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    match how {
        Mangle::Missing => {}
        Mangle::Directory => fs::create_dir(path).unwrap(),
        Mangle::Unreadable => std::os::unix::fs::symlink(path, path).unwrap(),
        how => fs::write(path, mangled(bytes, how)).unwrap(),
    }
}

fn assert_lines(lines: &str) {
    for (_, line) in payload_lines(lines.as_bytes()) {
        assert!(parse_line(line).is_ok(), "{:?}", parse_line(line));
    }
}

/// The keys of the metrics in lines, without those that may change with the file at `path`: what is made of
/// it, and lists of devices with what they have.
fn keys_beside(lines: &str, path: &str) -> BTreeSet<String> {
    let of_file = made_of(path);
    lines
        .lines()
        .filter(|line| line.contains(".metrics."))
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .filter(|key| !of_file.iter().any(|part| key.contains(part)))
        .collect()
}

/// What a file may have to do with: parts of keys.
fn made_of(path: &str) -> &'static [&'static str] {
    match path {
        "proc/stat" => &[
            "base.metrics.cpu-",
            "context-switches",
            "interrupts",
            "forks",
            "processes-",
            "processors",
            "load-per-core",
            "cgroup-cpu",
        ],
        "proc/cpuinfo" => &[],
        "proc/loadavg" => &["load", "threads", "processes", "context", "interrupts", "forks"],
        "proc/meminfo" => &["memory-", "cgroup-oom"],
        "proc/sys/vm/min_free_kbytes" => &["memory-available", "hugepages"],
        "proc/vmstat" => &["paging-", "swap-", "page-faults", "oom-kills"],
        "proc/swaps" | "proc/version" | "proc/uptime" => &[],
        "proc/mounts" => &["disk-usage-", "inodes-"],
        "proc/net/snmp" => &["tcp-", "udp-"],
        "proc/net/netstat" => &["tcp-listen-", "tcp-syncookies", "tcp-timeouts", "tcp-aborts"],
        "proc/net/snmp6" => &["udp-"],
        "proc/net/sockstat" => &["sockets-used", "tcp-", "udp-sockets"],
        "proc/net/sockstat6" => &["udp-sockets", "tcp-"],
        "proc/net/dev" => &["traffic-"],
        "proc/sys/fs/file-nr" => &["file-handles"],
        "proc/sys/kernel/random/entropy_avail" => &["entropy"],
        _ if path.starts_with("proc/pressure/") => &["pressure-"],
        _ if path.starts_with("proc/sys/net/netfilter/") => &["conntrack"],
        _ if path.ends_with("/comm") => &["linux.metrics.processes."],
        _ if path.ends_with("/dm/name") => &["mapper_", "dm-"],
        _ if path.starts_with("sys/block/") => &["disk-io-"],
        _ if path.starts_with("sys/class/net/") => &["traffic-"],
        "sys/fs/cgroup/cgroup.controllers" => &[],
        _ if path.starts_with("sys/fs/cgroup/memory") => &["cgroup-memory", "cgroup-oom"],
        _ if path.starts_with("sys/fs/cgroup/cpu") => &["cgroup-cpu"],
        _ if path.starts_with("sys/fs/cgroup/pids") => &["cgroup-threads"],
        _ => panic!("say what is made of {path}"),
    }
}

#[test]
fn without_any_one_file_the_rest_is_sent() {
    for machine in ALL {
        let root = lay_out(&machine);
        for path in files_below(root.path()) {
            let text = fs::read(&path).unwrap();
            let name = path.strip_prefix(root.path()).unwrap().to_str().unwrap();
            let wanted = keys_beside(machine.lines, name);
            for how in [Mangle::Empty, Mangle::Unreadable, Mangle::Missing, Mangle::Directory] {
                mangle_file(&path, &how);
                let lines = both_at(root.path());
                assert_lines(&lines);
                let found = keys_beside(&lines, name);
                assert_eq!(wanted.difference(&found).next(), None, "{name} {how:?}\n{lines}");
                match how {
                    Mangle::Missing => {}
                    Mangle::Directory => fs::remove_dir(&path).unwrap(),
                    _ => fs::remove_file(&path).unwrap(),
                }
                fs::write(&path, &text).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mangled_files_neither_panic_nor_make_a_line_that_is_none(
        machine in 0..ALL.len(),
        how in proptest::collection::vec(mangle(), 1..4),
    ) {
        let root = lay_out(&ALL[machine]);
        for (path, how) in files_below(root.path()).iter().zip(how.iter().cycle()) {
            mangle_file(path, how);
        }
        assert_lines(&both_at(root.path()));
    }

    #[test]
    fn a_mangled_file_costs_only_what_is_made_of_it(
        machine in 0..ALL.len(),
        file in any::<prop::sample::Index>(),
        how in mangle(),
    ) {
        let machine = &ALL[machine];
        let root = lay_out(machine);
        let files = files_below(root.path());
        let path = file.get(&files);
        mangle_file(path, &how);
        let path = path.strip_prefix(root.path()).unwrap().to_str().unwrap();
        let lines = both_at(root.path());
        assert_lines(&lines);
        let (wanted, found) = (keys_beside(machine.lines, path), keys_beside(&lines, path));
        prop_assert_eq!(wanted.difference(&found).next(), None, "{} {:?}\n{}", path, how, lines);
    }
}
