//! What a command printed, line by line, as the server will understand it.

use line_protocol::line::MAX_LINE_LEN;
use line_protocol::output::parse_output;
use line_protocol::{DataSourceType, payload_lines};

use crate::sample::Sample;

/// Most lines of one run that are sent.
pub const MAX_LINES: usize = 10_000;

/// What the sender's address may add to a line, in bytes.
const MAX_ADDRESS_LEN: usize = 256;

/// What one run printed.
#[derive(Debug, Default)]
pub struct Printed {
    /// The lines that the server will take.
    pub lines: Vec<Line>,
    /// How many it would not take; the first few are in `faults`.
    pub bad_lines: usize,
    /// The first lines that were not understood, and why.
    pub faults: Vec<Fault>,
}

/// A line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the output, from 1.
    pub number: usize,
    /// `metrics.NAME.TYPE`, `meta.NAME` or `warn.NAME`.
    pub key: String,
    /// As printed.
    pub value: String,
    /// As printed; `None` where it brought none.
    pub time: Option<String>,
}

/// A line that was not understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number in the output, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Most faults of one run that are kept.
const MAX_FAULTS: usize = 20;

impl Line {
    /// The data-source type of a metric; `None` for meta and warnings.
    pub fn data_source_type(&self) -> Option<DataSourceType> {
        // The server takes one without a type, such as `metrics.gauge`, for a gauge.
        let key = self.key.strip_prefix("metrics.")?;
        Some(DataSourceType::of_key(key).unwrap_or(DataSourceType::Gauge))
    }
}

impl Printed {
    /// Reads what a plugin, given by its escaped identifier, has printed. A bad line costs that line.
    pub fn read(plugin: &str, output: &[u8]) -> Self {
        let mut printed = Self::default();
        for (number, line) in payload_lines(output) {
            match read_line(plugin, number, line) {
                Ok(None) => {}
                Ok(Some(_)) if printed.lines.len() >= MAX_LINES => {
                    printed.bad_lines += 1;
                    let why = format!("past the {MAX_LINES} lines that are taken of one plugin");
                    printed.faults.push(Fault { number, why });
                    break;
                }
                Ok(Some(line)) => printed.lines.push(line),
                Err(why) => {
                    printed.bad_lines += 1;
                    if printed.faults.len() < MAX_FAULTS {
                        printed.faults.push(Fault { number, why });
                    }
                }
            }
        }
        printed
    }

    /// What was not understood, in one text; `None` where all was.
    pub fn warning(&self) -> Option<String> {
        let first = self.faults.first()?;
        let text = format!("line {}: {}", first.number, first.why);
        Some(match self.bad_lines {
            1 => text,
            more => format!("{more} bad lines; {text}"),
        })
    }
}

fn read_line(plugin: &str, number: usize, line: &[u8]) -> Result<Option<Line>, String> {
    // What such a line says in full would be no help.
    if line.len() > MAX_LINE_LEN && !line.starts_with(b"#") && !line.starts_with(b"//") {
        return Err(format!("{} bytes; at most {MAX_LINE_LEN} are taken", line.len()));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        // A comment may be written in anything.
        let is_comment = line.starts_with(b"#") || line.starts_with(b"//");
        return if is_comment { Ok(None) } else { Err("it is not UTF-8 text".to_owned()) };
    };
    let Some(output) = parse_output(text, "").map_err(|fault| fault.to_string())? else {
        return Ok(None);
    };
    let time = (!output.time.is_empty()).then(|| output.time.to_owned());
    let line = Line { number, key: output.key, value: output.value.to_owned(), time };
    // The server's own rules are asked here already, with a time that is as long as any.
    let mut sample = Sample::new(plugin, u64::from(u32::MAX));
    line.add_to(&mut sample, u64::from(u32::MAX))?;
    let mut sent = String::new();
    sample.write_to(&mut sent, None);
    if sent.len() + MAX_ADDRESS_LEN > MAX_LINE_LEN {
        return Err(format!(
            "{} bytes when sent; at most {MAX_LINE_LEN} are taken, {MAX_ADDRESS_LEN} of them for the address",
            sent.len()
        ));
    }
    Ok(Some(line))
}

