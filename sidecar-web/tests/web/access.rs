//! Who may see the pages: everybody on loopback, users with passwords, those whom a proxy names.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Answer, HOST, Web};

const BROWSER: &str = "accept: text/html";
pub const ANN: &str = "correct horse";

/// A line of the users file, by the program itself.
pub fn line(name: &str, password: &str, role: &str) -> String {
    let mut made = Command::new(env!("CARGO_BIN_EXE_kurado-web"))
        .args(["hash-password", name, "--role", role])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    made.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    let made = made.wait_with_output().unwrap();
    assert!(made.status.success());
    String::from_utf8(made.stdout).unwrap()
}

/// With user ann, an operator, and these options.
pub fn with_users(options: &[&str]) -> Web {
    let users = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(users.path(), line("ann", ANN, "operator")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-web"));
    command.arg("--users").arg(users.path()).args(options);
    let web = Web::start_by(command, |_| {});
    // Read already; what happens where it goes is no matter of these tests.
    users.keep().unwrap();
    web
}

pub fn value_of<'a>(text: &'a str, before: &str) -> &'a str {
    let at = text.find(before).unwrap_or_else(|| panic!("{before} in {text}")) + before.len();
    &text[at..at + text[at..].find(['"', ';']).unwrap()]
}

/// Cookie and token of the form at `target`.
fn form_of(web: &Web, target: &str, headers: &str) -> (String, String) {
    let page = web.get_with(target, headers);
    assert_eq!(page.status, 200, "{}", page.text());
    let cookie = value_of(&page.headers["set-cookie"], "kurado_form=").to_owned();
    (cookie, value_of(&page.text(), "name=\"token\" value=\"").to_owned())
}

fn post(web: &Web, target: &str, headers: &[&str], body: &str) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    web.ask(&format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}

fn log_in(web: &Web, password: &str, next: &str, headers: &[&str]) -> Answer {
    let (cookie, token) = form_of(web, "/login", BROWSER);
    let cookie = format!("cookie: kurado_form={cookie}");
    let headers = [&[cookie.as_str()], headers].concat();
    let password = password.replace(' ', "+");
    post(
        web,
        "/login",
        &headers,
        &format!("token={token}&next={next}&name=ann&password={password}"),
    )
}

pub fn basic(name_and_password: &str) -> String {
    use base64::Engine;
    let text = base64::prelude::BASE64_STANDARD.encode(name_and_password);
    format!("authorization: Basic {text}")
}

#[test]
fn without_options_loopback_is_open_and_another_address_is_refused_with_the_ways() {
    let web = Web::start();
    assert_eq!(web.get("/").status, 200);
    assert_eq!(web.get("/login").status, 404);
    let ran =
        Command::new(env!("CARGO_BIN_EXE_kurado-web")).args(["--listen", "0.0.0.0:0"]).output();
    let ran = ran.unwrap();
    let errors = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{errors}");
    for way in ["0.0.0.0:0", "--users", "--identity-header", "--trusted-proxy", "--open-access"] {
        assert!(errors.contains(way), "{way} in {errors}");
    }
}

#[test]
fn without_a_login_nothing_is_shown_but_whether_it_serves() {
    let web = with_users(&[]);
    for target in ["/", "/server?address=x", "/graph", "/api/servers", "/details", "/nothing"] {
        let answer = web.get(target);
        assert_eq!(answer.status, 401, "{target}");
        assert!(answer.headers["www-authenticate"].starts_with("Basic realm="), "{target}");
        assert_eq!(answer.text(), "who asks for this must log in\n");
    }
    for target in [
        "/healthz",
        "/login",
        "/assets/1/kurado.css",
        "/assets/1/main.js",
        "/assets/1/icon.svg",
        "/metrics",
    ] {
        assert_eq!(web.get(target).status, 200, "{target}");
    }
    assert_eq!(web.get("/readyz").status, 503);
    // What a proxy on this machine passes on is not from this machine.
    assert_eq!(web.get_with("/metrics", "x-forwarded-for: 192.0.2.1").status, 401);
    let page = web.get_with(&format!("/server?address={HOST}&term=week"), BROWSER);
    let login = "login?next=server%3Faddress%3D10.0.0.1%26term%3Dweek";
    assert_eq!((page.status, page.headers["location"].as_str()), (303, login));
    // A picture in a page must not make the browser ask.
    let picture = web.get_with("/graph", "sec-fetch-mode: no-cors");
    assert_eq!(picture.status, 401);
    assert!(!picture.headers.contains_key("www-authenticate"));
}

