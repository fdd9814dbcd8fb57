//! Where the server is, as an operator writes it: `host:port`, `redis://…`, `rediss://…`, `unix:/path`.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use super::password::Password;

/// The port where none is named.
pub const DEFAULT_PORT: u16 = 1887;

/// What is taken, for errors.
const RULE: &str = "must be host:port, redis://[user[:password]@]host[:port][/db], rediss:// likewise, \
                    or unix:/path; for example 10.0.0.9:1887 or [2001:db8::9]:1887";

/// How what would end a user or password is written in it (RFC 3986, 3.2.1), for errors.
const USERINFO_RULE: &str = "in a user or password / is written %2F, ? %3F and # %23";

/// A server, and who connects to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// A user of the server's ACL.
    pub user: Option<String>,
    /// Of that user, or of the default one.
    pub password: Option<Password>,
    /// The database; a server begins with 0.
    pub db: u32,
}

/// Where a server listens.
#[derive(Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A host by name or address (of IPv6 without brackets), and a port.
    Plain(String, u16),
    /// The same by TLS.
    Tls(String, u16),
    /// A socket's path.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    /// As `--mq` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Plain(host, port) => ("", host, port),
            Self::Tls(host, port) => ("rediss://", host, port),
        };
        if host.contains(':') {
            write!(f, "{scheme}[{host}]:{port}")
        } else {
            write!(f, "{scheme}{host}:{port}")
        }
    }
}

impl FromStr for Url {
    type Err = String;

    /// # Errors
    /// What is wrong and what is allowed. The text repeats nothing but numbers: where the rule is broken,
    /// a user or a password may stand in any place.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return plain(text);
        };
        let scheme = scheme.to_ascii_lowercase();
        match (scheme.as_str(), rest.strip_prefix("//")) {
            ("redis", Some(rest)) => network(rest, Endpoint::Plain),
            ("rediss", Some(rest)) => network(rest, Endpoint::Tls),
            ("unix", Some(rest)) => unix(rest),
            ("unix", None) if rest.starts_with('/') => unix(rest),
            // Unless it is a host of that name.
            ("unix", None) if rest.parse::<u16>().is_err() => {
                Err("must be unix:/path, with the path of a socket from / on".to_owned())
            }
            (_, None) => plain(text),
            (_, Some(_)) => Err(RULE.to_owned()),
        }
    }
}

/// `host[:port]`.
fn plain(text: &str) -> Result<Url, String> {
    if text.contains('@') {
        return Err("a user and a password stand in a URL, as in redis://user:password@host:port"
            .to_owned());
    }
    let (host, port) = host_and_port(text)?;
    Ok(Url { endpoint: Endpoint::Plain(host, port), user: None, password: None, db: 0 })
}

/// What stands behind `redis://` or `rediss://`.
fn network(rest: &str, endpoint: fn(String, u16) -> Endpoint) -> Result<Url, String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('@') {
        return Err(USERINFO_RULE.to_owned());
    }
    if tail.contains(['?', '#']) {
        return Err("no ? or # is taken".to_owned());
    }
    let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user_and_password(userinfo)?;
    let (host, port) = host_and_port(host)?;
    let db = match tail.strip_prefix('/').unwrap_or(tail) {
        "" => 0,
        db => database(db)?,
    };
    Ok(Url { endpoint: endpoint(host, port), user, password, db })
}

/// What stands behind `unix:` or `unix://`: `[user[:password]@]/path[?db=number]`.
fn unix(rest: &str) -> Result<Url, String> {
    let (authority, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let userinfo = match authority.strip_suffix('@') {
        Some(userinfo) => userinfo,
        None if authority.is_empty() => "",
        None => {
            return Err(
                "must be unix:/path or unix://user:password@/path; in a user or password / is \
                        written %2F"
                    .to_owned(),
            );
        }
    };
    if userinfo.contains(['?', '#']) {
        return Err(USERINFO_RULE.to_owned());
    }
    let (user, password) = user_and_password(userinfo)?;
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    // A password with @/ in it would be taken for a path from there on, and be shown.
    let may_be_of_password = match path.split_once(':') {
        _ if !userinfo.is_empty() => path,
        Some((_, behind)) => behind,
        None => "",
    };
    if may_be_of_password.contains('@') {
        return Err(
            "a user and a password stand before the path, as in unix://user:password@/path, with / \
             as %2F; in a path @ is written %40"
                .to_owned(),
        );
    }
    let path = String::from_utf8(decoded(path).ok_or("in the path % is written %25")?)
        .ok()
        .filter(|path| path.len() > 1 && !path.contains('\0'))
        .ok_or("the path must be one of a socket, in UTF-8")?;
    let db = match query.split_once('=') {
        None if query.is_empty() => 0,
        Some(("db", db)) => database(db)?,
        _ => return Err("behind ? stands db=number and nothing else".to_owned()),
    };
    Ok(Url { endpoint: Endpoint::Unix(PathBuf::from(path)), user, password, db })
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(RULE)?;
        if !is_ipv6(address) {
            return Err("in brackets must be an IPv6 address".to_owned());
        }
        let port = match port.strip_prefix(':') {
            Some(port) => port_number(port)?,
            None if port.is_empty() => DEFAULT_PORT,
            None => return Err(RULE.to_owned()),
        };
        return Ok((address.to_owned(), port));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !is_ipv6(host) => {
            return Err("an IPv6 address stands in brackets, as in [2001:db8::9]:1887".to_owned());
        }
        Some((host, port)) => (host, port_number(port)?),
        None => (text, DEFAULT_PORT),
    };
    if !is_ipv6(host) && !is_name(host) {
        return Err(RULE.to_owned());
    }
    Ok((host.to_owned(), port))
}

