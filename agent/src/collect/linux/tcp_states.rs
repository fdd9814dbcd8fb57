//! How many TCP connections are in each state, IPv4 and IPv6 together.

use std::io;

use super::sockets;
use crate::collect::protocol_table::ProtocolTable;
use crate::collect::tcp::PATH;
use crate::machine::{Machine, ReadError};
use crate::sample::Sample;

/// Above so many sockets the kernel is not asked for those in rare states: it walks through all, at some 0.2 µs
/// each. What small files say is sent all the same.
const MAX_SOCKETS: u64 = 50_000;

pub fn collect(machine: &Machine, sample: &mut Sample) -> Result<(), ReadError> {
    let time_wait = sockets::time_wait(machine)?;
    sample.gauge("tcp-time-wait", time_wait);
    let text = machine.read_shared(PATH)?;
    let open = ProtocolTable::of(PATH, &text, "Tcp").required("CurrEstab")?;
    let sockets = sockets::tcp_in_use(machine)?.saturating_add(time_wait);
    if sockets > MAX_SOCKETS {
        sample.gauge("tcp-established", open);
        sample.meta(
            "tcp-states",
            &format!("not all are counted: there are more than {MAX_SOCKETS} sockets"),
        );
        return Ok(());
    }
    let states = match machine.tcp_states() {
        Ok(states) => states,
        Err(error) if is_unsupported(&error) => {
            sample.gauge("tcp-established", open);
            return Ok(());
        }
        Err(source) => {
            return Err(ReadError::Io { path: "netlink's list of sockets".to_owned(), source });
        }
    };
    // `CurrEstab` counts both.
    sample.gauge("tcp-established", open.saturating_sub(states.close_wait));
    sample.gauge("tcp-close-wait", states.close_wait);
    sample.gauge("tcp-syn-sent", states.syn_sent);
    sample.gauge("tcp-syn-recv", states.syn_recv);
    sample.gauge("tcp-fin-wait-1", states.fin_wait_1);
    sample.gauge("tcp-fin-wait-2", states.fin_wait_2);
    sample.gauge("tcp-last-ack", states.last_ack);
    sample.gauge("tcp-closing", states.closing);
    sample.gauge("tcp-listen", states.listen);
    sample.meta("has-tcp-states", "1");
    Ok(())
}

/// Whether this kernel has no such list, or the sandbox no such sockets.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ENOENT
                | libc::ENOSYS
                | libc::EPROTONOSUPPORT
                | libc::EAFNOSUPPORT
                | libc::EOPNOTSUPP
                | libc::ECONNREFUSED
        )
    )
}
