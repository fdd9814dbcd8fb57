//! Logins by an OpenID Connect provider, which the tests start themselves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::access::{eventually, value_of};
use crate::process::{Answer, HOST, Web};
use crate::provider::{CLIENT, Provider, SECRET};
use crate::tls::certify;

const BROWSER: &str = "accept: text/html";
const EXTERNAL: &str = "http://web.example/kurado";

/// With this provider and these options.
fn with_provider(provider: &Provider, options: &[&str]) -> Web {
    with_provider_and(provider, options, |_| {})
}

/// The same, with more for its process.
fn with_provider_and(
    provider: &Provider,
    options: &[&str],
    more: impl FnOnce(&mut Command),
) -> Web {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-web"));
    command.args(["--oidc-issuer", &provider.issuer(), "--oidc-client-id", CLIENT]);
    command.args(["--external-url", EXTERNAL, "--oidc-name", "Example"]).args(options);
    command.env("KURADO_OIDC_CLIENT_SECRET", SECRET);
    more(&mut command);
    Web::start_by(command, |_| {})
}

/// A login that came as far as the provider's answer.
struct Begun {
    cookie: String,
    /// The page of the web that the provider sends the browser to.
    callback: String,
}

fn begin(web: &Web, next: &str) -> Begun {
    let answer = web.get(&format!("/oidc-login?next={next}"));
    assert_eq!(answer.status, 303, "{}", answer.text());
    let set = &answer.headers["set-cookie"];
    assert!(set.ends_with("; Path=/kurado; HttpOnly; SameSite=Lax; Max-Age=600"), "{set}");
    let cookie = format!("cookie: kurado_oidc={}", value_of(set, "kurado_oidc="));
    let back = sent_back(&answer.headers["location"]);
    let callback = back.strip_prefix(EXTERNAL).unwrap_or_else(|| panic!("{back}")).to_owned();
    Begun { cookie, callback }
}

/// Where the provider sends a browser that comes by this address.
fn sent_back(address: &str) -> String {
    let (host, path) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let location = text.lines().find_map(|line| line.strip_prefix("location: "));
    location.unwrap_or_else(|| panic!("{address}: {text}")).to_owned()
}

fn finish(web: &Web, begun: &Begun) -> Answer {
    web.get_with(&begun.callback, &begun.cookie)
}

fn sign_in(web: &Web) -> Answer {
    finish(web, &begin(web, ""))
}

fn session(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    format!("cookie: kurado_session={}", value_of(&answer.headers["set-cookie"], "kurado_session="))
}

fn claim(provider: &Provider, name: &str, value: Json) {
    provider.behaviour().claims.insert(name.to_owned(), value);
}

