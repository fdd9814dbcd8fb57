//! The collectors over the files of several kernels.

use std::fs;
use std::io;
use std::path::Path;

use super::laid_out::*;
use crate::machine::{FileSystem, Kernel, Machine};

fn no_file_system(_: &Path) -> io::Result<FileSystem> {
    Err(io::Error::from_raw_os_error(libc::EIO))
}

/// The lines of `base` of a machine whose file at `path` says `text` instead.
fn lines_with(machine: &Described, path: &str, text: &str) -> String {
    let root = lay_out(machine);
    fs::write(root.path().join(path), text).unwrap();
    base_at(root.path(), KERNEL)
}

fn warnings(lines: &str) -> Vec<&str> {
    lines.lines().filter_map(|line| line.strip_prefix("base.warn.")).collect()
}

/// Compares line by line, so that a failure names the first that differs.
#[track_caller]
fn check(machine: &Described) {
    let lines = both_at(lay_out(machine).path());
    for (line, expected) in lines.lines().zip(machine.lines.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(lines, machine.lines);
}

#[test]
fn the_keys_of_a_device_mapper_machine_are_those_of_existing_data() {
    check(&LINUX_2_6_32);
}

#[test]
fn names_with_dot_and_dash_are_taken_and_a_bind_mount_counts_once() {
    check(&LINUX_3_10);
}

#[test]
fn multipath_nvme_and_a_bond_are_read_and_nothing_below_a_network_mount() {
    check(&LINUX_4_18);
}

#[test]
fn raid_bcache_drbd_and_network_block_devices_are_read() {
    check(&LINUX_5_10);
}

#[test]
fn a_container_without_mapper_links_and_buffers_is_read() {
    check(&LINUX_6_1);
}

#[test]
fn btrfs_counts_once_and_what_new_kernels_tell_is_sent() {
    check(&LINUX_6_12);
}

#[test]
fn a_container_tells_its_limits_and_base_the_machine() {
    check(&CONTAINER);
}

#[test]
fn an_empty_machine_is_one_warning_a_collector() {
    let root = tempfile::tempdir().unwrap();
    let lines = base_at(root.path(), KERNEL);
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
    let lines = lines_with(&LINUX_2_6_32, "proc/stat", "cpu  1 2 x\n");
    assert_eq!(
        warnings(&lines),
        ["cpu_usage\t/proc/stat: \"x\" must be a whole number\t1404873350"]
    );
    assert!(!lines.contains("cpu-"));
    assert_eq!(lines.lines().count(), 45 - 10 + 1);
}

#[test]
fn one_bad_device_costs_that_device_only() {
    let lines = lines_with(&LINUX_2_6_32, "sys/block/sda/stat", "1 2\n");
    assert_eq!(warnings(&lines), ["disk_io\t/sys/block/sda/stat: a number is missing\t1404873350"]);
    assert!(lines.contains("disk-io-devices\tmapper_VolGroup-lv_root,mapper_VolGroup-lv_swap\t"));
}

#[test]
fn one_bad_interface_costs_that_interface_only() {
    let lines = lines_with(&LINUX_3_10, "sys/class/net/eth0/flags", "up\n");
    assert_eq!(
        warnings(&lines),
        ["traffic\t/sys/class/net/eth0/flags: \"up\" must be a hexadecimal number\t1404873350"]
    );
    assert!(lines.contains("traffic-interfaces\teth1_75,br-3f2a\t"));
}

#[test]
fn a_file_system_that_does_not_answer_is_named_by_its_mount_point() {
    let root = lay_out(&LINUX_2_6_32);
    let lines = base_at(root.path(), Kernel { file_system: no_file_system, ..KERNEL });
    assert_eq!(
        warnings(&lines),
        ["disk_usage\tcannot read /: Input/output error (os error 5)\t1404873350"]
    );
}

#[test]
fn a_device_that_goes_while_it_is_read_is_no_warning() {
    let root = lay_out(&LINUX_2_6_32);
    fs::remove_file(root.path().join("sys/block/sda/stat")).unwrap();
    let lines = base_at(root.path(), KERNEL);
    assert_eq!(warnings(&lines), Vec::<&str>::new());
}

fn linux_of(root: &Path, kernel: Kernel) -> String {
    let mut lines = String::new();
    super::linux(&Machine::at(root, kernel), TIME).write_to(&mut lines, None);
    lines
}

#[test]
fn a_kernel_or_sandbox_without_a_list_of_sockets_is_no_fault_and_another_refusal_is() {
    let root = lay_out(&LINUX_6_12);
    let without = || Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    let lines = linux_of(root.path(), Kernel { tcp_states: without, ..KERNEL });
    assert!(lines.contains("linux.metrics.tcp-established.gauge\t16\t"), "{lines}");
    assert!(!lines.contains("tcp-close-wait") && !lines.contains(".warn."), "{lines}");
    let refused = || Err(io::Error::from_raw_os_error(libc::ENOBUFS));
    let lines = linux_of(root.path(), Kernel { tcp_states: refused, ..KERNEL });
    assert!(
        lines.contains("linux.warn.tcp_states\tcannot read netlink's list of sockets: "),
        "{lines}"
    );
}

#[test]
fn thousands_of_containers_leave_room_for_the_machines_own_interfaces() {
    let root = lay_out(&LINUX_6_12);
    let mut table = String::new();
    for name in (0..1000).map(|n| format!("veth{n}")).chain(["eno1".to_owned()]) {
        table.push_str(&format!("{name}: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"));
        let directory = root.path().join("sys/class/net").join(&name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("flags"), "0x1003\n").unwrap();
    }
    fs::write(root.path().join("proc/net/dev"), table).unwrap();
    let base = base_at(root.path(), KERNEL);
    assert!(base.contains("traffic-interfaces\teno1,veth0,veth1,"), "{base}");
    assert_eq!(base.matches("-rxbytes.derive\t").count(), 200);
    assert_eq!(
        warnings(&base),
        ["traffic\t/proc/net/dev: too many, and left out: 801 of 1001\t1404873350"]
    );
    let linux = linux_of(root.path(), KERNEL);
    assert!(linux.contains("traffic-interfaces\teno1\t"), "{linux}");
    assert!(!linux.contains(".warn."), "{linux}");
}

#[test]
fn without_limits_a_container_may_use_what_the_machine_has() {
    let root = lay_out(&CONTAINER);
    for (file, text) in
        [("memory.max", "max\n"), ("cpu.max", "max 100000\n"), ("pids.max", "max\n")]
    {
        fs::write(root.path().join("sys/fs/cgroup").join(file), text).unwrap();
    }
    let lines = linux_of(root.path(), KERNEL);
    assert!(lines.contains("cgroup-memory-limit.gauge\t33554432000\t"), "{lines}");
    assert!(lines.contains("cgroup-cpu-limit.gauge\t4.000\t"), "{lines}");
    assert!(!lines.contains("cgroup-threads-limit"), "{lines}");
}

#[test]
fn the_machine_that_runs_this_test_is_read() {
    let machine = Machine::this();
    let mut lines = String::new();
    super::base(&machine, TIME).write_to(&mut lines, None);
    super::linux(&machine, TIME).write_to(&mut lines, None);
    for key in [
        "base.metrics.cpu-user.derive",
        "base.metrics.memory-total.gauge",
        "base.metrics.loadavg-1.gauge",
        "linux.metrics.context-switches.derive",
        "linux.metrics.tcp-listen.gauge",
    ] {
        assert!(lines.contains(&format!("{key}\t")), "{lines}");
    }
}
