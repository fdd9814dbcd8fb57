//! What became of the lines of a command: the reply of PUSH.

use redis_module::{Context, RedisResult, RedisValue, raw};

use crate::stats::STATS;

/// Most reasons in one reply.
const MAX_REASONS: usize = 20;

/// Where a line stands: index of the payload from 0, number of the line from 1.
pub type Place = (usize, usize);

/// Why a line was rejected.
pub struct Rejection {
    /// One of those that [`crate::stats`] counts.
    pub kind: &'static str,
    /// Names the value and the rule.
    pub text: String,
}

impl Rejection {
    pub fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Lines counted, and the first reasons.
#[derive(Default)]
pub struct Outcome {
    pub accepted: usize,
    rejected: usize,
    reasons: Vec<String>,
}

impl Outcome {
    pub fn reject(&mut self, place: Place, rejection: &Rejection) {
        self.rejected += 1;
        STATS.count_rejected(rejection.kind);
        if self.reasons.len() < MAX_REASONS {
            let ((payload, line), text) = (place, &rejection.text);
            let text = if payload == 0 {
                format!("line {line}: {text}")
            } else {
                format!("payload {}, line {line}: {text}", payload + 1)
            };
            self.reasons.push(text);
        }
    }

    /// Replies with accepted, rejected, reasons: at once, as most replies are three numbers, and
    /// making a value of them costs more than they do.
    pub fn reply(self, ctx: &Context) -> RedisResult {
        let (to, untold) = (ctx.get_raw(), self.rejected.saturating_sub(self.reasons.len()));
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        raw::reply_with_array(to, 3);
        raw::reply_with_long_long(to, number(self.accepted));
        raw::reply_with_long_long(to, number(self.rejected));
        let told = self.reasons.into_iter();
        let rest = (untold > 0).then(|| format!("and {untold} more lines"));
        ctx.reply(Ok(told.chain(rest).map(RedisValue::BulkString).collect::<Vec<_>>().into()));
        Ok(RedisValue::NoReply)
    }
}
