//! The inside of a render worker: this same program, started by the web with a hidden subcommand.
//! It draws what standard input asks for, one picture after the other, and ends with its input.

use std::io;

use super::{legend, protocol};

/// Draws until the web closes the pipe.
pub fn run() -> io::Result<()> {
    let mut requests = io::stdin().lock();
    let mut answers = io::stdout().lock();
    while let Some(arguments) = protocol::receive_request(&mut requests)? {
        protocol::send_answer(&mut answers, &legend::draw(&arguments))?;
    }
    Ok(())
}
