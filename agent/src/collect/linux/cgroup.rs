//! What the container that the agent runs in may use, and uses: the control group, version 2, that it sees as the
//! root of all.
//!
//! The machine's own root has neither limits nor these files, so nothing is sent there. Base goes on telling of the
//! machine that the kernel shows: its keys mean the same everywhere.

use crate::collect::memory::{PATH as MEMINFO, bytes};
use crate::collect::{named, processors};
use crate::machine::{Machine, ReadError, number};
use crate::sample::Sample;

const DIRECTORY: &str = "/sys/fs/cgroup";

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    // Each controller may be on or off, and stands for itself.
    let mut controllers = Vec::new();
    let mut fault = None;
    let found = [
        ("memory", memory(machine, sample)),
        ("cpu", cpu(machine, sample)),
        ("pids", processes(machine, sample)),
    ];
    for (name, controller) in found {
        match controller {
            Ok(Controller::On) => controllers.push(name.to_owned()),
            Ok(Controller::Off) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    sample.meta_list("has-cgroup", &controllers);
    fault.map_or(Ok(()), Err)
}

/// Whether a control group has a controller.
enum Controller {
    On,
    Off,
}

/// Bytes. Who has no limit may use what the machine has.
fn memory(machine: &Machine, sample: &mut Sample) -> Result<Controller, ReadError> {
    let Some(max) = read(machine, "memory.max")? else { return Ok(Controller::Off) };
    let current = read_required(machine, "memory.current")?;
    let used = number(&path("memory.current"), Some(current.trim()))?;
    let stat = read_required(machine, "memory.stat")?;
    let cache = named::required(&path("memory.stat"), &stat, "file")?;
    let events = read_required(machine, "memory.events")?;
    let kills = named::get(&path("memory.events"), &events, "oom_kill")?;
    let total = bytes(&machine.read_shared(MEMINFO)?, "MemTotal")?.unwrap_or(u64::MAX);
    let limit = limit("memory.max", max.trim())?.unwrap_or(u64::MAX).min(total);
    sample.gauge("cgroup-memory-limit", limit);
    sample.gauge("cgroup-memory-used", used);
    sample.gauge("cgroup-memory-cache", cache);
    // Kernels before 4.13 do not count them.
    sample.derive("cgroup-oom-kills", kills.unwrap_or(0));
    Ok(Controller::On)
}

/// Microseconds, but for the limit, which is in processors. Who has none may use all.
fn cpu(machine: &Machine, sample: &mut Sample) -> Result<Controller, ReadError> {
    let Some(max) = read(machine, "cpu.max")? else { return Ok(Controller::Off) };
    let mut words = max.split_ascii_whitespace();
    let processors = processors::count(machine)? as f64;
    let limit = match limit("cpu.max", words.next().unwrap_or_default())? {
        Some(quota) => {
            let period = number(&path("cpu.max"), words.next())?.max(1);
            (quota as f64 / period as f64).min(processors)
        }
        None => processors,
    };
    let text = read_required(machine, "cpu.stat")?;
    let value = |name| named::required(&path("cpu.stat"), &text, name);
    let (user, system, throttled) =
        (value("user_usec")?, value("system_usec")?, value("throttled_usec")?);
    sample.gauge("cgroup-cpu-limit", format_args!("{limit:.3}"));
    sample.derive("cgroup-cpu-user", user);
    sample.derive("cgroup-cpu-system", system);
    sample.derive("cgroup-cpu-throttled", throttled);
    Ok(Controller::On)
}

/// Processes with all their threads.
fn processes(machine: &Machine, sample: &mut Sample) -> Result<Controller, ReadError> {
    let Some(max) = read(machine, "pids.max")? else { return Ok(Controller::Off) };
    let current = read_required(machine, "pids.current")?;
    sample.gauge("cgroup-threads", number(&path("pids.current"), Some(current.trim()))?);
    if let Some(limit) = limit("pids.max", max.trim())? {
        sample.meta("cgroup-threads-limit", &limit.to_string());
    }
    Ok(Controller::On)
}

/// The text of the file that says whether there is a controller; `None` where it is not there.
fn read(machine: &Machine, file: &str) -> Result<Option<String>, ReadError> {
    match machine.read(&path(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_unsupported() => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_required(machine: &Machine, file: &str) -> Result<String, ReadError> {
    machine.read(&path(file))
}

/// A limit; `None` where it says `max`, which is none.
fn limit(file: &str, text: &str) -> Result<Option<u64>, ReadError> {
    match text {
        "max" => Ok(None),
        text => number(&path(file), Some(text)).map(Some),
    }
}

fn path(file: &str) -> String {
    format!("{DIRECTORY}/{file}")
}
