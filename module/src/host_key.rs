//! The native type: one key a host, `kurado:{address}`, whose value holds all that is known of it.

use std::cell::{RefCell, RefMut};
use std::ffi::{c_int, c_void};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use redis_module::key::RedisKey;
use redis_module::native_types::RedisType;
use redis_module::{Context, RedisError, RedisString, raw};
use rrd_store::host::Host;
use rrd_store::snapshot;

use crate::guard::caught;
use crate::stats::STATS;
use crate::{clock, state};

/// The type of a host's key (`SCAN … TYPE kuradohst`).
pub static HOST_TYPE: RedisType = RedisType::new(
    "kuradohst",
    snapshot::VERSION,
    raw::RedisModuleTypeMethods {
        // The newest version that Redis 7.0 knows.
        version: 4,
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        mem_usage: Some(mem_usage),
        digest: None,
        free: Some(free),
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: Some(free_effort),
        unlink: None,
        // Without it COPY refuses: two keys must not write one host's files.
        copy: None,
        defrag: None,
        mem_usage2: None,
        free_effort2: None,
        unlink2: None,
        copy2: None,
        aux_save2: None,
    },
);

/// Most bytes of lines in one command of a rewritten AOF.
const REWRITE_CHUNK: usize = 256 * 1024;

static NEXT_GENERATION: AtomicU64 = AtomicU64::new(1);

/// A host as the value of a key, and its share in the totals of [`STATS`].
pub struct StoredHost {
    host: RefCell<Host>,
    share: RefCell<Share>,
}

/// What a host adds to the totals. Times are of the clock that never steps.
#[derive(Default)]
struct Share {
    series: i64,
    points: i64,
    bytes: i64,
    /// When the oldest point came that no writer has.
    waiting_since: Option<u32>,
    /// Points that writers have, and when the oldest of them came.
    taken: i64,
    taken_since: Option<u32>,
}

impl Share {
    fn set_points(&mut self, points: i64) {
        if points > self.points {
            self.waiting_since.get_or_insert_with(clock::monotonic);
        } else if points < self.points {
            self.taken -= self.points - points;
        }
        if self.taken <= 0 {
            (self.taken, self.taken_since) = (0, None);
        }
        if points == 0 {
            (self.taken, self.taken_since, self.waiting_since) = (0, None, None);
        }
        self.points = points;
    }

    /// Writers were given so many points. Where these are not all, the others wait for a retry, and
    /// which of them is the oldest is not known.
    fn take(&mut self, points: i64) {
        if points == self.points {
            self.taken = points;
            self.taken_since = self.since();
            self.waiting_since = None;
        }
    }

    /// When the oldest point came, near enough.
    fn since(&self) -> Option<u32> {
        [self.taken_since, self.waiting_since].into_iter().flatten().min()
    }
}

/// A host that is being changed; late points find their places, and the totals follow, when it is let
/// go.
pub struct ChangingHost<'a> {
    stored: &'a StoredHost,
    host: RefMut<'a, Host>,
}

impl StoredHost {
    fn new(host: Host) -> Self {
        STATS.hosts.add(1);
        let stored = Self { host: RefCell::new(host), share: RefCell::default() };
        stored.count(&stored.host.borrow());
        stored
    }

    /// Reads the host.
    pub fn read<T>(&self, read: impl FnOnce(&Host) -> T) -> T {
        read(&self.host.borrow())
    }

    /// Changes the host.
    pub fn change(&self) -> ChangingHost<'_> {
        ChangingHost { stored: self, host: self.host.borrow_mut() }
    }

    /// Brings the totals up to what the host has now.
    fn count(&self, host: &Host) {
        self.count_to(host.series_count(), host.pending_points(), host.pending_bytes());
    }

    fn count_to(&self, series: usize, points: usize, bytes: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (series, points, bytes) = (number(series), number(points), number(bytes));
        let mut share = self.share.borrow_mut();
        STATS.series.add(series - share.series);
        STATS.pending_points.add(points - share.points);
        STATS.pending_bytes.add(bytes - share.bytes);
        (share.series, share.bytes) = (series, bytes);
        share.set_points(points);
    }

    /// Writers were given so many points of all that wait.
    pub fn note_taken(&self, points: usize) {
        self.share.borrow_mut().take(i64::try_from(points).unwrap_or(i64::MAX));
    }

    /// When the oldest point that waits came, near enough, by the clock that never steps.
    pub fn pending_since(&self) -> Option<u32> {
        self.share.borrow().since()
    }
}

impl Drop for StoredHost {
    fn drop(&mut self) {
        self.count_to(0, 0, 0);
        STATS.hosts.add(-1);
    }
}

