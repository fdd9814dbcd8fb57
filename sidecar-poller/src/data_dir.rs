//! Where the Redis of a configuration keeps its files, held against `data_dir`.

use std::path::PathBuf;
use std::time::Duration;

use redis::RedisResult;
use site::{Config, data_dir_warning};
use tokio::sync::mpsc;
use tracing::debug;

use crate::connection::{Limits, connect, reason};
use crate::schedule::MINUTE;

const LIMITS: Limits = Limits { connect: Duration::from_secs(1), reply: Duration::from_secs(1) };

/// What is wrong with `data_dir`, which takes no longer than a second or two.
///
/// # Errors
/// Where Redis can't be asked.
pub async fn warning(config: &Config) -> RedisResult<Option<String>> {
    if config.data_dir.is_none() {
        return Ok(None);
    }
    let Some(of_redis) = of_redis(config).await? else { return Ok(None) };
    let config = config.clone();
    // Disks and name servers may be slow.
    let compared = tokio::task::spawn_blocking(move || data_dir_warning(&config, &of_redis));
    Ok(compared.await.unwrap_or_default())
}

/// Tells what is wrong, now and each minute: Redis may be another one after its restart.
pub async fn watch(config: Config, warnings: mpsc::Sender<Option<String>>) {
    loop {
        match warning(&config).await {
            Ok(warning) => {
                if warnings.send(warning).await.is_err() {
                    return;
                }
            }
            // The way of the lines tells that Redis is away.
            Err(error) => debug!("data_dir is not compared: {}", reason(&error, LIMITS)),
        }
        tokio::time::sleep(MINUTE).await;
    }
}

/// The directory of its files; `None` of a Redis without the module.
async fn of_redis(config: &Config) -> RedisResult<Option<PathBuf>> {
    let credentials = crate::credentials();
    let mut connection = connect(config.redis_address(), credentials.as_ref(), LIMITS).await?;
    let info: String = redis::cmd("INFO").arg("kurado").query_async(&mut connection).await?;
    let mut lines = info.lines();
    Ok(lines.find_map(|line| line.strip_prefix("kurado_data_dir:")).map(PathBuf::from))
}
