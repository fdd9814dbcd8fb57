//! Files with a name and a number a line, such as `/proc/vmstat`.

use crate::machine::{ReadError, number};

/// The number that stands behind a name in the text of the file at `path`, with a colon between or without;
/// `None` where there is no such line.
pub fn get(path: &str, text: &str, name: &str) -> Result<Option<u64>, ReadError> {
    let value = text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|word| *word == name).map(|_| words.next())
    });
    value.map(|value| number(path, value)).transpose()
}

/// As [`get`], of a line that each kernel has.
pub fn required(path: &str, text: &str, name: &str) -> Result<u64, ReadError> {
    get(path, text, name)?.ok_or_else(|| ReadError::content(path, format!("no line '{name}'")))
}
