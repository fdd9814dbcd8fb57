//! The time axis: from rrdgraph's `--x-grid` to lines and labels in a time zone.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::options::Options;

/// So many lines of one kind at most; more could not be told apart.
const MOST: usize = 2000;

/// Lines and labels, at seconds since 1970 within the picture's range.
#[derive(Debug, PartialEq)]
pub struct Ticks {
    /// Fine lines.
    pub fine: Vec<i64>,
    /// Lines at labels.
    pub main: Vec<i64>,
    /// Labels, centred at their times.
    pub labels: Vec<(i64, String)>,
}

#[derive(Clone, Copy)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// So many of a unit.
#[derive(Clone, Copy)]
struct Every {
    unit: Unit,
    count: i32,
}

/// `FINE:n:MAIN:n:LABEL:n:precision:format`, where a label stands in the middle of `precision`
/// seconds. `None` where it is not understood.
#[must_use]
pub fn ticks(options: &Options, zone: &TimeZone) -> Option<Ticks> {
    let mut words = options.x_grid.splitn(8, ':');
    let mut every = || Every::read(words.next()?, words.next()?);
    let (fine, main, label) = (every()?, every()?, every()?);
    let wide: i64 = words.next()?.parse().ok().filter(|wide| (0..=1_000_000_000).contains(wide))?;
    let format = words.next()?;
    let (start, end) = (options.start, options.end);
    let within = |time: &i64| (start..=end).contains(time);
    let main: Vec<i64> = main.times(start, end, zone)?.into_iter().filter(within).collect();
    let fine = fine.times(start, end, zone)?;
    let fine = fine.into_iter().filter(|time| within(time) && !main.contains(time)).collect();
    let mut labels = Vec::new();
    for time in label.times(start, end, zone)? {
        let middle = time + wide / 2;
        if within(&middle) {
            let shown = Timestamp::from_second(time).ok()?.to_zoned(zone.clone());
            labels.push((middle, jiff::fmt::strtime::format(format, &shown).ok()?));
        }
    }
    Some(Ticks { fine, main, labels })
}

impl Every {
    fn read(unit: &str, count: &str) -> Option<Self> {
        let unit = match unit {
            "SECOND" => Unit::Second,
            "MINUTE" => Unit::Minute,
            "HOUR" => Unit::Hour,
            "DAY" => Unit::Day,
            "WEEK" => Unit::Week,
            "MONTH" => Unit::Month,
            "YEAR" => Unit::Year,
            _ => return None,
        };
        let count = count.parse().ok().filter(|count| (1..=1000).contains(count))?;
        Some(Self { unit, count })
    }

    /// From the last one up to `start`, as its label may stand within, to `end`. `None` where these are
    /// too many, or a calendar ends.
    fn times(self, start: i64, end: i64, zone: &TimeZone) -> Option<Vec<i64>> {
        let mut times = Vec::new();
        let first = Timestamp::from_second(start).ok()?.to_zoned(zone.clone());
        let mut at = self.floor(&first)?;
        // By the clock on the wall: a day that is an hour shorter is one all the same.
        loop {
            let time = zone.to_zoned(at).ok()?.timestamp().as_second();
            if time > end {
                return Some(times);
            }
            if times.len() >= MOST {
                return None;
            }
            // The hour that comes twice is one of the clock.
            if times.last().is_none_or(|last| *last < time) {
                times.push(time);
            }
            at = at.checked_add(self.span()?).ok()?;
        }
    }

    fn span(self) -> Option<Span> {
        let (span, count) = (Span::new(), self.count);
        match self.unit {
            Unit::Second => span.try_seconds(count),
            Unit::Minute => span.try_minutes(count),
            Unit::Hour => span.try_hours(count),
            Unit::Day => span.try_days(count),
            Unit::Week => span.try_weeks(count),
            Unit::Month => span.try_months(count),
            Unit::Year => span.try_years(count),
        }
        .ok()
    }

