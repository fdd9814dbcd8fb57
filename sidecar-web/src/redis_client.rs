//! The web's way to Redis: what the pages ask it, with time limits. A Redis that is away costs a
//! page its statuses, never the page.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, ServerErrorKind, Value};

use crate::held::{Epoch, Held};
use crate::host_state::{self, BriefState, HostState};
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

/// Keys that Redis goes through at once, so that others are served in between.
const KEYS_A_SCAN: usize = 1000;

/// A flush blocks its connection until the points are in their files: so that it delays neither
/// pages nor all other flushes, flushes have connections of their own.
const FLUSH_CONNECTIONS: usize = 4;

/// What Redis said of hosts a moment ago takes so much memory at most, in bytes.
const HELD_HOSTS: usize = 8 << 20;

/// The same of what was flushed a moment ago.
const HELD_FLUSHES: usize = 1 << 20;

/// What Redis knows of hosts, in the order in which they were asked for.
type HostStates = Arc<[Option<Arc<HostState>>]>;

/// Address and escaped plugin identifier.
type FlushKey = (String, String);

/// What became of a renaming that Redis was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// The host and its files have the new address.
    Done,
    /// Why not.
    Refused(String),
}

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
    /// The log knows that Redis takes no `KURADO.STATES`.
    lacks_states: AtomicBool,
    /// Moves on when a host is deleted, and when Redis goes away.
    epoch: Epoch,
    held_hosts: Held<String, Option<Arc<HostState>>, RedisAway>,
    /// Lists of hosts that are being asked for; of what came none is held.
    asked_hosts: Held<Vec<String>, HostStates, RedisAway>,
    held_flushes: Held<FlushKey, (), RedisAway>,
}

impl RedisClient {
    /// A client of the server at `address` (`host:port`), with its password where it has one. Needs
    /// a running tokio runtime.
    ///
    /// # Errors
    /// Where `address` is none.
    pub fn new(address: &str, password: Option<&str>) -> Result<Self, RedisAway> {
        let fault = |error: RedisError| RedisAway::new(address, &error);
        let epoch = Epoch::default();
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
            lacks_states: AtomicBool::new(false),
            held_hosts: Held::new(epoch.clone(), HELD_HOSTS, |state| {
                Some(state.as_ref().map_or(0, |state| state.bytes()))
            }),
            asked_hosts: Held::new(epoch.clone(), 0, |_| None),
            held_flushes: Held::new(epoch.clone(), HELD_FLUSHES, |()| Some(0)),
            epoch,
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

    /// What the statuses of these hosts stand on, in their order; `None` for a host that Redis does
    /// not know. All is asked at once, so Redis works on the next hosts while the answer of those
    /// before is read.
    ///
    /// # Errors
    /// As [`Self::hosts`].
    pub async fn states(&self, addresses: &[&str]) -> Result<Vec<Option<BriefState>>, RedisAway> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        let chunks = addresses.chunks(HOSTS_A_PIPELINE);
        let count = chunks.len();
        for chunk in chunks {
            pipeline.cmd("KURADO.STATES").arg(chunk);
        }
        let pipeline = &pipeline;
        let replies = self.try_twice("KURADO.STATES", || {
            let mut connection = self.reads.clone();
            async move {
                let replies = connection.req_packed_commands(pipeline, 0, count).await?;
                let replies: Result<Vec<_>, _> =
                    replies.into_iter().map(Value::extract_error).collect();
                match replies {
                    Err(error) if is_not_taken(&error) => Ok(Err(error)),
                    others => others.map(Ok),
                }
            }
        });
        let replies = match replies.await? {
            Ok(replies) => replies,
            Err(error) => return self.states_of_whole_hosts(addresses, &error).await,
        };
        self.lacks_states.store(false, Ordering::Relaxed);
        let mut states = Vec::with_capacity(addresses.len());
        for reply in replies {
            let read = host_state::read_states(reply);
            states.extend(read.map_err(|fault| RedisAway::other(&self.address, fault))?);
        }
        if states.len() != addresses.len() {
            let fault =
                format!("KURADO.STATES tells of {} hosts of {}", states.len(), addresses.len());
            return Err(RedisAway::other(&self.address, fault));
        }
        Ok(states)
    }