#[test]
fn a_login_gives_a_session_until_the_log_out() {
    let web = with_users(&[]);
    let answer = log_in(&web, ANN, "server%3Faddress%3D10.0.0.1", &[]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(answer.headers["location"], "./server?address=10.0.0.1");
    let cookie = &answer.headers["set-cookie"];
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let session = format!("kurado_session={}", value_of(cookie, "kurado_session="));
    let header = format!("cookie: other=1; {session}");
    let (form, token) = form_of(&web, "/", &header);
    let page = web.get_with("/", &header).text();
    assert!(page.contains("<span>ann</span>") && page.contains("Log out"), "{page}");
    let both = format!("cookie: {session}; kurado_form={form}");
    let out = post(&web, "/logout", &[&both], &format!("token={token}"));
    assert_eq!((out.status, out.headers["location"].as_str()), (303, "login"));
    let gone = &out.headers["set-cookie"];
    assert_eq!(gone.matches("Max-Age=0").count(), 2, "{gone}");
    assert_eq!(web.get_with("/", &header).status, 401);
    assert!(!web.log().contains(ANN) && !web.log().contains(&session[15..]), "{}", web.log());
}

#[test]
fn a_form_of_another_site_is_refused() {
    let web = with_users(&[]);
    let (cookie, token) = form_of(&web, "/login", BROWSER);
    let (_, other) = form_of(&web, "/login", BROWSER);
    let cookie = format!("cookie: kurado_form={cookie}");
    let form = |token: &str| format!("token={token}&name=ann&password=correct+horse");
    for (headers, body, says) in [
        (vec![], form(&token), "no cookie"),
        (vec![cookie.as_str()], "name=ann&password=x".to_owned(), "no token"),
        (vec![&cookie], form(&other), "another than the cookie's"),
        (vec![&cookie], form("\u{e9}"), "another than the cookie's"),
        (vec!["cookie: kurado_form=zz"], form(&token), "no cookie"),
        (vec![&cookie, "origin: http://evil.example"], form(&token), "another site"),
        (vec![&cookie, "origin: null"], form(&token), "another site"),
        (vec![&cookie, "sec-fetch-site: cross-site"], form(&token), "another site"),
        (vec![&cookie, "sec-fetch-site: same-site"], form(&token), "another site"),
    ] {
        let answer = post(&web, "/login", &headers, &body);
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text());
        assert!(answer.text().contains(says), "{headers:?}: {}", answer.text());
        assert!(!answer.headers.contains_key("set-cookie"), "{headers:?}");
    }
    assert_eq!(post(&web, "/logout", &[], "").status, 403);
    assert_eq!(web.get("/logout").status, 405);
    assert_eq!(log_in(&web, ANN, "", &["origin: http://x"]).status, 303);
    assert_eq!(log_in(&web, ANN, "", &["sec-fetch-site: same-origin"]).status, 303);
}

#[test]
fn a_login_goes_on_to_no_other_site() {
    let web = with_users(&[]);
    for next in
        ["//evil.example", "https:evil.example", "%5c%5cevil.example", "..%2fx", "a%0d%0ab:c"]
    {
        assert_eq!(web.get(&format!("/login?next={next}")).status, 400, "{next}");
        let answer = log_in(&web, ANN, next, &[]);
        assert_eq!(answer.status, 400, "{next}: {}", answer.text());
        assert!(answer.text().contains("must be a page of this site"), "{}", answer.text());
    }
}

#[test]
fn wrong_passwords_are_told_in_the_log_without_them_and_then_refused_unread() {
    let web = with_users(&[]);
    // Several at a time, as whoever guesses would: each takes a moment.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guess = |n| {
            let web = &web;
            scope.spawn(move || web.get_with("/", &basic(&format!("ann:hunter-{n}"))).status)
        };
        let guesses: Vec<_> = (0..15).map(guess).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(401), count(429)), (10, 5), "{statuses:?}");
    let late = web.get_with("/", &basic(&format!("ann:{ANN}")));
    assert_eq!(late.status, 429);
    assert!(late.text().contains("too many passwords from here were wrong"), "{}", late.text());
    let page = log_in(&web, "x", "", &[]);
    assert_eq!(page.status, 429);
    assert!(page.text().contains("too many passwords"), "{}", page.text());
    let log = web.log();
    assert!(log.contains("a login failed") && !log.contains("hunter"), "{log}");
}

