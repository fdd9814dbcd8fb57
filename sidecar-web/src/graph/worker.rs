//! The inside of a render worker: this same program, started by the web with a hidden subcommand.
//! It does what standard input asks for, one request after the other, and ends with its input.

use std::io;

use super::protocol::{Output, Request};
use super::{legend, librrd, protocol};

/// Works until the web closes the pipe.
pub fn run() -> io::Result<()> {
    let mut requests = io::stdin().lock();
    let mut answers = io::stdout().lock();
    while let Some(request) = protocol::receive_request(&mut requests)? {
        let answer = match &request {
            Request::Draw(arguments) => legend::draw(arguments).map(Output::Picture),
            Request::Export(arguments) => librrd::export(arguments).map(Output::Rows),
        };
        protocol::send_answer(&mut answers, &answer)?;
    }
    Ok(())
}
