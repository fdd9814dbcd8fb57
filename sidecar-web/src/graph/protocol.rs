//! What the web and a render worker say to each other: a request is what librrd shall do, as JSON;
//! an answer is one byte for its kind, what is told of the output as JSON, and the output's bytes.
//! Each message and the JSON in an answer have their length in front, four bytes, the highest first.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest message that either side accepts: a picture of 4000 pixels width is far below.
const MAX_MESSAGE: usize = 32 << 20;

const PICTURE: u8 = b'P';
const ROWS: u8 = b'R';
const REFUSAL: u8 = b'E';

/// What librrd shall do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// Draw a picture; rrdgraph's arguments, the command's name first and `-` as file name.
    Draw(Vec<String>),
    /// Read the numbers that a graph shows; xport's arguments, the command's name first.
    Export(Vec<String>),
}

impl Request {
    /// The arguments, whatever they are for.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        let (Self::Draw(arguments) | Self::Export(arguments)) = self;
        arguments
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Of [`Request::Draw`].
    Picture(Picture),
    /// Of [`Request::Export`].
    Rows(Rows),
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// As a file of its format.
    pub image: Vec<u8>,
    /// Where in it the values stand.
    pub canvas: Canvas,
}

/// Where in a picture the values stand, in pixels of the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canvas {
    /// From the picture's left edge.
    pub left: u32,
    /// From its upper edge.
    pub top: u32,
    /// How wide.
    pub width: u32,
    /// How high.
    pub height: u32,
}

/// The numbers that a graph shows, at steady intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// The time of the first row, in seconds since 1970. A row holds for the `step` before it.
    pub start: i64,
    /// From row to row, in seconds.
    pub step: u32,
    /// Numbers a row.
    pub columns: usize,
    /// Row by row; NaN where unknown.
    pub values: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct RowsHead {
    start: i64,
    step: u32,
    columns: usize,
}

/// A worker's answer: what came of it, or librrd's words about what is wrong.
pub type Answer = Result<Output, String>;

/// Web side: sends a request.
pub async fn send_request(to: &mut (impl AsyncWrite + Unpin), request: &Request) -> io::Result<()> {
    let message = serde_json::to_vec(request)?;
    to.write_all(&length_of(&message)?).await?;
    to.write_all(&message).await?;
    to.flush().await
}

/// Web side: waits for the answer.
pub async fn receive_answer(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let mut message = vec![0; checked_length(length)?];
    from.read_exact(&mut message).await?;
    let (kind, rest) = message.split_first().ok_or_else(|| unknown("an answer without a kind"))?;
    if *kind == REFUSAL {
        return Ok(Err(String::from_utf8_lossy(rest).into_owned()));
    }
    let (head, body) = parts(rest).ok_or_else(|| unknown("an answer that ends early"))?;
    match *kind {
        PICTURE => Ok(Ok(Output::Picture(Picture {
            canvas: serde_json::from_slice(head)?,
            image: body.to_vec(),
        }))),
        ROWS => {
            let RowsHead { start, step, columns } = serde_json::from_slice(head)?;
            let (numbers, _) = body.as_chunks();
            let values = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
            Ok(Ok(Output::Rows(Rows { start, step, columns, values })))
        }
        _ => Err(unknown("an answer of no known kind")),
    }
}

/// Worker side: waits for a request; `None` when the web has closed the pipe.
pub fn receive_request(from: &mut impl Read) -> io::Result<Option<Request>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut message = vec![0; checked_length(length)?];
    from.read_exact(&mut message)?;
    Ok(Some(serde_json::from_slice(&message)?))
}

/// Worker side: sends the answer.
pub fn send_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let mut message = Vec::new();
    match answer {
        Ok(Output::Picture(Picture { image, canvas })) => {
            message.push(PICTURE);
            push_head(&mut message, canvas)?;
            message.extend_from_slice(image);
        }
        Ok(Output::Rows(Rows { start, step, columns, values })) => {
            message.push(ROWS);
            let head = RowsHead { start: *start, step: *step, columns: *columns };
            push_head(&mut message, &head)?;
            message.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        Err(text) => {
            message.push(REFUSAL);
            message.extend_from_slice(text.as_bytes());
        }
    }
    to.write_all(&length_of(&message)?)?;
    to.write_all(&message)?;
    to.flush()
}

fn push_head(message: &mut Vec<u8>, head: &impl Serialize) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    message.extend_from_slice(&length_of(&head)?);
    message.extend_from_slice(&head);
    Ok(())
}

/// The JSON of an answer and what stands behind it.
fn parts(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = answer.split_first_chunk()?;
    rest.split_at_checked(checked_length(*length).ok()?)
}

fn length_of(message: &[u8]) -> io::Result<[u8; 4]> {
    if message.len() > MAX_MESSAGE {
        return Err(too_long(message.len()));
    }
    u32::try_from(message.len()).map(u32::to_be_bytes).map_err(|_| too_long(message.len()))
}

fn checked_length(bytes: [u8; 4]) -> io::Result<usize> {
    match usize::try_from(u32::from_be_bytes(bytes)) {
        Ok(length) if length <= MAX_MESSAGE => Ok(length),
        _ => Err(too_long(usize::MAX)),
    }
}

fn too_long(length: usize) -> io::Error {
    io::Error::other(format!("a message of {length} bytes is longer than {MAX_MESSAGE}"))
}

fn unknown(what: &str) -> io::Error {
    io::Error::other(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_side_sends_the_other_reads() {
        let arguments = vec!["graph".to_owned(), "-".to_owned(), "タイトル".to_owned()];
        for request in [Request::Draw(arguments.clone()), Request::Export(arguments)] {
            let mut wire = Vec::new();
            send_request(&mut wire, &request).await.unwrap();
            let mut reader = wire.as_slice();
            assert_eq!(receive_request(&mut reader).unwrap(), Some(request));
            assert_eq!(receive_request(&mut reader).unwrap(), None);
        }
        let canvas = Canvas { left: 51, top: 15, width: 500, height: 100 };
        for answer in [
            Ok(Output::Picture(Picture { image: vec![137, 80, 78, 71], canvas })),
            Ok(Output::Rows(Rows { start: -7, step: 60, columns: 2, values: vec![1.5, -0.0] })),
            Err("no such file".to_owned()),
        ] {
            let mut wire = Vec::new();
            send_answer(&mut wire, &answer).unwrap();
            assert_eq!(receive_answer(&mut wire.as_slice()).await.unwrap(), answer);
        }
    }

    #[tokio::test]
    async fn a_length_beyond_the_bound_is_refused_before_memory_is_taken() {
        assert!(receive_request(&mut [255; 8].as_slice()).is_err());
        assert!(receive_answer(&mut [255; 8].as_slice()).await.is_err());
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_an_error() {
        for message in [&b""[..], b"P", b"P\0\0\0\x09{}", b"?\0\0\0\x02{}", b"R\0\0\0\x02{}"] {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let wire = [&length, message].concat();
            assert!(receive_answer(&mut wire.as_slice()).await.is_err(), "{message:?}");
        }
    }
}
