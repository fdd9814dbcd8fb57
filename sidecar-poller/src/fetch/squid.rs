//! `squid[:port=3128]`: what Squid's cache manager says.

use line_protocol::DataSourceType::{self, Derive, Gauge};

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::http_client::Server;

/// The manager's pages as all versions before 7 answer them, and as those since 3.2 do.
const CACHE_OBJECT: &str = "cache_object://localhost/";
const INTERNAL: &str = "/squid-internal-mgr/";

/// What the manager says, as texts.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pub counters: String,
    pub five_minutes: String,
    pub info: String,
}

pub(super) const DECLARATION: Declaration = Declaration::of(Arguments::Port(3128));

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let given = request.given(DECLARATION.arguments)?;
    let mut server = Server::of(&request, &given).session();
    let (start, counters) = match server.ask(&format!("{CACHE_OBJECT}counters")).await {
        Ok(page) => (CACHE_OBJECT, page),
        Err(_) => (INTERNAL, server.get(&format!("{INTERNAL}counters")).await?),
    };
    let five_minutes = server.ask(&format!("{start}5min")).await?;
    let info = server.ask(&format!("{start}info")).await?;
    let pages =
        Pages { counters: counters.text.clone(), five_minutes: five_minutes.text, info: info.text };
    report(&pages).ok_or_else(|| counters.unexpected())
}

/// Makes the report of the pages; `None` where they have none of the numbers.
pub(super) fn report(pages: &Pages) -> Option<Report> {
    let counter = |name: &str| assigned(&pages.counters, &format!("client_http.{name}"));
    let time = |name: &str| {
        let name = format!("client_http.{name}_median_svc_time");
        let seconds: f64 = assigned(&pages.five_minutes, &name)?.parse().ok()?;
        // To the microsecond, as Squid says it.
        Some(format!("{:.3}", seconds * 1000.0))
    };
    let info = |name: &str| {
        lines(&pages.info).find_map(|line| line.strip_prefix(name)).map(str::trim_start)
    };
    let entries =
        |name: &str| lines(&pages.info).find_map(|line| line.strip_suffix(name)).map(str::trim_end);
    let text = |found: Option<&str>| found.map(str::to_owned);
    let values: [(&str, DataSourceType, Option<String>); 11] = [
        ("client-http.requests", Derive, text(counter("requests"))),
        ("client-http.hits", Derive, text(counter("hits"))),
        ("client-http.errors", Derive, text(counter("errors"))),
        ("svc-time.all", Gauge, time("all")),
        ("svc-time.miss", Gauge, time("miss")),
        ("svc-time.nm", Gauge, time("nm")),
        ("svc-time.hit", Gauge, time("hit")),
        ("file-descriptors.max", Gauge, text(info("Maximum number of file descriptors:"))),
        ("file-descriptors.used", Gauge, text(info("Number of file desc currently in use:"))),
        ("store-entries.total", Gauge, text(entries(" StoreEntries"))),
        ("store-entries.with-memobject", Gauge, text(entries(" StoreEntries with MemObjects"))),
    ];
    if values.iter().all(|(_, _, value)| value.is_none()) {
        return None;
    }
    let mut report = Report::default();
    for (name, kind, value) in values {
        report.metric(name, kind, value.as_deref().unwrap_or("U"));
    }
    if let Some(version) = info("Squid Object Cache: Version ") {
        report.meta("version", version);
    }
    let uptime =
        info("UP Time:").and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    if let Some(seconds) = uptime.filter(|seconds| seconds.is_finite()) {
        report.meta("uptime", &format!("{:.0}", seconds.trunc()));
    }
    Some(report)
}

fn lines(page: &str) -> impl Iterator<Item = &str> {
    page.lines().map(str::trim)
}

