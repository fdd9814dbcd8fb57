//! Fetchers: each asks one kind of server for its numbers. One file a built-in fetcher.

pub mod declaration;
#[cfg(test)]
mod drawn;
pub mod external;
#[cfg(test)]
mod fetched;
mod gaurun;
mod goapp;
mod http;
mod jolokia;
mod memcached;
mod mysql;
mod nginx;
mod opcache;
mod prometheus;
mod redis;
mod report;
mod request;
mod squid;

use std::sync::Arc;

use declaration::Declaration;
use external::External;

pub use report::{FAILURE, FetchError, LIMIT, ODD_LINES, Report, one_column};
pub use request::Request;

/// What fetches: built in, or a user's program.
#[derive(Debug, Clone)]
pub enum Fetcher {
    /// A user's program, for one host.
    External(Arc<External>),
    /// Gaurun, which pushes to phones.
    Gaurun,
    /// A program in Go that tells of its runtime.
    Goapp,
    /// Apache, or another server with its status page.
    Http,
    /// A Java virtual machine, by Jolokia.
    Jolokia,
    /// A memcached.
    Memcached,
    /// A MySQL or MariaDB server.
    Mysql,
    /// nginx.
    Nginx,
    /// PHP's OPcache.
    Opcache,
    /// A Prometheus exporter.
    Prometheus,
    /// A Redis server.
    Redis,
    /// Squid.
    Squid,
}

impl Fetcher {
    /// The built-in fetcher of a plugin, by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|(known, _)| *known == name).map(|(_, fetcher)| fetcher)
    }

    /// All that are built in, with the names of their plugins.
    pub fn all() -> impl Iterator<Item = (&'static str, Self)> {
        [
            ("gaurun", Self::Gaurun),
            ("goapp", Self::Goapp),
            ("http", Self::Http),
            ("jolokia", Self::Jolokia),
            ("memcached", Self::Memcached),
            ("mysql", Self::Mysql),
            ("nginx", Self::Nginx),
            ("opcache", Self::Opcache),
            ("prometheus", Self::Prometheus),
            ("redis", Self::Redis),
            ("squid", Self::Squid),
        ]
        .into_iter()
    }

    /// What it takes and stores, where it is built in.
    #[must_use]
    pub fn declaration(&self) -> Option<&'static Declaration> {
        match self {
            Self::External(_) => None,
            Self::Gaurun => Some(&gaurun::DECLARATION),
            Self::Goapp => Some(&goapp::DECLARATION),
            Self::Http => Some(&http::DECLARATION),
            Self::Jolokia => Some(&jolokia::DECLARATION),
            Self::Memcached => Some(&memcached::DECLARATION),
            Self::Mysql => Some(&mysql::DECLARATION),
            Self::Nginx => Some(&nginx::DECLARATION),
            Self::Opcache => Some(&opcache::DECLARATION),
            Self::Prometheus => Some(&prometheus::DECLARATION),
            Self::Redis => Some(&redis::DECLARATION),
            Self::Squid => Some(&squid::DECLARATION),
        }
    }

    /// Fetches once, within [`LIMIT`].
    ///
    /// # Errors
    /// Where nothing could be fetched.
    pub async fn fetch(&self, request: Request<'_>) -> Result<Report, FetchError> {
        let fetch = async {
            match self {
                Self::External(external) => external.fetch(request).await,
                Self::Gaurun => gaurun::fetch(request).await,
                Self::Goapp => goapp::fetch(request).await,
                Self::Http => http::fetch(request).await,
                Self::Jolokia => jolokia::fetch(request).await,
                Self::Memcached => memcached::fetch(request).await,
                Self::Mysql => mysql::fetch(request).await,
                Self::Nginx => nginx::fetch(request).await,
                Self::Opcache => opcache::fetch(request).await,
                Self::Prometheus => prometheus::fetch(request).await,
                Self::Redis => redis::fetch(request).await,
                Self::Squid => squid::fetch(request).await,
            }
        };
        match self {
            // Waits for its turn first, and then has its own limit.
            Self::External(_) => fetch.await,
            _ => tokio::time::timeout(LIMIT, fetch).await.unwrap_or(Err(FetchError::TimedOut)),
        }
    }
}
