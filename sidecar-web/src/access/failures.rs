//! Failed logins, by the address from which they come: after some, that address must wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many tries may fail within [`WINDOW`].
const MAX_FAILURES: u32 = 10;

/// From the first failure on; then all are forgotten.
const WINDOW: Duration = Duration::from_secs(300);

/// Addresses at a time; beyond, what is oldest is forgotten.
const MAX_ADDRESSES: usize = 10_000;

/// The failures of the last minutes.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Failures {
    /// Counts a try before it is made, so that many at a time are counted as well.
    ///
    /// # Errors
    /// How long this address must wait.
    pub fn begin(&self, address: IpAddr) -> Result<(), Duration> {
        let now = Instant::now();
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MAX_ADDRESSES {
            failures.retain(|_, (first, _)| now.duration_since(*first) < WINDOW);
            let oldest = failures.iter().min_by_key(|(_, (first, _))| *first);
            if let Some(oldest) = oldest.map(|(address, _)| *address)
                && failures.len() >= MAX_ADDRESSES
            {
                failures.remove(&oldest);
            }
        }
        let (first, count) = failures.entry(network(address)).or_insert((now, 0));
        if now.duration_since(*first) >= WINDOW {
            (*first, *count) = (now, 0);
        }
        if *count >= MAX_FAILURES {
            return Err(WINDOW - now.duration_since(*first));
        }
        *count += 1;
        Ok(())
    }

    /// The try did not fail.
    pub fn take_back(&self, address: IpAddr) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = failures.get_mut(&network(address)) {
            *count = count.saturating_sub(1);
        }
    }
}

/// One who has an address of IPv6 has its whole network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_some_failures_an_address_must_wait_and_others_need_not() {
        let failures = Failures::default();
        let [a, beside_a, b]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        for _ in 0..100 {
            failures.begin(a).unwrap();
            failures.take_back(a);
        }
        for _ in 0..MAX_FAILURES {
            failures.begin(a).unwrap();
        }
        assert!(failures.begin(a).is_err() && failures.begin(beside_a).is_err());
        assert!(failures.begin(b).is_ok());
    }
}
