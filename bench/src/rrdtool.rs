//! The stock rrdtool, drawing the same pictures as the web: one command a picture, or one process for
//! all of them, which is librrd in a loop.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;

/// Draws one picture by a command of its own.
///
/// # Errors
/// Where rrdtool says no.
pub fn draw(arguments: &[String]) -> Result<()> {
    let output = Command::new("rrdtool").args(arguments).output()?;
    if output.status.success() && !output.stdout.is_empty() {
        return Ok(());
    }
    Err(format!("rrdtool: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// `rrdtool -`, which reads commands from its standard input, one after the other.
pub struct Loop {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Loop {
    /// Starts it.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn start() -> Result<Self> {
        let mut process = Command::new("rrdtool")
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(commands), Some(answers)) => {
                let answers = BufReader::with_capacity(1 << 20, answers);
                Ok(Self { process, commands, answers })
            }
            _ => Err("rrdtool has no pipes".into()),
        }
    }

    /// Draws one picture.
    ///
    /// # Errors
    /// Where rrdtool says no.
    pub fn draw(&mut self, arguments: &[String]) -> Result<()> {
        let words: Vec<String> =
            arguments.iter().map(|word| format!("\"{}\"", word.replace('"', "\\\""))).collect();
        self.commands.write_all(format!("{}\n", words.join(" ")).as_bytes())?;
        let mut line = Vec::new();
        let mut read = 0;
        loop {
            line.clear();
            if self.answers.read_until(b'\n', &mut line)? == 0 {
                return Err("rrdtool has ended".into());
            }
            read += line.len();
            // The picture may end without a line end of its own.
            if line.windows(5).any(|part| part == b"OK u:") {
                return if read > 1000 { Ok(()) } else { Err("rrdtool drew nothing".into()) };
            }
            if line.starts_with(b"ERROR") {
                return Err(String::from_utf8_lossy(&line).into_owned().into());
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
