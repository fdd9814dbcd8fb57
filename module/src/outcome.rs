//! What became of the lines of a command: the reply of PUSH.

use redis_module::RedisValue;

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

    /// Accepted, rejected, reasons.
    pub fn into_reply(self) -> RedisValue {
        let untold = self.rejected.saturating_sub(self.reasons.len());
        let mut reasons: Vec<RedisValue> =
            self.reasons.into_iter().map(RedisValue::BulkString).collect();
        if untold > 0 {
            reasons.push(RedisValue::BulkString(format!("and {untold} more lines")));
        }
        RedisValue::Array(vec![
            self.accepted.into(),
            self.rejected.into(),
            RedisValue::Array(reasons),
        ])
    }
}
