//! Machines for tests, whose files are laid out in a directory.
//!
//! A machine is one text in `tests/machines/*.txt`: what stands before the first header describes it, then
//! each file follows its header `==> PATH <==`, and a link is a header `==> PATH -> TARGET`. What the
//! agent says of it stands in `*.lines`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::machine::{FileSystem, Kernel, Machine};
use crate::tcp_diag::TcpStates;

/// A machine's text, and what the agent says of it.
pub struct Described {
    pub files: &'static str,
    pub lines: &'static str,
}

macro_rules! described {
    ($name:literal) => {
        Described {
            files: include_str!(concat!("../../tests/machines/", $name, ".txt")),
            lines: include_str!(concat!("../../tests/machines/", $name, ".lines")),
        }
    };
}

pub const LINUX_2_6_32: Described = described!("linux-2.6.32");
pub const LINUX_3_10: Described = described!("linux-3.10");
pub const LINUX_4_18: Described = described!("linux-4.18");
pub const LINUX_5_10: Described = described!("linux-5.10");
pub const LINUX_6_1: Described = described!("linux-6.1");
pub const LINUX_6_12: Described = described!("linux-6.12");
pub const CONTAINER: Described = described!("container");

pub const ALL: [Described; 7] =
    [LINUX_2_6_32, LINUX_3_10, LINUX_4_18, LINUX_5_10, LINUX_6_1, LINUX_6_12, CONTAINER];

pub const TIME: u64 = 1_404_873_350;

/// What a kernel answers of which no test wants anything else.
pub const KERNEL: Kernel =
    Kernel { file_system: any_file_system, tcp_states: any_tcp_states, page_size: 4096 };

fn any_file_system(path: &Path) -> io::Result<FileSystem> {
    // btrfs has no number of inodes, nor has vfat.
    let inodes = if path.ends_with("home") || path.ends_with("efi") { 0 } else { 2_621_440 };
    Ok(FileSystem {
        block_size: 4096,
        blocks: 10_000_000,
        free: 9_628_149,
        available: 9_082_485,
        inodes,
        inodes_free: inodes / 4,
    })
}

fn any_tcp_states() -> io::Result<TcpStates> {
    Ok(TcpStates {
        syn_sent: 11,
        syn_recv: 12,
        fin_wait_1: 13,
        fin_wait_2: 14,
        close_wait: 1,
        last_ack: 15,
        listen: 16,
        closing: 17,
    })
}

/// Lays out a machine's files.
pub fn lay_out(machine: &Described) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for part in machine.files.split("==> ").skip(1) {
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

/// The files below a directory, in order.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// The lines of plugin `base`.
pub fn base_at(root: &Path, kernel: Kernel) -> String {
    let mut out = String::new();
    super::base(&Machine::at(root, kernel), TIME).write_to(&mut out, None);
    out
}

/// The lines of both, read in one look.
pub fn both_at(root: &Path) -> String {
    let machine = Machine::at(root, KERNEL);
    let mut out = String::new();
    super::base(&machine, TIME).write_to(&mut out, None);
    super::linux(&machine, TIME).write_to(&mut out, None);
    out
}
