//! Files of text, read whole.

use std::path::Path;

use crate::error::SiteError;
use crate::regular_file;

/// Reads a file that must be UTF-8.
pub(crate) fn read(file: &Path) -> Result<String, SiteError> {
    let bytes = regular_file::read(file)
        .map_err(|error| SiteError::new(file, None, format!("can not be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.utf8_error().valid_up_to();
        let (bytes, byte) = (error.as_bytes(), error.as_bytes().get(before).copied());
        let line = line_at(bytes, before);
        let message = format!(
            "holds the byte {:#04x}, which is not UTF-8; the file must be saved as UTF-8",
            byte.unwrap_or_default()
        );
        SiteError::new(file, Some(line), message)
    })
}

/// The line, from 1, of what stands behind so many bytes.
pub(crate) fn line_at(text: &[u8], bytes: usize) -> u64 {
    text.iter().take(bytes).filter(|byte| **byte == b'\n').count() as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_utf_8_is_told_with_its_line_and_byte() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("web.yml");
        std::fs::write(&file, b"metrics:\n- base # caf\xe9\n").unwrap();
        let error = read(&file).unwrap_err();
        assert_eq!(error.line, Some(2));
        assert_eq!(
            error.message,
            "holds the byte 0xe9, which is not UTF-8; the file must be saved as UTF-8"
        );
    }
}
