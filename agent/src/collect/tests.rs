//! The collectors over the files of several kernels, whole and mangled.
//!
//! A machine is one text in `tests/machines/*.txt`: what stands before the first header describes it, then
//! each file follows its header `==> PATH <==`, and a link is a header `==> PATH -> TARGET`. What the
//! agent says of it stands in `*.lines`.

use std::fs;
use std::io;
use std::path::Path;

use line_protocol::{parse_line, payload_lines};
use proptest::prelude::*;
use tempfile::TempDir;

use super::base;
use crate::machine::{FileSystem, Machine};

const LINUX_2_6_32: &str = include_str!("../../tests/machines/linux-2.6.32.txt");
const LINUX_3_10: &str = include_str!("../../tests/machines/linux-3.10.txt");
const LINUX_6_1: &str = include_str!("../../tests/machines/linux-6.1.txt");

const TIME: u64 = 1_404_873_350;

fn any_file_system(_: &Path) -> io::Result<FileSystem> {
    Ok(FileSystem { block_size: 4096, blocks: 10_000_000, free: 9_628_149, available: 9_082_485 })
}

fn no_file_system(_: &Path) -> io::Result<FileSystem> {
    Err(io::Error::from_raw_os_error(libc::EIO))
}

/// Lays out a machine's files in a directory.
fn lay_out(machine: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for part in machine.split("==> ").skip(1) {
        let (header, text) = part.split_once('\n').unwrap();
        let (path, target) = match header.split_once(" -> ") {
            Some((path, target)) => (path, Some(target)),
            None => (header.strip_suffix(" <==").unwrap(), None),
        };
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match target {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    root
}

fn lines_at(root: &Path, ask: fn(&Path) -> io::Result<FileSystem>) -> String {
    let mut out = String::new();
    base(&Machine::at(root, ask), TIME).write_to(&mut out, None);
    out
}

fn lines(machine: &str) -> String {
    lines_at(lay_out(machine).path(), any_file_system)
}

/// The lines of a machine whose file at `path` says `text` instead.
fn lines_with(machine: &str, path: &str, text: &str) -> String {
    let root = lay_out(machine);
    fs::write(root.path().join(path), text).unwrap();
    lines_at(root.path(), any_file_system)
}

fn warnings(lines: &str) -> Vec<&str> {
    lines.lines().filter_map(|line| line.strip_prefix("base.warn.")).collect()
}

#[test]
fn the_keys_of_a_device_mapper_machine_are_those_of_existing_data() {
    let expected = include_str!("../../tests/machines/linux-2.6.32.lines");
    assert_eq!(lines(LINUX_2_6_32), expected);
}

#[test]
fn names_with_dot_and_dash_are_taken_and_a_bind_mount_counts_once() {
    let expected = include_str!("../../tests/machines/linux-3.10.lines");
    assert_eq!(lines(LINUX_3_10), expected);
}

#[test]
fn a_container_without_mapper_links_and_buffers_is_read() {
    let expected = include_str!("../../tests/machines/linux-6.1.lines");
    assert_eq!(lines(LINUX_6_1), expected);
}

#[test]
fn an_empty_machine_is_one_warning_a_collector() {
    let root = tempfile::tempdir().unwrap();
    let lines = lines_at(root.path(), any_file_system);
    let names: Vec<_> =
        warnings(&lines).iter().filter_map(|warning| warning.split('\t').next()).collect();
    assert_eq!(
        names,
        [
            "cpu_usage",
            "disk_io",
            "disk_usage",
            "loadavg",
            "memory",
            "processors",
            "swaps",
            "sys_version",
            "tcp_established",
            "traffic",
            "uptime"
        ]
    );
    assert_eq!(lines.lines().count(), names.len());
}

#[test]
fn a_collectors_failure_costs_its_own_lines_only() {
    let lines = lines_with(LINUX_2_6_32, "proc/stat", "cpu  1 2 x\n");
    assert_eq!(
        warnings(&lines),
        ["cpu_usage\t/proc/stat: \"x\" must be a whole number\t1404873350"]
    );
    assert!(!lines.contains("cpu-"));
    assert_eq!(lines.lines().count(), 45 - 10 + 1);
}

#[test]
fn one_bad_device_costs_that_device_only() {
    let lines = lines_with(LINUX_2_6_32, "sys/block/sda/stat", "1 2\n");
    assert_eq!(warnings(&lines), ["disk_io\t/sys/block/sda/stat: a number is missing\t1404873350"]);
    assert!(lines.contains("disk-io-devices\tmapper_VolGroup-lv_root,mapper_VolGroup-lv_swap\t"));
}

#[test]
fn one_bad_interface_costs_that_interface_only() {
    let lines = lines_with(LINUX_3_10, "sys/class/net/eth0/flags", "up\n");
    assert_eq!(
        warnings(&lines),
        ["traffic\t/sys/class/net/eth0/flags: \"up\" must be a hexadecimal number\t1404873350"]
    );
    assert!(lines.contains("traffic-interfaces\teth1_75,br-3f2a\t"));
}

#[test]
fn a_file_system_that_does_not_answer_is_named_by_its_mount_point() {
    let root = lay_out(LINUX_2_6_32);
    let lines = lines_at(root.path(), no_file_system);
    assert_eq!(
        warnings(&lines),
        ["disk_usage\tcannot read /: Input/output error (os error 5)\t1404873350"]
    );
}

#[test]
fn a_device_that_goes_while_it_is_read_is_no_warning() {
    let root = lay_out(LINUX_2_6_32);
    fs::remove_file(root.path().join("sys/block/sda/stat")).unwrap();
    let lines = lines_at(root.path(), any_file_system);
    assert_eq!(warnings(&lines), Vec::<&str>::new());
}

#[test]
fn the_machine_that_runs_this_test_is_read() {
    let mut lines = String::new();
    base(&Machine::this(), TIME).write_to(&mut lines, None);
    for key in ["cpu-user.derive", "memory-total.gauge", "loadavg-1.gauge"] {
        assert!(lines.contains(&format!("base.metrics.{key}\t")), "{lines}");
    }
}

/// What may be done to a file's bytes.
#[derive(Clone, Debug)]
enum Mangle {
    Cut(usize),
    Remove(usize, usize),
    Replace(usize, Vec<u8>),
}

fn mangle() -> impl Strategy<Value = Mangle> {
    prop_oneof![
        any::<usize>().prop_map(Mangle::Cut),
        (any::<usize>(), 1usize..30).prop_map(|(at, len)| Mangle::Remove(at, len)),
        (any::<usize>(), proptest::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, bytes)| Mangle::Replace(at, bytes)),
        (any::<usize>(), "[0-9 :\t\n/.x-]{1,25}")
            .prop_map(|(at, text)| Mangle::Replace(at, text.into_bytes())),
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
    }
    bytes
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            files.push(entry.path());
        }
    }
    files
}

proptest! {
    #[test]
    fn mangled_files_neither_panic_nor_make_a_line_that_is_none(
        machine in prop_oneof![Just(LINUX_2_6_32), Just(LINUX_3_10), Just(LINUX_6_1)],
        how in proptest::collection::vec(mangle(), 1..6),
    ) {
        let root = lay_out(machine);
        for path in files_below(root.path()) {
            let bytes = how.iter().fold(fs::read(&path).unwrap(), mangled);
            fs::write(path, bytes).unwrap();
        }
        let lines = lines_at(root.path(), any_file_system);
        for (_, line) in payload_lines(lines.as_bytes()) {
            prop_assert!(parse_line(line).is_ok(), "{:?}", parse_line(line));
        }
    }
}
