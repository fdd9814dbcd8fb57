//! Why Redis gave no answer, in words that say what to do.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What the web needs of an ACL user.
const RIGHTS: &str = "%R~kurado:* +kurado.host +kurado.hosts +kurado.states +kurado.series +kurado.flush \
    +info %R~kurado-poller* +get +scan";

/// Why Redis gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis at {address} {reason}")]
pub struct RedisAway {
    address: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("does not answer as it should: {0}")]
    Other(String),
    #[error(
        "runs without Kurado's module: start it with --loadmodule /path/to/libkurado.so, or with \
         'loadmodule /path/to/libkurado.so' in redis.conf"
    )]
    NoModule,
    #[error("wants a password: start kurado-web with it in the environment as KURADO_PASSWORD")]
    WantsPassword,
    #[error("refuses the password in KURADO_PASSWORD: {0}")]
    RefusesPassword(String),
    #[error("denies kurado-web a right: {0}. It needs: ACL SETUSER default {RIGHTS}")]
    LacksRight(String),
}

impl RedisAway {
    /// From what went wrong with the server at `address`.
    #[must_use]
    pub fn new(address: &str, error: &RedisError) -> Self {
        let text = error.to_string();
        let reason = match (error.kind(), error.code()) {
            (_, Some("NOAUTH")) => Reason::WantsPassword,
            (_, Some("NOPERM")) | (ErrorKind::Server(ServerErrorKind::NoPerm), _) => {
                Reason::LacksRight(error.detail().map_or(text, str::to_owned))
            }
            (_, Some("WRONGPASS")) | (ErrorKind::AuthenticationFailed, _) => {
                Reason::RefusesPassword(error.detail().map_or(text, str::to_owned))
            }
            _ if text.to_lowercase().contains("unknown command") => Reason::NoModule,
            _ => Reason::Other(text),
        };
        Self { address: address.to_owned(), reason }
    }

    /// The module is not loaded.
    #[must_use]
    pub fn no_module(address: &str) -> Self {
        Self { address: address.to_owned(), reason: Reason::NoModule }
    }

    /// An answer of another shape than is known.
    #[must_use]
    pub fn other(address: &str, reason: impl Into<String>) -> Self {
        Self { address: address.to_owned(), reason: Reason::Other(reason.into()) }
    }

    /// Whether there was an answer, and it says that something must be set right.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self.reason, Reason::Other(_))
    }
}
