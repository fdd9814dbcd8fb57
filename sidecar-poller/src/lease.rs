//! Who feeds a Redis: one poller holds the lease of it, and fetches; others stand by, and take over
//! when it is free.
//!
//! The lease is a key that expires unless its holder renews it. GET and EXPIRE in place of a script
//! need few rights; between them the key may become another's, whose lease is then a little longer.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};

use crate::connection::{Credentials, Limits, connect, reason};
use crate::fetch_log::spoken;
use crate::poll::since_1970;

/// The key of the lease; a name of its own follows behind a colon.
const KEY: &str = "kurado-poller";
/// A lease that is not renewed ends after so many seconds.
const LIFE: u64 = 30;
/// Between two renewals, and between two tries of one that stands by.
const RENEWAL: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { connect: Duration::from_secs(2), reply: Duration::from_secs(4) };

/// What this poller does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Asks who holds the lease, for the first time.
    Unknown,
    /// Fetches: it holds the lease, or nobody can say who does.
    Active,
    /// Waits until the holder ends.
    Standby(Holder),
}

/// A poller, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its machine's name.
    host: String,
    process: u32,
    /// When it began, since 1970.
    since: u64,
    /// What tells its machine and its processes from others: the same text where a process can be
    /// looked at by its id.
    machine: String,
    /// When its process was started, in the machine's own ticks: tells it from another of that id.
    started: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, process {}", self.host, self.process)
    }
}

impl Holder {
    /// This poller.
    #[must_use]
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let process = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            process,
            since: since_1970().as_secs(),
            machine: format!("{} {}", read("/proc/sys/kernel/random/boot_id"), processes.display()),
            started: start_of(process).unwrap_or_default(),
        }
    }

    fn value(&self) -> String {
        json!({
            "host": self.host,
            "process": self.process,
            "since": self.since,
            "machine": self.machine,
            "started": self.started,
        })
        .to_string()
    }

    /// What a key holds; one that another program wrote is a holder of which little is known.
    fn read(value: &str) -> Self {
        let json: Json = serde_json::from_str(value).unwrap_or_default();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| json[name].as_u64().unwrap_or_default();
        Self {
            host: text("host"),
            process: number("process").try_into().unwrap_or_default(),
            since: number("since"),
            machine: text("machine"),
            started: number("started"),
        }
    }

    /// Whether it can be seen from here that it lives no more: it was killed and could not give its
    /// lease back.
    fn is_gone(&self, this: &Self) -> bool {
        self.machine == this.machine && start_of(self.process) != Some(self.started)
    }
}

/// When a process of this machine was started.
fn start_of(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    // One that has ended and was not waited for is gone too.
    let lives = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
    fields.nth(18)?.parse().ok().filter(|_| lives)
}

/// The lease of one Redis, as a task keeps it or tries to get it.
pub struct Lease {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    key: String,
    this: Holder,
    connection: Option<MultiplexedConnection>,
    roles: watch::Sender<Role>,
    /// The trouble that the log has told.
    told: Option<String>,
}

impl Lease {
    /// The lease of the Redis of that address, for pollers of this name; whose role goes to `roles`.
    #[must_use]
    pub fn new(
        (host, port): (&str, u16),
        credentials: Option<Credentials>,
        name: Option<&str>,
        roles: watch::Sender<Role>,
    ) -> Self {
        let key = name.map_or_else(|| KEY.to_owned(), |name| format!("{KEY}:{name}"));
        let (host, this) = (host.to_owned(), Holder::this());
        Self { host, port, credentials, key, this, connection: None, roles, told: None }
    }

    /// Keeps the lease, or tries to get it, until `stop` turns true; then gives it back.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // Whoever feeds another Redis is no reason to stand by.
        self.roles.send_if_modified(|role| {
            let is_standby = matches!(role, Role::Standby(_));
            if is_standby {
                *role = Role::Unknown;
            }
            is_standby
        });
        let mut ticks = tokio::time::interval(RENEWAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.renew().await,
                // An error means that the sender is gone, which ends the program too.
                _ = stop.changed() => break,
            }
        }
        if let Err(error) = self.give_back().await {
            debug!("the lease ends by itself: {error}");
        }
    }

    async fn renew(&mut self) {
        match self.ask().await {
            Ok(role) => {
                self.told = None;
                self.take(role);
            }
            Err(error) => {
                self.connection = None;
                let text = reason(&error, LIMITS);
                // While Redis is away all goes on as it was; the way of the lines tells of that.
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
                    && self.told.as_ref() != Some(&text)
                {
                    warn!(
                        "a second poller would not be noticed, as the user of Redis lacks rights: {text}; \
                         it needs +set +get +expire +del and ~{}",
                        self.key
                    );
                    self.told = Some(text);
                }
                if *self.roles.borrow() == Role::Unknown {
                    self.roles.send_replace(Role::Active);
                }
            }
        }
    }

    /// Goes over to a role, and says so.
    fn take(&self, role: Role) {
        let before = self.roles.borrow().clone();
        if before == role {
            return;
        }
        let redis = format!("Redis at {}:{}", self.host, self.port);
        match (&before, &role) {
            (_, Role::Standby(holder)) => {
                let lasts = since_1970().saturating_sub(Duration::from_secs(holder.since));
                warn!(
                    "another poller ({holder}) feeds {redis} for {}; this one stands by, and takes over when that one ends. \
                     Two that fetch different hosts need a --name each",
                    spoken(lasts)
                );
            }
            (Role::Standby(holder), _) => {
                info!("the poller that fed {redis} ({holder}) has ended: this one feeds it now");
            }
            _ => {}
        }
        self.roles.send_replace(role);
    }

    /// Gets or renews the lease; gives whose it is.
    async fn ask(&mut self) -> RedisResult<Role> {
        let mut connection = self.connected().await?;
        let (key, value) = (&self.key, self.this.value());
        let taken: Option<String> = set(key, &value, "NX").query_async(&mut connection).await?;
        if taken.is_some() {
            return Ok(Role::Active);
        }
        let held: Option<String> = redis::cmd("GET").arg(key).query_async(&mut connection).await?;
        match held {
            Some(held) if held == value => {
                let mut expire = redis::cmd("EXPIRE");
                expire.arg(key).arg(LIFE).exec_async(&mut connection).await?;
                Ok(Role::Active)
            }
            Some(held) => {
                let holder = Holder::read(&held);
                if holder.is_gone(&self.this) {
                    set(key, &value, "XX").exec_async(&mut connection).await?;
                    return Ok(Role::Active);
                }
                Ok(Role::Standby(holder))
            }
            // It has just ended: the next time will tell.
            None => Ok(match &*self.roles.borrow() {
                Role::Unknown => Role::Active,
                role => role.clone(),
            }),
        }
    }

    async fn connected(&mut self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let address = (self.host.as_str(), self.port);
        let made = connect(address, self.credentials.as_ref(), LIMITS).await?;
        self.connection = Some(made.clone());
        Ok(made)
    }

    /// So that another one need not wait for its end.
    async fn give_back(&mut self) -> Result<(), RedisError> {
        if *self.roles.borrow() != Role::Active {
            return Ok(());
        }
        let mut connection = self.connected().await?;
        let held: Option<String> =
            redis::cmd("GET").arg(&self.key).query_async(&mut connection).await?;
        if held.is_some_and(|held| held == self.this.value()) {
            redis::cmd("DEL").arg(&self.key).exec_async(&mut connection).await?;
        }
        Ok(())
    }
}