impl std::ops::Deref for ChangingHost<'_> {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl std::ops::DerefMut for ChangingHost<'_> {
    fn deref_mut(&mut self) -> &mut Host {
        &mut self.host
    }
}

impl Drop for ChangingHost<'_> {
    fn drop(&mut self) {
        self.host.merge_late();
        self.stored.count(&self.host);
    }
}

/// The name of a host's key. The braces make it the host's own slot in a cluster.
pub fn key_name(ctx: &Context, address: &str) -> RedisString {
    // Each push asks for one: copied once, and not looked through for a NUL.
    RedisString::create_from_slice(ctx.get_raw(), ["kurado:{", address, "}"].concat().as_bytes())
}

/// The address that a key's name holds.
pub fn address_of(key: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(key).ok()?;
    let address = name.strip_prefix("kurado:{")?.strip_suffix('}')?;
    line_protocol::address::is_valid(address).then_some(address)
}

/// A number that no host of this server had before.
pub fn next_generation() -> u64 {
    NEXT_GENERATION.fetch_add(1, Ordering::Relaxed)
}

/// The host that a key holds.
///
/// # Errors
/// Where it holds another type.
pub fn value(key: &RedisKey) -> Result<Option<&StoredHost>, RedisError> {
    key.get_value::<StoredHost>(&HOST_TYPE).map_err(|_| RedisError::WrongType)
}

/// Runs `read` with the host, or with `None` where it is not known.
///
/// # Errors
/// Where this is no address, or the key holds another type.
pub fn with_host<T>(
    ctx: &Context,
    address: &str,
    read: impl FnOnce(Option<&StoredHost>) -> T,
) -> Result<T, RedisError> {
    with_host_of(ctx, &checked_key_name(ctx, address)?, read)
}

/// The same by the name of a host's key.
///
/// # Errors
/// Where the key holds another type.
pub fn with_host_of<T>(
    ctx: &Context,
    name: &RedisString,
    read: impl FnOnce(Option<&StoredHost>) -> T,
) -> Result<T, RedisError> {
    let key = ctx.open_key(name);
    Ok(read(value(&key)?))
}

/// Runs `change` with the host of a key's name, which is made where it is not known, as a change of
/// its key.
///
/// # Errors
/// Where the key holds another type.
pub fn with_host_to_write<T>(
    ctx: &Context,
    name: &RedisString,
    change: impl FnOnce(&StoredHost) -> T,
) -> Result<T, RedisError> {
    let key = ctx.open_key_writable(name);
    let value = || key.get_value::<StoredHost>(&HOST_TYPE).map_err(|_| RedisError::WrongType);
    if let Some(stored) = value()? {
        return Ok(change(stored));
    }
    key.set_value(&HOST_TYPE, StoredHost::new(Host::new(next_generation())))?;
    let stored = value()?.ok_or(RedisError::Str("ERR the host could not be stored"))?;
    let changed = change(stored);
    if stored.read(Host::is_empty) {
        // Nothing of what came was accepted: there is no such host.
        key.delete()?;
    }
    Ok(changed)
}

/// The name of a host's key.
///
/// # Errors
/// Where this is no address.
pub fn checked_key_name(ctx: &Context, address: &str) -> Result<RedisString, RedisError> {
    if line_protocol::address::is_valid(address) {
        return Ok(key_name(ctx, address));
    }
    let address = address.escape_debug();
    Err(RedisError::String(format!("ERR address '{address}' must be an IP address or a host name")))
}

unsafe extern "C" fn rdb_load(io: *mut raw::RedisModuleIO, version: c_int) -> *mut c_void {
    caught(|| load(io, version))
        .flatten()
        .map_or(std::ptr::null_mut(), |stored| Box::into_raw(Box::new(stored)).cast())
}

/// `None` makes Redis refuse the file.
fn load(io: *mut raw::RedisModuleIO, version: c_int) -> Option<StoredHost> {
    if !snapshot::READABLE.contains(&version) {
        redis_module::MODULE_CONTEXT.log_warning(&format!(
            "a host was saved in format {version}; this version of Kurado reads formats {} to {}",
            snapshot::READABLE.start(),
            snapshot::READABLE.end()
        ));
        return None;
    }
    let bytes = raw::load_string_buffer(io).ok()?;
    let host = snapshot::decode(version, bytes.as_ref(), next_generation())
        .inspect_err(|error| redis_module::MODULE_CONTEXT.log_warning(&error.to_string()))
        .ok()?;
    // SAFETY: `io` is valid for this call; the name is borrowed from it, and may be missing.
    let (name, database) = unsafe {
        let name = raw::RedisModule_GetKeyNameFromIO
            .map(|get| get(io))
            .filter(|name| !name.is_null())
            .map(RedisString::string_as_slice);
        (name, raw::RedisModule_GetDbIdFromIO.map(|get| get(io)))
    };
    // In another database it keeps its points.
    if let Some(address) = name.and_then(address_of).filter(|_| database == Some(0)) {
        state::host_came(address, host.pending_points() > 0);
    }
    Some(StoredHost::new(host))
}

