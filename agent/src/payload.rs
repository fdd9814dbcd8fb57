//! What one tick read, as it is sent, and what becomes of it when it is sent late.

use line_protocol::{Record, parse_line};

/// Most bytes that are sent as one command. Far below what any server takes: a Redis may be set to
/// take as little as 1 MiB, and what it does not take it would refuse for ever.
const MAX_LEN: usize = 256 * 1024;

/// Seconds that a server shows a warning from when it got it.
const WARNING_LIFE: u64 = 300;

/// Lines that were read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// When they were read, in seconds since 1970.
    pub time: u64,
    /// The lines, each with a line feed.
    pub lines: String,
}

impl Payload {
    /// The same lines in payloads of bearable length. A line is never divided.
    pub fn parts(self) -> Vec<Self> {
        if self.lines.len() <= MAX_LEN {
            return vec![self];
        }
        let mut parts = Vec::new();
        let mut part = String::new();
        for line in self.lines.split_inclusive('\n') {
            if !part.is_empty() && part.len() + line.len() > MAX_LEN {
                parts.push(Self { time: self.time, lines: std::mem::take(&mut part) });
            }
            part.push_str(line);
        }
        parts.push(Self { time: self.time, lines: part });
        parts
    }

    /// The lines as they are sent at `now`. A server shows a warning as of the moment at which it
    /// got it, so one that would be over by now is left out.
    pub fn lines_at(self, now: u64) -> String {
        if now <= self.time.saturating_add(WARNING_LIFE) {
            return self.lines;
        }
        let lines = self.lines.split_inclusive('\n');
        lines.filter(|line| !matches!(record(line), Some(Record::Warning { .. }))).collect()
    }
}

/// How many of these lines say something, and how many of those are metrics.
pub fn count(lines: &str) -> (usize, usize) {
    let mut counts = (0, 0);
    for record in lines.lines().filter_map(record) {
        counts.0 += 1;
        counts.1 += usize::from(matches!(record, Record::Metric { .. }));
    }
    counts
}

fn record(line: &str) -> Option<Record<'_>> {
    parse_line(line.trim_end_matches('\n').as_bytes()).ok().flatten().map(|line| line.record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: &str =
        "base.metrics.a.gauge\t1\t5\nbase.warn.memory\tno such file\t5\nbase.meta.uptime\t9\t5\n";

    fn payload(lines: &str) -> Payload {
        Payload { time: 1000, lines: lines.to_owned() }
    }

    #[test]
    fn a_warning_that_would_be_over_is_not_sent_and_nothing_else_is_left_out() {
        assert_eq!(payload(LINES).lines_at(1300), LINES);
        assert_eq!(
            payload(LINES).lines_at(1301),
            "base.metrics.a.gauge\t1\t5\nbase.meta.uptime\t9\t5\n"
        );
        // Of a clock that was set back nothing can be known.
        assert_eq!(payload(LINES).lines_at(0), LINES);
    }

    #[test]
    fn lines_are_counted_by_what_they_say() {
        assert_eq!(count(&format!("# comment\n{LINES}\nnonsense\n")), (3, 1));
    }

    proptest! {
        #[test]
        fn parts_are_the_same_lines_and_none_is_too_long(
            lengths in proptest::collection::vec(0usize..8000, 0..200),
        ) {
            let lines: String = lengths.iter().map(|length| "x".repeat(*length) + "\n").collect();
            let parts = payload(&lines).parts();
            prop_assert!(parts.iter().all(|part| part.lines.len() <= MAX_LEN && part.time == 1000));
            prop_assert!(parts.iter().all(|part| part.lines.is_empty() || part.lines.ends_with('\n')));
            prop_assert_eq!(parts.into_iter().map(|part| part.lines).collect::<String>(), lines);
        }
    }
}
