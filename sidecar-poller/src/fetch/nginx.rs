//! `nginx[:port=80[:path=/nginx_status[:http_host=address]]]`: what nginx's `stub_status` says.

use line_protocol::DataSourceType::{Derive, Gauge};

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::http_client::{Page, Server};

pub(super) const DECLARATION: Declaration =
    Declaration::of(Arguments::PortPathAndHost(80, "/nginx_status"));

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let given = request.given(DECLARATION.arguments)?;
    let server = Server::of(&request, &given);
    report(&server.get(given.path).await?)
}

/// Makes the report of the page:
///
/// ```text
/// Active connections: 1
/// server accepts handled requests
///  16 16 31
/// Reading: 0 Writing: 1 Waiting: 0
/// ```
pub(super) fn report(page: &Page) -> Result<Report, FetchError> {
    let words: Vec<&str> = page.text.split_whitespace().collect();
    let behind = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1).copied().filter(|word| is_number(word))
    };
    let requests = words.windows(3).find(|three| three.iter().all(|word| is_number(word)));
    let values = [
        ("read", Gauge, behind("Reading:")),
        ("write", Gauge, behind("Writing:")),
        ("wait", Gauge, behind("Waiting:")),
        ("reqs", Derive, requests.and_then(|three| three.last().copied())),
    ];
    if values.iter().all(|(_, _, value)| value.is_none()) {
        return Err(page.unexpected());
    }
    let mut report = Report::default();
    for (name, kind, value) in values {
        report.metric(name, kind, value.unwrap_or("U"));
    }
    if let Some(server) = &page.server {
        report.meta("server", server);
    }
    Ok(report)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::fetched::{assert_all_is_drawn, fetched, read};
    use crate::test_servers::{RealServer, curl};
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::process::Command;

    /// nginx with its status at /nginx_status, a page that is moved, one that is forbidden, and
    /// another server by name.
    fn nginx() -> RealServer {
        RealServer::start(|port, directory| {
            let here = directory.display();
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {here}/temporary;"))
                .concat();
            let configuration = format!(
                "daemon off; master_process off; pid {here}/pid; error_log stderr;
                events {{}}
                http {{
                    access_log off; {temporary}
                    server {{
                        listen 127.0.0.1:{port};
                        location = /nginx_status {{ stub_status; }}
                        location = /moved {{ return 301 /nginx_status; }}
                        location = /forbidden {{ deny all; }}
                        location = /hello {{ return 200 'hello\\n'; }}
                    }}
                    server {{
                        listen 127.0.0.1:{port}; server_name other.example;
                        location = /elsewhere {{ stub_status; }}
                    }}
                }}"
            );
            let file = directory.join("nginx.conf");
            std::fs::write(&file, configuration).unwrap();
            let mut command = Command::new("/usr/sbin/nginx");
            command.arg("-p").arg(directory).args(["-e", "stderr", "-c"]).arg(file);
            command
        })
    }

    #[tokio::test]
    async fn values_are_what_nginx_itself_says() {
        let nginx = nginx();
        let port = nginx.port();
        // A connection that waits for its next request.
        let mut waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
        waiting.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello\n") {
            let mut buffer = [0; 1000];
            let count = waiting.read(&mut buffer).unwrap();
            answer.extend_from_slice(&buffer[..count]);
        }
        let fetched = fetched(&format!("nginx:{port}")).await.unwrap();

        let status = curl(port, "/nginx_status");
        let number = |name: &str| fetched[&format!("metrics.{name}")].parse::<u32>().unwrap();
        let (read, write, wait) =
            (number("read.gauge"), number("write.gauge"), number("wait.gauge"));
        assert!(
            status.contains(&format!("Reading: {read} Writing: {write} Waiting: {wait} ")),
            "{status} {fetched:?}"
        );
        assert_eq!((write, wait), (1, 1));
        // curl's own request is one more.
        assert!(status.contains(&format!(" {} \n", number("reqs.derive") + 1)), "{status}");
        let version = Command::new("/usr/sbin/nginx").arg("-v").output().unwrap().stderr;
        let version = String::from_utf8(version).unwrap();
        assert_eq!(version.trim(), format!("nginx version: {}", fetched["meta.server"]));
        assert_eq!(fetched.len(), 5);
        assert_all_is_drawn("nginx", &fetched);
    }

    #[tokio::test]
    async fn path_and_host_are_arguments_and_a_wrong_one_is_said() {
        let nginx = nginx();
        let port = nginx.port();
        let other = fetched(&format!("nginx:{port}:/elsewhere:other.example")).await.unwrap();
        assert!(other.contains_key("metrics.reqs.derive"));
        for (path, said) in [
            ("/elsewhere", "404 Not Found".to_owned()),
            ("/forbidden", "403 Forbidden".to_owned()),
            (
                "/moved",
                format!(
                    "redirected to http://127.0.0.1:{port}/nginx_status (301 Moved Permanently)"
                ),
            ),
            ("/hello", "not the page expected: hello".to_owned()),
        ] {
            let error = fetched(&format!("nginx:{port}:{path}")).await.unwrap_err();
            assert_eq!(error.to_string(), format!("port {port}, {path}: {said}"));
        }
    }

    #[test]
    fn what_a_page_lacks_is_unknown() {
        let page = Page::written("Active connections: 1\nReading: 0 Writing: 7 Waiting: x\n");
        let report = read(&report(&page).unwrap());
        for (name, value) in
            [("read.gauge", "0"), ("write.gauge", "7"), ("wait.gauge", "U"), ("reqs.derive", "U")]
        {
            assert_eq!(report[&format!("metrics.{name}")], value, "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_page_says_the_lines_are_taken(text in "(?s)(Reading:|Waiting:|[0-9]+| |\n|.){0,40}") {
            if let Ok(report) = report(&Page::written(&text)) {
                prop_assert_eq!(read(&report).len(), 5);
            }
        }
    }
}
