//! What the stock rrdtool says of a file.

use std::path::Path;
use std::process::Command;

use test_redis::eventually;

/// Runs rrdtool and gives what it printed. It refuses a file that a writer has at the moment: then
/// it is run again.
pub fn rrdtool(arguments: &[&str]) -> String {
    let output = eventually("a file that no writer has", || {
        let output = Command::new("rrdtool").args(arguments).output();
        let output = output.expect("rrdtool is installed");
        let is_locked = output.stderr.starts_with(b"ERROR: could not lock RRD");
        (!is_locked).then_some(output)
    });
    assert!(
        output.status.success(),
        "rrdtool {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("rrdtool prints text")
}

/// The averages of a file from one time to another: the time of each row, and its value where it is
/// known.
pub fn rows(file: &Path, from: u32, to: u32) -> Vec<(u32, Option<f64>)> {
    let (file, from, to) = (file.to_str().expect("path is text"), from.to_string(), to.to_string());
    let printed = rrdtool(&["fetch", file, "AVERAGE", "-s", &from, "-e", &to]);
    let rows = printed.lines().filter_map(|line| line.split_once(": "));
    rows.map(|(time, value)| {
        let value: f64 = value.trim().parse().expect("a number");
        (time.parse().expect("a time"), Some(value).filter(|value| !value.is_nan()))
    })
    .collect()
}

/// Time and value of a file's last update.
pub fn last_update(file: &Path) -> (u32, String) {
    let printed = rrdtool(&["lastupdate", file.to_str().expect("path is text")]);
    let (time, value) = printed
        .trim()
        .rsplit_once('\n')
        .map_or("", |(_, l)| l)
        .split_once(": ")
        .unwrap_or_else(|| panic!("{} has no last update: {printed:?}", file.display()));
    (time.parse().expect("time"), value.to_owned())
}
