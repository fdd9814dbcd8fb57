//! Settings: Redis module configs, `kurado.NAME`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use redis_module::configuration::{
    ConfigurationContext, ConfigurationFlags as Flags, ConfigurationValue,
    register_bool_configuration, register_i64_configuration, register_string_configuration,
};
use redis_module::{Context, ContextFlags, RedisError, RedisString, raw};
use rrd_store::HEARTBEAT as STANDARD_HEARTBEAT;
use rrd_store::data_dir::DataDir;
use rrd_store::layout::Layout;

use crate::{clock, state};

/// Longest write delay, in seconds, while points are in memory only.
pub const MOST_DELAY_WITHOUT_AOF: u32 = 60;

static DATA_DIR: Mutex<String> = Mutex::new(String::new());
static WRITER_THREADS: AtomicI64 = AtomicI64::new(2);
static WRITE_DELAY: AtomicI64 = AtomicI64::new(1200);
static SHUTDOWN_TIMEOUT: AtomicI64 = AtomicI64::new(30);
static MAX_PENDING_BYTES: AtomicI64 = AtomicI64::new(1 << 30);
static MAX_SERIES: AtomicI64 = AtomicI64::new(5_000_000);
static MAX_HOSTS: AtomicI64 = AtomicI64::new(100_000);
static HEARTBEAT: AtomicI64 = AtomicI64::new(STANDARD_HEARTBEAT as i64);
static RRA: Archives = Archives(LazyLock::new(Mutex::default));
static QUEUE_COMPAT: AtomicBool = AtomicBool::new(true);

/// The archives of new files; a text that no file can have is refused, and an empty one stands for the
/// standard.
struct Archives(LazyLock<Mutex<Layout>>);