fn set(key: &str, value: &str, condition: &str) -> redis::Cmd {
    let mut set = redis::cmd("SET");
    set.arg(key).arg(value).arg(condition).arg("EX").arg(LIFE);
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_redis::RedisServer;

    fn lease(port: u16) -> Lease {
        Lease::new(("127.0.0.1", port), None, None, watch::channel(Role::Unknown).0)
    }

    /// A poller of another machine.
    fn other() -> Holder {
        Holder { machine: "another".to_owned(), since: 5, ..Holder::this() }
    }

    async fn role_after(lease: &mut Lease) -> Role {
        lease.renew().await;
        lease.roles.borrow().clone()
    }

    #[test]
    fn a_holder_is_read_as_it_was_written() {
        let this = Holder::this();
        assert_eq!(Holder::read(&this.value()), this);
        assert!(this.started > 0 && !this.is_gone(&this));
        Holder::read("rubbish");
    }

    #[test]
    fn that_a_process_of_this_machine_is_gone_is_seen_and_of_another_it_is_not() {
        let this = Holder::this();
        assert!(Holder { started: this.started + 1, ..this.clone() }.is_gone(&this));
        assert!(!Holder { started: 1, ..other() }.is_gone(&this));
    }

    #[tokio::test]
    async fn the_first_one_feeds_and_the_next_stands_by_until_the_lease_is_free() {
        let server = RedisServer::start(&[]);
        server.cli(&["SET", KEY, &other().value()]);
        let mut lease = lease(server.port());
        assert_eq!(role_after(&mut lease).await, Role::Standby(other()));
        lease.give_back().await.unwrap();
        assert_eq!(server.cli(&["EXISTS", KEY]), "1\n");

        server.cli(&["DEL", KEY]);
        assert_eq!(role_after(&mut lease).await, Role::Active);
        assert!(server.cli(&["TTL", KEY]).trim().parse::<u64>().unwrap() <= LIFE);
        server.cli(&["EXPIRE", KEY, "1000"]);
        assert_eq!(role_after(&mut lease).await, Role::Active);
        assert!(server.cli(&["TTL", KEY]).trim().parse::<u64>().unwrap() <= LIFE);
        lease.give_back().await.unwrap();
        assert_eq!(server.cli(&["EXISTS", KEY]), "0\n");
    }

    #[tokio::test]
    async fn one_that_lost_its_lease_stands_by() {
        let server = RedisServer::start(&[]);
        let mut lease = lease(server.port());
        assert_eq!(role_after(&mut lease).await, Role::Active);
        server.cli(&["SET", KEY, &other().value()]);
        assert_eq!(role_after(&mut lease).await, Role::Standby(other()));
    }

    #[tokio::test]
    async fn the_lease_of_one_that_was_killed_on_this_machine_is_taken_at_once() {
        let server = RedisServer::start(&[]);
        let killed = Holder { started: 1, ..Holder::this() };
        server.cli(&["SET", KEY, &killed.value()]);
        assert_eq!(role_after(&mut lease(server.port())).await, Role::Active);
    }

    #[tokio::test]
    async fn who_can_not_ask_feeds_and_one_that_stands_by_goes_on_to() {
        let mut server = RedisServer::start(&[]);
        server.cli(&["SET", KEY, &other().value()]);
        let mut standby = lease(server.port());
        assert_eq!(role_after(&mut standby).await, Role::Standby(other()));
        server.cli(&["ACL", "SETUSER", "default", "-get"]);
        let mut without_rights = lease(server.port());
        assert_eq!(role_after(&mut without_rights).await, Role::Active);
        assert!(without_rights.told.is_some());
        assert_eq!(role_after(&mut standby).await, Role::Standby(other()));
        server.kill();
        assert_eq!(role_after(&mut lease(server.port())).await, Role::Active);
        assert_eq!(role_after(&mut standby).await, Role::Standby(other()));
    }
}