    /// The same from a module that is older than `KURADO.STATES`, or for a user without the right to
    /// it, as `error` says.
    async fn states_of_whole_hosts(
        &self,
        addresses: &[&str],
        error: &RedisError,
    ) -> Result<Vec<Option<BriefState>>, RedisAway> {
        let hosts = self.hosts(addresses).await?;
        if !self.lacks_states.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "Redis at {} takes no KURADO.STATES, so lists of hosts cost it and kurado-web more: \
                 {error}. Load the libkurado.so of this version, and give the right +kurado.states",
                self.address
            );
        }
        Ok(hosts.into_iter().map(|host| host.map(|host| host.brief())).collect())
    }

    /// The same as [`Self::hosts`]. Who asks for the same hosts while that is under way shares the answer, if it began less
    /// than [`crate::held::HOLDS`] ago: many who open the page of all hosts at once would keep Redis and
    /// this web so busy that it counted as away.
    ///
    /// # Errors
    /// As [`Self::hosts`].
    pub async fn shared_hosts(&self, addresses: &[&str]) -> Result<HostStates, RedisAway> {
        let question = addresses.iter().map(|address| (*address).to_owned()).collect();
        let ask = async || {
            let states = self.hosts(addresses).await?;
            Ok(states.into_iter().map(|state| state.map(Arc::new)).collect())
        };
        self.asked_hosts.get(question, ask).await
    }

    /// What Redis knows of a host, or knew up to [`crate::held::HOLDS`] ago; `None` where it does not
    /// know it.
    ///
    /// # Errors
    /// As [`Self::hosts`].
    pub async fn recent_host(&self, address: &str) -> Result<Option<Arc<HostState>>, RedisAway> {
        let ask = async || Ok(self.hosts(&[address]).await?.pop().flatten().map(Arc::new));
        self.held_hosts.get(address.to_owned(), ask).await
    }

    /// What moves on when nothing holds any more that Redis said before.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch.clone()
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

    /// The text at a key; `None` where there is none. The log calls the command `command`.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn text(
        &self,
        command: &'static str,
        key: &str,
    ) -> Result<Option<String>, RedisAway> {
        let reply = self.ask(command, &self.reads, redis::cmd("GET").arg(key)).await?;
        redis::from_redis_value(reply)
            .map_err(|error| RedisAway::other(&self.address, error.to_string()))
    }

    /// The keys of texts that a pattern fits, of the next [`KEYS_A_SCAN`] or so from a cursor on, as SCAN takes
    /// both, and the cursor of the keys behind them. It begins as 0, and is 0 again behind the last.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn some_keys_like(
        &self,
        pattern: &str,
        cursor: u64,
    ) -> Result<(u64, Vec<String>), RedisAway> {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(KEYS_A_SCAN);
        let reply = self.ask("SCAN", &self.reads, command.arg("TYPE").arg("string")).await?;
        let (next, keys): (u64, Vec<Vec<u8>>) = redis::from_redis_value(reply)
            .map_err(|error| RedisAway::other(&self.address, error.to_string()))?;
        Ok((next, keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect()))
    }

    /// Forgets a host and deletes its files; how many series it had.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn delete(&self, address: &str) -> Result<u64, RedisAway> {
        let command = redis::cmd("KURADO.DEL").arg(address).clone();
        let reply = self.ask("KURADO.DEL", &self.reads, &command).await;
        // Whatever came of it, and also for what was asked meanwhile.
        self.epoch.move_on();
        let reply = reply?;
        redis::from_redis_value(reply)
            .map_err(|error| RedisAway::other(&self.address, error.to_string()))
    }

    /// Gives the data of a host to another address; `replaces` deletes what that has.
    ///
    /// # Errors
    /// Where Redis is away or denies the right.
    pub async fn rename(&self, from: &str, to: &str, replaces: bool) -> Result<Renamed, RedisAway> {
        let mut command = redis::cmd("KURADO.RENAME");
        command.arg(from).arg(to).arg(replaces.then_some("REPLACE"));
        // Finds a connection that stands: where the answer of a renaming is lost, it may have been done,
        // and done again it would lose what came to the old address meanwhile, or replace what it made.
        self.hosts(&[from]).await?;
        let renamed = self
            .tell("KURADO.RENAME", async {
                let mut connection = self.reads.clone();
                match connection.req_packed_command(&command).await?.extract_error() {
                    Ok(_) => Ok(Renamed::Done),
                    Err(error) if is_refusal(&error) => Ok(Renamed::Refused(
                        error.detail().map_or_else(|| error.to_string(), str::to_owned),
                    )),
                    Err(error) => Err(error),
                }
            })
            .await;
        // As of a deletion.
        self.epoch.move_on();
        renamed
    }

    /// Returns when the pending points of a host's plugin are in their files.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn flush(&self, address: &str, plugin: &str) -> Result<(), RedisAway> {
        let turn = self.next_flush.fetch_add(1, Ordering::Relaxed);
        let connection = self.flushes.get(turn % self.flushes.len()).unwrap_or(&self.reads);
        let command = redis::cmd("KURADO.FLUSH").arg(address).arg(plugin).clone();
        self.ask("KURADO.FLUSH", connection, &command).await.map(drop)
    }

    /// Returns when those points are in their files that were pending when this was asked for, or up
    /// to [`crate::held::HOLDS`] before. Who asks for the same at the same time shares one flush.
    ///
    /// # Errors
    /// Where Redis is away or refuses.
    pub async fn flush_recent(&self, address: &str, plugin: &str) -> Result<(), RedisAway> {
        let ask = async || self.flush(address, plugin).await;
        self.held_flushes.get((address.to_owned(), plugin.to_owned()), ask).await
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
        self.tell(command, async {
            match ask().await {
                Err(error) if is_lost(&error) && !error.is_timeout() => ask().await,
                other => other,
            }
        })
        .await
    }

    /// Asks, unless Redis hangs, and notes whether it is away.
    async fn tell<T>(
        &self,
        command: &'static str,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisAway> {
        if let Some((since, away)) = &*self.lock_hang()
            && since.elapsed() < HANG_HOLDS
        {
            return Err(away.clone());
        }
        let answer = answer.await.map_err(|error| {
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
                self.epoch.move_on();
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

/// Whether the module took the command and said no.
fn is_refusal(error: &RedisError) -> bool {
    let text = error.to_string().to_lowercase();
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
        && !text.contains("unknown command")
}

/// Whether the module does not know the command, or the user may not run it.
fn is_not_taken(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
        || error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
        || error.to_string().to_lowercase().contains("unknown command")
}

fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A Redis that knows no host, and goes away when it is to rename one; with how often the word
    /// came.
    async fn stand_in(word: &'static str) -> (RedisClient, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = RedisClient::new(&listener.local_addr().unwrap().to_string(), None).unwrap();
        let came = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&came);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = vec![0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    counted.fetch_add(text.matches(word).count(), Ordering::SeqCst);
                    if text.contains("RENAME") {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let commands = text.split('\n').filter(|line| line.starts_with('*')).count();
                    stream.write_all("$-1\r\n".repeat(commands).as_bytes()).await.unwrap();
                }
            }
        });
        (client, came)
    }

    #[tokio::test]
    async fn a_renaming_of_which_the_answer_is_lost_is_not_asked_for_again() {
        let (client, asked) = stand_in("RENAME").await;
        assert!(client.rename("10.0.0.1", "10.0.0.2", true).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn who_asks_for_the_same_hosts_at_once_shares_the_answer_and_who_does_later_does_not() {
        let (client, asked) = stand_in("KURADO.HOST").await;
        let ask = async || {
            assert_eq!(client.shared_hosts(&["10.0.0.1", "10.0.0.2"]).await.unwrap().len(), 2);
        };
        tokio::join!(ask(), ask(), ask());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        ask().await;
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    }
}
