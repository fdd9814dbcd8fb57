//! A small HTTP client for the fetchers: GETs of pages over a plain connection of their own.
//!
//! It asks in HTTP/1.1, takes what 1.0 and 1.1 answer, follows no redirect, and says what went wrong
//! in words for the host's page. Squid's manager is asked for `cache_object://…`, an address that
//! ready-made clients refuse to send; the grammar of answers is httparse's.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::fetch::declaration::{self, Given};
use crate::fetch::{FetchError, LIMIT, Request};
use crate::socket;

/// The longest answer, head and framing included, in bytes, unless [`Server::up_to`] says another.
pub const LONGEST: usize = 1024 * 1024;
/// The longest head of an answer, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// For all answers of a fetch: its own limit, less what it needs to say port and path.
const ANSWERS: Duration = LIMIT.saturating_sub(Duration::from_millis(100));
const MOST_HEADERS: usize = 100;

/// A server, and how it is called in requests.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    address: &'a str,
    port: u16,
    host: &'a str,
    longest: usize,
    /// When its answers must be here.
    until: Instant,
}

/// Several requests to a server, over one connection where the server keeps it.
#[derive(Debug)]
pub struct Session<'a> {
    server: Server<'a>,
    kept: Option<TcpStream>,
}

/// What becomes of the connection behind an answer, as far as we wish.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Close,
    Keep,
}

/// A page, answered with 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What the server calls itself, where it does.
    pub server: Option<String>,
    /// The page; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Port and path, for errors.
    place: String,
}

impl<'a> Server<'a> {
    /// The server at the host's address, of the port and name that the target's arguments say.
    #[must_use]
    pub fn of(request: &Request<'a>, given: &Given<'a>) -> Self {
        let host = given.http_host.unwrap_or(request.address);
        let until = Instant::now() + ANSWERS;
        Self { address: request.address, port: given.port, host, longest: LONGEST, until }
    }

    /// The same server, whose answers may have so many bytes.
    #[must_use]
    pub fn up_to(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// Gets a page by its path, with the query.
    ///
    /// # Errors
    /// Where the server can't be reached, or answers anything but 200 and a page.
    pub async fn get(&self, path: &str) -> Result<Page, FetchError> {
        self.ask(declaration::path(path).map_err(FetchError::Failed)?).await
    }

    /// For several requests.
    #[must_use]
    pub fn session(self) -> Session<'a> {
        Session { server: self, kept: None }
    }

    async fn ask(&self, target: &str) -> Result<Page, FetchError> {
        let request = self.request(target, Wish::Close)?;
        let mut stream = self.connect().await?;
        let answer = exchange(&mut stream, &request, self).await;
        self.page(target, answer)
    }

    /// The request for a target: a path, or a whole address, as proxies are asked for.
    fn request(&self, target: &str, wish: Wish) -> Result<String, FetchError> {
        declaration::check_target(target).map_err(FetchError::Failed)?;
        declaration::http_host(self.host).map_err(FetchError::Failed)?;
        Ok(self.head(target, wish))
    }

    async fn connect(&self) -> Result<TcpStream, FetchError> {
        let failed = |reason| FetchError::Failed(format!("port {}: {reason}", self.port));
        socket::connect(self.address, self.port).await.map_err(failed)
    }

    fn page(&self, target: &str, answer: Result<Response, String>) -> Result<Page, FetchError> {
        let place = format!("port {}, {target}", self.port);
        match answer {
            Ok(response) => response.page(place),
            Err(reason) => Err(FetchError::Failed(format!("{place}: {reason}"))),
        }
    }

    fn head(&self, target: &str, wish: Wish) -> String {
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.to_owned(),
        };
        let port = if self.port == 80 { String::new() } else { format!(":{}", self.port) };
        let wish = match wish {
            Wish::Close => "Connection: close\r\n",
            // What 1.1 means where nothing is said.
            Wish::Keep => "",
        };
        format!(
            "GET {target} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: kurado-plugin\r\nAccept: */*\r\n{wish}\r\n"
        )
    }
}