#[test]
fn a_sign_in_goes_on_to_the_page_that_was_asked_for_and_a_log_out_to_the_provider() {
    let provider = Provider::start();
    let web = with_provider(&provider, &[]);
    let asked = web.get_with(&format!("/server?address={HOST}"), BROWSER);
    assert_eq!(asked.headers["location"], "login?next=server%3Faddress%3D10.0.0.1");
    let page = web.get_with("/login?next=server%3Faddress%3D10.0.0.1", BROWSER).text();
    let link = "href=\"oidc-login?next=server%3Faddress%3D10.0.0.1\">Sign in with Example</a>";
    assert!(page.contains(link) && !page.contains("type=\"password\""), "{page}");
    let answer = finish(&web, &begin(&web, "server%3Faddress%3D10.0.0.1"));
    let cookie = session(&answer);
    assert_eq!(answer.headers["location"], "./server?address=10.0.0.1");
    assert!(answer.headers["set-cookie"].ends_with("; Path=/kurado; HttpOnly; SameSite=Lax"));
    let page = web.get_with("/", &cookie);
    assert_eq!(page.status, 200);
    let form = value_of(&page.headers["set-cookie"], "kurado_form=").to_owned();
    let page = page.text();
    assert!(page.contains("<span>ann</span>") && page.contains("Log out"), "{page}");

    let body = format!("token={}", value_of(&page, "name=\"token\" value=\""));
    let out = web.ask(&format!(
        "POST /logout HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{cookie}; kurado_form={form}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(out.status, 200, "{}", out.text());
    let address = out.headers["refresh"].strip_prefix("0; url=").unwrap();
    assert!(address.contains("id_token_hint=") && address.contains("client_id=kurado"));
    assert_eq!(sent_back(address), format!("{EXTERNAL}/login"));
    assert_eq!(web.get_with("/", &cookie).status, 401);
    assert!(!web.log().contains(SECRET) && !web.log().contains("code-"), "{}", web.log());
}

#[test]
fn roles_of_the_provider_say_who_may_look_and_who_may_delete() {
    let provider = Provider::start();
    let options = [
        "--oidc-role-claim",
        "realm_access.roles",
        "--oidc-viewer",
        "staff",
        "--oidc-operator",
        "admins",
        "--operators",
        "ann",
    ];
    let web = with_provider(&provider, &options);
    let forget = format!("/forget?address={HOST}");
    let with_roles = |roles: Json| {
        claim(&provider, "realm_access", json!({ "roles": roles }));
        sign_in(&web)
    };
    // A user may choose its name, so that makes no operator.
    let viewer = session(&with_roles(json!(["staff"])));
    assert_eq!(web.get_with("/", &viewer).status, 200);
    assert_eq!(web.get_with(&forget, &viewer).status, 403);
    let operator = session(&with_roles(json!(["admins"])));
    assert_ne!(web.get_with(&forget, &operator).status, 403);
    let nobody = with_roles(json!(["viewer", "operator"]));
    assert_eq!(nobody.status, 403);
    let page = nobody.text();
    assert!(page.contains("with Example as ann,") && page.contains("neither the role"), "{page}");
    assert!(!nobody.headers.contains_key("set-cookie"));
}

#[test]
fn claims_that_the_id_token_lacks_are_taken_from_the_user_info() {
    let provider = Provider::start();
    let web = with_provider(&provider, &["--oidc-user-claim", "nick.name"]);
    claim(&provider, "roles", Json::Null);
    provider.behaviour().user_info =
        json!({"roles": "operator", "nick": {"name": "<i>Ann</i>"}}).as_object().unwrap().clone();
    let page = web.get_with("/", &session(&sign_in(&web))).text();
    assert!(page.contains("<span>&#60;i&#62;Ann&#60;/i&#62;</span>"), "{page}");
}

#[test]
fn an_access_token_that_fits_no_header_and_user_info_that_does_not_come_are_told() {
    let provider = Provider::start();
    let web = with_provider(&provider, &[]);
    claim(&provider, "roles", Json::Null);
    provider.behaviour().access_token = "access\r\nx: y".to_owned();
    let answer = sign_in(&web);
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("its access token has characters"), "{}", answer.text());
    provider.behaviour().access_token = "access".to_owned();
    provider.behaviour().tells_user_info = false;
    let answer = sign_in(&web);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(!web.log().contains("panicked"), "{}", web.log());
}

#[test]
fn what_the_log_quotes_of_a_provider_is_short_and_one_line() {
    let provider = Provider::start();
    let evil = format!("https://id.example/\r\nWARN {}", "x".repeat(9000));
    provider.behaviour().log_out = Some(evil);
    let web = with_provider(&provider, &[]);
    assert_eq!(web.get("/oidc-login").status, 503);
    assert!(eventually(|| web.log().contains("nobody can log in by it")), "{}", web.log());
    let log = web.log();
    assert!(log.lines().all(|line| !line.starts_with("WARN") && line.len() < 2000), "{log}");
}

#[test]
fn only_the_browser_that_began_comes_back_and_only_once() {
    let provider = Provider::start();
    let web = with_provider(&provider, &[]);
    let (begun, other) = (begin(&web, ""), begin(&web, ""));
    let ended = |answer: Answer| {
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("this sign-in has ended"), "{}", answer.text());
        assert!(!answer.headers.contains_key("set-cookie"));
    };
    let wrong = Begun { callback: "/oidc-callback?code=code-0&state=x".to_owned(), ..other };
    ended(finish(&web, &wrong));
    // The state of one with the cookie of another, and without any.
    ended(finish(&web, &Begun { cookie: wrong.cookie, callback: begun.callback.clone() }));
    ended(web.get(&begun.callback));
    ended(web.get("/oidc-callback"));
    session(&finish(&web, &begun));
    ended(finish(&web, &begun));
    // Another tab of the same browser does not end the first one's.
    let first = begin(&web, "");
    let again = web.get_with("/oidc-login", &first.cookie);
    assert!(again.headers["set-cookie"].contains(&first.cookie["cookie: ".len()..]));
    session(&finish(&web, &first));
}

#[test]
fn a_token_that_does_not_hold_is_refused() {
    let provider = Provider::start();
    let web = with_provider(&provider, &[]);
    for (name, value, says) in [
        ("nonce", json!("another"), "nonce"),
        ("nonce", Json::Null, "nonce"),
        ("aud", json!("another"), "audience"),
        ("aud", json!([CLIENT, "another"]), "audience"),
        ("iss", json!("http://127.0.0.1/other"), "issuer"),
        ("exp", json!(1_000_000_000), "Expired"),
    ] {
        claim(&provider, name, value.clone());
        let answer = sign_in(&web);
        let text = answer.text();
        assert_eq!(answer.status, 403, "{name} {value}: {text}");
        assert!(text.contains("can&#39;t be trusted") && text.contains(says), "{name}: {text}");
        assert!(!answer.headers.contains_key("set-cookie"), "{name} {value}");
        provider.behaviour().claims.clear();
    }
    for signs_with in [None, Some(1)] {
        provider.behaviour().signs_with = signs_with;
        let answer = sign_in(&web);
        assert_eq!(answer.status, 403, "{signs_with:?}: {}", answer.text());
        assert!(answer.text().contains("Signature verification failed"), "{}", answer.text());
    }
    provider.behaviour().signs_with = Some(0);
    session(&sign_in(&web));
}

