//! How long a server keeps another connection waiting while it is busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{self, Connection, Endpoint};

/// Time between a reply and the next PING.
const PAUSE: Duration = Duration::from_micros(200);

/// A connection that sends PING again and again.
pub struct Pinging {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<f64>>>,
}

impl Pinging {
    /// Begins.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn start(endpoint: &Endpoint) -> Result<Self> {
        let mut connection = Connection::open(endpoint)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut waits = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                client::ask(&mut connection, b"PING\r\n")?;
                waits.push(start.elapsed().as_secs_f64() * 1000.0);
                std::thread::sleep(PAUSE);
            }
            Ok(waits)
        });
        Ok(Self { stop, thread })
    }

    /// Ends, and gives how long each reply took, in milliseconds.
    ///
    /// # Errors
    /// Where the connection failed meanwhile.
    pub fn finish(self) -> Result<Vec<f64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the pinging thread panicked")?
    }
}