/// The number of a line `name = 0.5 seconds` or `name = 5`.
fn assigned<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let value =
        lines(page).find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))?;
    value.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::fetched::{Fetched, assert_all_is_drawn, fetched, read};
    use crate::test_servers::{RealServer, curl, page, serve};
    use proptest::prelude::*;
    use std::process::Command;

    fn squid(access: &str) -> RealServer {
        RealServer::start(|port, directory| {
            let configuration = format!(
                "http_port 127.0.0.1:{port}\npid_filename none\ncache_log /dev/stderr\n\
                 access_log none\ncache_store_log none\nnetdb_filename none\npinger_enable off\n\
                 visible_hostname test\nshutdown_lifetime 0 seconds\ncoredump_dir {}\n{access}\nhttp_access deny all\n",
                directory.display()
            );
            let file = directory.join("squid.conf");
            std::fs::write(&file, configuration).unwrap();
            let mut command = Command::new("/usr/sbin/squid");
            // Its name, as that is the one of its shared memory.
            command.args(["-n", &format!("test{port}"), "-N", "-f"]).arg(file);
            command
        })
    }

    const KEYS: [&str; 13] = [
        "meta.uptime",
        "meta.version",
        "metrics.client-http.errors.derive",
        "metrics.client-http.hits.derive",
        "metrics.client-http.requests.derive",
        "metrics.file-descriptors.max.gauge",
        "metrics.file-descriptors.used.gauge",
        "metrics.store-entries.total.gauge",
        "metrics.store-entries.with-memobject.gauge",
        "metrics.svc-time.all.gauge",
        "metrics.svc-time.hit.gauge",
        "metrics.svc-time.miss.gauge",
        "metrics.svc-time.nm.gauge",
    ];

    /// Holds what was fetched against what the manager says to another client before and after.
    async fn assert_values_are_squids(squid: &RealServer) {
        let port = squid.port();
        let says = |name: &str| curl(port, &format!("/squid-internal-mgr/{name}"));
        let number = |text: &str| text.trim().parse::<f64>().unwrap();
        let requests = || number(assigned(&says("counters"), "client_http.requests").unwrap());
        let before = requests();
        let fetched = fetched(&format!("squid:{port}")).await.unwrap();
        let (after, info) = (requests(), says("info"));

        let fetched_number = |key: &str| number(&fetched[&format!("metrics.{key}")]);
        assert!((before..=after).contains(&fetched_number("client-http.requests.derive")));
        assert_eq!(fetched_number("client-http.hits.derive"), 0.0);
        let maximum = format!(
            "Maximum number of file descriptors: {:>7}\n",
            fetched["metrics.file-descriptors.max.gauge"]
        );
        assert!(info.contains(&maximum), "{maximum} {info}");
        assert!(fetched_number("file-descriptors.used.gauge") >= 1.0);
        assert!(fetched_number("store-entries.total.gauge") >= 1.0);
        let keys: Vec<&str> = fetched.keys().map(String::as_str).collect();
        assert_eq!(keys, KEYS);
        assert!(!fetched.values().any(|value| value == "U"), "{fetched:?}");
        let version = Command::new("/usr/sbin/squid").arg("-v").output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap();
        assert_eq!(
            version.lines().next(),
            Some(format!("Squid Cache: Version {}", fetched["meta.version"]).as_str())
        );
        assert_all_is_drawn("squid", &fetched);
    }

    #[tokio::test]
    async fn values_are_what_squid_itself_says() {
        assert_values_are_squids(&squid("http_access allow localhost manager")).await;
    }

    #[tokio::test]
    async fn where_cache_object_is_gone_the_internal_path_is_taken() {
        let access =
            "acl old proto cache_object\nhttp_access deny old\nhttp_access allow localhost manager";
        assert_values_are_squids(&squid(access)).await;
    }

    #[tokio::test]
    async fn a_squid_that_lets_nobody_see_is_a_failure() {
        let squid = squid("");
        let port = squid.port();
        let error = fetched(&format!("squid:{port}")).await.unwrap_err().to_string();
        assert_eq!(error, format!("port {port}, /squid-internal-mgr/counters: 403 Forbidden"));
    }

    #[tokio::test]
    async fn a_server_that_is_no_squid_is_a_failure() {
        let port = serve(|_| page("hello")).await;
        let error = fetched(&format!("squid:{port}")).await.unwrap_err().to_string();
        let place = format!("port {port}, cache_object://localhost/counters");
        assert_eq!(error, format!("{place}: not the page expected: hello"));
    }

    /// Pages of Squid 3.1, with traffic.
    fn pages() -> Pages {
        Pages {
            counters: "sample_time = 1700000000.5 (x)\nclient_http.requests = 5000\n\
                       client_http.hits = 4000\nclient_http.errors = 3\n"
                .to_owned(),
            five_minutes: "client_http.requests = 10.5/sec\nclient_http.all_median_svc_time = 0.006783 seconds\n\
                           client_http.miss_median_svc_time = 1.244730 seconds\n\
                           client_http.nm_median_svc_time = 0.000000 seconds\n\
                           client_http.hit_median_svc_time = 0.000911 seconds\n"
                .to_owned(),
            info: "Squid Object Cache: Version 3.1.23\nResource usage for squid:\n\
                   \tUP Time:\t12345.678 seconds\nFile descriptor usage for squid:\n\
                   \tMaximum number of file descriptors:   1024\n\
                   \tNumber of file desc currently in use:   17\n\
                   Internal Data Structures:\n\t  5234 StoreEntries\n\t   123 StoreEntries with MemObjects\n"
                .to_owned(),
        }
    }

    #[test]
    fn times_are_milliseconds() {
        let wanted = [
            "12345", "3.1.23", "3", "4000", "5000", "1024", "17", "5234", "123", "6.783", "0.911",
            "1244.730", "0.000",
        ];
        let wanted = KEYS.into_iter().zip(wanted);
        let wanted: Fetched =
            wanted.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(read(&report(&pages()).unwrap()), wanted);
    }

    #[test]
    fn what_the_pages_lack_is_unknown() {
        let info_only = Pages { info: pages().info, ..Pages::default() };
        let report = read(&report(&info_only).unwrap());
        assert_eq!(report["metrics.client-http.hits.derive"], "U");
        assert_eq!(report["metrics.svc-time.all.gauge"], "U");
        assert_eq!(report["metrics.store-entries.total.gauge"], "5234");
        assert_eq!(report.len(), KEYS.len());
        assert_eq!(super::report(&Pages::default()), None);
    }

    proptest! {
        #[test]
        fn whatever_the_pages_say_the_lines_are_taken(
            text in "(?s)(client_http\\.(requests|all_median_svc_time)| = |UP Time:|Squid Object Cache: Version | StoreEntries|[0-9]+|nan|-?inf|1e300|\n|.){0,30}",
        ) {
            let pages = Pages { counters: text.clone(), five_minutes: text.clone(), info: text };
            if let Some(report) = report(&pages) {
                prop_assert!(read(&report).len() >= 11);
            }
        }
    }
}
