//! The names of devices and interfaces, as keys have them.

use crate::machine::Machine;

/// Most bytes of a name in a key. The system's own names are shorter.
const MAX_NAME_LEN: usize = 160;

/// A name that can stand in a key: each byte outside `[A-Za-z0-9_-]` becomes `_`.
pub fn key_safe(name: &str) -> String {
    name.bytes()
        .take(MAX_NAME_LEN)
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
                char::from(byte)
            } else {
                '_'
            }
        })
        .collect()
}

/// The name in keys of a block device, given by its path below `/dev`. `dm-N` changes its number
/// from boot to boot, so its mapper name stands for it.
pub fn block_device(machine: &Machine, name: &str) -> String {
    if name.starts_with("dm-")
        && let Some(mapper_name) = mapper_name(machine, name)
    {
        return key_safe(&format!("mapper/{mapper_name}"));
    }
    key_safe(name)
}

/// The kernel's own word comes first: it is one small file, there are machines with hundreds of such devices,
/// and without udev `/dev/mapper` has no links. Kernels before 2.6.29 lack the file.
fn mapper_name(machine: &Machine, dm: &str) -> Option<String> {
    let named = machine.read_shared(&format!("/sys/block/{dm}/dm/name")).ok();
    let named = named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    named.or_else(|| {
        machine.names("/dev/mapper").unwrap_or_default().into_iter().find(|link| {
            machine
                .link(&format!("/dev/mapper/{link}"))
                .is_some_and(|target| target.file_name().is_some_and(|name| name == dm))
        })
    })
}

/// A path as the kernel's tables write it, with `\040` for a blank and the like.
pub fn unescape_octal(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        match behind {
            [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] if byte == b'\\' => {
                bytes.push((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'));
                rest = behind.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
