//! What a MySQL server may say: its packets, and the text of InnoDB's status.
#![no_main]

#[path = "../../sidecar-poller/src/fetch/mysql/innodb_status.rs"]
mod innodb_status;
#[path = "../../sidecar-poller/src/fetch/mysql/packet.rs"]
mod packet;

use innodb_status::{Counters, Waits};
use libfuzzer_sys::fuzz_target;
use packet::{Channel, Greeting, LoginAnswer, QueryAnswer, RowAnswer, ServerError};

fuzz_target!(|input: &[u8]| {
    if let Some(greeting) = Greeting::parse(input) {
        assert_eq!(greeting.nonce.len(), 20);
        for channel in [Channel::Open, Channel::Private] {
            let login = greeting.login(channel, "kurado", &greeting.plugin, &greeting.nonce);
            assert!(login.len() < 100 + greeting.plugin.len());
            let speaks_41 = greeting.capabilities & packet::capability::PROTOCOL_41 != 0;
            assert!(!speaks_41 || login[1] & 2 != 0);
            if channel == Channel::Private {
                assert!(greeting.ask_for_tls().is_none_or(|asked| login.starts_with(&asked)));
            }
        }
    }
    if let Some(LoginAnswer::Switch { nonce, .. }) = LoginAnswer::parse(input) {
        assert!(matches!(nonce.len(), 0 | 20));
    }
    let _ = QueryAnswer::parse(input);
    let _ = packet::column_name(input);
    for columns in [1, 2, 60] {
        if let Some(RowAnswer::Row(row)) = RowAnswer::parse(input, columns) {
            assert_eq!(row.len(), columns);
            assert!(ServerError::of(input).is_none() && !packet::is_end(input));
        }
    }
    let text = String::from_utf8_lossy(input);
    let waits = Waits::parse(&text);
    assert!(waits.spin_waits.is_some() == waits.os_waits.is_some());
    let _ = Counters::parse(&text);
});
