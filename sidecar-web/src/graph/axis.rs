//! The x axis: below 3 hours it is labelled in minutes, below 4 days in hours, below 14 days in
//! days, below 45 days in weeks, else in months; as many labels as have room.

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// One way to label: label each `step` of `unit`, a fine grid line each `grid`.
struct Step {
    grid: &'static str,
    label: &'static str,
    seconds: i64,
}

const fn step(grid: &'static str, label: &'static str, seconds: i64) -> Step {
    Step { grid, label, seconds }
}

const MINUTES: &[Step] = &[
    step("MINUTE:1", "MINUTE:5", 300),
    step("MINUTE:5", "MINUTE:10", 600),
    step("MINUTE:5", "MINUTE:15", 900),
    step("MINUTE:10", "MINUTE:20", 1200),
    step("MINUTE:10", "MINUTE:30", 1800),
    step("MINUTE:30", "HOUR:1", HOUR),
];
const HOURS: &[Step] = &[
    step("MINUTE:10", "MINUTE:30", 1800),
    step("MINUTE:30", "HOUR:1", HOUR),
    step("HOUR:1", "HOUR:2", 2 * HOUR),
    step("HOUR:1", "HOUR:3", 3 * HOUR),
    step("HOUR:1", "HOUR:4", 4 * HOUR),
    step("HOUR:2", "HOUR:6", 6 * HOUR),
    step("HOUR:6", "HOUR:12", 12 * HOUR),
    step("HOUR:12", "DAY:1", DAY),
];
const DAYS: &[Step] = &[
    step("HOUR:12", "DAY:1", DAY),
    step("DAY:1", "DAY:2", 2 * DAY),
    step("DAY:1", "DAY:4", 4 * DAY),
];
const WEEKS: &[Step] = &[step("DAY:1", "WEEK:1", 7 * DAY), step("WEEK:1", "WEEK:2", 14 * DAY)];
const MONTHS: &[Step] = &[
    step("WEEK:1", "MONTH:1", 30 * DAY),
    step("MONTH:1", "MONTH:2", 60 * DAY),
    step("MONTH:1", "MONTH:3", 91 * DAY),
    step("MONTH:1", "MONTH:6", 182 * DAY),
    step("MONTH:6", "YEAR:1", 365 * DAY),
    step("YEAR:1", "YEAR:2", 730 * DAY),
];

/// rrdgraph's `--x-grid` for a graph that shows `seconds` on `width` pixels.
#[must_use]
pub fn x_grid(seconds: i64, width: u32) -> String {
    // Room: what a label of that format takes in the graph's font, and a gap.
    let (steps, format, room) = if seconds < 3 * HOUR {
        (MINUTES, "%H:%M", 46)
    } else if seconds <= 36 * HOUR {
        (HOURS, "%H:%M", 46)
    } else if seconds < 4 * DAY {
        (HOURS, "%a %H:%M", 72)
    } else if seconds < 14 * DAY {
        (DAYS, "%d %b", 48)
    } else if seconds < 45 * DAY {
        (WEEKS, "%d %b", 48)
    } else {
        (MONTHS, "%b", 28)
    };
    let has_room = |step: &&Step| step.seconds * i64::from(width) >= room * seconds;
    let chosen = steps.iter().find(has_room).or(steps.last());
    let Some(Step { grid, label, .. }) = chosen else {
        return String::new();
    };
    // A day's or a month's name stands in the middle of it, a time at its line.
    let (format, middle) = match *label {
        "DAY:1" => ("%d %b", DAY),
        "MONTH:1" => (format, 30 * DAY),
        "MONTH:2" | "MONTH:3" | "MONTH:6" => ("%b %y", 0),
        "YEAR:1" | "YEAR:2" => ("%Y", 0),
        _ => (format, 0),
    };
    format!("{grid}:{label}:{label}:{middle}:{format}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_the_labels_follows_the_length() {
        for (seconds, unit) in [
            (70 * 60, "MINUTE"),
            (3 * HOUR - 1, "MINUTE"),
            (4 * HOUR, "MINUTE:30"),
            (33 * HOUR, "HOUR"),
            (4 * DAY - 1, "HOUR"),
            (4 * DAY, "DAY"),
            (14 * DAY - 1, "DAY"),
            (14 * DAY, "WEEK"),
            (45 * DAY - 1, "WEEK"),
            (45 * DAY, "MONTH"),
            (400 * DAY, "MONTH"),
        ] {
            let grid = x_grid(seconds, 1100);
            let label = grid.splitn(3, ':').nth(2).unwrap();
            assert!(label.starts_with(unit), "{seconds}: {grid}");
        }
    }

    #[test]
    fn labels_have_room_whatever_the_width() {
        assert_eq!(x_grid(33 * HOUR, 500), "HOUR:1:HOUR:4:HOUR:4:0:%H:%M");
        assert_eq!(x_grid(33 * HOUR, 280), "HOUR:2:HOUR:6:HOUR:6:0:%H:%M");
        assert_eq!(x_grid(8 * DAY, 500), "HOUR:12:DAY:1:DAY:1:86400:%d %b");
        assert_eq!(x_grid(8 * DAY, 280), "DAY:1:DAY:2:DAY:2:0:%d %b");
        assert_eq!(x_grid(400 * DAY, 400), "WEEK:1:MONTH:1:MONTH:1:2592000:%b");
    }
}
