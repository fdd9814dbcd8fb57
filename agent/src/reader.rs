//! Everything that a tick reads: this machine, and what the operator's commands print.

use std::time::Duration;

use crate::collect;
use crate::machine::Machine;
use crate::plugin::Plugins;

/// Whether the built-in plugin `linux` is read beside `base`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Linux {
    /// As it is without an option.
    On,
    /// `--no-linux`.
    Off,
}

/// What is read, and as which host.
pub struct Reader {
    linux: Linux,
    plugins: Plugins,
    /// Stands in front of each line; without it the server takes the sender's address.
    address: Option<String>,
}

impl Reader {
    /// Reads this machine, and what these plugins print.
    pub fn new(address: Option<String>, linux: Linux, plugins: Plugins) -> Self {
        Self { linux, plugins, address }
    }

    /// Reads this machine as of `time`, in seconds since 1970, and starts the commands that are due;
    /// the lines as they are sent, with those of the commands that end within `patience`.
    pub fn read(&self, time: u64, patience: Duration) -> String {
        self.plugins.begin(time);
        let machine = Machine::this();
        let mut base = collect::base(&machine, time);
        let faults = self.plugins.faults();
        // Told on the host's page too: few people read an agent's log.
        if !faults.is_empty() {
            base.warn("conf_d", &faults.join("; "));
        }
        let mut payload = String::new();
        base.write_to(&mut payload, self.address.as_deref());
        if self.linux == Linux::On {
            collect::linux(&machine, time).write_to(&mut payload, self.address.as_deref());
        }
        payload.push_str(&self.plugins.finished(patience));
        payload
    }
}
