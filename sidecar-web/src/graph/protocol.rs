//! What the web and a render worker say to each other: a request is rrdgraph's arguments as a JSON
//! list, an answer is one byte for its kind and then the picture or a text. Each message has its
//! length in front, four bytes, the highest first.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest message that either side accepts: a picture of 4000 pixels width is far below.
const MAX_MESSAGE: usize = 32 << 20;

const PICTURE: u8 = b'P';
const REFUSAL: u8 = b'E';

/// A worker's answer: the picture's bytes, or why librrd drew none.
pub type Answer = Result<Vec<u8>, String>;

/// Web side: sends a request.
pub async fn send_request(
    to: &mut (impl AsyncWrite + Unpin),
    arguments: &[String],
) -> io::Result<()> {
    let message = serde_json::to_vec(arguments)?;
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
    match message.split_first() {
        Some((&PICTURE, picture)) => Ok(Ok(picture.to_vec())),
        Some((&REFUSAL, text)) => Ok(Err(String::from_utf8_lossy(text).into_owned())),
        _ => Err(io::Error::other("an answer of no known kind")),
    }
}

/// Worker side: waits for a request; `None` when the web has closed the pipe.
pub fn receive_request(from: &mut impl Read) -> io::Result<Option<Vec<String>>> {
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
    let (kind, body) = match answer {
        Ok(picture) => (PICTURE, picture.as_slice()),
        Err(text) => (REFUSAL, text.as_bytes()),
    };
    let mut message = Vec::with_capacity(body.len() + 1);
    message.push(kind);
    message.extend_from_slice(body);
    to.write_all(&length_of(&message)?)?;
    to.write_all(&message)?;
    to.flush()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_side_sends_the_other_reads() {
        let arguments = vec!["graph".to_owned(), "-".to_owned(), "タイトル".to_owned()];
        let mut wire = Vec::new();
        send_request(&mut wire, &arguments).await.unwrap();
        let mut reader = wire.as_slice();
        assert_eq!(receive_request(&mut reader).unwrap(), Some(arguments));
        assert_eq!(receive_request(&mut reader).unwrap(), None);

        for answer in [Ok(vec![137, 80, 78, 71]), Err("no such file".to_owned())] {
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
}
