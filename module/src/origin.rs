//! Where a command comes from.

use redis_module::{Context, ContextFlags};

/// Who sends a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client. Bounds and rights hold, and lines get the time of now as when they came.
    Client,
    /// The AOF or the master: it was accepted once, so nothing refuses it now.
    Replay,
}

impl Origin {
    /// Of the command that runs.
    pub fn of(ctx: &Context) -> Self {
        let replayed = ContextFlags::LOADING | ContextFlags::REPLICATED;
        if ctx.get_flags().intersects(replayed) { Self::Replay } else { Self::Client }
    }
}