impl Session<'_> {
    /// Gets a page by its path, with the query.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub async fn get(&mut self, path: &str) -> Result<Page, FetchError> {
        self.ask(declaration::path(path).map_err(FetchError::Failed)?).await
    }

    /// The same for any target: a path, or a whole address, as proxies are asked for.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub async fn ask(&mut self, target: &str) -> Result<Page, FetchError> {
        let Self { server, kept } = self;
        let request = server.request(target, Wish::Keep)?;
        if let Some(mut stream) = kept.take()
            && let Ok(response) = exchange(&mut stream, &request, server).await
        {
            *kept = response.keeps(stream);
            return server.page(target, Ok(response));
        }
        // The first, or the server has closed the connection meanwhile.
        let mut stream = server.connect().await?;
        let answer = exchange(&mut stream, &request, server).await;
        *kept = answer.as_ref().ok().and_then(|response| response.keeps(stream));
        server.page(target, answer)
    }
}

impl Page {
    /// A page with this text.
    #[cfg(test)]
    pub fn written(text: &str) -> Self {
        Self { server: Some("written".to_owned()), text: text.to_owned(), place: "here".to_owned() }
    }

    /// The page as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> Result<Json, FetchError> {
        serde_json::from_str(&self.text).map_err(|_| self.unexpected())
    }

    /// That it is another page than the one expected, and how it begins.
    #[must_use]
    pub fn unexpected(&self) -> FetchError {
        self.failed(&format!("not the page expected: {}", socket::beginning(self.text.as_bytes())))
    }

    /// That the page says why there are no numbers.
    #[must_use]
    pub fn failed(&self, reason: &str) -> FetchError {
        FetchError::Failed(format!("{}: {reason}", self.place))
    }
}

/// Sends the request and reads the answer.
async fn exchange(
    stream: &mut TcpStream,
    request: &str,
    &Server { longest, until, .. }: &Server<'_>,
) -> Result<Response, String> {
    let mut received = Vec::with_capacity(LONGEST_HEAD);
    let answer = answer(stream, request, longest, &mut received);
    match timeout_at(until, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "timed out after {} s: connected, and {}",
            LIMIT.as_secs(),
            match received.len() {
                0 => "no answer came".to_owned(),
                count => format!("{count} bytes came, but not the end of the answer"),
            }
        )),
    }
}

async fn answer(
    stream: &mut TcpStream,
    request: &str,
    longest: usize,
    received: &mut Vec<u8>,
) -> Result<Response, String> {
    stream.write_all(request.as_bytes()).await.map_err(|error| socket::reason(&error))?;
    loop {
        let count = stream.read_buf(received).await.map_err(|error| socket::reason(&error))?;
        let connection = if count == 0 { Connection::Closed } else { Connection::Open };
        if let Some(response) = parse(received, connection, longest)? {
            return Ok(response);
        }
        if received.len() > longest {
            return Err(too_long(longest));
        }
    }
}

/// A response; the body of a 200 alone is of interest.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    phrase: String,
    server: Option<String>,
    location: Option<String>,
    body: Vec<u8>,
    /// Whether another request may follow on the same connection.
    after: Connection,
}

/// Whether more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Yes.
    Open,
    /// No.
    Closed,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Response {
    /// The connection that it came by, for the next request.
    fn keeps(&self, stream: TcpStream) -> Option<TcpStream> {
        (self.after == Connection::Open).then_some(stream)
    }

    /// The page that it has, where it has one; the place is for errors.
    ///
    /// # Errors
    /// Where the status is another than 200.
    pub fn page(self, place: String) -> Result<Page, FetchError> {
        if self.status == 200 {
            let text = String::from_utf8_lossy(&self.body).into_owned();
            return Ok(Page { server: self.server, text, place });
        }
        let status = format!("{} {}", self.status, self.phrase);
        let status = status.trim_end();
        let text = match self.location {
            Some(location) if (300..400).contains(&self.status) => {
                format!("{place}: redirected to {location} ({status})")
            }
            _ => format!("{place}: {status}"),
        };
        Err(FetchError::Failed(text))
    }
}

