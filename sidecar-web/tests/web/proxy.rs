//! Below a path of a real nginx, with a login.

use std::process::Command;

use test_redis::{Running, eventually, free_port};

use crate::access::{ANN, value_of, with_users};
use crate::process::HOST;

/// An nginx in a folder of its own that shows the web at `address` below /kurado/.
fn nginx(folder: &tempfile::TempDir, address: &str) -> (Running, u16) {
    let path = folder.path().display();
    let port = free_port();
    let configuration = format!(
        "daemon off; master_process off; pid {path}/pid; error_log {path}/errors;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;
            fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi;
            scgi_temp_path {path}/scgi;
            server {{
                listen 127.0.0.1:{port};
                location /kurado/ {{
                    proxy_pass http://{address}/;
                    proxy_set_header X-Forwarded-For $remote_addr;
                    proxy_set_header X-Forwarded-Proto $scheme;
                }}
            }}
        }}"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(file);
    let running = Running::start(command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"));
    eventually("nginx", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    (running, port)
}

#[test]
fn all_pages_and_the_login_work_below_a_path_of_a_proxy() {
    let web = with_users(&["--base-path", "/kurado", "--trusted-proxy", "127.0.0.1/32"]);
    let folder = tempfile::tempdir().unwrap();
    let (_nginx, port) = nginx(&folder, web.address());
    let base = format!("http://127.0.0.1:{port}/kurado/");
    let jar = folder.path().join("cookies");
    // As a browser: it keeps cookies and asks for pages. What is printed follows the body.
    let curl = |options: &[&str], page: &str, print: &str| {
        let ran = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--header",
                "accept: text/html",
                "--write-out",
                print,
            ])
            .arg("--cookie-jar")
            .arg(&jar)
            .arg("--cookie")
            .arg(&jar)
            .args(options)
            .arg(format!("{base}{page}"))
            .output()
            .expect("curl is needed for this test");
        assert!(ran.status.success(), "{page}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    let page = format!("server?address={HOST}");
    let login = curl(&["--location"], &page, "\n%{url_effective}");
    let address = login.lines().last().unwrap();
    assert_eq!(address, format!("{base}login?next=server%3Faddress%3D{HOST}"));
    let location = curl(&[], &page, "%header{location}");
    assert!(location.starts_with("login?next="), "it is relative: {location}");

    let token = value_of(&login, "name=\"token\" value=\"");
    let next = value_of(&login, "name=\"next\" value=\"");
    let mut options = vec!["--location"];
    let fields = [
        format!("token={token}"),
        format!("next={next}"),
        "name=ann".to_owned(),
        format!("password={ANN}"),
    ];
    for field in &fields {
        options.extend(["--data-urlencode", field]);
    }
    let shown = curl(&options, "login", "\n%{url_effective} %{http_code}");
    assert_eq!(shown.lines().last().unwrap(), format!("{base}{page} 200"), "{shown}");
    assert!(shown.contains("<span>ann</span>"), "{shown}");
    let cookies = std::fs::read_to_string(&jar).unwrap();
    for name in ["kurado_form", "kurado_session"] {
        let line = format!("#HttpOnly_127.0.0.1\tFALSE\t/kurado\tFALSE\t0\t{name}\t");
        assert!(cookies.contains(&line), "{cookies}");
    }

    // Every link of the page leads below the path.
    let links = shown.split(" href=\"").skip(1).chain(shown.split(" src=\"").skip(1));
    let links: Vec<String> =
        links.map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&")).collect();
    assert!(links.len() > 5, "{links:?}");
    for link in links.iter().filter(|link| !link.starts_with('#')) {
        assert!(!link.starts_with('/') && !link.contains("//"), "{link}");
        let status = curl(&["--output", "/dev/null"], link, "%{http_code}");
        assert_eq!(status, "200", "{link}");
    }

    let token = format!("token={}", value_of(&shown, "name=\"token\" value=\""));
    let out = curl(&["--data-urlencode", &token], "logout", "%{http_code} %header{location}");
    assert_eq!(out, "303 login");
    let location = curl(&[], "", "%{http_code} %header{location}");
    assert_eq!(location, "303 login");
}
