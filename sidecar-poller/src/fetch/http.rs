//! `http[:port=80[:path=/server-status?auto[:http_host=address]]]`: what Apache's `mod_status` says,
//! or another server in its words.

use line_protocol::DataSourceType::{Derive, Gauge};

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::http_client::{Page, Server};
use crate::poll::since_1970;

/// An uptime beyond this is the time of the start, as some servers say it.
const LONGEST_UPTIME: u64 = 20 * 365 * 86400;

pub(super) const DECLARATION: Declaration =
    Declaration::of(Arguments::PortPathAndHost(80, "/server-status?auto"));

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let given = request.given(DECLARATION.arguments)?;
    let server = Server::of(&request, &given);
    let page = server.get(given.path).await?;
    report(&page, since_1970().as_secs())
}

/// Makes the report of the page, whose lines are `BusyWorkers: 1` and the like. `now` in seconds
/// since 1970.
pub(super) fn report(page: &Page, now: u64) -> Result<Report, FetchError> {
    let value = |is_named: &dyn Fn(&str) -> bool| {
        page.text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            is_named(name.trim_end()).then(|| leading_digits(value))?
        })
    };
    let starts = |start: &'static str| {
        value(&move |name: &str| name.len() > start.len() && name.starts_with(start))
    };
    let (busy, idle) = (starts("Busy"), starts("Idle"));
    if busy.is_none() && idle.is_none() {
        return Err(page.unexpected());
    }
    let mut report = Report::default();
    report.metric("busy", Gauge, busy.unwrap_or("U"));
    report.metric("idle", Gauge, idle.unwrap_or("U"));
    if let Some(server) = &page.server {
        report.meta("server", server);
    }
    let uptime = value(&|name| name == "Uptime").and_then(|text| text.parse::<u64>().ok());
    if let Some(uptime) = uptime {
        let seconds = if uptime > LONGEST_UPTIME { now.saturating_sub(uptime) } else { uptime };
        report.meta("uptime", &seconds.to_string());
    }
    if let Some(requests) = value(&|name| name == "Total Accesses") {
        report.metric("reqs", Derive, requests);
        report.meta("has-reqs", "1");
    }
    Ok(report)
}

fn leading_digits(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::fetched::{Fetched, assert_all_is_drawn, fetched, read};
    use crate::test_servers::{RealServer, curl};
    use proptest::prelude::*;
    use std::process::Command;
    use test_redis::eventually;

    fn apache(settings: &str) -> RealServer {
        RealServer::start(|port, directory| {
            let here = directory.display();
            let module = |name: &str| {
                format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
            };
            let modules = ["mpm_event", "authz_core", "status"].map(module).concat();
            let configuration = format!(
                "ServerRoot {here}\nDefaultRuntimeDir {here}\nPidFile {here}/pid\n\
                 ServerName localhost\nListen 127.0.0.1:{port}\nErrorLog /dev/stderr\n\
                 User www-data\nGroup www-data\n{modules}{settings}\n\
                 StartServers 1\nServerLimit 1\nThreadsPerChild 5\nMaxRequestWorkers 5\n\
                 <Location /server-status>\nSetHandler server-status\n</Location>\n"
            );
            let file = directory.join("apache.conf");
            std::fs::write(&file, configuration).unwrap();
            let mut command = Command::new("/usr/sbin/apache2");
            command.args(["-X", "-f"]).arg(file);
            command
        })
    }

    fn number(fetched: &Fetched, key: &str) -> u64 {
        fetched[key].parse().unwrap()
    }

    #[tokio::test]
    async fn values_are_what_apache_itself_says() {
        let apache = apache("");
        let port = apache.port();
        let says = |page: &str, name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap().parse::<u64>().unwrap()
        };
        let workers = |page: &str| says(page, "BusyWorkers") + says(page, "IdleWorkers");
        let before = eventually("the start of all workers", || {
            let page = curl(port, "/server-status?auto");
            (workers(&page) == 5).then_some(page)
        });
        let fetched = fetched(&format!("http:{port}")).await.unwrap();
        let after = curl(port, "/server-status?auto");

        for (key, name) in [("metrics.reqs.derive", "Total Accesses"), ("meta.uptime", "Uptime")] {
            let between = says(&before, name)..=says(&after, name);
            assert!(between.contains(&number(&fetched, key)), "{key}: {fetched:?} {between:?}");
        }
        let (busy, idle) =
            (number(&fetched, "metrics.busy.gauge"), number(&fetched, "metrics.idle.gauge"));
        assert!(busy >= 1);
        assert_eq!(busy + idle, 5);
        assert!(after.contains(&format!("ServerVersion: {}\n", fetched["meta.server"])));
        assert_eq!(fetched["meta.has-reqs"], "1");
        assert_eq!(fetched.len(), 6);
        assert_all_is_drawn("http", &fetched);
    }

    #[tokio::test]
    async fn without_extended_status_there_are_no_requests() {
        let apache = apache("ExtendedStatus Off");
        let fetched = fetched(&format!("http:{}", apache.port())).await.unwrap();
        let keys: Vec<&str> = fetched.keys().map(String::as_str).collect();
        assert_eq!(keys, ["meta.server", "metrics.busy.gauge", "metrics.idle.gauge"]);
        assert_all_is_drawn("http", &fetched);
    }

    #[tokio::test]
    async fn another_page_is_a_failure() {
        let apache = apache("");
        let port = apache.port();
        let error = fetched(&format!("http:{port}:/server-status")).await.unwrap_err().to_string();
        let start = format!("port {port}, /server-status: not the page expected: <!DOCTYPE HTML");
        assert!(error.starts_with(&start), "{error}");
        let error = fetched(&format!("http:{port}:/none")).await.unwrap_err().to_string();
        assert_eq!(error, format!("port {port}, /none: 404 Not Found"));
    }

    #[test]
    fn an_uptime_of_decades_is_the_time_of_the_start() {
        let uptime = |says: u64| {
            let page =
                Page::written(&format!("Uptime: {says} (x)\nBusyServers: 2\nIdleServers: 3\n"));
            read(&report(&page, 1_700_000_100).unwrap())["meta.uptime"].clone()
        };
        assert_eq!(uptime(1_700_000_000), "100");
        assert_eq!(uptime(LONGEST_UPTIME), LONGEST_UPTIME.to_string());
        assert_eq!(uptime(u64::MAX), "0");
    }

    #[test]
    fn what_a_page_lacks_is_unknown() {
        let report = read(&report(&Page::written("IdleWorkers: 3\r\nBusy: 5\r\n"), 0).unwrap());
        assert_eq!(report["metrics.busy.gauge"], "U");
        assert_eq!(report["metrics.idle.gauge"], "3");
    }

    proptest! {
        #[test]
        fn whatever_a_page_says_the_lines_are_taken(
            text in "(?s)(Busy|Idle|Uptime|Total Accesses|: |[0-9]+|\n|.){0,40}",
        ) {
            if let Ok(report) = report(&Page::written(&text), 1_700_000_000) {
                prop_assert!(read(&report).contains_key("metrics.busy.gauge"));
            }
        }
    }
}
