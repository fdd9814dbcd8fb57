//! The log, on standard error: a line a message, in the form of who reads it.

use std::fmt::{Debug, Write as _};
use std::io::{self, IsTerminal, Stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::unread::{Lines, MAX_LINE_LEN};

/// The environment variable of what is logged.
pub const LEVEL_VARIABLE: &str = "RUST_LOG";

/// What systemd says of the stream that it has given: `device:inode`.
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// Most of a message that is written, in bytes; the rest of its line is what stands in front.
const MAX_MESSAGE_LEN: usize = MAX_LINE_LEN - 96;

/// Logs from now on; what is less urgent than the level of the environment is left out.
pub fn start() {
    let wanted = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
    let level = if wanted.is_empty() { Ok(LevelFilter::INFO) } else { wanted.parse() };
    let log = Log {
        level: *level.as_ref().unwrap_or(&LevelFilter::INFO),
        form: Form::of_stderr(),
        lines: Mutex::new(Lines::to(io::stderr())),
    };
    // It fails where there is a log already, which is well.
    let _ = tracing::subscriber::set_global_default(log);
    if level.is_err() {
        tracing::warn!(
            "{LEVEL_VARIABLE} is {wanted:?}; it must be off, error, warn, info or debug: info holds"
        );
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The journal notes the time itself, and takes the level from a number in front.
    Journal,
    /// With time and level; the level has a colour.
    Terminal,
    /// The same without colour.
    File,
}

impl Form {
    fn of_stderr() -> Self {
        if std::env::var(JOURNAL_VARIABLE).is_ok_and(|stream| is_stderr(&stream)) {
            Self::Journal
        } else if io::stderr().is_terminal() {
            Self::Terminal
        } else {
            Self::File
        }
    }

    fn line(self, level: Level, time: u64, message: &str) -> String {
        let message = one_line(message);
        match self {
            Self::Journal => format!("<{}>{message}\n", priority(level)),
            Self::Terminal => {
                format!("{} \x1b[{}m{level:>5}\x1b[0m {message}\n", utc(time), colour(level))
            }
            Self::File => format!("{} {level:>5} {message}\n", utc(time)),
        }
    }
}

/// Whether standard error is still the stream that systemd names: a shell may have redirected it.
fn is_stderr(stream: &str) -> bool {
    let Ok(file) = io::stderr().as_fd().try_clone_to_owned().map(std::fs::File::from) else {
        return false;
    };
    file.metadata().is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// The priority of syslog.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The colour of a terminal: red, yellow, green, blue.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 34,
    }
}

/// A message without line breaks or anything else that would control a terminal, and cut.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len().min(MAX_MESSAGE_LEN));
    for c in message.trim().chars() {
        if line.len() >= MAX_MESSAGE_LEN {
            line.push('…');
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

/// Seconds since 1970 as date and time.
fn utc(time: u64) -> String {
    let (days, second) = (time / 86_400, time % 86_400);
    // Years that begin with March, so that the leap day is the last one, in eras of 400 of them.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Writes events; the agent has no spans.
struct Log {
    level: LevelFilter,
    form: Form,
    lines: Mutex<Lines<Stderr>>,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(missed) = lines.missed() {
            let told = format!("messages that were dropped, as nobody read the log: {missed}");
            lines.write(&self.form.line(Level::WARN, time, &told));
        }
        lines.write(&self.form.line(*event.metadata().level(), time, &message.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event's text, with what else was recorded behind it.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String can't fail.
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_time_level_and_text() {
        let line = Form::File.line(Level::WARN, 1_795_321_911, "away");
        assert_eq!(line, "2026-11-22T04:31:51Z  WARN away\n");
    }

    #[test]
    fn the_journal_has_the_priority_and_no_time() {
        assert_eq!(Form::Journal.line(Level::ERROR, 0, "away"), "<3>away\n");
        assert_eq!(Form::Journal.line(Level::INFO, 0, "back"), "<6>back\n");
    }

    #[test]
    fn only_a_terminal_has_colours() {
        assert!(Form::Terminal.line(Level::INFO, 0, "x").contains("\x1b[32m INFO\x1b[0m x"));
        for form in [Form::Journal, Form::File] {
            assert!(!form.line(Level::INFO, 0, "x").contains('\x1b'));
        }
    }

    #[test]
    fn a_message_is_one_line_that_controls_no_terminal_and_is_cut() {
        assert_eq!(one_line("one\ntwo\x1b[2J\tthree\n"), "one two [2J three");
        for form in [Form::Journal, Form::Terminal, Form::File] {
            assert!(form.line(Level::ERROR, u64::MAX / 2, &"é".repeat(9000)).len() <= MAX_LINE_LEN);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(utc(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(utc(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn a_stream_of_the_journal_that_is_another_does_not_count() {
        assert!(!is_stderr("0:0"));
        assert!(!is_stderr("nonsense"));
    }
}
