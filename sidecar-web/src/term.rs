//! Periods: the named terms that pages offer, and a custom range from one time to another.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A custom range is at least this long, in seconds: one step of the RRDs.
const MIN_CUSTOM: i64 = 60;
/// A custom range is at most this long: ten years, in seconds.
const MAX_CUSTOM: i64 = 3653 * 86_400;

/// No custom range begins before 1981: of a number below ten years librrd thinks that it is a month or
/// a date, and what is compared with lies up to four weeks before.
const FIRST: i64 = 347_155_200;

/// The period that a page or a graph shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// The last 70 minutes.
    Hour,
    /// The last 4 hours.
    FourHours,
    /// The last 8 hours.
    EightHours,
    /// The last 33 hours.
    Day,
    /// The last 3 days.
    ThreeDays,
    /// The last 8 days.
    Week,
    /// The last 35 days.
    Month,
    /// The last 400 days.
    Year,
    /// From one given time to another.
    Custom,
}

impl Term {
    /// Those that a page's switcher offers, shortest first.
    pub const NAMED: [Self; 8] = [
        Self::Hour,
        Self::FourHours,
        Self::EightHours,
        Self::Day,
        Self::ThreeDays,
        Self::Week,
        Self::Month,
        Self::Year,
    ];

    /// Reads the parameter `term`; `1hour` is another name of `hour`.
    ///
    /// # Errors
    /// Names the value and the rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "1hour" => Ok(Self::Hour),
            "custom" => Ok(Self::Custom),
            _ => Self::NAMED
                .into_iter()
                .find(|term| term.name() == text)
                .ok_or_else(|| {
                    format!(
                        "term '{text}' must be hour, 4hours, 8hours, day, 3days, week, month, year or custom"
                    )
                }),
        }
    }

    /// As the parameter `term` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::FourHours => "4hours",
            Self::EightHours => "8hours",
            Self::Day => "day",
            Self::ThreeDays => "3days",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
            Self::Custom => "custom",
        }
    }

    /// As a picture's title has it, which is in English.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Hour => "Hour",
            Self::FourHours => "4 hours",
            Self::EightHours => "8 hours",
            Self::Day => "Day",
            Self::ThreeDays => "3 days",
            Self::Week => "Week",
            Self::Month => "Month",
            Self::Year => "Year",
            Self::Custom => "Custom",
        }
    }

    /// How far it reaches back, in seconds; a custom range has its own length.
    fn seconds(self) -> i64 {
        const HOUR: i64 = 3600;
        const DAY: i64 = 24 * HOUR;
        match self {
            Self::Hour => 70 * 60,
            Self::FourHours => 4 * HOUR,
            Self::EightHours => 8 * HOUR,
            Self::Day => 33 * HOUR,
            Self::ThreeDays => 3 * DAY,
            Self::Week => 8 * DAY,
            Self::Month => 35 * DAY,
            Self::Year => 400 * DAY,
            Self::Custom => 0,
        }
    }
}

/// With what a graph is compared: the same range so long before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    /// Twenty-four hours before.
    Day,
    /// Seven days before.
    Week,
    /// Four weeks before, so that weekdays stand over weekdays.
    Month,
}

impl Previous {
    /// All, shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Reads the parameter `compare`.
    ///
    /// # Errors
    /// Names the value and the rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|previous| previous.name() == text)
            .ok_or_else(|| format!("compare '{text}' must be day, week or month"))
    }

    /// As the parameter `compare` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// As a picture's title says it, which is in English.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Day => "a day before",
            Self::Week => "a week before",
            Self::Month => "four weeks before",
        }
    }

    /// How long before, in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        const DAY: i64 = 86_400;
        match self {
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 28 * DAY,
        }
    }
}

/// A term with its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The term that it came from.
    pub term: Term,
    /// First second, since 1970.
    pub start: i64,
    /// Last second, since 1970.
    pub end: i64,
}

impl Range {
    /// A named term that ends at `now`, or the custom range from `from` to `to`. The end of a named
    /// term is the last whole minute: a point of an RRD becomes visible at a minute's end, so all
    /// requests within a minute are for the same picture.
    ///
    /// # Errors
    /// Names the value and the rule, where a custom range lacks a time or a time is none.
    pub fn new(
        term: Term,
        from: Option<&str>,
        to: Option<&str>,
        now: i64,
        zone: &TimeZone,
    ) -> Result<Self, String> {
        if term != Term::Custom {
            let end = now - now.rem_euclid(60);
            let start = end - term.seconds();
            return Ok(Self { term, start, end });
        }
        let time = |name: &str, text: Option<&str>| match text {
            Some(text) if !text.is_empty() => parse_time(text, zone).ok_or_else(|| {
                format!(
                    "{name} '{text}' must be a time as 2026-01-31T08:15 or seconds since 1970, and \
                     not before 1981"
                )
            }),
            _ => Err(format!("{name} is missing; term 'custom' needs from and to")),
        };
        let (start, end) = (time("from", from)?, time("to", to)?);
        if !(MIN_CUSTOM..=MAX_CUSTOM).contains(&(end - start)) {
            return Err(format!(
                "from {} to {} must be a minute at least and ten years at most",
                show(start, zone),
                show(end, zone)
            ));
        }
        Ok(Self { term, start, end })
    }

