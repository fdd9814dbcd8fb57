//! What the commands print.

use std::io::{ErrorKind, Write, stdout};

/// Prints a text. Who reads no more, such as `head`, has what it wants: that is no failure.
///
/// # Errors
/// Where it can't be written, such as to a full disk.
pub fn print(text: &str) -> Result<(), String> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("can't write what is to be printed: {error}"))
        }
        _ => Ok(()),
    }
}
