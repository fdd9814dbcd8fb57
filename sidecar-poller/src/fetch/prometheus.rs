//! `prometheus[:port=9100[:path=/metrics]]`: the numbers of a Prometheus exporter that
//! `metrics_config` chooses, as [`site::prometheus`] explains.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use line_protocol::DataSourceType::{self, Absolute, Counter, Derive, Gauge};
use line_protocol::key::{MAX_KEY_LEN, is_valid};
use site::prometheus::{DEFAULT_PORT, KEYS, Mapping, Rule};

use super::declaration::{Arguments, Declaration, Settings};
use super::{FetchError, Report, Request};
use crate::exposition::{Line, line, sample};
use crate::http_client::{Page, Server};

/// The longest page, in bytes.
const LONGEST_PAGE: usize = 16 << 20;
/// The most keys of one page.
const MOST_KEYS: usize = 2000;
/// The longest meta with a family's keys, in bytes.
const LONGEST_LIST: usize = 1900;

pub(super) const DECLARATION: Declaration = Declaration {
    arguments: Arguments::PortAndPath(DEFAULT_PORT, "/metrics"),
    settings: Settings::Mapping,
    not_drawn: &[],
};

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let mapping =
        Mapping::of(request.metrics_config, request.identifier).map_err(FetchError::Failed)?;
    let given = request.given(DECLARATION.arguments)?;
    let server = Server::of(&request, &given).up_to(LONGEST_PAGE);
    let page = server.get(given.path).await?;
    report(&page, &mapping)
}

/// A key's samples added up, and where it belongs.
struct Sum {
    value: f64,
    family: String,
}

