//! For the tests of fetchers: servers that do not do as they should.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// What such a server does with the one connection that it takes.
pub(super) enum Hostile {
    /// Takes it and never says a word.
    Silent,
    /// Says this, and nothing more.
    Says(Vec<u8>),
    /// Says this, and hangs up.
    Closes(Vec<u8>),
    /// Says this again and again.
    Endless(Vec<u8>),
}

/// Starts one, and gives its port on 127.0.0.1.
pub(super) fn accepts(hostile: Hostile) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Whoever asks may have gone: that is no fault here.
        match hostile {
            Hostile::Silent => {}
            Hostile::Says(text) => drop(stream.write_all(&text)),
            Hostile::Closes(text) => {
                // Hanging up on what was not read would be a reset.
                let _ = stream.write_all(&text);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
            Hostile::Endless(text) => {
                let block = text.repeat(8192 / text.len());
                while stream.write_all(&block).is_ok() {}
            }
        }
        while stream.read(&mut [0; 512]).is_ok_and(|length| length > 0) {}
    });
    port
}