    /// Half its length back.
    #[must_use]
    pub fn earlier(&self) -> Self {
        let room = whole_minutes((self.start - FIRST).max(0));
        let by = whole_minutes(self.seconds() / 2).min(room);
        Self { term: Term::Custom, start: self.start - by, end: self.end - by }
    }

    /// Half its length forward, but not beyond `now`.
    #[must_use]
    pub fn later(&self, now: i64) -> Self {
        let room = whole_minutes((now - self.end).max(0));
        let by = whole_minutes(self.seconds() / 2).min(room);
        Self { term: Term::Custom, start: self.start + by, end: self.end + by }
    }

    /// Its inner half; ten minutes at least.
    #[must_use]
    pub fn zoomed_in(&self) -> Self {
        const LEAST: i64 = 600;
        let quarter = whole_minutes(self.seconds() / 4);
        if self.seconds() - 2 * quarter < LEAST {
            return Self { term: Term::Custom, ..*self };
        }
        Self { term: Term::Custom, start: self.start + quarter, end: self.end - quarter }
    }

    /// Twice its length with the same middle; moved back where that would lie beyond `now`.
    #[must_use]
    pub fn zoomed_out(&self, now: i64) -> Self {
        let length = (2 * self.seconds()).min(MAX_CUSTOM);
        let last = self.end.max(now - now.rem_euclid(60));
        let end = (self.end + whole_minutes((length - self.seconds()) / 2)).min(last);
        Self { term: Term::Custom, start: (end - length).max(FIRST.min(self.start)), end }
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.end - self.start
    }

    /// What a graph's title says of it: `Day`, or `<from> to <to>`.
    #[must_use]
    pub fn title(&self, zone: &TimeZone) -> String {
        match self.term {
            Term::Custom => format!("{} to {}", show(self.start, zone), show(self.end, zone)),
            named => named.label().to_owned(),
        }
    }
}

/// Seconds since 1970 as local time, to the minute: `2026-01-31 08:15`.
#[must_use]
pub fn show(seconds: i64, zone: &TimeZone) -> String {
    local(seconds, zone)
        .map(|time| time.strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_else(|| seconds.to_string())
}

/// The same to the second: `2026-01-31 08:15:42`.
#[must_use]
pub fn show_seconds(seconds: i64, zone: &TimeZone) -> String {
    local(seconds, zone)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_else(|| seconds.to_string())
}

/// The same with what it is ahead of UTC: `2026-01-31T08:15:42+09:00`.
#[must_use]
pub fn show_with_offset(seconds: i64, zone: &TimeZone) -> String {
    local(seconds, zone)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
        .unwrap_or_else(|| seconds.to_string())
}

/// As a form's `datetime-local` field has it: `2026-01-31T08:15`, or to the second where it
/// is no whole minute.
#[must_use]
pub fn show_for_form(seconds: i64, zone: &TimeZone) -> String {
    let text = if seconds % 60 == 0 { show(seconds, zone) } else { show_seconds(seconds, zone) };
    text.replace(' ', "T")
}

/// As links have it: the same, or seconds since 1970 where a clock that is put back shows it twice.
#[must_use]
pub fn show_for_link(seconds: i64, zone: &TimeZone) -> String {
    let text = show_for_form(seconds, zone);
    if parse_time(&text, zone) == Some(seconds) { text } else { seconds.to_string() }
}

/// Without the seconds behind the last whole minute.
fn whole_minutes(seconds: i64) -> i64 {
    seconds - seconds.rem_euclid(60)
}

fn local(seconds: i64, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(zone.clone()))
}

