//! What a fleet of hosts sends, minute by minute: the same series in the same order each time.

use std::fmt::Write;

use line_protocol::key::file_name;

/// Series of each host; a payload has one line of each.
pub const SERIES_A_HOST: usize = 100;
/// Seconds between two points of a series.
pub const STEP: u32 = 60;

/// Which numbers a fleet sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// As agents do: half are counters that grow, the rest gauges, most with two decimals.
    Agents,
    /// Counters that grow, alone.
    Counters,
    /// Gauges of two decimals that move a little, alone.
    Decimals,
    /// Gauges of any double between 0 and 1, alone.
    Floats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Bytes,
    Decimals,
    Float,
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Hundredths(i64),
    Float(f64),
}

/// One series of each host.
struct Series {
    plugin: &'static str,
    /// With its type.
    key: String,
    kind: Kind,
}

/// Hosts with the last value of each of their series.
pub struct Fleet {
    first_host: usize,
    hosts: usize,
    series: Vec<Series>,
    last: Vec<i64>,
    random: Random,
    next_time: u32,
    shift: Shift,
}

/// Whether all series have their points at the same times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// They have.
    None,
    /// Series `n` is `n % SHIFTS` minutes ahead, so that all positions within an hour are there
    /// alike.
    WithinTheHour,
}

/// How many minutes series may be shifted.
pub const SHIFTS: usize = 60;

/// One number of one series.
#[derive(Clone, Copy)]
pub struct Point<'a> {
    host: usize,
    series: &'a Series,
    number: Number,
    time: u32,
}

impl Fleet {
    /// Hosts whose next points are at `next_time` (seconds since 1970), all at the same times.
    pub fn new(hosts: usize, mix: Mix, next_time: u32) -> Self {
        let series: Vec<Series> = (0..SERIES_A_HOST).map(|n| series(mix, n)).collect();
        let mut random = Random(0x4b75_7261_646f);
        let last = (0..hosts * SERIES_A_HOST).map(|_| (random.next() % 10_000_000) as i64);
        let last = last.collect();
        Self { first_host: 0, hosts, series, last, random, next_time, shift: Shift::None }
    }

    /// The same with other addresses, those of the hosts from number `first` on.
    pub fn starting_at(self, first: usize) -> Self {
        Self { first_host: first, ..self }
    }

    /// The same with shifted times.
    pub fn shifted(self, shift: Shift) -> Self {
        Self { shift, ..self }
    }

    /// How many series the hosts have together.
    pub fn series_count(&self) -> usize {
        self.hosts * SERIES_A_HOST
    }

    /// Whether series `n` of all is a counter (type `derive`); otherwise it is a gauge.
    pub fn is_counter(&self, n: usize) -> bool {
        self.series[n % SERIES_A_HOST].kind == Kind::Counter
    }

    /// The file of series `n` of all, below the data directory.
    pub fn file(&self, n: usize) -> String {
        let series = &self.series[n % SERIES_A_HOST];
        let address = address(self.first_host + n / SERIES_A_HOST);
        format!("{address}/{}/{}", series.plugin, file_name(&series.key))
    }

    /// One point of each series, host by host, and then it is a minute later.
    pub fn minute(&mut self) -> Vec<Point<'_>> {
        let mut points = Vec::with_capacity(self.last.len());
        for (n, last) in self.last.iter_mut().enumerate() {
            let series = &self.series[n % SERIES_A_HOST];
            let number = series.kind.next(last, &mut self.random);
            let time = self.next_time + self.shift.seconds(n);
            points.push(Point { host: self.first_host + n / SERIES_A_HOST, series, number, time });
        }
        self.next_time += STEP;
        points
    }

    /// The payloads of the next minute, one a host.
    pub fn payloads(&mut self) -> Vec<String> {
        let points = self.minute();
        let payload = |points: &[Point<'_>]| {
            let mut payload = String::with_capacity(80 * points.len());
            points.iter().for_each(|point| point.write_line(&mut payload));
            payload
        };
        points.chunks(SERIES_A_HOST).map(payload).collect()
    }
}