/// The response that these bytes are, or `None` where more must come. Gives a response or an error
/// once the connection is closed.
///
/// # Errors
/// Where they are no response, or one too long.
pub fn parse(
    received: &[u8],
    connection: Connection,
    longest: usize,
) -> Result<Option<Response>, String> {
    let mut rest = received;
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(rest) {
            Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
            Ok(httparse::Status::Partial) if rest.len() <= LONGEST_HEAD => {
                return match connection {
                    Connection::Open => Ok(None),
                    Connection::Closed if received.is_empty() => {
                        Err("the connection was closed without an answer".to_owned())
                    }
                    Connection::Closed => Err(format!(
                        "the answer ended in its head: {}",
                        socket::beginning(received)
                    )),
                };
            }
            Ok(_) => return Err(format!("the answer's head is longer than {LONGEST_HEAD} bytes")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(format!("the answer has more than {MOST_HEADERS} headers"));
            }
            Err(_) => return Err(format!("not an HTTP answer: {}", socket::beginning(rest))),
        };
        let (body, status) = (rest.get(length..).unwrap_or_default(), head.code.unwrap_or(0));
        // 100 Continue and its like stand before the answer itself.
        if (100..200).contains(&status) {
            rest = body;
            continue;
        }
        let framing = if status == 200 { Some(framing(head.headers, longest)?) } else { None };
        let closes = connection == Connection::Closed
            || head.version != Some(1)
            || header(head.headers, "connection").is_some_and(|text| !is_kept(&text));
        // What is no 200 is not read to its end.
        let after = match framing {
            Some(Framing::Length(length)) if !closes && body.len() == length => Connection::Open,
            Some(Framing::Chunked) if !closes => Connection::Open,
            _ => Connection::Closed,
        };
        let body = match framing {
            Some(framing) => self::body(body, framing, connection, longest)?,
            None => Some(Vec::new()),
        };
        return Ok(body.map(|body| Response {
            after,
            status,
            phrase: head.reason.unwrap_or_default().to_owned(),
            server: header(head.headers, "server"),
            location: header(head.headers, "location"),
            body,
        }));
    }
}

fn is_kept(connection: &str) -> bool {
    connection.split(',').all(|option| !option.trim().eq_ignore_ascii_case("close"))
}

