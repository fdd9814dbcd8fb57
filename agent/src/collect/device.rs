//! The names of devices and interfaces, as keys have them.

use crate::machine::Machine;

/// A name that can stand in a key: each byte outside `[A-Za-z0-9_-]` becomes `_`.
pub fn key_safe(name: &str) -> String {
    name.bytes()
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

fn mapper_name(machine: &Machine, dm: &str) -> Option<String> {
    let links = machine.names("/dev/mapper").unwrap_or_default();
    let link = links.into_iter().find(|link| {
        machine
            .link(&format!("/dev/mapper/{link}"))
            .is_some_and(|target| target.file_name().is_some_and(|name| name == dm))
    });
    // Without udev, /dev/mapper holds device nodes and no links.
    link.or_else(|| {
        let name = machine.read(&format!("/sys/block/{dm}/dm/name")).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
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
