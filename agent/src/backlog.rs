//! Payloads that the server has not taken yet, oldest first, in bounded memory.

use std::collections::VecDeque;

/// Most payloads that are kept: an hour of one-minute ticks.
pub const MAX_PAYLOADS: usize = 60;

/// Most bytes that are kept, however few payloads they are.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A queue that drops its oldest where it would grow past its bounds.
#[derive(Default)]
pub struct Backlog {
    payloads: VecDeque<String>,
    bytes: usize,
}

impl Backlog {
    /// Puts a payload behind the others; how many of the oldest were dropped for it. One payload is
    /// always kept, whatever its size.
    pub fn push(&mut self, payload: String) -> usize {
        self.bytes += payload.len();
        self.payloads.push_back(payload);
        let mut dropped = 0;
        while self.payloads.len() > 1
            && (self.payloads.len() > MAX_PAYLOADS || self.bytes > MAX_BYTES)
        {
            self.remove_oldest();
            dropped += 1;
        }
        dropped
    }

    /// The payload that is to be sent first.
    pub fn oldest(&self) -> Option<&str> {
        self.payloads.front().map(String::as_str)
    }

    /// Takes away the payload that was sent.
    pub fn remove_oldest(&mut self) {
        if let Some(payload) = self.payloads.pop_front() {
            self.bytes = self.bytes.saturating_sub(payload.len());
        }
    }

    /// How many payloads wait.
    pub fn len(&self) -> usize {
        self.payloads.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_leave_in_the_order_they_came() {
        let mut backlog = Backlog::default();
        backlog.push("a".to_owned());
        backlog.push("b".to_owned());
        assert_eq!(backlog.oldest(), Some("a"));
        backlog.remove_oldest();
        assert_eq!(backlog.oldest(), Some("b"));
        backlog.remove_oldest();
        assert_eq!(backlog.oldest(), None);
    }

    #[test]
    fn past_the_bound_on_payloads_the_oldest_goes() {
        let mut backlog = Backlog::default();
        let dropped: usize =
            (0..MAX_PAYLOADS + 3).map(|number| backlog.push(number.to_string())).sum();
        assert_eq!(dropped, 3);
        assert_eq!(backlog.len(), MAX_PAYLOADS);
        assert_eq!(backlog.oldest(), Some("3"));
    }

    #[test]
    fn past_the_bound_on_bytes_the_oldest_go_but_never_the_new_one() {
        let mut backlog = Backlog::default();
        backlog.push("x".repeat(MAX_BYTES / 2));
        backlog.push("y".repeat(MAX_BYTES / 2));
        assert_eq!(backlog.len(), 2);
        assert_eq!(backlog.push("z".repeat(MAX_BYTES + 1)), 2);
        assert_eq!(backlog.len(), 1);
    }
}