impl Archives {
    fn get(&self) -> Layout {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ConfigurationValue<RedisString> for Archives {
    fn get(&self, _: &ConfigurationContext) -> RedisString {
        RedisString::create(None, Archives::get(self).to_string())
    }

    fn set(&self, _: &ConfigurationContext, text: RedisString) -> Result<(), RedisError> {
        let text = text.try_as_str()?;
        let layout = if text.is_empty() {
            Layout::default()
        } else {
            text.parse().map_err(|error| {
                RedisError::String(format!("kurado.rra '{}': {error}", text.escape_debug()))
            })?
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = layout;
        Ok(())
    }
}

/// Registers the settings and reads what the configuration says of them.
///
/// # Errors
/// Where a value is out of its bounds; Redis's log has the reason.
pub fn register(ctx: &Context) -> Result<(), String> {
    let number = |name, variable: &'static AtomicI64, min, max, flags| {
        let default = variable.load(Ordering::Relaxed);
        let changed = Some(Box::new(changed) as Box<dyn Fn(&_, &str, &'static AtomicI64)>);
        register_i64_configuration(ctx, name, variable, default, min, max, flags, changed);
    };
    let most = i64::from(u32::MAX);
    let data_dir = "data";
    register_string_configuration(ctx, "data-dir", &DATA_DIR, data_dir, Flags::IMMUTABLE, None);
    number("writer-threads", &WRITER_THREADS, 1, 64, Flags::IMMUTABLE);
    number("write-delay", &WRITE_DELAY, 1, 86400, Flags::DEFAULT);
    number("shutdown-timeout", &SHUTDOWN_TIMEOUT, 0, 3600, Flags::DEFAULT);
    number("max-pending-bytes", &MAX_PENDING_BYTES, 1 << 16, 1 << 46, Flags::MEMORY);
    number("max-series", &MAX_SERIES, 1, most, Flags::DEFAULT);
    number("max-hosts", &MAX_HOSTS, 1, most, Flags::DEFAULT);
    number("heartbeat", &HEARTBEAT, 1, 86400, Flags::DEFAULT);
    let standard = Layout::default().to_string();
    let changed_rra = Some(Box::new(|_: &_, _: &str, _: &_| layout_changed()) as Box<_>);
    register_string_configuration(ctx, "rra", &RRA, &standard, Flags::DEFAULT, changed_rra);
    register_bool_configuration(ctx, "queue-compat", &QUEUE_COMPAT, true, Flags::DEFAULT, None);
    // SAFETY: `ctx` is the module's own context, valid during load.
    let loaded = unsafe { raw::RedisModule_LoadConfigs.map(|load| load(ctx.get_raw())) };
    if loaded != Some(raw::REDISMODULE_OK as i32) {
        return Err("a setting has a bad value; see the line above".to_owned());
    }
    Ok(())
}

/// A setting was changed: what is scheduled by the old write delay is spread anew, and new files
/// are of the new layout.
fn changed(_: &ConfigurationContext, name: &str, _: &'static AtomicI64) {
    if name.ends_with("write-delay") {
        let delay = u32::try_from(positive(&WRITE_DELAY)).unwrap_or(u32::MAX);
        let _ = state::with(|state| state.schedule.respread(clock::monotonic(), delay));
    } else if name.ends_with("heartbeat") {
        layout_changed();
    }
}

fn layout_changed() {
    let _ = state::with(|state| state.layout = Arc::new(layout()));
}

/// What new files are made of.
pub fn layout() -> Layout {
    let heartbeat = u32::try_from(positive(&HEARTBEAT)).unwrap_or(STANDARD_HEARTBEAT);
    Layout { heartbeat, ..RRA.get() }
}

/// Opens the data directory. A relative one lies below Redis's own `dir`, where Redis stands.
///
/// # Errors
/// Where it can't be used.
pub fn open_data_dir() -> Result<DataDir, String> {
    let path = DATA_DIR.lock().map_or_else(|e| e.into_inner().clone(), |path| path.clone());
    if path.is_empty() {
        return Err("kurado.data-dir is empty; it must name a directory".to_owned());
    }
    DataDir::open(Path::new(&path)).map_err(|error| error.to_string())
}

fn positive(setting: &AtomicI64) -> u64 {
    u64::try_from(setting.load(Ordering::Relaxed)).unwrap_or(0)
}

/// How many threads write files.
pub fn writer_threads() -> usize {
    usize::try_from(positive(&WRITER_THREADS)).unwrap_or(1)
}

/// Seconds that points wait for more of their series: as set, but at most a minute while nothing
/// but memory has them.
pub fn write_delay(ctx: &Context) -> u32 {
    delay_in_force(ctx.get_flags().contains(ContextFlags::AOF))
}

/// The same for a server with or without AOF.
pub fn delay_in_force(has_aof: bool) -> u32 {
    let set = u32::try_from(positive(&WRITE_DELAY)).unwrap_or(u32::MAX);
    if has_aof { set } else { set.min(MOST_DELAY_WITHOUT_AOF) }
}

/// How long the server's end may take to write the points in memory.
pub fn shutdown_timeout() -> Duration {
    Duration::from_secs(positive(&SHUTDOWN_TIMEOUT))
}

/// Most bytes of points in memory.
pub fn max_pending_bytes() -> u64 {
    positive(&MAX_PENDING_BYTES)
}

/// Most series.
pub fn max_series() -> u64 {
    positive(&MAX_SERIES)
}

/// Most hosts.
pub fn max_hosts() -> u64 {
    positive(&MAX_HOSTS)
}

/// Whether an RPUSH to the queue of the earlier system is a push.
pub fn queue_compat() -> bool {
    QUEUE_COMPAT.load(Ordering::Relaxed)
}

/// Says at load how safe points in memory are.
pub fn log_durability(ctx: &Context) {
    if ctx.get_flags().contains(ContextFlags::AOF) {
        ctx.log_notice("points are in the AOF until they are in their files");
    } else {
        ctx.log_warning(&format!(
            "this server keeps no AOF; a crash loses the points of the last {} s. \
             Set 'appendonly yes' to keep them.",
            delay_in_force(false)
        ));
    }
}