pub(super) fn report(page: &Page, mapping: &Mapping) -> Result<Report, FetchError> {
    let mut rules: HashMap<&str, Vec<&Rule>> = HashMap::new();
    for rule in mapping.rules() {
        rules.entry(&rule.metric).or_default().push(rule);
    }
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut sums: BTreeMap<(String, &'static str), Sum> = BTreeMap::new();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut is_page = false;
    let mut bad: Option<(usize, String)> = None;
    for (number, text) in (1..).zip(page.text.lines()) {
        let (name, rest) = match line(text) {
            Line::Nothing => continue,
            Line::Type { family, kind } => {
                types.insert(family, kind);
                is_page = true;
                continue;
            }
            Line::Sample { name, rest } => (name, rest),
        };
        let Some(rules) = rules.get(name) else {
            is_page |= sample(rest).is_ok();
            continue;
        };
        let sample = match sample(rest) {
            Ok(sample) => sample,
            Err(fault) => {
                bad.get_or_insert_with(|| (0, shown(number, text, &fault))).0 += 1;
                continue;
            }
        };
        is_page = true;
        found.insert(name);
        for rule in rules {
            let Some(key) = rule.key(&sample.labels) else { continue };
            let kind = rule.kind.unwrap_or_else(|| type_of(name, &types));
            if !is_valid(&format!("{key}.{}", kind.suffix())) {
                let fault = format!("its key would have more than {MAX_KEY_LEN} bytes");
                bad.get_or_insert_with(|| (0, shown(number, text, &fault))).0 += 1;
                continue;
            }
            let sum = sums
                .entry((key, kind.suffix()))
                .or_insert_with(|| Sum { value: 0.0, family: rule.family() });
            sum.value += sample.value * rule.times;
        }
        if sums.len() > MOST_KEYS {
            return Err(page.failed(&format!(
                "more than {MOST_KEYS} keys; labels: {{…}} in metrics_config chooses fewer"
            )));
        }
    }
    if !is_page {
        return Err(page.unexpected());
    }
    let mut report = Report::default();
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    for ((key, suffix), sum) in sums {
        let kind = DataSourceType::of_key(&format!(".{suffix}")).unwrap_or(Gauge);
        report.metric(&key, kind, &written(sum.value, kind));
        let list = families.entry(sum.family).or_default();
        let entry = format!("{}{key}.{suffix}", if list.is_empty() { "" } else { "," });
        if list.len() + entry.len() <= LONGEST_LIST {
            list.push_str(&entry);
        }
    }
    for (family, keys) in families {
        report.meta(&format!("{KEYS}{family}"), &keys);
    }
    let metrics: BTreeSet<&str> = mapping.rules().map(|rule| rule.metric.as_str()).collect();
    let missing: Vec<&str> = metrics.difference(&found).copied().collect();
    if !missing.is_empty() {
        report.meta("not-on-the-page", &missing.join(" "));
    }
    if let Some((count, first)) = bad {
        report.warning("page", &format!("{count} lines not understood; {first}"));
    }
    Ok(report)
}

/// A line that is left out, for the warning.
fn shown(number: usize, text: &str, fault: &dyn std::fmt::Display) -> String {
    let beginning: String = text.chars().take(80).collect();
    format!("line {number}, '{beginning}': {fault}")
}

/// The type of a metric where the mapping does not say it. What only grows is a derive, not a
/// counter, which would take a restart of the exporter for an overflow.
fn type_of(name: &str, types: &HashMap<&str, &str>) -> DataSourceType {
    if let Some(kind) = types.get(name) {
        return if *kind == "counter" { Derive } else { Gauge };
    }
    let grows = [
        // OpenMetrics names the family without it.
        ("_total", &["counter"][..]),
        ("_bucket", &["histogram"]),
        ("_sum", &["histogram", "summary"]),
        ("_count", &["histogram", "summary"]),
    ];
    let family = |suffix: &str| name.strip_suffix(suffix).and_then(|family| types.get(family));
    if grows.iter().any(|(suffix, kinds)| family(suffix).is_some_and(|kind| kinds.contains(kind))) {
        Derive
    } else {
        Gauge
    }
}

/// A number as its type takes it; what is none becomes unknown.
fn written(value: f64, kind: DataSourceType) -> String {
    /// The largest that all whole-number types take, less what rounding may add.
    const LARGEST: f64 = 9.2e18;
    match kind {
        _ if !value.is_finite() => "U".to_owned(),
        Derive | Counter if value.abs() > LARGEST => "U".to_owned(),
        // No "-0", which a counter would not take.
        Derive | Counter => format!("{:.0}", value.round() + 0.0),
        Gauge | Absolute => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Fetcher;
    use line_protocol::Identifier;
    use serde_json::{Value as Json, json};
    use std::collections::BTreeMap;
    use std::process::{Command, Stdio};
    use test_redis::{Running, eventually, free_port};

    /// What was fetched from a port: by key, `meta NAME` or `warn NAME`.
    async fn fetched(port: u16, rules: Json) -> Result<BTreeMap<String, String>, String> {
        let identifier = Identifier::parse(&format!("prometheus:{port}")).unwrap();
        let config = json!({"Prometheus": {port.to_string(): rules}});
        let request = Request {
            address: "127.0.0.1",
            identifier: &identifier,
            metrics_config: config.as_object().unwrap(),
        };
        let report = Fetcher::Prometheus.fetch(request).await.map_err(|error| error.to_string())?;
        for line in report.lines("h", &identifier, 5).lines() {
            line_protocol::parse_line(line.as_bytes()).unwrap();
        }
        Ok(named(report))
    }

    fn named(report: Report) -> BTreeMap<String, String> {
        let of = |what: &'static str, entries: Vec<(String, String)>| {
            entries.into_iter().map(move |(name, value)| (format!("{what}{name}"), value))
        };
        of("", report.metrics)
            .chain(of("meta ", report.meta))
            .chain(of("warn ", report.warnings))
            .collect()
    }

    fn read(text: &str, rules: Json) -> Result<BTreeMap<String, String>, String> {
        let identifier = Identifier::parse("prometheus").unwrap();
        let config = json!({"Prometheus": {"9100": rules}});
        let mapping = Mapping::of(config.as_object().unwrap(), &identifier).unwrap();
        report(&Page::written(text), &mapping).map(named).map_err(|error| error.to_string())
    }

    const PAGE: &str = "\
# HELP cpu Seconds.
# TYPE cpu counter
cpu{cpu=\"0\",mode=\"idle\"} 10.25
cpu{cpu=\"1\",mode=\"idle\"} 20.5
cpu{cpu=\"0\",mode=\"user\"} 1.5
# TYPE load gauge
load 0.75 1395066363000
# TYPE wait histogram
wait_bucket{le=\"+Inf\"} 4
wait_sum 9.5
wait_count 4
# TYPE jobs counter
jobs_total 7 # {id=\"x\"} 1
nothing NaN
much +Inf
# EOF
";

    #[test]
    fn a_label_too_long_for_a_key_costs_its_own_sample() {
        let text = format!("cpu{{mode=\"{}\"}} 1\ncpu{{mode=\"idle\"}} 2\n", "x".repeat(300));
        let found = read(&text, json!([{"metric": "cpu", "key": "cpu-{mode}"}])).unwrap();
        assert_eq!(found["cpu-idle.gauge"], "2");
        assert_eq!(found.keys().filter(|key| key.starts_with("cpu-")).count(), 1);
        let warning = &found["warn page"];
        let reason = format!(": its key would have more than {MAX_KEY_LEN} bytes");
        assert!(warning.ends_with(&reason), "{warning}");
    }

    #[test]
    fn samples_of_one_key_are_added_up_multiplied_and_rounded_for_their_type() {
        let found = read(
            PAGE,
            json!([
                {"metric": "cpu", "key": "cpu-{mode}", "times": 100},
                {"metric": "cpu", "labels": {"mode": "!idle"}, "key": "busy", "type": "gauge"},
                {"metric": "load"},
            ]),
        )
        .unwrap();
        let wanted = [
            ("busy.gauge", "1.5"),
            ("cpu-idle.derive", "3075"),
            ("cpu-user.derive", "150"),
            ("load.gauge", "0.75"),
            ("meta keys-busy", "busy.gauge"),
            ("meta keys-cpu-mode", "cpu-idle.derive,cpu-user.derive"),
            ("meta keys-load", "load.gauge"),
        ];
        assert_eq!(found, wanted.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn types_are_those_of_the_page_and_what_is_no_number_is_unknown() {
        let metrics = ["wait_sum", "wait_count", "wait_bucket", "jobs_total", "nothing", "much"];
        let rules = metrics.iter().map(|metric| json!({"metric": metric})).collect();
        let found = read(PAGE, rules).unwrap();
        for (key, value) in [
            ("wait_sum.derive", "10"),
            ("wait_count.derive", "4"),
            ("wait_bucket.derive", "4"),
            ("jobs_total.derive", "7"),
            ("nothing.gauge", "U"),
            ("much.gauge", "U"),
        ] {
            assert_eq!(found[key], value, "{key}");
        }
        let huge = read(
            "a 1e300\nb -1\n",
            json!([{"metric": "a", "type": "derive"}, {"metric": "b", "type": "counter"}]),
        );
        let huge = huge.unwrap();
        assert_eq!((huge["a.derive"].as_str(), huge["b.counter"].as_str()), ("U", "U"));
    }

    #[test]
    fn what_is_missing_or_not_understood_is_said() {
        let found = read(
            "load 1\nload{a=b} 2\nother{broken 1\nload\n",
            json!([{"metric": "load"}, {"metric": "laod"}]),
        )
        .unwrap();
        assert_eq!(found["meta not-on-the-page"], "laod");
        assert_eq!(
            found["warn page"],
            "2 lines not understood; line 2, 'load{a=b} 2': a label's value must stand in quotes"
        );
        assert_eq!(found["load.gauge"], "1");
        let other = read("<html>\nhello world\n", json!([{"metric": "load"}])).unwrap_err();
        assert!(other.contains("not the page expected: <html> hello world"), "{other}");
        let many: String = (0..3000).map(|n| format!("load{{n=\"{n}\"}} 1\n")).collect();
        let error = read(&many, json!([{"metric": "load", "key": "l{n}"}])).unwrap_err();
        assert!(error.contains("more than 2000 keys"), "{error}");
        let long: String = (0..1000).map(|n| format!("load{{n=\"{n}\"}} 1\n")).collect();
        let found = read(&long, json!([{"metric": "load", "key": "l{n}"}])).unwrap();
        let list = &found["meta keys-ln"];
        assert!(list.len() <= LONGEST_LIST && list.ends_with(".gauge"), "{list}");
    }

    fn node_exporter() -> (Running, u16) {
        eventually("a start of the node exporter", || {
            let port = free_port();
            let mut command = Command::new("prometheus-node-exporter");
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut exporter = Running::start(&mut command);
            eventually("the node exporter", || {
                if exporter.0.try_wait().unwrap().is_some() {
                    // It lost its port to another process.
                    return Some(false);
                }
                std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true)
            })
            .then_some((exporter, port))
        })
    }

    #[tokio::test]
    async fn the_node_exporter_s_values_are_those_of_the_machine() {
        let (_exporter, port) = node_exporter();
        let forks = || -> i64 {
            let stat = std::fs::read_to_string("/proc/stat").unwrap();
            let line = stat.lines().find_map(|line| line.strip_prefix("processes "));
            line.unwrap().parse().unwrap()
        };
        let before = forks();
        let found = fetched(
            port,
            json!([
                {"metric": "node_memory_MemTotal_bytes", "key": "memory-total"},
                {"metric": "node_forks_total", "key": "forks"},
                {"metric": "node_cpu_seconds_total", "key": "cpu-{mode}", "times": 100},
                {"metric": "node_scrape_collector_success", "labels": {"collector": ["cpu", "load*"]}, "key": "ok-{collector}"},
            ]),
        )
        .await
        .unwrap();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total: f64 =
            meminfo.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(found["memory-total.gauge"].parse::<f64>().unwrap(), total * 1024.0);
        let (then, now) = (found["forks.derive"].parse().unwrap(), forks());
        assert!((before..=now).contains(&then), "{before} {then} {now}");
        assert!(found["cpu-idle.derive"].parse::<i64>().unwrap() > 0);
        assert!(found["meta keys-cpu-mode"].contains("cpu-user.derive"));
        assert_eq!(found["ok-cpu.gauge"], "1");
        assert_eq!(found["ok-loadavg.gauge"], "1");
        assert_eq!(found.keys().filter(|key| key.starts_with("ok-")).count(), 2);
        assert!(!found.contains_key("meta not-on-the-page"), "{found:?}");
    }

    #[tokio::test]
    async fn a_page_of_several_megabytes_is_taken() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1000]);
            let body = "# HELP x y\nother{label=\"value\"} 1\n".repeat(100_000) + "load 2\n";
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        });
        let found = fetched(port, json!([{"metric": "load"}])).await.unwrap();
        assert_eq!(found["load.gauge"], "2");
        thread.join().unwrap().unwrap();
    }

    #[tokio::test]
    async fn without_a_mapping_it_says_where_to_write_one() {
        let identifier = Identifier::parse("prometheus:9104").unwrap();
        let metrics_config = serde_json::Map::new();
        let request = Request {
            address: "127.0.0.1",
            identifier: &identifier,
            metrics_config: &metrics_config,
        };
        let error = Fetcher::Prometheus.fetch(request).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "metrics_config does not say which metrics of port 9104 to take: Prometheus: {9104: [{metric: …}]}"
        );
        let port = free_port();
        let refused = fetched(port, json!([{"metric": "a"}])).await.unwrap_err();
        assert_eq!(refused, format!("port {port}: connection refused"));
    }
}
