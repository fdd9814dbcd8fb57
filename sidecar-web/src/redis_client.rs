//! The web's way to Redis: what the pages ask it, with time limits. A Redis that is away costs a
//! page its statuses, never the page.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, IntoConnectionInfo, Pipeline, RedisError, Value};
use tokio::sync::OnceCell;

use crate::host_state::{self, HostState};
use crate::info::Info;
use crate::redis_away::RedisAway;

/// A Redis that has not answered by then counts as away.
const RESPONSE_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// After Redis let the time pass, others need not wait as long to learn it: for this long they are
/// told at once.
const HANG_HOLDS: Duration = Duration::from_secs(2);

/// Hosts asked for in one pipeline, so that no reply is huge.
const HOSTS_A_PIPELINE: usize = 250;

/// A flush blocks its connection until the points are in their files: so that it delays neither
/// pages nor all other flushes, flushes have connections of their own.
const FLUSH_CONNECTIONS: usize = 4;

/// Address and escaped plugin identifier.
type FlushKey = (String, String);
type FlushResult = Result<(), RedisAway>;

/// Connections to Redis; they connect when first used, and again after a failure.
pub struct RedisClient {
    address: String,
    reads: ConnectionManager,
    flushes: Vec<ConnectionManager>,
    next_flush: AtomicUsize,
    /// When Redis let the time pass last, and what was said then.
    hang: Mutex<Option<(Instant, RedisAway)>>,
    /// Since when Redis is away: the log has one line when it goes and one when it comes back.
    away_since: Mutex<Option<Instant>>,
    /// What the log knows of commands that Redis refuses, by their names.
    refused: Mutex<HashMap<&'static str, RedisAway>>,
    /// Flushes under way: who asks for the same joins in.
    under_way: Mutex<HashMap<FlushKey, Weak<OnceCell<FlushResult>>>>,
}

