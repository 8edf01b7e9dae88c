//! [`path_text`] and [`path_of_text`]: paths as text in JSON and TOML; bytes that are not Unicode are
//! escaped.
//!
//! serde refuses paths that are not Unicode, but only when it writes them, after all work is done. Here every
//! path has a unique text: a Unicode path is its own text; any other text begins with NUL, which no path can
//! contain, and has `\xHH` for each invalid byte. Fields use `#[serde(with = "crate::path_text")]` or
//! `crate::path_text::optional`; a test enforces it.

use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// First character of the text of a path that is not Unicode.
const MARK: char = '\0';

/// The text of a path.
pub fn path_text(path: &Path) -> String {
    if let Some(text) = path.to_str() {
        return text.to_owned();
    }
    let mut text = String::from(MARK);
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        text.extend(chunk.invalid().iter().map(|byte| format!(r"\x{byte:02x}")));
    }
    text
}

/// The path whose [`path_text`] is `text`.
pub fn path_of_text(text: &str) -> PathBuf {
    text.strip_prefix(MARK).and_then(unescaped).unwrap_or_else(|| PathBuf::from(text))
}

#[cfg(unix)]
fn unescaped(text: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;

    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        rest = if let Some(rest) = escape.strip_prefix('\\') {
            bytes.push(b'\\');
            rest
        } else {
            bytes.push(u8::from_str_radix(escape.strip_prefix('x')?.get(..2)?, 16).ok()?);
            &escape[3..]
        };
    }
    bytes.extend(rest.as_bytes());
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// On other systems, paths have no raw bytes to restore.
#[cfg(not(unix))]
fn unescaped(_: &str) -> Option<PathBuf> {
    None
}

/// Serialises a path, for `#[serde(with)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path_text(path))
}

/// Deserialises a path, for `#[serde(with)]`.
///
/// # Errors
/// If the value is no string, or contains NUL but is no text of [`path_text`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(deserializer)?;
    let path = path_of_text(&text);
    if path.to_str().is_some_and(|text| text.contains(MARK)) {
        return Err(D::Error::custom("a path cannot contain the character NUL"));
    }
    Ok(path)
}

/// Serialises and deserialises optional paths.
pub mod optional {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Serialises an optional path, for `#[serde(with)]`.
    ///
    /// # Errors
    /// Those of the serializer.
    #[allow(clippy::ref_option, reason = "serde passes this type")]
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) => serializer.serialize_some(&super::path_text(path)),
            None => serializer.serialize_none(),
        }
    }

    /// Deserialises an optional path, for `#[serde(with)]`.
    ///
    /// # Errors
    /// If the value is no string, or contains NUL but is no text of [`path_text`](super::path_text()).
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        #[derive(Deserialize)]
        struct Path(#[serde(with = "crate::path_text")] PathBuf);
        Ok(Option::<Path>::deserialize(deserializer)?.map(|Path(path)| path))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn every_path_survives_the_round_trip() {
        let mut texts = std::collections::BTreeSet::new();
        let names: [&[u8]; 8] = [
            b"",
            b"runs/train",
            br"a\xff",
            b"a\xff",
            br"a\xff\b",
            b"a\xff\\b\xe9/c.yaml",
            "gr\u{fc}n/\u{ff}".as_bytes(),
            b"\x1b[31m",
        ];
        for name in names {
            let path = Path::new(OsStr::from_bytes(name));
            let text = path_text(path);
            assert_eq!(path_of_text(&text), path, "{text:?}");
            assert!(texts.insert(text), "{path:?} has the text of another");
        }
        assert_eq!(path_text(Path::new(OsStr::from_bytes(b"a\xff"))), "\0a\\xff");
        for odd in ["\0a\\", "\0a\\x", "\0a\\xg0", "\0\\x\u{fc}"] {
            assert_eq!(path_of_text(odd), Path::new(odd));
        }
    }
}