/// The value behind a pointer that Redis keeps for us.
///
/// # Safety
/// `value` came from `rdb_load` or `set_value` and was not freed.
unsafe fn stored<'a>(value: *const c_void) -> &'a StoredHost {
    // SAFETY: as the caller promises.
    unsafe { &*value.cast::<StoredHost>() }
}

unsafe extern "C" fn rdb_save(io: *mut raw::RedisModuleIO, value: *mut c_void) {
    caught(|| {
        // SAFETY: Redis passes the key's own value.
        let stored = unsafe { stored(value) };
        raw::save_slice(io, &stored.read(snapshot::encode));
    });
}

/// Without an RDB preamble: lines that, when replayed, make the host again. Points that are in
/// files already are skipped by their writer.
unsafe extern "C" fn aof_rewrite(
    io: *mut raw::RedisModuleIO,
    key: *mut raw::RedisModuleString,
    value: *mut c_void,
) {
    caught(|| {
        let Some(address) = address_of(RedisString::string_as_slice(key)) else {
            return;
        };
        // SAFETY: Redis passes the key's own value.
        unsafe { stored(value) }.read(|host| {
            let mut lines = String::new();
            for (name, plugin) in host.plugins() {
                let mut texts = Vec::new();
                texts.extend(plugin.meta().map(|(key, text)| ("meta", key, text)));
                texts.extend(plugin.warnings().map(|(key, text)| ("warn", key, text)));
                for (kind, key, text) in texts {
                    let (received, text) = (text.received, &text.text);
                    // Writing to a String can't fail; so below.
                    let _ = writeln!(lines, "# received {received}");
                    let _ = writeln!(lines, "{address}\t{name}.{kind}.{key}\t{text}\t{received}");
                    emit_chunk(io, &mut lines, REWRITE_CHUNK);
                }
                emit_chunk(io, &mut lines, 0);
                for (key, series) in plugin.series() {
                    let last = series.last().filter(|_| series.pending_count() == 0);
                    for point in series.pending().chain(last) {
                        if lines.is_empty() {
                            let _ = writeln!(lines, "# received {}", plugin.last_received());
                        }
                        let (value, time) = (point.value(), point.time());
                        let _ = writeln!(lines, "{address}\t{name}.metrics.{key}\t{value}\t{time}");
                        emit_chunk(io, &mut lines, REWRITE_CHUNK);
                    }
                }
                emit_chunk(io, &mut lines, 0);
            }
        });
    });
}

fn emit_chunk(io: *mut raw::RedisModuleIO, lines: &mut String, at_least: usize) {
    if lines.len() <= at_least {
        return;
    }
    // SAFETY: `io` is valid during the rewrite; "b" takes a pointer and a length.
    unsafe {
        if let Some(emit) = raw::RedisModule_EmitAOF {
            emit(io, c"KURADO.PUSH".as_ptr(), c"b".as_ptr(), lines.as_ptr(), lines.len());
        }
    }
    lines.clear();
}

unsafe extern "C" fn mem_usage(value: *const c_void) -> usize {
    caught(|| {
        // SAFETY: Redis passes the key's own value.
        unsafe { stored(value) }.read(Host::memory_usage) + size_of::<StoredHost>()
    })
    .unwrap_or(0)
}

unsafe extern "C" fn free_effort(_key: *mut raw::RedisModuleString, value: *const c_void) -> usize {
    // SAFETY: Redis passes the key's own value.
    caught(|| unsafe { stored(value) }.read(Host::series_count)).unwrap_or(1)
}

/// Main thread or background thread of Redis.
unsafe extern "C" fn free(value: *mut c_void) {
    caught(|| {
        // SAFETY: the pointer came from `Box::into_raw`, and Redis frees each value once.
        drop(unsafe { Box::from_raw(value.cast::<StoredHost>()) });
    });
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn the_oldest_point_is_that_of_a_failing_file_and_else_of_the_last_delay() {
        let mut share = Share { points: 10, waiting_since: Some(5), ..Share::default() };
        share.take(10);
        assert_eq!(share.since(), Some(5));
        // More came; all that was taken is written but for one.
        share.set_points(13);
        share.waiting_since = Some(50);
        share.set_points(4);
        assert_eq!(share.since(), Some(5));
        // It waits for a retry while the others are taken.
        share.take(3);
        share.set_points(1);
        assert_eq!(share.since(), Some(50));
    }
}
