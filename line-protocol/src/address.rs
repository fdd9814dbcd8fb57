//! What may stand for a host: an IPv4 or IPv6 address, or a name.

/// Longest address, in bytes: it names a directory.
pub const MAX_LEN: usize = 253;

/// Whether `text` may stand for a host. It becomes a directory and part of a Redis key, so only
/// letters, digits and `.`, `:`, `_`, `-` may stand in it, and it begins with none of `.`, `-`. The
/// name `stop` is an operator's: a file of this name in the data directory pauses writing.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= MAX_LEN
        && text != "stop"
        && !matches!(bytes.first(), Some(b'.' | b'-'))
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_taken_and_paths_are_not() {
        for good in ["10.0.0.1", "2001:db8::1", "::1", "web-1.example.org"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "..", ".hidden", "a/b", "a b", "{x}", "-x", "é", "stop"] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(!is_valid(&"a".repeat(MAX_LEN + 1)));
    }
}