fn header(headers: &[httparse::Header<'_>], name: &str) -> Option<String> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(String::from_utf8_lossy(header.value).trim().to_owned())
}

fn framing(headers: &[httparse::Header<'_>], longest: usize) -> Result<Framing, String> {
    if let Some(coding) = header(headers, "transfer-encoding") {
        return match coding.to_ascii_lowercase().as_str() {
            "chunked" => Ok(Framing::Chunked),
            "identity" => Ok(Framing::UntilClosed),
            _ => Err(format!("the answer's transfer encoding '{coding}' is not known here")),
        };
    }
    match header(headers, "content-length") {
        None => Ok(Framing::UntilClosed),
        Some(text) => match text.parse() {
            Ok(length) if length <= longest => Ok(Framing::Length(length)),
            Ok(_) => Err(too_long(longest)),
            Err(_) => Err(format!("the answer's length '{text}' must be a number of bytes")),
        },
    }
}

/// The body, or `None` where more must come.
fn body(
    received: &[u8],
    framing: Framing,
    connection: Connection,
    longest: usize,
) -> Result<Option<Vec<u8>>, String> {
    let closed = connection == Connection::Closed;
    match framing {
        Framing::UntilClosed => Ok(closed.then(|| received.to_vec())),
        Framing::Length(length) => match received.get(..length) {
            Some(body) => Ok(Some(body.to_vec())),
            None if closed => {
                Err(format!("the answer ended after {} of {length} bytes", received.len()))
            }
            None => Ok(None),
        },
        // The last chunk and what may stand behind it end so: only then it is worth a look.
        Framing::Chunked if !closed && !received.ends_with(b"\r\n\r\n") => Ok(None),
        Framing::Chunked => match joined_chunks(received, longest)? {
            None if closed => Err("the answer ended before its last chunk".to_owned()),
            body => Ok(body),
        },
    }
}

/// The body without its chunks' sizes, or `None` where the last chunk has not come.
fn joined_chunks(received: &[u8], longest: usize) -> Result<Option<Vec<u8>>, String> {
    let (mut body, mut rest) = (Vec::new(), received);
    loop {
        let bad_size = |_| "a chunk of the answer has no size".to_owned();
        let httparse::Status::Complete((start, size)) =
            httparse::parse_chunk_size(rest).map_err(bad_size)?
        else {
            return Ok(None);
        };
        if size == 0 {
            return Ok(Some(body));
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= longest);
        let end = start + size.ok_or_else(|| too_long(longest))?;
        let Some(chunk) = rest.get(start..end) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        rest = match rest.get(end..) {
            Some([b'\r', b'\n', behind @ ..]) => behind,
            Some([] | b"\r") | None => return Ok(None),
            Some(_) => return Err("a chunk of the answer is longer than its size".to_owned()),
        };
    }
}

fn too_long(longest: usize) -> String {
    format!("the answer is longer than {longest} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{Fetcher, Request};
    use crate::test_servers::{listen, page, serve};
    use line_protocol::Identifier;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use test_redis::free_port;

    const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn server(port: u16) -> Server<'static> {
        let until = Instant::now() + ANSWERS;
        Server { address: "127.0.0.1", port, host: "127.0.0.1", longest: LONGEST, until }
    }

    /// Gets `/page` from a server that gives this answer; an error without its place.
    async fn get(answer: &[u8]) -> Result<Page, String> {
        let answer = answer.to_vec();
        let port = serve(move |_| answer.clone()).await;
        server(port).get("/page").await.map_err(|error| without_place(&error, port))
    }

    fn without_place(error: &FetchError, port: u16) -> String {
        let text = error.to_string();
        let place = format!("port {port}, /page: ");
        text.strip_prefix(&place).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    #[tokio::test]
    async fn a_request_names_the_host_and_the_agent() {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heads);
        let answer = move |head: &str| {
            told.lock().unwrap().push(head.to_owned());
            page("hello")
        };
        let port = serve(answer).await;
        let got = Server { host: "status.example", ..server(port) }.get("/a?b=c").await.unwrap();
        assert_eq!((got.text.as_str(), got.server.as_deref()), ("hello", Some("written")));
        assert_eq!(
            heads.lock().unwrap().concat(),
            format!(
                "GET /a?b=c HTTP/1.1\r\nHost: status.example:{port}\r\nUser-Agent: kurado-plugin\r\n\
                 Accept: */*\r\nConnection: close\r\n\r\n"
            )
        );
        // The port that is meant where none is said.
        assert!(server(80).head("/", Wish::Close).contains("\r\nHost: 127.0.0.1\r\n"));
    }

    /// A server that gives so many answers over each connection. Gives its port, and how many came.
    async fn keeps_for(answers: usize, answer: fn() -> Vec<u8>) -> (u16, Arc<AtomicUsize>) {
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let port = listen(LOOPBACK, move |mut stream, mut head| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                for _ in 0..answers {
                    assert!(!head.contains("Connection: close"), "{head}");
                    stream.write_all(&answer()).await.unwrap();
                    let mut next = Vec::new();
                    while !next.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut next).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    head = String::from_utf8(next).unwrap();
                }
            }
        })
        .await;
        (port, connections)
    }

    #[tokio::test]
    async fn several_requests_take_one_connection_where_the_server_keeps_it() {
        let chunked = || {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()
        };
        for (answer, per_connection, connections) in [
            ((|| page("hello")) as fn() -> Vec<u8>, 6, 1),
            (chunked, 6, 1),
            // One that has enough after two, in the middle of the third request.
            (|| page("hello"), 2, 3),
            (
                || {
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\nhello"
                        .to_vec()
                },
                6,
                6,
            ),
            (|| b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(), 6, 6),
            (|| b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, too long".to_vec(), 6, 6),
        ] {
            let (port, counted) = keeps_for(per_connection, answer).await;
            let mut session = server(port).session();
            for _ in 0..6 {
                assert_eq!(session.get("/page").await.unwrap().text, "hello");
            }
            assert_eq!(counted.load(Ordering::Relaxed), connections);
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_page_ends_its_connection() {
        let (port, connections) =
            keeps_for(6, || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
        let mut session = server(port).session();
        for _ in 0..2 {
            let error = session.get("/page").await.unwrap_err();
            assert_eq!(without_place(&error, port), "404 Not Found");
        }
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_ipv6_address_is_asked_too() {
        let port = listen("::1".parse().unwrap(), |mut stream, head| async move {
            let host = head.lines().find(|line| line.starts_with("Host")).unwrap_or_default();
            stream.write_all(&page(host)).await.unwrap();
        })
        .await;
        let got = Server { address: "::1", host: "::1", ..server(port) }.get("/").await.unwrap();
        assert_eq!(got.text, format!("Host: [::1]:{port}"));
    }

    #[tokio::test]
    async fn a_page_may_be_framed_in_every_way_that_there_is() {
        for answer in [
            "HTTP/1.0 200 OK\r\n\r\nhello world",
            "HTTP/1.1 200 OK\nContent-Length: 11\n\nhello world and what is behind",
            "HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\nTrailer: z\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello world",
        ] {
            assert_eq!(get(answer.as_bytes()).await.unwrap().text, "hello world", "{answer}");
        }
        // The end is known without waiting for the connection's.
        let port = listen(LOOPBACK, |mut stream, _| async move {
            stream.write_all(&page("kept open")).await.unwrap();
            let _ = stream.read_u8().await;
        })
        .await;
        assert_eq!(server(port).get("/").await.unwrap().text, "kept open");
    }

    #[tokio::test]
    async fn another_status_is_said_and_a_redirection_is_not_followed() {
        for (answer, said) in [
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\nno", "403 Forbidden"),
            ("HTTP/1.1 500 \r\n\r\n", "500"),
            (
                "HTTP/1.1 302 Found\r\nLocation: https://example.com/login\r\n\r\n",
                "redirected to https://example.com/login (302 Found)",
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", "204 No Content"),
            ("HTTP/1.1 304 Not Modified\r\n\r\n", "304 Not Modified"),
        ] {
            assert_eq!(get(answer.as_bytes()).await.unwrap_err(), said);
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_early_is_said() {
        for (answer, said) in [
            ("", "the connection was closed without an answer"),
            ("HTTP/1.1 200 OK\r\nServ", "the answer ended in its head: HTTP/1.1 200 OK Serv"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
                "the answer ended after 5 of 9 bytes",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                "the answer ended before its last chunk",
            ),
        ] {
            assert_eq!(get(answer.as_bytes()).await.unwrap_err(), said);
        }
        // It shuts down its side, and leaves the other open.
        let port = listen(LOOPBACK, |mut stream, _| async move {
            stream.shutdown().await.unwrap();
            let _ = stream.read_u8().await;
        })
        .await;
        let error = server(port).get("/page").await.unwrap_err();
        assert_eq!(without_place(&error, port), "the connection was closed without an answer");
    }

    #[tokio::test]
    async fn what_is_not_http_is_shown() {
        for (answer, said) in [
            (b"SSH-2.0-OpenSSH_9.2\r\n" as &[u8], "not an HTTP answer: SSH-2.0-OpenSSH_9.2"),
            (b"<html>\n<body>\x07hello", "not an HTTP answer: <html> <body> hello"),
            (
                b"\x15\x03\x01\x00\x02\x02\x16\xff",
                "not an HTTP answer: 8 bytes that can't be printed",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                "the answer's length '-5' must be a number of bytes",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "the answer's transfer encoding 'gzip, chunked' is not known here",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
                "a chunk of the answer has no size",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n\r\n",
                "a chunk of the answer is longer than its size",
            ),
        ] {
            assert_eq!(get(answer).await.unwrap_err(), said);
        }
    }

    #[tokio::test]
    async fn an_answer_has_a_longest_length_in_each_of_its_parts() {
        let too_long = "the answer is longer than 1048576 bytes";
        let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n";
        assert_eq!(get(announced).await.unwrap_err(), too_long);
        let mut many = "HTTP/1.1 200 OK\r\n".to_owned();
        many.push_str(&"A: b\r\n".repeat(101));
        assert_eq!(get(many.as_bytes()).await.unwrap_err(), "the answer has more than 100 headers");
        // These go on until the client has had enough.
        for (head, more, said) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "x", too_long),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", too_long),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "fffffffffffffff\r\n\r\n",
                too_long,
            ),
            ("HTTP/1.1 200 OK\r\nA: ", "x", "the answer's head is longer than 16384 bytes"),
            ("", "HTTP/1.1 100 Continue\r\n\r\n", too_long),
        ] {
            let port = listen(LOOPBACK, move |mut stream, _| async move {
                let _ = stream.write_all(head.as_bytes()).await;
                let block = more.repeat(5000);
                while stream.write_all(block.as_bytes()).await.is_ok() {}
            })
            .await;
            let error = server(port).get("/page").await.unwrap_err();
            assert_eq!(without_place(&error, port), said, "{head}");
        }
    }

    #[tokio::test]
    async fn a_server_that_can_not_be_reached_is_said() {
        let port = free_port();
        let error = server(port).get("/").await.unwrap_err().to_string();
        assert_eq!(error, format!("port {port}: connection refused"));
    }

    /// Takes as long as a fetch may.
    #[tokio::test]
    async fn a_silent_server_and_a_slow_one_cost_a_fetch_its_limit_and_no_more() {
        let silent = listen(LOOPBACK, |mut stream, _| async move {
            let _ = stream.read_u8().await;
        });
        let slow = listen(LOOPBACK, |mut stream, _| async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let fetch = async |port: u16| {
            let identifier = Identifier::parse(&format!("nginx:{port}")).unwrap();
            let metrics_config = serde_json::Map::new();
            let request = Request {
                address: "127.0.0.1",
                identifier: &identifier,
                metrics_config: &metrics_config,
            };
            Fetcher::Nginx.fetch(request).await.unwrap_err().to_string()
        };
        let (silent, slow) = (silent.await, slow.await);
        let (silent, slow) = tokio::join!(fetch(silent), fetch(slow));
        assert!(
            silent
                .ends_with(", /nginx_status: timed out after 10 s: connected, and no answer came"),
            "{silent}"
        );
        assert!(
            slow.contains(", /nginx_status: timed out after 10 s: connected, and ")
                && slow.ends_with(" bytes came, but not the end of the answer"),
            "{slow}"
        );
    }

    #[tokio::test]
    async fn arguments_that_can_not_stand_in_a_request_are_refused() {
        let to = server(1);
        for (refused, said) in [
            (to.get("status").await, "path 'status' must begin with /"),
            (
                to.get("/a b").await,
                "path '/a b' must be of ASCII characters without spaces; others are written as %20",
            ),
            (
                Server { host: "x\r\nA: b", ..to }.get("/").await,
                "http_host 'x\r\nA: b' must be a host's name, of ASCII characters without spaces",
            ),
        ] {
            assert_eq!(refused.unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn another_page_is_shown_by_its_first_80_bytes() {
        let page =
            Page::written(&format!("<!DOCTYPE html>\r\n<title>é</title>{}", "x".repeat(100)));
        assert_eq!(
            page.unexpected().to_string(),
            format!(
                "here: not the page expected: <!DOCTYPE html> <title>é</title>{}",
                "x".repeat(46)
            )
        );
        let empty = Page::written("").unexpected().to_string();
        assert_eq!(empty, "here: not the page expected: it is empty");
        assert_eq!(Page::written("[1").json().unwrap_err(), Page::written("[1").unexpected());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_taken_or_refused(
            start in prop::sample::select(vec![
                "", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 100 \r\n\r\n",
            ]),
            parts in prop::collection::vec(prop_oneof![
                prop::collection::vec(any::<u8>(), 0..30),
                prop::sample::select(vec!["\r\n", "\r\n\r\n", "5", "ffffffff", "0\r\n", "Location: ", ": "])
                    .prop_map(|text| text.as_bytes().to_vec()),
            ], 0..10),
        ) {
            let received = [start.as_bytes(), &parts.concat()].concat();
            let _ = parse(&received, Connection::Open, LONGEST);
            prop_assert_ne!(parse(&received, Connection::Closed, LONGEST), Ok(None));
        }

        #[test]
        fn a_page_in_chunks_is_the_page_and_not_before_its_end(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        ) {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in &chunks {
                answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                answer.extend_from_slice(chunk);
                answer.extend_from_slice(b"\r\n");
            }
            answer.extend_from_slice(b"0\r\n\r\n");
            for length in 0..answer.len() {
                prop_assert_eq!(parse(&answer[..length], Connection::Open, LONGEST), Ok(None));
            }
            let response = parse(&answer, Connection::Open, LONGEST).unwrap().unwrap();
            prop_assert_eq!(response.body, chunks.concat());
        }
    }
}
