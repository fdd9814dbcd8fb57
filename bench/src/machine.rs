//! What the figures were taken on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::bench::Bench;
use crate::payload::STEP;

/// Seconds since 1970, at a full minute, so many minutes ago.
pub fn minutes_ago(minutes: u32) -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_secs() as u32);
    now / STEP * STEP - minutes * STEP
}

/// Machine, system and versions, as a Markdown list.
pub fn describe(bench: &Bench) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.split(' ').next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0);
    let lines = [
        format!("taken: {} UTC", first_line("date", &["-u", "+%F %H:%M"])),
        format!(
            "machine: {}, {cores} cores, {:.0} GB RAM",
            value(&read("/proc/cpuinfo"), "model name"),
            memory / 1024.0 / 1024.0
        ),
        format!("disk: {}", disk(bench.path())),
        format!("kernel: Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("Kurado: {}", first_line("git", &["describe", "--always", "--dirty"])),
        format!("Redis: {}", first_line("redis-server", &["--version"])),
        format!("rrdcached: {}", first_line("rrdcached", &["-h"])),
        format!("RRDtool: {}", first_line("rrdtool", &["--version"])),
        format!(
            "VictoriaMetrics: {}",
            first_line("dpkg-query", &["-W", "-f", "${Version}", "victoria-metrics"])
        ),
        format!(
            "collectd: {}",
            first_line("dpkg-query", &["-W", "-f", "${Version}", "collectd-core"])
        ),
        format!(
            "node exporter: {}",
            first_line("dpkg-query", &["-W", "-f", "${Version}", "prometheus-node-exporter"])
        ),
        format!("Prometheus: {}", first_line("prometheus", &["--version"])),
    ];
    lines.iter().map(|line| format!("- {line}\n")).collect()
}

/// The load averages of 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Bytes that the disk of this path has written since the machine's start.
///
/// # Errors
/// Where the file system lies on no disk.
pub fn disk_written(path: &Path) -> Result<u64> {
    let text = fs::read_to_string(block_device(path)?.join("stat"))?;
    let sectors = text.split_whitespace().nth(6).and_then(|count| count.parse::<u64>().ok());
    // A sector is 512 bytes here, whatever the disk's own are.
    Ok(512 * sectors.ok_or("the disk's statistics are of an unknown form")?)
}

/// Waits until all that was written is on the disks.
///
/// # Errors
/// Where there is no `sync`.
pub fn sync() -> Result<()> {
    Command::new("sync").status()?;
    Ok(())
}

/// Empties the page cache.
///
/// # Errors
/// Where the user may not.
pub fn drop_page_cache() -> Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3")
        .map_err(|error| format!("the page cache can't be dropped (root may): {error}").into())
}

/// Bytes that are free where this path is.
///
/// # Errors
/// Where `df` does not say.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(path).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.lines().nth(1).and_then(|line| line.trim().parse().ok());
    number.ok_or_else(|| format!("df does not say what is free: {text}").into())
}

/// The directory in /sys of the block device that a path lies on.
fn block_device(path: &Path) -> Result<PathBuf> {
    let device = fs::metadata(path)?.dev();
    // As glibc's major() and minor() take it apart.
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let path = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    Ok(path.canonicalize().map_err(|_| "the file system lies on no block device")?)
}

fn disk(path: &Path) -> String {
    let kind = Command::new("findmnt").args(["-no", "FSTYPE", "-T"]).arg(path).output();
    let kind = kind.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let system = kind.unwrap_or_else(|_| "unknown file system".to_owned());
    let Ok(device) = block_device(path) else {
        return format!("{system}, on no disk");
    };
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A partition's queue is that of its disk.
    let whole = if device.join("queue").exists() { device } else { device.join("..") };
    let read = |file: &str| fs::read_to_string(whole.join(file)).unwrap_or_default();
    let turning = if read("queue/rotational").trim() == "0" { "solid state" } else { "rotating" };
    let virtual_disk = if name.starts_with("vd") { "virtual, " } else { "" };
    format!("{name} ({virtual_disk}says it is {turning}), {system}")
}

/// The first line that a program prints on any channel.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "not installed".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().find(|line| !line.is_empty()).unwrap_or("says no version").to_owned()
}