#[test]
fn new_keys_of_the_provider_are_fetched_when_a_token_needs_them() {
    let provider = Provider::start();
    let web = with_provider(&provider, &[]);
    session(&sign_in(&web));
    let asked = provider.behaviour().asked_for_keys;
    session(&sign_in(&web));
    assert_eq!(provider.behaviour().asked_for_keys, asked, "what is known is not asked for again");
    {
        let mut behaviour = provider.behaviour();
        (behaviour.published, behaviour.signs_with) = (1, Some(1));
    }
    session(&sign_in(&web));
    assert_eq!(provider.behaviour().asked_for_keys, asked + 1);
}

#[test]
fn while_the_provider_is_away_the_login_says_so_and_comes_back_by_itself() {
    let mut provider = Provider::start();
    provider.go_away();
    let web = with_provider(&provider, &[]);
    let shows_away = |answer: &Answer| answer.text().contains("Example does not answer just now");
    assert!(shows_away(&web.get("/login")));
    let answer = web.get("/oidc-login");
    assert!(answer.status == 503 && shows_away(&answer), "{}", answer.text());
    assert_eq!(answer.text().matches("Example does not answer").count(), 1, "{}", answer.text());
    assert_eq!(web.get("/healthz").status, 200);
    provider.come_back();
    assert!(eventually(|| !shows_away(&web.get("/login"))), "{}", web.log());
    let begun = begin(&web, "");
    let viewer = session(&sign_in(&web));
    provider.go_away();
    let answer = finish(&web, &begun);
    assert!(answer.status == 503 && shows_away(&answer), "{}", answer.text());
    assert_eq!(web.get_with("/", &viewer).status, 200, "who is signed in stays so");
    provider.come_back();
    session(&sign_in(&web));
}

#[test]
fn a_provider_is_asked_by_tls_if_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let provider = Provider::start_with_certificate(folder.path());
    let web = with_provider(&provider, &[]);
    assert!(web.get("/login").text().contains("Example does not answer just now"));
    let is_unknown = || web.log().contains("invalid peer certificate: UnknownIssuer");
    assert!(eventually(is_unknown), "{}", web.log());
    let trusts = |command: &mut Command| {
        command.env("SSL_CERT_FILE", folder.path().join("certificate"));
    };
    let web = with_provider_and(&provider, &[], trusts);
    assert!(web.get("/login").text().contains(">Sign in with Example</a>"), "{}", web.log());
}

#[test]
fn what_the_provider_says_against_it_is_shown_escaped() {
    let provider = Provider::start();
    let web = with_provider(&provider, &[]);
    let begun = begin(&web, "");
    let (_, state) = begun.callback.split_once("state=").unwrap();
    let refused = format!(
        "/oidc-callback?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state={state}"
    );
    let answer = web.get_with(&refused, &begun.cookie);
    let text = answer.text();
    assert_eq!(answer.status, 403, "{text}");
    assert!(text.contains("access_denied: &#60;script&#62;alert(1)"), "{text}");
    assert!(!text.contains("<script>"), "{text}");
}

#[test]
fn a_sign_in_goes_on_to_no_other_site() {
    let provider = Provider::start();
    let web = with_provider(&provider, &[]);
    for next in ["//evil.example", "https:evil.example", "%5c%5cevil.example", "oidc-login"] {
        for page in ["login", "oidc-login"] {
            assert_eq!(web.get(&format!("/{page}?next={next}")).status, 400, "{page} {next}");
        }
    }
}

#[test]
fn an_issuer_in_clear_or_without_its_client_is_refused_at_the_start() {
    for (options, says) in [
        (
            &[
                "--oidc-issuer",
                "http://id.example",
                "--oidc-client-id",
                "x",
                "--external-url",
                EXTERNAL,
            ][..],
            "must begin with https://",
        ),
        (&["--oidc-issuer", "https://id.example"], "--oidc-client-id"),
        (
            &[
                "--oidc-issuer",
                "https://id.example",
                "--oidc-client-id",
                "x",
                "--external-url",
                "x",
            ],
            "as https://monitor.example/kurado",
        ),
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_kurado-web")).args(options).output().unwrap();
        let errors = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && errors.contains(says), "{errors}");
    }
}