impl RedisClient {
    /// A client of the server at `address` (`host:port`), with its password where it has one. Needs
    /// a running tokio runtime.
    ///
    /// # Errors
    /// Where `address` is none.
    pub fn new(address: &str, password: Option<&str>) -> Result<Self, RedisAway> {
        let fault = |error: RedisError| RedisAway::new(address, &error);
        let connect = || {
            let mut info = format!("redis://{address}/").into_connection_info()?;
            if let Some(password) = password {
                let settings = info.redis_settings().clone().set_password(password);
                info = info.set_redis_settings(settings);
            }
            let client = redis::Client::open(info)?;
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(CONNECT_LIMIT))
                .set_response_timeout(Some(RESPONSE_LIMIT))
                .set_number_of_retries(0);
            ConnectionManager::new_lazy_with_config(client, config)
        };
        Ok(Self {
            address: address.to_owned(),
            reads: connect().map_err(fault)?,
            flushes: (0..FLUSH_CONNECTIONS)
                .map(|_| connect())
                .collect::<Result<_, _>>()
                .map_err(fault)?,
            next_flush: AtomicUsize::new(0),
            hang: Mutex::default(),
            away_since: Mutex::default(),
            refused: Mutex::default(),
            under_way: Mutex::default(),
        })
    }

    /// What Redis knows of these hosts, in their order; `None` for a host that it does not know.
    ///
    /// # Errors
    /// Where Redis is away or answers otherwise than `KURADO.HOST` does.
    pub async fn hosts(&self, addresses: &[&str]) -> Result<Vec<Option<HostState>>, RedisAway> {
        let mut states = Vec::with_capacity(addresses.len());
        for chunk in addresses.chunks(HOSTS_A_PIPELINE) {
            let mut pipeline = redis::pipe();
            for address in chunk {
                pipeline.cmd("KURADO.HOST").arg(address);
            }
            for reply in self.ask_all("KURADO.HOST", &pipeline, chunk.len()).await? {
                let state = HostState::read(reply);
                states.push(state.map_err(|fault| RedisAway::other(&self.address, fault))?);
            }
        }
        Ok(states)
    }

    /// The directory of the RRD files, as the module says it.
    ///
    /// # Errors
    /// Where Redis is away or the module is not loaded.
    pub async fn data_dir(&self) -> Result<PathBuf, RedisAway> {
        Ok(self.info().await?.data_dir.clone())
    }

    /// What the module says of itself.
    ///
    /// # Errors
    /// Where Redis is away or the module is not loaded.
    pub async fn info(&self) -> Result<Info, RedisAway> {
        let reply = self.ask("INFO", &self.reads, redis::cmd("INFO").arg("kurado")).await?;
        let info: String = redis::from_redis_value(reply)
            .map_err(|error| RedisAway::other(&self.address, error.to_string()))?;
        Info::read(&info).ok_or_else(|| RedisAway::no_module(&self.address))
    }

    /// All hosts that Redis knows, by address, and when something of each came last, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// Where Redis is away or answers otherwise than `KURADO.HOSTS` does.
    pub async fn all_hosts(&self) -> Result<BTreeMap<String, i64>, RedisAway> {
        let reply = self.ask("KURADO.HOSTS", &self.reads, &redis::cmd("KURADO.HOSTS")).await?;
        host_state::read_hosts(reply).map_err(|fault| RedisAway::other(&self.address, fault))
    }

    /// The last values of a plugin of a host, by key with its type; those that are unknown are left
    /// out.
    ///
    /// # Errors
    /// Where Redis is away or answers otherwise than `KURADO.SERIES` does.
    pub async fn last_values(
        &self,
        address: &str,
        plugin: &str,
    ) -> Result<BTreeMap<String, f64>, RedisAway> {
        let command = redis::cmd("KURADO.SERIES").arg(address).arg(plugin).clone();
        let reply = self.ask("KURADO.SERIES", &self.reads, &command).await?;
        host_state::read_last_values(reply).map_err(|fault| RedisAway::other(&self.address, fault))
    }

    /// Forgets a host and deletes its files; how many series it had.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn delete(&self, address: &str) -> Result<u64, RedisAway> {
        let command = redis::cmd("KURADO.DEL").arg(address).clone();
        let reply = self.ask("KURADO.DEL", &self.reads, &command).await?;
        redis::from_redis_value(reply)
            .map_err(|error| RedisAway::other(&self.address, error.to_string()))
    }

    /// Returns when the pending points of a host's plugin are in their files. Requests for the same
    /// while one is under way share its result.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn flush(&self, address: &str, plugin: &str) -> FlushResult {
        let key = (address.to_owned(), plugin.to_owned());
        let cell = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.retain(|_, cell| cell.strong_count() > 0);
            let joined = under_way.get(&key).and_then(Weak::upgrade);
            let joined = joined.filter(|cell| !cell.initialized());
            joined.unwrap_or_else(|| {
                let cell = Arc::new(OnceCell::new());
                under_way.insert(key, Arc::downgrade(&cell));
                cell
            })
        };
        cell.get_or_init(async || {
            let turn = self.next_flush.fetch_add(1, Ordering::Relaxed);
            let connection = self.flushes.get(turn % self.flushes.len()).unwrap_or(&self.reads);
            let command = redis::cmd("KURADO.FLUSH").arg(address).arg(plugin).clone();
            self.ask("KURADO.FLUSH", connection, &command).await.map(drop)
        })
        .await
        .clone()
    }

    async fn ask(
        &self,
        name: &'static str,
        connection: &ConnectionManager,
        command: &Cmd,
    ) -> Result<Value, RedisAway> {
        self.try_twice(name, || {
            let mut connection = connection.clone();
            async move { connection.req_packed_command(command).await?.extract_error() }
        })
        .await
    }

    async fn ask_all(
        &self,
        name: &'static str,
        pipeline: &Pipeline,
        count: usize,
    ) -> Result<Vec<Value>, RedisAway> {
        self.try_twice(name, || {
            let mut connection = self.reads.clone();
            async move {
                let replies = connection.req_packed_commands(pipeline, 0, count).await?;
                replies.into_iter().map(Value::extract_error).collect()
            }
        })
        .await
    }

    /// After a failure the connection manager answers once with what it remembers, while it
    /// connects anew: then the second try tells the truth. A Redis that let the time pass is not
    /// asked twice.
    async fn try_twice<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        command: &'static str,
        ask: impl Fn() -> F,
    ) -> Result<T, RedisAway> {
        if let Some((since, away)) = &*self.lock_hang()
            && since.elapsed() < HANG_HOLDS
        {
            return Err(away.clone());
        }
        let answer = match ask().await {
            Err(error) if is_lost(&error) && !error.is_timeout() => ask().await,
            other => other,
        };
        let answer = answer.map_err(|error| {
            let away = RedisAway::new(&self.address, &error);
            if error.is_timeout() {
                *self.lock_hang() = Some((Instant::now(), away.clone()));
            }
            away
        });
        self.note(command, answer.as_ref().err());
        answer
    }

    /// For how long it has been away, as far as it was asked.
    #[must_use]
    pub fn away_for(&self) -> Duration {
        self.lock_away_since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock_away_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line to the log when Redis goes and when it comes back, and when it begins to refuse
    /// a command and when it takes it again.
    fn note(&self, command: &'static str, away: Option<&RedisAway>) {
        let refusal = away.filter(|away| away.is_refusal());
        if let Some(away) = away
            && refusal.is_none()
        {
            let mut away_since = self.lock_away_since();
            if away_since.is_none() {
                *away_since = Some(Instant::now());
                tracing::warn!("{away}");
            }
            return;
        }
        if self.lock_away_since().take().is_some() {
            tracing::info!(address = self.address, "Redis answers again");
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match refusal {
            Some(refusal) if refused.get(command) != Some(refusal) => {
                tracing::warn!("{command}: {refusal}");
                refused.insert(command, refusal.clone());
            }
            Some(_) => {}
            None if refused.remove(command).is_some() => {
                tracing::info!(address = self.address, "Redis takes {command} again");
            }
            None => {}
        }
    }

    fn lock_hang(&self) -> MutexGuard<'_, Option<(Instant, RedisAway)>> {
        self.hang.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped()
}
