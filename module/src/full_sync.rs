//! A replica that takes its master's keys anew keeps what its own files lack.
//!
//! What a master has written into its files waits nowhere any more, so no sync brings it; here it
//! may still wait, for a writer that is busy or for a file that can't be written at the moment. An
//! RRD takes nothing from the past, so these points must be back among the others before the first
//! of them is written.

use redis_module::{Context, ContextFlags};

use crate::host_key::{next_generation, with_host};
use crate::state::{self, State};

/// All keys are about to go. Where those of a master follow, points that wait are put aside.
pub fn put_aside(state: &mut State, ctx: &Context) {
    let flags = ctx.get_flags();
    // A flush that the master tells of means here what it means there.
    if !flags.contains(ContextFlags::SLAVE) || flags.contains(ContextFlags::REPLICA_IS_ONLINE) {
        return;
    }
    for address in &state.hosts {
        let host = with_host(ctx, address, |stored| {
            stored.map(|stored| std::mem::take(&mut *stored.change()))
        });
        let Some(host) = host.ok().flatten().filter(|host| host.pending_points() > 0) else {
            continue;
        };
        match state.put_aside.get_mut(address) {
            // The last sync came to no end.
            Some(before) => before.take_pending_of(&host),
            None => {
                state.put_aside.insert(address.clone(), host);
            }
        }
    }
}

/// All keys of the master are there: what was put aside waits again, in hosts and series that there
/// are still.
pub fn take_back(ctx: &Context) {
    let put_aside = state::with(|state| std::mem::take(&mut state.put_aside));
    for (address, before) in put_aside.into_iter().flatten() {
        let pending = with_host(ctx, &address, |stored| {
            let mut host = stored?.change();
            host.take_pending_of(&before);
            host.renew(next_generation());
            Some(host.pending_points())
        });
        if let Ok(Some(pending)) = pending {
            state::host_came(&address, pending > 0);
        }
    }
}