#[test]
fn scripts_log_in_by_basic_and_anything_damaged_is_refused() {
    let web = with_users(&[]);
    for target in ["/api/servers", "/", "/metrics"] {
        assert_eq!(web.get_with(target, &basic(&format!("ann:{ANN}"))).status, 200, "{target}");
    }
    for header in [
        basic("ann"),
        "authorization: Basic".to_owned(),
        "authorization: Basic !!!".to_owned(),
        "authorization: Basic /////w==".to_owned(),
        "authorization: Bearer YW5uOmE=".to_owned(),
        basic(""),
        "cookie: kurado_session=x; =; ;;; kurado_session".to_owned(),
        format!("cookie: kurado_session={}", "f".repeat(64)),
        "cookie: \u{fc}".to_owned(),
        "x-remote-user: ann".to_owned(),
    ] {
        let answer = web.get_with("/", &header);
        assert_eq!(answer.status, 401, "{header}: {}", answer.text());
    }
    let name = "a".repeat(1000);
    assert_eq!(web.get_with("/", &basic(&format!("{name}:{ANN}"))).status, 401);
    let body = "x".repeat(100_000);
    assert_eq!(post(&web, "/login", &[], &body).status, 413);
}

#[test]
fn a_changed_file_holds_at_once_and_ends_sessions_of_the_password_before() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let write = |text: &str| std::fs::write(&users, text).unwrap();
    write(&line("ann", ANN, "viewer"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-web"));
    command.arg("--users").arg(&users);
    let web = Web::start_by(command, |_: &Path| {});
    let answer = log_in(&web, ANN, "", &[]);
    let session = value_of(&answer.headers["set-cookie"], "kurado_session=").to_owned();
    let session = format!("cookie: kurado_session={session}");
    assert_eq!(web.get_with("/", &session).status, 200);
    write("ann:damaged\n");
    let logged =
        || web.get_with("/", &session).status == 200 && web.log().contains("of before hold");
    assert!(eventually(logged), "{}", web.log());
    write(&(line("ann", "another", "viewer") + "# changed\n"));
    assert!(eventually(|| web.get_with("/", &session).status == 401));
    assert_eq!(web.get_with("/", &basic("ann:another")).status, 200);
    assert_eq!(web.get_with("/", &basic(&format!("ann:{ANN}"))).status, 401);
}

pub fn eventually(probe: impl Fn() -> bool) -> bool {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !probe() {
        if std::time::Instant::now() > end {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    true
}

#[test]
fn a_proxy_that_is_trusted_names_who_asks_and_another_is_ignored() {
    let start = |proxy: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-web"));
        command.args(["--identity-header", "X-Remote-User", "--trusted-proxy", proxy]);
        Web::start_by(command, |_| {})
    };
    let web = start("127.0.0.0/8");
    let page = web.get_with("/", "x-remote-user: bob");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<span>bob</span>") && !page.text().contains("Log out"));
    assert_eq!(web.get("/").status, 401);
    for name in ["", "a:b", "a,b"] {
        assert_eq!(web.get_with("/", &format!("x-remote-user: {name}")).status, 401, "{name}");
    }
    let other = start("192.0.2.0/24");
    for _ in 0..3 {
        assert_eq!(other.get_with("/", "x-remote-user: bob").status, 401);
    }
    assert!(eventually(|| other.log().contains("is ignored")), "{}", other.log());
    assert_eq!(other.log().matches("is ignored").count(), 1, "{}", other.log());
}

#[test]
fn a_cookie_is_for_the_path_and_for_https_where_the_proxy_says_so() {
    let web = with_users(&["--base-path", "/kurado", "--trusted-proxy", "127.0.0.1/32"]);
    let cookie = &web.get("/login").headers["set-cookie"];
    assert!(cookie.ends_with("; Path=/kurado; HttpOnly; SameSite=Lax"), "{cookie}");
    let https = "x-forwarded-proto: https";
    let cookie = &web.get_with("/login", https).headers["set-cookie"];
    assert!(cookie.ends_with("; Path=/kurado; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let answer = log_in(&web, ANN, "", &[https]);
    assert!(answer.headers["set-cookie"].ends_with("; Secure"), "{}", answer.headers["set-cookie"]);
    let unknown = with_users(&[]);
    assert!(!unknown.get_with("/login", https).headers["set-cookie"].contains("Secure"));
}
