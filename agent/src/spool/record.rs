//! What a file of the spool holds: a header of one line, then a payload's lines as they are sent.
//! The header tells a file that was cut or overwritten, as by a power cut, from a whole one.

/// Begins each file; the number is that of the format.
const MAGIC: &str = "kurado-spool 1";

/// Why a file is none of the spool's, or no whole one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin as one.
    #[error("it does not begin with '{MAGIC}'")]
    Header,
    /// It has not as many bytes as its header says.
    #[error("its lines have a length of {0}, and its header says {1}")]
    Length(usize, usize),
    /// Its bytes are not those of its header.
    #[error("its checksum differs")]
    Checksum,
}

/// What stands in front of these lines.
pub fn header(lines: &str) -> String {
    format!("{MAGIC} {} {:08x}\n", lines.len(), checksum(lines.as_bytes()))
}

/// The lines of a whole file.
pub fn lines(mut file: Vec<u8>) -> Result<String, Damage> {
    let end = file.iter().position(|byte| *byte == b'\n').ok_or(Damage::Header)?;
    let lines = file.split_off(end + 1);
    let (len, sum) = std::str::from_utf8(&file)
        .ok()
        .and_then(|header| {
            header.trim_end().strip_prefix(MAGIC)?.strip_prefix(' ')?.split_once(' ')
        })
        .and_then(|(len, sum)| Some((len.parse().ok()?, u32::from_str_radix(sum, 16).ok()?)))
        .ok_or(Damage::Header)?;
    if lines.len() != len {
        return Err(Damage::Length(lines.len(), len));
    }
    if checksum(&lines) != sum {
        return Err(Damage::Checksum);
    }
    String::from_utf8(lines).map_err(|_| Damage::Checksum)
}

/// CRC-32 as in Ethernet and gzip, bit by bit: a payload is a few kilobytes.
fn checksum(bytes: &[u8]) -> u32 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> Vec<u8> {
        (header(text) + text).into_bytes()
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }

    proptest! {
        #[test]
        fn a_whole_file_gives_its_lines_back(text in ".{0,300}\n?") {
            prop_assert_eq!(lines(file(&text)), Ok(text));
        }

        #[test]
        fn one_that_was_cut_at_any_byte_is_known(text in "[a-z\t\n]{1,100}", cut in 0usize..200) {
            let mut bytes = file(&text);
            let cut = cut % bytes.len();
            bytes.truncate(cut);
            prop_assert!(lines(bytes).is_err());
        }

        #[test]
        fn one_with_another_byte_is_known(text in "[a-z\t\n]{1,100}", at in 0usize..200, bit in 0u8..8) {
            let mut bytes = file(&text);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // A digit of the checksum may be written in capitals: the same number.
            prop_assert!(lines(bytes).map_or(true, |read| read == text));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = lines(bytes);
        }
    }
}