impl Shift {
    /// Seconds that series `n` is ahead.
    pub fn seconds(self, n: usize) -> u32 {
        match self {
            Self::None => 0,
            Self::WithinTheHour => (n % SHIFTS) as u32 * STEP,
        }
    }
}

impl Kind {
    fn next(self, last: &mut i64, random: &mut Random) -> Number {
        match self {
            Self::Counter => {
                *last += (random.next() % 4096) as i64;
                Number::Whole(*last)
            }
            Self::Bytes => {
                *last = (*last + 4096 * random.step(64)).abs();
                Number::Whole(*last)
            }
            Self::Decimals => {
                *last = (*last % 10_000 + random.step(50)).abs();
                Number::Hundredths(*last)
            }
            Self::Float => Number::Float((random.next() >> 11) as f64 / (1u64 << 53) as f64),
        }
    }
}

impl Point<'_> {
    /// Appends an agent's line.
    pub fn write_line(&self, out: &mut String) {
        let Series { plugin, key, .. } = self.series;
        let address = address(self.host);
        // Writing to a String can't fail, here and below.
        let _ = writeln!(out, "{address}\t{plugin}.metrics.{key}\t{}\t{}", self.number, self.time);
    }

    /// Appends what rrdcached takes; files lie below its base directory.
    pub fn write_update(&self, out: &mut String) {
        let Series { plugin, key, .. } = self.series;
        let address = address(self.host);
        let _ = writeln!(out, "UPDATE {address}/{plugin}/{key}.rrd {}:{}", self.time, self.number);
    }

    /// Appends a line of InfluxDB's protocol, the plugin as the measurement, the host as a tag.
    pub fn write_influx(&self, out: &mut String) {
        let Series { plugin, key, .. } = self.series;
        let address = address(self.host);
        let (number, time) = (self.number, self.time);
        let _ = writeln!(out, "{plugin},host={address} {key}={number} {time}000000000");
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => write!(out, "{number}"),
            Self::Hundredths(number) => write!(out, "{}.{:02}", number / 100, number % 100),
            Self::Float(number) => write!(out, "{number}"),
        }
    }
}

/// The address of a host by its number.
fn address(host: usize) -> String {
    format!("10.{}.{}.{}", 20 + host / 62_500, host / 250 % 250, 1 + host % 250)
}

fn series(mix: Mix, n: usize) -> Series {
    let device = n / 10;
    let (plugin, name, kind) = match n % 10 {
        0 => ("base", format!("cpu-{device}-user"), Kind::Counter),
        1 => ("base", format!("disk-io-sd{device}-read-ios"), Kind::Counter),
        2 => ("base", format!("disk-io-sd{device}-write-sectors"), Kind::Counter),
        3 => ("base", format!("traffic-eth{device}-rxbytes"), Kind::Counter),
        4 => ("app", format!("requests-worker-{device}"), Kind::Counter),
        5 => ("base", format!("disk-usage-sd{device}-used"), Kind::Bytes),
        6 => ("base", format!("temperature-sensor-{device}"), Kind::Decimals),
        7 => ("base", format!("loadavg-cpu-{device}"), Kind::Decimals),
        8 => ("app", format!("latency-worker-{device}-average"), Kind::Decimals),
        _ => ("app", format!("queue-worker-{device}-seconds"), Kind::Decimals),
    };
    let kind = match mix {
        Mix::Agents => kind,
        Mix::Counters => Kind::Counter,
        Mix::Decimals => Kind::Decimals,
        Mix::Floats => Kind::Float,
    };
    let data_source_type = if kind == Kind::Counter { "derive" } else { "gauge" };
    Series { plugin, key: format!("{name}.{data_source_type}"), kind }
}

