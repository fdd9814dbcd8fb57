//! What was read of one plugin, and the lines that it becomes on the wire.

use std::fmt::{Display, Write};

use line_protocol::parse_line;

/// Longest text of a warning or of meta, in bytes: below what a line may have.
const MAX_TEXT_LEN: usize = 2000;

/// The metrics, meta and warnings of one plugin.
pub struct Sample {
    /// The plugin's escaped identifier.
    plugin: String,
    time: u64,
    lines: Vec<Line>,
}

/// The order is that of the lines sent: by kind, then by key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    kind: Kind,
    /// Behind `plugin.type.`; a metric's ends in its data-source type.
    key: String,
    time: String,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Metrics,
    Meta,
    Warn,
}

impl Sample {
    /// An empty sample of a plugin, given by its escaped identifier. `time`, in seconds since
    /// 1970, is that of each line which brings none of its own.
    pub fn new(plugin: impl Into<String>, time: u64) -> Self {
        Self { plugin: plugin.into(), time, lines: Vec::new() }
    }

    /// Adds a value as it is now.
    pub fn gauge(&mut self, key: &str, value: impl Display) {
        self.add(Kind::Metrics, format!("{key}.gauge"), value.to_string());
    }

    /// Adds a number whose change a second is kept. One that the wire has no room for, past 2^63, is unknown.
    pub fn derive(&mut self, key: &str, value: u64) {
        let value = i64::try_from(value).map_or_else(|_| "U".to_owned(), |value| value.to_string());
        self.add(Kind::Metrics, format!("{key}.derive"), value);
    }

    /// Adds information without history.
    pub fn meta(&mut self, key: &str, text: &str) {
        self.add(Kind::Meta, key.to_owned(), one_line(text));
    }

    /// Adds names, which are safe in keys and fit into a line, as one text with commas; nothing where there
    /// is no name.
    pub fn meta_list(&mut self, key: &str, names: &[String]) {
        if !names.is_empty() {
            self.add(Kind::Meta, key.to_owned(), names.join(","));
        }
    }

    /// Adds something that a person should know.
    pub fn warn(&mut self, key: &str, text: &str) {
        self.add(Kind::Warn, key.to_owned(), one_line(text));
    }

    /// Adds what a command printed as one line: `metrics.NAME.TYPE`, `meta.NAME` or `warn.NAME`,
    /// a value and a time. The server's own rules are held to here already, so that a fault shows as
    /// a warning beside the graphs and not only in a log.
    pub fn printed(&mut self, key: &str, value: &str, time: &str) -> Result<(), String> {
        let line = format!("{}.{key}\t{value}\t{time}", self.plugin);
        parse_line(line.as_bytes()).map_err(|fault| fault.to_string())?;
        let (kind, key) = match key.split_once('.') {
            Some(("metrics", key)) => (Kind::Metrics, key),
            Some(("meta", key)) => (Kind::Meta, key),
            Some(("warn", key)) => (Kind::Warn, key),
            _ => return Err(format!("'{key}' must begin with metrics., meta. or warn.")),
        };
        self.lines.push(Line {
            kind,
            key: key.to_owned(),
            time: time.to_owned(),
            value: value.to_owned(),
        });
        Ok(())
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Appends the lines: metrics, meta, then warnings, each sorted by key. With an address they have
    /// four columns; without one they have three, and the server takes the sender's.
    pub fn write_to(mut self, out: &mut String, address: Option<&str>) {
        self.lines.sort_unstable();
        for line in &self.lines {
            if let Some(address) = address {
                out.push_str(address);
                out.push('\t');
            }
            let kind = match line.kind {
                Kind::Metrics => "metrics",
                Kind::Meta => "meta",
                Kind::Warn => "warn",
            };
            // Writing to a String can't fail.
            let _ =
                writeln!(out, "{}.{kind}.{}\t{}\t{}", self.plugin, line.key, line.value, line.time);
        }
    }

    fn add(&mut self, kind: Kind, key: String, value: String) {
        self.lines.push(Line { kind, key, time: self.time.to_string(), value });
    }
}

/// A text that fits into a column: control characters become blanks, and it is cut.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.trim().chars() {
        if line.len() >= MAX_TEXT_LEN {
            line.push('…');
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(sample: Sample, address: Option<&str>) -> String {
        let mut out = String::new();
        sample.write_to(&mut out, address);
        out
    }

    #[test]
    fn metrics_come_first_then_meta_then_warnings_each_by_key() {
        let mut sample = Sample::new("base", 5);
        sample.warn("a", "x");
        sample.meta("b", "y");
        sample.derive("cpu-guest", 1);
        sample.derive("cpu-guest-nice", 2);
        assert_eq!(
            lines(sample, None),
            "base.metrics.cpu-guest-nice.derive\t2\t5\nbase.metrics.cpu-guest.derive\t1\t5\n\
             base.meta.b\ty\t5\nbase.warn.a\tx\t5\n"
        );
    }

    #[test]
    fn a_counter_past_what_a_line_can_say_is_unknown() {
        let mut sample = Sample::new("base", 5);
        sample.derive("a", i64::MAX as u64);
        sample.derive("b", i64::MAX as u64 + 1);
        let lines = lines(sample, None);
        assert_eq!(
            lines,
            "base.metrics.a.derive\t9223372036854775807\t5\nbase.metrics.b.derive\tU\t5\n"
        );
        assert!(lines.lines().all(|line| parse_line(line.as_bytes()).is_ok()));
    }

    #[test]
    fn an_address_stands_in_front() {
        let mut sample = Sample::new("base", 5);
        sample.gauge("loadavg-1", "0.00");
        assert_eq!(
            lines(sample, Some("10.0.0.1")),
            "10.0.0.1\tbase.metrics.loadavg-1.gauge\t0.00\t5\n"
        );
    }

    #[test]
    fn a_text_never_breaks_its_line_and_is_never_too_long_for_it() {
        let mut sample = Sample::new("base", 5);
        sample.warn("a", &format!("one\ntwo\tthree {}\r\n", "é".repeat(9000)));
        let text = lines(sample, None);
        assert!(text.starts_with("base.warn.a\tone two three ééé"));
        assert_eq!(text.lines().count(), 1);
        assert!(parse_line(text.trim_end().as_bytes()).is_ok());
    }

    #[test]
    fn a_printed_line_that_the_server_would_refuse_is_refused_here() {
        let mut sample = Sample::new("redis", 5);
        assert!(sample.printed("metrics.keys.gauge", "nan", "5").is_err());
        assert!(sample.printed("metrics.keys.derive", "1.5", "5").is_err());
        assert!(sample.printed("metrics.keys.gauge", "1", "soon").is_err());
        assert!(sample.printed("metrics.keys.gauge", "1", "7").is_ok());
        assert_eq!(lines(sample, None), "redis.metrics.keys.gauge\t1\t7\n");
    }
}
