//! The inside of a render worker: this same program, started by the web with a hidden subcommand.
//! It does what standard input asks for, one request after the other, and ends with its input.

use std::io;

use super::protocol::{Output, Picture, Request};
use super::{legend, librrd, protocol, svg};

/// Works until the web closes the pipe.
pub fn run() -> io::Result<()> {
    let mut requests = io::stdin().lock();
    let mut answers = io::stdout().lock();
    while let Some(request) = protocol::receive_request(&mut requests)? {
        let answer = match &request {
            Request::Draw(arguments) => draw(arguments).map(Output::Picture),
            Request::Export(arguments) => librrd::export(arguments).map(Output::Rows),
        };
        protocol::send_answer(&mut answers, &answer)?;
    }
    Ok(())
}

/// Draws a picture ourselves, where its arguments are understood; else librrd does.
fn draw(arguments: &[String]) -> Result<Picture, String> {
    svg::draw(arguments).unwrap_or_else(|| legend::draw(arguments).map(svg::in_pixels))
}