/// Whether this may name a host or an interface. What has other characters may be a password.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Whether this is an address, perhaps with the name of an interface behind `%`.
fn is_ipv6(text: &str) -> bool {
    let (address, interface) = text.split_once('%').unwrap_or((text, "none"));
    address.parse::<Ipv6Addr>().is_ok() && is_name(interface)
}

fn port_number(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("the port{} must be a number from 1 to 65535", number(text)))
}

fn database(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("the database{} must be a number", number(text)))
}

/// A text in quotes where it is but a short number, for errors; else nothing, as it may be a password.
fn number(text: &str) -> String {
    match text.len() {
        1..=5 if text.bytes().all(|byte| byte.is_ascii_digit()) => format!(" '{text}'"),
        _ => String::new(),
    }
}

/// Reads `[user][:password]`; empty ones are none.
fn user_and_password(text: &str) -> Result<(Option<String>, Option<Password>), String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decoded = |text| decoded(text).ok_or("in a user or password % is written %25");
    let user = String::from_utf8(decoded(user)?).map_err(|_| "the user must be UTF-8")?;
    Ok((Some(user).filter(|user| !user.is_empty()), Password::new(decoded(password)?)))
}

/// Takes `%` and two hexadecimal digits as the byte that they mean; `None` where they are none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    Some(bytes)
}

