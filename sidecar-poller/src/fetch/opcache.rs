//! `opcache[:port=82[:path=/opcache-status.php]]`: what PHP's OPcache says, by a page that prints it
//! as JSON: `packaging/opcache-status.php`.

use line_protocol::DataSourceType::Gauge;
use serde_json::Value as Json;

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::http_client::{Page, Server};
use crate::json::{self, Place};

/// The object's name is spelt so in the pages that existing servers have.
const METRICS: [Place; 9] = [
    ("opcache_hit_rate", Gauge, "/statictics/opcache_hit_rate"),
    ("max_cached_keys", Gauge, "/statictics/max_cached_keys"),
    ("num_cached_keys", Gauge, "/statictics/num_cached_keys"),
    ("num_cached_scripts", Gauge, "/statictics/num_cached_scripts"),
    ("strings_used_memory", Gauge, "/interned_strings_usage/used_memory"),
    ("strings_free_memory", Gauge, "/interned_strings_usage/free_memory"),
    ("wasted_memory", Gauge, "/memory_usage/wasted_memory"),
    ("free_memory", Gauge, "/memory_usage/free_memory"),
    ("used_memory", Gauge, "/memory_usage/used_memory"),
];

pub(super) const DECLARATION: Declaration =
    Declaration::of(Arguments::PortAndPath(82, "/opcache-status.php"));

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let given = request.given(DECLARATION.arguments)?;
    let server = Server::of(&request, &given);
    report(&server.get(given.path).await?)
}

pub(super) fn report(page: &Page) -> Result<Report, FetchError> {
    let json = page.json()?;
    let mut report = json::report(&json, &METRICS).ok_or_else(|| page.unexpected())?;
    let setting = |name: &str| json.pointer(&format!("/config/{name}")).and_then(whole);
    if let Some(number) = setting("max_accelerated_files") {
        report.meta("max_accelerated_files", &number.to_string());
    }
    if let Some(megabytes) = setting("interned_strings_max") {
        report.meta("interned_strings_max", &format!("{megabytes}MB"));
    }
    for name in ["max_file_size", "memory_max"] {
        if let Some(bytes) = setting(name) {
            report.meta(name, &format!("{}MB", with_commas(bytes / (1024 * 1024))));
        }
    }
    Ok(report)
}

/// A whole number, also one that is written as a text.
fn whole(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| json.as_str()?.parse().ok())
}

/// `1234567` as `1,234,567`.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::fetched::{assert_all_is_drawn, fetched, read};
    use crate::test_servers::{RealServer, curl};
    use proptest::prelude::*;
    use std::process::Command;

    /// PHP with the script that we ship, and these options.
    fn php(options: &'static [&'static str]) -> RealServer {
        RealServer::start(move |port, directory| {
            let script = include_str!("../../../packaging/opcache-status.php");
            std::fs::write(directory.join("opcache-status.php"), script).unwrap();
            std::fs::write(directory.join("hello.php"), "<?php echo 'hello';").unwrap();
            let mut command = Command::new("php");
            command.arg("-n").args(options);
            command.args(["-S", &format!("127.0.0.1:{port}"), "-t"]).arg(directory);
            command
        })
    }

    #[tokio::test]
    async fn values_are_what_php_itself_says() {
        let php = php(&[
            "-dzend_extension=opcache",
            "-dopcache.enable=1",
            "-dopcache.enable_cli=1",
            // Files as new as the test's are not kept otherwise.
            "-dopcache.file_update_protection=0",
            "-dopcache.memory_consumption=64",
            "-dopcache.interned_strings_buffer=4",
            "-dopcache.max_accelerated_files=4000",
            "-dopcache.max_file_size=2097152",
        ]);
        let port = php.port();
        curl(port, "/hello.php");
        let before: Json = serde_json::from_str(&curl(port, "/opcache-status.php")).unwrap();
        let fetched = fetched(&format!("opcache:{port}")).await.unwrap();
        let after: Json = serde_json::from_str(&curl(port, "/opcache-status.php")).unwrap();

        for (key, kind, pointer) in METRICS {
            let value: f64 = fetched[&format!("metrics.{key}.{}", kind.suffix())].parse().unwrap();
            let says = |page: &Json| page.pointer(pointer).unwrap().as_f64().unwrap();
            assert!((says(&before)..=says(&after)).contains(&value), "{key}: {value}");
        }
        assert_eq!(fetched["metrics.num_cached_scripts.gauge"], "2");
        assert_eq!(fetched["meta.memory_max"], "64MB");
        assert_eq!(fetched["meta.interned_strings_max"], "4MB");
        assert_eq!(fetched["meta.max_accelerated_files"], "4000");
        assert_eq!(fetched["meta.max_file_size"], "2MB");
        assert_eq!(fetched.len(), 13);
        assert_all_is_drawn("opcache", &fetched);
    }

    #[tokio::test]
    async fn php_without_opcache_is_a_failure() {
        let php = php(&[]);
        let port = php.port();
        let error = fetched(&format!("opcache:{port}")).await.unwrap_err().to_string();
        let said = "503 OPcache is off, or opcache.restrict_api keeps this script out";
        assert_eq!(error, format!("port {port}, /opcache-status.php: {said}"));
        let error = fetched(&format!("opcache:{port}:/hello.php")).await.unwrap_err().to_string();
        assert_eq!(error, format!("port {port}, /hello.php: not the page expected: hello"));
    }

    #[test]
    fn what_a_page_lacks_is_unknown() {
        let page = r#"{"statictics": {"num_cached_keys": "12", "opcache_hit_rate": null},
                       "config": {"memory_max": 1234567890123, "max_file_size": "x"}}"#;
        let report = read(&report(&Page::written(page)).unwrap());
        assert_eq!(report["metrics.num_cached_keys.gauge"], "12");
        assert_eq!(report["metrics.opcache_hit_rate.gauge"], "U");
        assert_eq!(report["metrics.used_memory.gauge"], "U");
        assert_eq!(report["meta.memory_max"], "1,177,375MB");
        assert_eq!(report.len(), 10);
    }

    #[test]
    fn json_without_any_of_the_numbers_is_another_page() {
        let page = Page::written(r#"{"error": "no"}"#);
        assert_eq!(report(&page).unwrap_err(), page.unexpected());
    }

    #[test]
    fn thousands_have_commas() {
        let texts = [0, 999, 1000, 1_234_567].map(with_commas);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    proptest! {
        #[test]
        fn whatever_a_page_says_the_lines_are_taken(
            value in "(?s)(-?[0-9]{1,30}(\\.[0-9]+)?(e[0-9]{1,3})?|\"[^\"\\\\]{0,9}\"|null|\\{\\}|\\[1\\])|.{0,9}",
        ) {
            let page = format!(
                r#"{{"statictics": {{"num_cached_keys": {value}, "num_cached_scripts": 1}}, "config": {{"memory_max": {value}, "interned_strings_max": {value}}}}}"#
            );
            if let Ok(report) = report(&Page::written(&page)) {
                prop_assert!(read(&report).len() >= METRICS.len());
            }
        }
    }
}
