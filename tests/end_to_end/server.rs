//! What tests ask of a redis-server with the module.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use redis::{Connection, FromRedisValue, Value};
use test_redis::{RedisServer, eventually};

/// One server with the module.
pub struct Server(RedisServer);

impl Deref for Server {
    type Target = RedisServer;

    fn deref(&self) -> &RedisServer {
        &self.0
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut RedisServer {
        &mut self.0
    }
}

/// What PUSH and META SET reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Pushed {
    pub accepted: usize,
    pub rejected: usize,
    pub reasons: Vec<String>,
}

impl Server {
    /// Starts a server with the module and these options (`--name value`).
    pub fn start(options: &[&str]) -> Self {
        Self(RedisServer::start_with_module(options))
    }

    /// The same by a command that ends in running the words behind it.
    pub fn start_under(launcher: &[&str], options: &[&str]) -> Self {
        Self(RedisServer::start_with_module_under(launcher, options))
    }

    /// Starts a server without the module.
    pub fn bare(options: &[&str]) -> Self {
        Self(RedisServer::start(options))
    }

    /// The RRD file of a series.
    pub fn file(&self, address: &str, plugin: &str, key: &str) -> PathBuf {
        self.path().join("data").join(address).join(plugin).join(format!("{key}.rrd"))
    }

    pub fn connect(&self) -> Connection {
        eventually("a connection", || {
            redis::Client::open(("127.0.0.1", self.port())).ok()?.get_connection().ok()
        })
    }

    /// Runs a command whose words have no blanks.
    pub fn run<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_run(words).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// The same where it may fail; gives the error's text.
    pub fn try_run<T: FromRedisValue>(&self, words: &str) -> Result<T, String> {
        let words: Vec<&str> = words.split(' ').collect();
        self.try_run_words(&words)
    }

    /// The same with words that may have blanks.
    pub fn try_run_words<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, String> {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut self.connect()).map_err(|error| error.to_string())
    }

    /// Pushes one payload.
    pub fn push(&self, payload: &str) -> Pushed {
        self.try_push(payload).unwrap_or_else(|error| panic!("push: {error}"))
    }

    pub fn try_push(&self, payload: &str) -> Result<Pushed, String> {
        self.try_run_words(&["KURADO.PUSH", payload]).map(Pushed::from_reply)
    }

    /// Pushes one point of a gauge and expects it to be taken.
    pub fn push_point(&self, address: &str, key: &str, value: u32, time: u32) {
        let pushed = self.push(&format!("{address}\tbase.metrics.{key}\t{value}\t{time}"));
        assert_eq!((pushed.accepted, pushed.rejected), (1, 0), "{:?}", pushed.reasons);
    }

    /// Writes all that waits.
    pub fn flush(&self) -> usize {
        self.run("KURADO.FLUSH")
    }

    /// One number of `INFO kurado`.
    pub fn info(&self, name: &str) -> u64 {
        let text = self.info_text(name);
        text.parse().unwrap_or_else(|_| panic!("kurado_{name} is '{text}'"))
    }

    /// Waits until a number of `INFO kurado` is 0: some servers free deleted keys in a thread.
    pub fn is_empty_at_last(&self, name: &str) {
        eventually(&format!("no {name}"), || (self.info(name) == 0).then_some(()));
    }

    /// What Redis has allocated, in bytes.
    pub fn used_memory(&self) -> u64 {
        let info: String = self.run("INFO memory");
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse().ok()).unwrap_or_else(|| panic!("{info}"))
    }

    /// One field of `INFO kurado`.
    pub fn info_text(&self, name: &str) -> String {
        let info: String = self.run("INFO kurado");
        let field = format!("kurado_{name}:");
        let found = info.lines().find_map(|line| line.strip_prefix(&field));
        found.unwrap_or_else(|| panic!("no {field} in {info}")).to_owned()
    }
}

impl Pushed {
    pub fn from_reply((accepted, rejected, reasons): (usize, usize, Vec<String>)) -> Self {
        Self { accepted, rejected, reasons }
    }
}

/// Seconds since 1970.
pub fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u32::try_from(since.as_secs()).expect("a clock before 2106")
}

/// A reply of names and values as pairs, whatever the protocol's version.
pub fn pairs(reply: &Value) -> Vec<(String, Value)> {
    let text = |value: &Value| String::from_redis_value_ref(value).expect("a name");
    match reply {
        Value::Map(pairs) => pairs.iter().map(|(k, v)| (text(k), v.clone())).collect(),
        Value::Array(flat) => {
            flat.chunks(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect()
        }
        other => panic!("{other:?} is no map"),
    }
}

/// The value of a name in such a reply.
pub fn field(reply: &Value, name: &str) -> Value {
    let found = pairs(reply).into_iter().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("no '{name}' in {reply:?}")).1
}

/// A value as text.
pub fn text(value: &Value) -> String {
    String::from_redis_value_ref(value).unwrap_or_else(|_| panic!("{value:?} is no text"))
}