/// A server as errors and `ps` show it, with `*` for user and password; never longer. Of a text that can't
/// be read there is nothing but what kind it begins as, as a password may stand anywhere in it.
pub fn shown(text: &str) -> String {
    let kinds = ["redis://", "rediss://", "unix://", "unix:"];
    let is_kind =
        |kind: &&&str| text.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind));
    let kind_len = kinds.iter().find(is_kind).map_or(0, |kind| kind.len());
    let (kind, rest) = text.split_at(kind_len);
    let Ok(url) = text.parse::<Url>() else {
        return if rest.is_empty() { kind.to_owned() } else { format!("{kind}*") };
    };
    // A socket's path may have an @ of its own.
    let userinfo_end = match url.endpoint {
        Endpoint::Unix(_) => rest.find('/').and_then(|path| path.checked_sub(1)),
        _ => rest.rfind('@'),
    };
    match userinfo_end {
        None | Some(0) => text.to_owned(),
        Some(end) => format!("{kind}*{}", rest.get(end..).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Url {
        text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    fn fault(text: &str) -> String {
        text.parse::<Url>().unwrap_err()
    }

    fn bare(endpoint: Endpoint) -> Url {
        Url { endpoint, user: None, password: None, db: 0 }
    }

    #[test]
    fn a_host_needs_no_port_and_ipv6_needs_brackets() {
        for (text, host, port) in [
            ("10.0.0.9:1887", "10.0.0.9", 1887),
            ("kurado.example:6379", "kurado.example", 6379),
            ("kurado.example", "kurado.example", 1887),
            ("[2001:db8::9]:1888", "2001:db8::9", 1888),
            ("[::1]", "::1", 1887),
            ("[fe80::1%eth0]:1887", "fe80::1%eth0", 1887),
            // As it was before there were URLs.
            ("2001:db8::9:1888", "2001:db8::9", 1888),
        ] {
            assert_eq!(parsed(text), bare(Endpoint::Plain(host.to_owned(), port)), "{text}");
        }
        for text in ["2001:db8::9", "fe80::", "a:b:1"] {
            assert!(fault(text).contains("stands in brackets"), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn a_url_names_user_password_database_and_tls() {
        let url = parsed("rediss://agent:p%40ss%2F%25@kurado.example:1888/2");
        assert_eq!(url.endpoint, Endpoint::Tls("kurado.example".to_owned(), 1888));
        assert_eq!(url.user.as_deref(), Some("agent"));
        assert_eq!(url.password, Password::new(b"p@ss/%".to_vec()));
        assert_eq!(url.db, 2);

        let url = parsed("REDIS://:secret@[::1]/");
        assert_eq!(url.endpoint, Endpoint::Plain("::1".to_owned(), 1887));
        assert_eq!((url.user, url.db), (None, 0));
        assert_eq!(url.password, Password::new(b"secret".to_vec()));

        assert_eq!(parsed("redis://h"), bare(Endpoint::Plain("h".to_owned(), 1887)));
        assert_eq!(parsed("redis://:@h"), bare(Endpoint::Plain("h".to_owned(), 1887)));
    }

    #[test]
    fn a_socket_is_named_by_its_path() {
        for text in ["unix:/run/r@1.sock", "unix:///run/r@1.sock", "unix:///run/r%401.sock"] {
            assert_eq!(parsed(text), bare(Endpoint::Unix("/run/r@1.sock".into())), "{text}");
        }
        let url = parsed("unix://agent:secret@/run/r%401.sock?db=3");
        assert_eq!(url.endpoint, Endpoint::Unix("/run/r@1.sock".into()));
        assert_eq!((url.user.as_deref(), url.db), (Some("agent"), 3));
        assert_eq!(url.password, Password::new(b"secret".to_vec()));
    }

    #[test]
    fn what_can_not_be_read_is_refused_with_the_rule() {
        for (text, rule) in [
            ("", "must be host:port"),
            (":1887", "must be host:port"),
            ("a b:1887", "must be host:port"),
            ("10.0.0.9:1887/0", "the port must be a number"),
            ("h:0", "the port '0' must be a number from 1 to 65535"),
            ("h:65536", "the port '65536' must be a number from 1 to 65535"),
            ("redis://h:x", "the port must be a number"),
            ("h!:1", "must be host:port"),
            ("redis://user:pass%40h:1", "stands in brackets"),
            ("secret%40h:1", "must be host:port"),
            ("redis://", "must be host:port"),
            ("redis://[::1", "must be host:port"),
            ("redis://[h]:1", "in brackets must be an IPv6 address"),
            ("redis://h/x", "the database must be a number"),
            ("redis://h?db=1", "no ? or # is taken"),
            ("http://h:1887", "must be host:port"),
            ("agent:secret@h:1887", "stand in a URL"),
            ("redis://agent:se/cret@h", "/ is written %2F"),
            ("redis://agent:se%cret@h", "% is written %25"),
            ("unix:redis.sock", "must be unix:/path, with the path"),
            ("unix:", "must be unix:/path, with the path"),
            ("unix://redis.sock", "must be unix:/path"),
            ("unix://agent:secret/run/redis.sock", "must be unix:/path"),
            ("unix:/", "the path must be"),
            ("unix:/run/a%00b", "the path must be"),
            ("unix:/run/redis.sock?password=secret", "nothing else"),
            ("unix:///agent:secret@/run/redis.sock", "stand before the path"),
            ("unix://agent:se@/cret@/run/redis.sock", "stand before the path"),
            ("unix://agent:secret@/run/r@1.sock", "in a path @ is written %40"),
            ("unix://?password=@/secret", "? %3F"),
        ] {
            assert!(fault(text).contains(rule), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn what_is_shown_has_neither_user_nor_password() {
        for (text, expected) in [
            ("10.0.0.9:1887", "10.0.0.9:1887"),
            ("h", "h"),
            ("redis://h:1/2", "redis://h:1/2"),
            ("redis://@h", "redis://@h"),
            ("redis://agent:secret@h:1", "redis://*@h:1"),
            ("REDISS://agent:se@cret@h:1/2", "REDISS://*@h:1/2"),
            ("unix:/run/redis.sock", "unix:/run/redis.sock"),
            ("unix:///run/r@1.sock", "unix:///run/r@1.sock"),
            ("unix://@/run/redis.sock", "unix://@/run/redis.sock"),
            ("unix://agent:secret@/run/r%401.sock?db=3", "unix://*@/run/r%401.sock?db=3"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn of_what_can_not_be_read_only_its_kind_is_shown() {
        for (text, expected) in [
            ("", ""),
            ("redis://", "redis://"),
            ("redis://agent:secret:6379", "redis://*"),
            ("redis://:secret/6379@h", "redis://*"),
            ("redis://agent:se@cr/et@h:x", "redis://*"),
            ("redis://h?auth=secret", "redis://*"),
            ("redis://agent:secret%40h:1", "redis://*"),
            ("Unix://agent:secret/run/redis.sock", "Unix://*"),
            ("unix:/run/redis.sock?password=secret", "unix:*"),
            ("unix://agent:se@/cret@/run/redis.sock", "unix://*"),
            ("agent:secret@h:1", "*"),
            ("host:se@cret", "*"),
            ("secret://h", "*"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    /// As a URL writes a user or a password.
    fn encoded(bytes: &[u8]) -> String {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        bytes
            .iter()
            .map(|byte| match is_plain(byte) {
                true => char::from(*byte).to_string(),
                false => format!("%{byte:02x}"),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_written_as_a_url_is_read_back(
            user in "\\PC{1,20}",
            password in proptest::collection::vec(any::<u8>(), 1..40),
            host in prop_oneof![
                "[a-z][a-z0-9-]{0,20}(\\.[a-z]{1,5})?",
                any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
                any::<Ipv6Addr>().prop_map(|address| address.to_string()),
            ],
            port in 1u16..,
            db: u32,
        ) {
            let endpoint = Endpoint::Tls(host, port);
            let place = endpoint.to_string().replace("rediss://", "");
            let text = format!("rediss://{}:{}@{place}/{db}", encoded(user.as_bytes()), encoded(&password));
            let expected = Url { endpoint, user: Some(user), password: Password::new(password), db };
            prop_assert_eq!(text.parse(), Ok(expected));
            prop_assert_eq!(shown(&text), format!("rediss://*@{place}/{db}"));
        }

        #[test]
        fn no_fault_shows_a_password_however_it_is_written(
            scheme in "(redis|rediss|unix)://",
            before in "[a-z0-9:@/%?#\\[\\]]{0,8}",
            behind in "[a-z0-9:@/%?#\\[\\]]{0,8}",
            rest in "[a-z0-9:@/%?#\\[\\]]{0,8}",
        ) {
            let text = format!("{scheme}agent:{before}HIDDEN{behind}@{rest}");
            if let Err(fault) = text.parse::<Url>() {
                prop_assert!(!fault.contains("HIDDEN"), "{}", fault);
            }
            prop_assert!(!shown(&text).contains("HIDDEN"), "{}", shown(&text));
            let text = format!("{scheme}{rest}?password={before}HIDDEN{behind}");
            if let Err(fault) = text.parse::<Url>() {
                prop_assert!(!fault.contains("HIDDEN"), "{}", fault);
            }
            prop_assert!(!shown(&text).contains("HIDDEN"), "{}", shown(&text));
        }

        #[test]
        fn a_password_in_the_place_of_something_else_is_shown_by_neither_error_nor_ps(
            password in "[ -~]{6,20}",
            form in proptest::sample::select(vec![
                "redis://PASS:6379", "redis://agent:PASS:6379", "redis://agent:PASS", "redis://:PASS",
                "redis://:PASS/6379@h", "rediss://:PASS/h", "redis://h:PASS@", "redis://h/PASS",
                "redis://[PASS]:1", "redis://[::1]PASS", "redis://::1%PASS:1", "redis://h#PASS",
                "redis:/agent:PASS@h", "redis:agent:PASS@h", "http://agent:PASS@h", "PASS://h",
                "agent:PASS@h", "h:PASS", "PASS:1887", "h:PASS:1887", "PASS",
                "unix:PASS", "unix://agent:PASS/run/r.sock", "unix:/run/r.sock?PASS",
                "unix:/run/r.sock?db=PASS", "unix:///agent:PASS@/run/r.sock", "unix:agent:PASS@/run/r.sock",
            ]),
        ) {
            prop_assume!(!password.bytes().all(|byte| byte.is_ascii_digit()));
            let text = form.replace("PASS", &password);
            match text.parse::<Url>() {
                Err(fault) => {
                    // A rule may have such a word of its own.
                    prop_assert!(!fault.contains(&password) || RULE.contains(&password), "{}", fault);
                    prop_assert!(!shown(&text).contains(&password), "{}", shown(&text));
                }
                // It is well-formed: nobody can tell that it was meant otherwise, unless it has a place of
                // its own. An @ that is not written %40 ends it: then a part of it is the server.
                Ok(url) if url.password.is_some() && !password.contains('@') => {
                    prop_assert!(!shown(&text).contains(&*password), "{}", shown(&text));
                }
                Ok(_) => {}
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic_or_shows_more_than_it_had(
            text in "(redis://|rediss://|unix:|unix://|)[a-z0-9:@/\\[\\]%?#=é ]{0,30}",
        ) {
            let _ = text.parse::<Url>();
            prop_assert!(shown(&text).len() <= text.len());
        }
    }
}
