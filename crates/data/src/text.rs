//! [`decode_text`]: reads text files as editors, spreadsheets and shells of any system write them.
//!
//! Supported are UTF-8 and UTF-16, with or without a byte-order mark, and every kind of line end. Other
//! encodings are refused with the line and never guessed: the bytes of Latin-1 and GBK look alike.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::DataError;
use crate::decode::regular;

/// More bytes than any image list or label file has; a larger file is of another kind.
const MAX_BYTES: u64 = 256 << 20;

/// Error for bytes that are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotText {
    /// Line of the first byte that is not text, counted from 1.
    pub(crate) line: usize,
    /// The encoding that the bytes should have had.
    expected: &'static str,
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not {} text; save it as UTF-8", self.line, self.expected)
    }
}

/// The text of a file, with line feeds as line ends and without byte-order marks.
pub(crate) fn decode_text(bytes: &[u8]) -> Result<String, NotText> {
    let text = match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            return Err(NotText { line: 1, expected: "UTF-8" });
        }
        [0xFF, 0xFE, units @ ..] => utf16(units, u16::from_le_bytes)?,
        [0xFE, 0xFF, units @ ..] => utf16(units, u16::from_be_bytes)?,
        // Two letters of a Western text, of two bytes each.
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => utf16(bytes, u16::from_le_bytes)?,
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => utf16(bytes, u16::from_be_bytes)?,
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                return Err(NotText { line: line_at(&bytes[..error.valid_up_to()]), expected: "UTF-8" });
            }
        },
    };
    // Concatenated files have marks in their middle too.
    let text = if text.contains('\u{feff}') { text.replace('\u{feff}', "") } else { text };
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// The text of the file `path`; `action` is the attempted action, for errors.
///
/// # Errors
/// [`DataError::Io`] and [`DataError::NotText`].
pub(crate) fn read_text(path: &Path, action: &'static str) -> Result<String, DataError> {
    let bytes = read_bytes(path).map_err(DataError::io(action, path))?;
    decode_text(&bytes)
        .map_err(|reason| DataError::NotText { path: path.to_owned(), problem: reason.to_string() })
}

/// The bytes of a file that should be text. Only regular files are read: opening a pipe would wait for a writer.
pub(crate) fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let too_large = |bytes: u64| {
        let text = format!("the file has {bytes} bytes; at most {MAX_BYTES} are read as text of a dataset");
        std::io::Error::new(std::io::ErrorKind::InvalidData, text)
    };
    let length = regular(path)?.len();
    if length > MAX_BYTES {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize + 1);
    // The file may have grown since.
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// A word of a file for use in a message: on one line, shortened, without control characters.
pub(crate) fn shown(word: &str) -> String {
    let mut text: String = word.chars().take(40).flat_map(char::escape_debug).collect();
    if word.chars().nth(40).is_some() {
        text.push_str("...");
    }
    text
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let pairs = bytes.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    let mut text = String::with_capacity(bytes.len());
    for letter in char::decode_utf16(pairs.map(|pair| unit([pair[0], pair[1]]))) {
        match letter {
            Ok(letter) => text.push(letter),
            Err(_) => return Err(NotText { line: line_at(text.as_bytes()), expected: "UTF-16" }),
        }
    }
    if is_whole { Ok(text) } else { Err(NotText { line: line_at(text.as_bytes()), expected: "UTF-16" }) }
}

/// The line of the first byte after `before`, counted from 1, for any kind of line end.
fn line_at(before: &[u8]) -> usize {
    let ends = |at: usize| match before[at] {
        b'\n' => true,
        b'\r' => before.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    1 + (0..before.len()).filter(|at| ends(*at)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xFEFF);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_and_line_end_reads_the_same() {
        let text = "train: a\r\nnames: [Größe, 红]\rval: b\n";
        let expected = "train: a\nnames: [Größe, 红]\nval: b\n";
        let mut marked = b"\xEF\xBB\xBF".to_vec();
        marked.extend(text.as_bytes());
        for bytes in [
            text.as_bytes().to_vec(),
            marked,
            utf16(text, true, u16::to_le_bytes),
            utf16(text, true, u16::to_be_bytes),
            utf16(text, false, u16::to_le_bytes),
            utf16(text, false, u16::to_be_bytes),
        ] {
            assert_eq!(decode_text(&bytes).as_deref(), Ok(expected), "{bytes:?}");
        }
        assert_eq!(decode_text(b"").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_text_names_its_line() {
        for (bytes, line) in [
            (&b"a\nb\xF6"[..], 2),
            (b"a\rb\r\nc\xE4\n", 3),
            (b"\xFF\xFE0\0\n\x001", 2),
            (b"\xFF\xFE\0\xD8\n\0", 1),
            (b"\xFF\xFE\0\0a\0\0\0", 1),
            (b"\xFF\xFE\0", 1),
        ] {
            let reason = decode_text(bytes).unwrap_err();
            assert_eq!(reason.line, line, "{bytes:?}");
            assert!(reason.to_string().contains("save it as UTF-8"));
        }
    }

    #[test]
    fn a_foreign_word_stays_on_its_line() {
        assert_eq!(shown("a\u{1b}[2J\n"), r"a\u{1b}[2J\n");
        assert_eq!(shown(&"x".repeat(41)), format!("{}...", "x".repeat(40)));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("a.txt");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read_bytes(&pipe).unwrap_err().to_string().contains("not a file"));
        std::fs::write(folder.path().join("b.txt"), "0 1").unwrap();
        assert_eq!(read_bytes(&folder.path().join("b.txt")).unwrap(), b"0 1");
    }
}
