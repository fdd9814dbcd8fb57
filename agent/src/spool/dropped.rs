//! What a full spool has dropped, until somebody was told.

use std::fmt::{self, Display, Formatter};

/// A number of payloads, and the times of the first and the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// How many.
    pub count: u64,
    from: u64,
    to: u64,
}

impl Dropped {
    /// One payload, read at a time in seconds since 1970.
    pub fn one(time: u64) -> Self {
        Self { count: 1, from: time, to: time }
    }

    /// These and those.
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }
}

impl Display for Dropped {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (from, to) = (utc(self.from), utc(self.to));
        write!(out, "payloads dropped: {}, read from {from} to {to}", self.count)
    }
}

/// A time since 1970 as `2026-11-22T04:30:00Z`.
pub fn utc(time: u64) -> String {
    let (days, seconds) = (time / 86400, time % 86400);
    // Years begin in March here, so that the odd day is the last one of a year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_date_does() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_404_873_350, "2014-07-09T02:35:50Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(time), text);
        }
    }

    #[test]
    fn counts_add_up_and_times_span() {
        let dropped = Dropped::one(120).and(Dropped::one(60)).and(Dropped::one(180));
        assert_eq!(
            dropped.to_string(),
            "payloads dropped: 3, read from 1970-01-01T00:01:00Z to 1970-01-01T00:03:00Z"
        );
    }
}