/// Seconds since 1970, or local time as `2026-01-31`, `2026-01-31 08:15` or `2026-01-31T08:15:42`.
fn parse_time(text: &str, zone: &TimeZone) -> Option<i64> {
    // Beyond the year 9999 no calendar here follows.
    const LAST: i64 = 253_402_000_000;
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok()?.timestamp().as_second()
        }
    };
    (FIRST..LAST).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_404_873_350; // 2014-07-09 02:35:50 UTC

    fn tokyo() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(9))
    }

    fn custom(from: Option<&str>, to: Option<&str>) -> Result<Range, String> {
        Range::new(Term::Custom, from, to, NOW, &tokyo())
    }

    #[test]
    fn a_range_moves_and_zooms_by_whole_minutes_and_never_beyond_now() {
        let range =
            |start, end| Range { term: Term::Custom, start: FIRST + start, end: FIRST + end };
        let hour = Range { term: Term::Hour, start: FIRST + 36_000, end: FIRST + 39_600 };
        let now = FIRST + 39_630;
        assert_eq!(hour.earlier(), range(34_200, 37_800));
        assert_eq!(hour.later(now), range(36_000, 39_600), "it ends now already");
        assert_eq!(hour.later(now + 600), range(36_600, 40_200), "as far as there is time");
        assert_eq!(hour.later(now + 86_400), range(37_800, 41_400));
        assert_eq!(hour.zoomed_in(), range(36_900, 38_700));
        assert_eq!(hour.zoomed_out(now), range(32_400, 39_600));
        assert_eq!(hour.zoomed_out(now + 86_400), range(34_200, 41_400));
        assert_eq!(range(0, 600).zoomed_in(), range(0, 600), "shorter shows nothing");
        assert_eq!(range(0, 600).earlier(), range(0, 600));
        assert_eq!(range(0, MAX_CUSTOM).zoomed_out(FIRST + MAX_CUSTOM), range(0, MAX_CUSTOM));
    }

    #[test]
    fn each_named_term_reaches_back_as_far_as_it_says_from_the_last_whole_minute() {
        for (name, seconds) in [
            ("hour", 70 * 60),
            ("1hour", 70 * 60),
            ("4hours", 4 * 3600),
            ("8hours", 8 * 3600),
            ("day", 33 * 3600),
            ("3days", 3 * 86_400),
            ("week", 8 * 86_400),
            ("month", 35 * 86_400),
            ("year", 400 * 86_400),
        ] {
            let term = Term::parse(name).unwrap();
            let range = Range::new(term, None, None, NOW, &tokyo()).unwrap();
            assert_eq!(range.end, 1_404_873_300, "{name}");
            assert_eq!(range.seconds(), seconds, "{name}");
        }
        assert_eq!(
            Term::parse("decade").unwrap_err(),
            "term 'decade' must be hour, 4hours, 8hours, day, 3days, week, month, year or custom"
        );
    }

    #[test]
    fn a_custom_range_takes_local_time_or_seconds() {
        for from in ["2014-07-09T08:00", "2014-07-09 08:00", "2014-07-09 08:00:00", "1404860400"] {
            let range = custom(Some(from), Some("2014-07-09T11:00")).unwrap();
            assert_eq!(range.start, 1_404_860_400, "{from}");
            assert_eq!(range.seconds(), 3 * 3600);
            assert_eq!(range.title(&tokyo()), "2014-07-09 08:00 to 2014-07-09 11:00");
        }
        let midnight = custom(Some("2014-07-09"), Some("2014-07-10")).unwrap();
        assert_eq!(midnight.seconds(), 86_400);
    }

    #[test]
    fn a_custom_range_without_sense_is_refused_with_value_and_rule() {
        for (from, to, says) in [
            (None, Some("1404860400"), "from is missing"),
            (Some("1404860400"), Some(""), "to is missing"),
            (Some("soon"), Some("1404860400"), "from 'soon' must be a time"),
            (Some("-5"), Some("1404860400"), "from '-5' must be a time"),
            (Some("1404860400"), Some("9999999999999999"), "to '9999999999999999' must"),
            (Some("1404860400"), Some("1404860400"), "a minute at least"),
            (Some("400000000"), Some("1404860400"), "ten years at most"),
            // librrd would take them for a month and for a day in August 1992.
            (Some("60"), Some("1404860400"), "from '60' must"),
            (Some("19920830"), Some("19930830"), "not before 1981"),
        ] {
            let error = custom(from, to).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_field_of_a_form_holds_a_time_to_the_second_so_that_it_is_read_as_it_was() {
        for (seconds, text) in
            [(1_404_860_400, "2014-07-09T08:00"), (1_404_860_407, "2014-07-09T08:00:07")]
        {
            assert_eq!(show_for_form(seconds, &tokyo()), text);
            assert_eq!(parse_time(text, &tokyo()), Some(seconds));
        }
    }

    #[test]
    fn a_link_leads_to_its_time_though_the_clock_was_put_back() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 02:40 for the first time, and 02:20 for the second.
        for (seconds, text) in [(1_792_888_800, "2026-10-25T02:40"), (1_792_891_200, "1792891200")]
        {
            assert_eq!(show_for_link(seconds, &zone), text);
            assert_eq!(parse_time(text, &zone), Some(seconds));
        }
    }
}
