//! Says where Redis may evict hosts: with them go the points that wait.

use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::{Context, ContextFlags};

/// Whether the last look found that it may.
static MAY_EVICT: AtomicBool = AtomicBool::new(false);

/// Looks whether the server has a limit of memory with a policy that evicts, and says in the log
/// when that begins and ends.
pub fn look(ctx: &Context) {
    let may = ctx.get_flags().contains(ContextFlags::EVICTED);
    if MAY_EVICT.swap(may, Ordering::Relaxed) == may {
        return;
    }
    if may {
        ctx.log_warning(
            "the maxmemory-policy of this server may evict hosts with their points; set it to \
             noeviction",
        );
    } else {
        ctx.log_notice("this server evicts no host any more");
    }
}