impl Line {
    /// Adds the line to what is sent; `time` where it brought none.
    pub fn add_to(&self, sample: &mut Sample, time: u64) -> Result<(), String> {
        match &self.time {
            Some(own) => sample.printed(&self.key, &self.value, own),
            None => sample.printed(&self.key, &self.value, &time.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::parse_line;
    use proptest::prelude::*;

    fn keys(printed: &Printed) -> Vec<&str> {
        printed.lines.iter().map(|line| line.key.as_str()).collect()
    }

    #[test]
    fn prefix_and_type_are_filled_in_and_what_says_nothing_is_passed_over() {
        let output =
            b"fork.derive\t39234\t1404871619\r\n# aside\n// aside \xff\n\n  \nzombies\t2\n\
            meta.os\tLinux\nwarn.full\tdisk full";
        let printed = Printed::read("p", output);
        assert_eq!(printed.warning(), None);
        assert_eq!(
            keys(&printed),
            ["metrics.fork.derive", "metrics.zombies.gauge", "meta.os", "warn.full"]
        );
        assert_eq!(printed.lines[0].time.as_deref(), Some("1404871619"));
        assert_eq!(printed.lines[1].time, None);
    }

    #[test]
    fn a_bad_line_costs_that_line_and_is_told_with_its_number() {
        let printed = Printed::read("p", b"a\t1\nb 2\nc\tx\nd\xff\t1\nd\t4\n");
        assert_eq!(keys(&printed), ["metrics.a.gauge", "metrics.d.gauge"]);
        assert_eq!(
            printed.warning().unwrap(),
            "3 bad lines; line 2: 'b 2' must be key TAB value [TAB unixtime]"
        );
        assert_eq!(printed.faults[2], Fault { number: 4, why: "it is not UTF-8 text".to_owned() });
    }

    #[test]
    fn values_and_times_are_held_to_the_servers_rules() {
        for good in
            ["a\tU", "a\t-1", "a\t1e3", "a.derive\t-1", "a\t1.5", "a\t1\t4294967295", "a\t1\t"]
        {
            assert_eq!(Printed::read("p", good.as_bytes()).warning(), None, "{good:?}");
        }
        for bad in [
            "a\tNaN",
            "a\tinf",
            "a\t1e999",
            "a\t",
            "a\t 1",
            "a.derive\t1.5",
            "a.counter\t-1",
            "a.counter\t1e3",
            "a\t1\tsoon",
            "a\t1\t0",
            "a\t1\t4294967296",
            "a\t1\t2\t3",
            "\t1",
            "a",
            "meta.\t1",
        ] {
            assert_eq!(Printed::read("p", bad.as_bytes()).bad_lines, 1, "{bad:?}");
        }
    }

    #[test]
    fn past_the_bound_on_lines_no_more_are_taken() {
        let printed = Printed::read("p", "a\t1\n".repeat(MAX_LINES + 5).as_bytes());
        assert_eq!(printed.lines.len(), MAX_LINES);
        assert_eq!(
            printed.warning().unwrap(),
            "line 10001: past the 10000 lines that are taken of one plugin"
        );
    }

    #[test]
    fn a_line_that_fits_only_without_an_address_is_refused() {
        let printed = Printed::read("p", format!("meta.a\t{}", "x".repeat(8100)).as_bytes());
        assert_eq!(printed.bad_lines, 1);
        let printed = Printed::read("p", format!("meta.a\t{}", "x".repeat(7900)).as_bytes());
        assert_eq!(printed.bad_lines, 0);
    }

    proptest! {
        #[test]
        fn whatever_is_printed_each_line_that_is_sent_is_understood(
            output in proptest::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    proptest::sample::select(b"\t\t\t\n\n\r.a1#/-".to_vec()),
                ],
                0..300,
            ),
            words in "((metrics\\.|meta\\.|warn\\.)?[a-z.%\u{e9}]{0,4}(\\.derive|\\.counter)?\t[-0-9.eU]{0,4}(\t[0-9]{0,2})?\r?\n){0,9}",
        ) {
            for output in [output.as_slice(), words.as_bytes()] {
                let printed = Printed::read("http%3A80", output);
                let mut sample = Sample::new("http%3A80", 99);
                for line in &printed.lines {
                    prop_assert_eq!(line.add_to(&mut sample, 99), Ok(()));
                }
                let mut text = String::new();
                sample.write_to(&mut text, Some(&"h".repeat(253)));
                prop_assert_eq!(text.lines().count(), printed.lines.len());
                for line in text.lines() {
                    prop_assert!(matches!(parse_line(line.as_bytes()), Ok(Some(_))), "{}", line);
                }
            }
        }
    }
}
