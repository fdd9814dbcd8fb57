//! What the agent writes to standard error, by who reads it. Each runs into a pidfile that can't be
//! written, which is an error that ends it.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FAULT: &str = "cannot write /nowhere/agent.pid: No such file or directory (os error 2)";

/// The log of an agent with these variables; `JOURNAL` stands for the stream that is its own.
fn log(variables: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let file = File::create(&path).unwrap();
    let metadata = file.metadata().unwrap();
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-agent"));
    command.args(["--pidfile", "/nowhere/agent.pid"]).stdout(Stdio::null()).stderr(file);
    command.env_remove("JOURNAL_STREAM").env_remove("RUST_LOG");
    for (name, value) in variables {
        command.env(name, value.replace("JOURNAL", &stream));
    }
    assert_eq!(command.status().unwrap().code(), Some(1));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_gets_time_and_level() {
    let log = log(&[]);
    let (time, rest) = log.split_once(' ').unwrap();
    assert!(time.len() == "2026-11-22T04:31:51Z".len() && time.ends_with('Z'), "{log}");
    assert_eq!(rest, format!("ERROR {FAULT}\n"));
}

#[test]
fn the_journal_gets_a_priority_and_no_time() {
    assert_eq!(log(&[("JOURNAL_STREAM", "JOURNAL")]), format!("<3>{FAULT}\n"));
}

#[test]
fn a_stream_that_was_redirected_from_the_journal_is_a_file() {
    assert!(log(&[("JOURNAL_STREAM", "8:1")]).contains(" ERROR cannot write"));
}

#[test]
fn what_is_less_urgent_than_the_level_is_left_out_and_a_level_that_is_none_is_told() {
    assert_eq!(log(&[("RUST_LOG", "off")]), "");
    let log = log(&[("RUST_LOG", "loud"), ("JOURNAL_STREAM", "JOURNAL")]);
    let told = "<4>RUST_LOG is \"loud\"; it must be off, error, warn, info or debug: info holds\n";
    assert_eq!(log, format!("{told}<3>{FAULT}\n"));
}

#[test]
fn a_log_that_nobody_reads_neither_holds_the_agent_nor_its_stop() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: fcntl takes numbers; it gives what the pipe has room for.
    let room = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
    writer.write_all(&vec![b'x'; room.try_into().unwrap()]).unwrap();
    let spool = tempfile::tempdir().unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_kurado-agent"))
        // Nobody listens there.
        .args(["--mq", "127.0.0.1:1", "--spool"])
        .arg(spool.path())
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let is_stored = || {
        let names =
            std::fs::read_dir(spool.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.into_iter().any(|name| name.as_encoded_bytes().ends_with(b".payload"))
    };
    let stored = wait_until(is_stored);
    // SAFETY: kill takes numbers, and the agent was not waited for.
    unsafe { libc::kill(agent.id().try_into().unwrap(), libc::SIGTERM) };
    let stopped = wait_until(|| agent.try_wait().unwrap().is_some());
    let _ = agent.kill();
    agent.wait().unwrap();
    drop(reader);
    assert!(stored && stopped, "stored: {stored}, stopped: {stopped}");
}

/// Whether it comes true; the limit only ends a hang.
fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
