//! Which addresses of hosts can't be right, and which mean the same host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a host can't have this address; `None` where it may.
pub(crate) fn fault(address: &str) -> Option<String> {
    let is_numeric = address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_numeric && address.parse::<Ipv4Addr>().is_err() {
        return Some(format!(
            "'{address}' is no IPv4 address, which is four numbers from 0 to 255 without zeros in front"
        ));
    }
    match address.bytes().filter(|byte| *byte == b':').count() {
        0 => None,
        1 => Some(format!(
            "'{address}' is no address: a port belongs to a plugin, such as redis:6379 in a roll"
        )),
        _ if address.parse::<Ipv6Addr>().is_ok() => None,
        _ => Some(format!("'{address}' is no IPv6 address")),
    }
}

/// The host that an address means, which is the same for all of its spellings.
pub(crate) fn meant(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => address.trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_have_no_fault() {
        for address in
            ["10.0.0.1", "::1", "2001:DB8:0::1", "::ffff:10.0.0.1", "web-1", "3com.com", "1a"]
        {
            assert_eq!(fault(address), None, "{address}");
        }
        for address in [
            "127.0.0.300",
            "10.1",
            "12",
            "010.0.0.1",
            "1.2.3.4.5",
            "1.2.3.4.",
            "web:80",
            ":",
            "1:2:3",
        ] {
            assert!(fault(address).is_some_and(|fault| fault.contains(address)), "{address}");
        }
    }

    #[test]
    fn spellings_of_one_host_mean_the_same() {
        for (one, other) in [
            ("::1", "0:0:0:0:0:0:0:1"),
            ("2001:DB8::1", "2001:db8::0001"),
            ("Web.example.org", "web.example.org."),
        ] {
            assert_eq!(meant(one), meant(other));
        }
        assert_ne!(meant("10.0.0.1"), meant("10.0.0.10"));
    }
}