    fn floor(self, time: &Zoned) -> Option<DateTime> {
        let count = self.count;
        let whole = |number: i8| number - (i32::from(number) % count) as i8;
        let at = time.datetime();
        let date = at.date();
        let midnight = date.to_datetime(jiff::civil::Time::midnight());
        Some(match self.unit {
            Unit::Second => {
                at.with().second(whole(at.second())).subsec_nanosecond(0).build().ok()?
            }
            Unit::Minute => date.at(at.hour(), whole(at.minute()), 0, 0),
            Unit::Hour => date.at(whole(at.hour()), 0, 0, 0),
            Unit::Day => {
                // The same days whatever the range begins with.
                let past = i64::from(date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days());
                let past = past.rem_euclid(i64::from(count));
                midnight.checked_sub(Span::new().try_days(past).ok()?).ok()?
            }
            Unit::Week => {
                let past = date.weekday().since(Weekday::Monday);
                midnight.checked_sub(Span::new().try_days(past).ok()?).ok()?
            }
            Unit::Month => {
                let month = whole(date.month() - 1) + 1;
                jiff::civil::date(date.year(), month, 1).to_datetime(jiff::civil::Time::midnight())
            }
            Unit::Year => {
                let year = i32::from(date.year());
                let year = i16::try_from(year - year.rem_euclid(count)).ok()?.max(1);
                jiff::civil::date(year, 1, 1).to_datetime(jiff::civil::Time::midnight())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::axis::x_grid;

    fn ticks_of(start: i64, seconds: i64, grid: &str, zone: &TimeZone) -> Option<Ticks> {
        let words = ["graph", "-", "--imgformat", "SVG", "--start", "--end", "--x-grid"];
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        words.insert(5, start.to_string());
        words.insert(7, (start + seconds).to_string());
        words.push(grid.to_owned());
        ticks(&Options::read(&words).unwrap().0, zone)
    }

    // 2014-07-09 00:00 UTC, a Wednesday.
    const START: i64 = 1_404_864_000;

    fn labels(seconds: i64, width: u32) -> String {
        let grid = x_grid(seconds, width);
        let ticks = ticks_of(START, seconds, &grid, &TimeZone::UTC).unwrap();
        let texts: Vec<String> = ticks.labels.into_iter().map(|(_, text)| text).collect();
        texts.join(", ")
    }

    #[test]
    fn each_grid_of_ours_has_its_labels() {
        assert_eq!(labels(3600, 300), "00:00, 00:10, 00:20, 00:30, 00:40, 00:50, 01:00");
        assert_eq!(labels(33 * 3600, 280), "00:00, 06:00, 12:00, 18:00, 00:00, 06:00");
        assert_eq!(
            labels(3 * 86_400, 500),
            "Wed 00:00, Wed 12:00, Thu 00:00, Thu 12:00, Fri 00:00, Fri 12:00, Sat 00:00"
        );
        assert_eq!(labels(4 * 86_400, 500), "09 Jul, 10 Jul, 11 Jul, 12 Jul");
        assert_eq!(labels(35 * 86_400, 500), "14 Jul, 21 Jul, 28 Jul, 04 Aug, 11 Aug");
        assert_eq!(labels(200 * 86_400, 500), "Jul, Aug, Sep, Oct, Nov, Dec, Jan");
    }

    #[test]
    fn a_day_is_one_of_the_clock_where_that_is_changed() {
        // In Berlin 2014-10-26 has 25 hours.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let start = 1_414_188_000; // The 25th, 00:00.
        let ticks = ticks_of(start, 4 * 86_400, "DAY:1:DAY:1:DAY:1:0:%d %H", &zone).unwrap();
        let texts: Vec<&str> = ticks.labels.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["25 00", "26 00", "27 00", "28 00"]);
        assert_eq!(ticks.main[2] - ticks.main[1], 25 * 3600);
    }

    #[test]
    fn a_grid_that_is_none_or_too_fine_is_left_to_librrd() {
        for grid in [
            "",
            "none",
            "HOUR:1:HOUR:4:HOUR:4:0",
            "EON:1:HOUR:4:HOUR:4:0:%H",
            "HOUR:0:HOUR:4:HOUR:4:0:%H",
            "SECOND:1:HOUR:4:HOUR:4:0:%H",
        ] {
            assert_eq!(ticks_of(START, 86_400, grid, &TimeZone::UTC), None, "{grid}");
        }
    }
}
