//! Metrics from commands of the operator's own.
//!
//! - [`conf_d`]: a directory of files; [`definition`]: one of them; [`account`]: users; [`told`]: what
//!   the log says of them.
//! - [`command`]: one run of a command; [`descendants`], [`subreaper`]: that nothing of it is left.
//! - [`output`]: what it printed; [`remembered`]: what is sent between two runs.
//! - [`rounds`]: all commands, tick by tick.

mod account;
mod command;
mod conf_d;
mod definition;
mod descendants;
mod output;
mod remembered;
mod rounds;
mod subreaper;
mod told;

pub use command::{Outcome, keep_inherited_files, run};
pub use conf_d::ConfD;
pub use definition::{Plugin, Rules};
pub use output::Printed;
pub use rounds::{MAX_AT_ONCE, Plugins, Setup};

/// What a failed command or a line that it printed shows up as: `NAME.warn.command`.
const WARNING: &str = "command";

#[cfg(test)]
fn plugin_for_tests(name: &str, command: &str) -> Plugin {
    Plugin {
        name: name.to_owned(),
        command: command.to_owned(),
        timeout: std::time::Duration::from_secs(60),
        interval: None,
        user: None,
        env: Vec::new(),
    }
}
