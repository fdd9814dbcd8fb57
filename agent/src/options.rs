//! The options. `--help` is made of the comments here.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::documents::Shell;
use crate::reader::Linux;
use crate::redis::ServerOptions;
use crate::spool;

/// What the command line says.
// Nothing breaks these lines but they themselves: at 80 columns, where options' texts begin at 11.
#[derive(Parser)]
#[command(
    name = "kurado-agent",
    version,
    about = "Reads this machine's metrics each minute and sends them to a Kurado server",
    long_about = "Reads this machine's metrics each minute and sends them to a Kurado server.\n\n\
        They are read from /proc and /sys and need no rights but to read there.\n\
        Lines that the server does not take, as it is away or refuses, wait and\n\
        are sent in order later.",
    next_line_help = true,
    after_help = "Environment:\n  \
        KURADO_MQ        Server, where --mq names none: arguments show in ps\n  \
        KURADO_PASSWORD  Password of the Redis that --mq names\n  \
        RUST_LOG         What is logged: off, error, warn, info (default), debug\n  \
        SSL_CERT_FILE    Authorities to trust in place of the system's, as PEM\n\n\
        Files:\n  \
        /etc/default/kurado-agent        Options and environment of the systemd unit\n  \
        /etc/kurado-agent/conf.d/*.toml  Commands of your own, where --conf-d says so\n  \
        /var/lib/kurado-agent            What could not be sent, without --spool\n\n\
        Signals:\n  \
        TERM, INT  Stop; what was not sent waits in the spool for the next start\n  \
        HUP        Read --conf-d again\n\n\
        Exit status:\n  \
        0  Stopped by a signal, or what was asked for is printed\n  \
        1  It can't start, as the log says, or --check found a fault\n  \
        2  An option is wrong\n\n\
        Examples:\n  \
        kurado-agent --dump\n  \
        kurado-agent --check --conf-d /etc/kurado-agent/conf.d\n  \
        kurado-agent --self-ip 10.0.0.1 --mq 10.0.0.9:1887 --max-delay 20"
)]
pub struct Options {
    /// The host's address in kurado.yml; without it the server takes the
    /// one that the connection comes from
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, verbatim_doc_comment)]
    pub self_ip: Option<String>,

    /// Directory of *.toml files with commands that print further metrics
    #[arg(long, value_name = "DIR")]
    pub conf_d: Option<PathBuf>,

    /// Leave out the built-in plugin linux, and send base alone
    #[arg(long)]
    pub no_linux: bool,

    /// Print the lines that would be sent, and exit
    #[arg(long)]
    pub dump: bool,

    /// Try the configuration, and exit: read this machine, run each command
    /// of --conf-d once, show what was understood and whether the server
    /// answers; no value is sent
    #[arg(long, conflicts_with = "dump", verbatim_doc_comment)]
    pub check: bool,

    /// Where to send.
    #[command(flatten)]
    pub server: ServerOptions,

    /// File to keep the process id in while running
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,

    /// Minutes from one reading to the next, 1 to 1440
    #[arg(
        long,
        value_name = "MIN",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = |text: &str| number(text, 1..=1440)
    )]
    pub interval: u32,

    /// Read and send up to so many seconds later, 0 to 86400: a time chosen
    /// by chance at start, so that many do not send at once
    #[arg(
        long,
        value_name = "SEC",
        default_value_t = 0,
        allow_negative_numbers = true,
        value_parser = |text: &str| number(text, 0..=86400),
        verbatim_doc_comment
    )]
    pub max_delay: u32,

    /// Directory for what could not be sent; made when it is first needed
    /// [default: $STATE_DIRECTORY, which systemd sets, else
    /// /var/lib/kurado-agent]
    #[arg(long, value_name = "DIR", verbatim_doc_comment)]
    pub spool: Option<PathBuf>,

    /// Most that waits there, in MB, 0 to 1024; beyond, the oldest is
    /// dropped. 0: wait in memory alone
    #[arg(
        long,
        value_name = "MB",
        default_value_t = 64,
        allow_negative_numbers = true,
        value_parser = |text: &str| number(text, 0..=1024),
        verbatim_doc_comment
    )]
    pub spool_size: u32,

    /// Print the manual page, as man reads it, and exit
    #[arg(long)]
    pub man: bool,

    /// Print completions, and exit
    #[arg(long, value_name = "SHELL", value_enum)]
    pub completions: Option<Shell>,
}

impl Options {
    /// From one tick to the next.
    pub fn tick(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval) * 60)
    }

    /// Whether the built-in plugin `linux` is read.
    pub fn linux(&self) -> Linux {
        if self.no_linux { Linux::Off } else { Linux::On }
    }

    /// The directory of the spool.
    pub fn spool(&self) -> PathBuf {
        let given = || spool::default_directory(std::env::var_os("STATE_DIRECTORY"));
        self.spool.clone().unwrap_or_else(given)
    }
}

fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
}

fn parse_address(text: &str) -> Result<String, String> {
    if line_protocol::address::is_valid(text) {
        Ok(text.to_owned())
    } else {
        Err("must be an IP address or a host name".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_help_fits_80_columns() {
        let mut command = Options::command();
        for help in [command.render_help(), command.render_long_help()] {
            for line in help.to_string().lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn a_wrong_number_is_named_with_the_rule() {
        for (option, value, rule) in [
            ("--interval", "0", "must be a whole number from 1 to 1440"),
            ("--interval", "x", "must be a whole number from 1 to 1440"),
            ("--max-delay", "-1", "must be a whole number from 0 to 86400"),
            ("--spool-size", "1025", "must be a whole number from 0 to 1024"),
        ] {
            let Err(error) = Options::try_parse_from(["agent", option, value]) else {
                panic!("{option} {value} was taken");
            };
            let error = error.to_string();
            assert!(error.contains(&format!("'{value}' for '{option}")), "{error}");
            assert!(error.contains(rule), "{error}");
        }
    }
}
