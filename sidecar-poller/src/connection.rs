//! Connections to Redis servers: to those that are watched, and to the one that takes the lines.

use std::net::SocketAddr;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::AsyncDNSResolver;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisError, RedisFuture};

use crate::dns;

/// [`dns::lookup`] for the Redis client.
struct Resolver;

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let addresses = dns::lookup((host, port)).await?.into_iter();
            Ok(Box::new(addresses) as Box<_>)
        })
    }
}

/// What a server wants to know before it answers.
#[derive(Clone)]
pub struct Credentials {
    /// An ACL user; without one the server's default user.
    pub user: Option<String>,
    /// Its password.
    pub password: String,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From looking up the name until the connection stands.
    pub connect: Duration,
    /// Each reply.
    pub reply: Duration,
}

/// Connects, and authenticates where there is something to authenticate with.
///
/// # Errors
/// As the client says them; [`reason`] makes them readable.
pub async fn connect(
    (host, port): (&str, u16),
    credentials: Option<&Credentials>,
    limits: Limits,
) -> Result<MultiplexedConnection, RedisError> {
    let info = (host, port).into_connection_info()?;
    // Redis before 7.2 does not know the command that this leaves out.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let client = Client::open(info.set_redis_settings(settings))?;
    let config = AsyncConnectionConfig::new()
        .set_dns_resolver(Resolver)
        .set_connection_timeout(Some(limits.connect))
        .set_response_timeout(Some(limits.reply));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    if let Some(credentials) = credentials {
        authenticate(&mut connection, credentials).await?;
    }
    Ok(connection)
}

/// Authenticates. A server that has no password takes any: one setting may then be shared by
/// servers with a password and without.
///
/// # Errors
/// As the client says them; [`reason`] makes them readable.
pub async fn authenticate(
    connection: &mut MultiplexedConnection,
    credentials: &Credentials,
) -> Result<(), RedisError> {
    let mut auth = redis::cmd("AUTH");
    auth.arg(&credentials.user).arg(&credentials.password);
    match auth.exec_async(connection).await {
        Err(error) if !needs_no_password(&error) => Err(error),
        _ => Ok(()),
    }
}

fn needs_no_password(error: &RedisError) -> bool {
    let detail = error.detail().unwrap_or_default();
    // Redis 6 and later; before.
    detail.contains("without any password configured") || detail.contains("no password is set")
}

/// Why it failed, in words that a person can act on.
#[must_use]
pub fn reason(error: &RedisError, limits: Limits) -> String {
    if error.is_connection_refusal() {
        return "connection refused".to_owned();
    }
    if error.is_timeout() {
        let longest = limits.connect.max(limits.reply).as_secs();
        return format!("no answer within {longest} s");
    }
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => {
            // "unknown command 'X', with args beginning with: …" would quote whole payloads.
            let (text, _) = detail.split_once(", with args").unwrap_or((detail, ""));
            format!("{code} {text}")
        }
        (Some(code), None) => code.to_owned(),
        // The client's own texts carry its kinds of error for programmers.
        (None, _) if error.is_connection_dropped() => "the connection was closed".to_owned(),
        (None, _) => error.to_string(),
    }
}