/// Numbers that look like chance and are the same in each run (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `-most` to `most`.
    fn step(&mut self, most: i64) -> i64 {
        (self.next() % (2 * most as u64 + 1)) as i64 - most
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use line_protocol::{DataSourceType, Record, parse_line};

    use super::*;

    const START: u32 = 1_700_000_040;

    /// Series, type, and value of each line, as the module reads them.
    fn parsed(payload: &str) -> Vec<(String, DataSourceType, line_protocol::Value, u32)> {
        let lines = payload.lines().map(|text| {
            let line = parse_line(text.as_bytes()).unwrap().unwrap();
            let Record::Metric { key, data_source_type, value } = line.record else {
                panic!("{text} is no metric")
            };
            let name = format!("{}/{}/{key}.rrd", line.address.unwrap(), line.plugin);
            (name, data_source_type, value, line.time)
        });
        lines.collect()
    }

    #[test]
    fn each_minute_has_one_line_of_each_series_in_the_same_order() {
        let mut fleet = Fleet::new(3, Mix::Agents, START);
        let files: Vec<String> = (0..fleet.series_count()).map(|n| fleet.file(n)).collect();
        assert_eq!(files.iter().collect::<HashSet<_>>().len(), 300);
        for minute in 0..5 {
            let payloads = fleet.payloads();
            assert_eq!(payloads.len(), 3);
            let lines: Vec<_> = payloads.iter().flat_map(|payload| parsed(payload)).collect();
            assert_eq!(lines.iter().map(|line| line.0.clone()).collect::<Vec<_>>(), files);
            assert!(lines.iter().all(|line| line.3 == START + minute * STEP));
        }
    }

    #[test]
    fn agents_send_about_half_counters_that_grow_and_lines_of_about_69_bytes() {
        let mut fleet = Fleet::new(10, Mix::Agents, START);
        let mut newest: HashMap<String, i64> = HashMap::new();
        let (mut bytes, mut lines, mut counters) = (0, 0, 0);
        for _ in 0..20 {
            for payload in fleet.payloads() {
                bytes += payload.len();
                for (name, data_source_type, value, _) in parsed(&payload) {
                    lines += 1;
                    if data_source_type == DataSourceType::Derive {
                        counters += 1;
                        let value: i64 = value.to_string().parse().unwrap();
                        let before = newest.insert(name, value);
                        assert!(before.is_none_or(|before| before <= value));
                    }
                }
            }
        }
        assert_eq!((lines, counters), (20_000, 10_000));
        assert!((62..=72).contains(&(bytes / lines)), "{} bytes a line", bytes / lines);
    }

    #[test]
    fn whether_a_series_counts_shows_in_its_type() {
        for mix in [Mix::Agents, Mix::Counters, Mix::Decimals, Mix::Floats] {
            let mut fleet = Fleet::new(2, mix, START);
            for (n, line) in parsed(&fleet.payloads().concat()).iter().enumerate() {
                assert_eq!(line.1 == DataSourceType::Derive, fleet.is_counter(n), "{mix:?} {n}");
            }
        }
    }

    #[test]
    fn shifted_series_are_ahead_by_whole_minutes_and_still_ascend() {
        let mut fleet = Fleet::new(1, Mix::Agents, START).shifted(Shift::WithinTheHour);
        for minute in 0..3 {
            for (n, line) in parsed(&fleet.payloads()[0]).iter().enumerate() {
                assert_eq!(line.3, START + minute * STEP + (n % SHIFTS) as u32 * STEP);
            }
        }
    }

    #[test]
    fn hosts_from_another_number_on_are_other_hosts() {
        let first = Fleet::new(400, Mix::Agents, START);
        let others = Fleet::new(400, Mix::Agents, START).starting_at(400);
        let files = |fleet: &Fleet| (0..40_000).map(|n| fleet.file(n)).collect::<HashSet<_>>();
        assert!(files(&first).is_disjoint(&files(&others)));
    }

    #[test]
    fn all_forms_say_the_same_point() {
        let mut fleet = Fleet::new(1, Mix::Agents, START);
        let points = fleet.minute();
        let mut text = String::new();
        points[6].write_line(&mut text);
        points[6].write_update(&mut text);
        points[6].write_influx(&mut text);
        let lines: Vec<&str> = text.lines().collect();
        let value = lines[0].split('\t').nth(2).unwrap();
        let key = "temperature-sensor-0.gauge";
        assert_eq!(lines[0], format!("10.20.0.1\tbase.metrics.{key}\t{value}\t{START}"));
        assert_eq!(lines[1], format!("UPDATE 10.20.0.1/base/{key}.rrd {START}:{value}"));
        assert_eq!(lines[2], format!("base,host=10.20.0.1 {key}={value} {START}000000000"));
    }
}
