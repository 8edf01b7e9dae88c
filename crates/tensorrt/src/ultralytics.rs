//! [`EngineFile`]: Ultralytics' form of an engine, which has metadata before the plan.
//!
//! The file is a signed 32-bit little-endian number of bytes, that many bytes of JSON, then the plan.
//! Ultralytics loads a bare plan too, but then has no class names; `trtexec` and clients in C++ load only
//! bare plans.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::plan::HEADER_BYTES;
use crate::{EngineKind, HeaderError, PlanHeader};

/// Metadata of an engine, as JSON.
pub type EngineMetadata = Map<String, Value>;

/// Longest metadata that is accepted: names of many thousand classes.
const LONGEST: usize = 16 << 20;
/// Bytes of the length before the metadata.
const PREFIX: usize = 4;

/// Reasons why a file is not an engine, or cannot be converted to the other form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineFileError {
    /// A file could not be handled.
    #[error("cannot {action} {path:?}")]
    File {
        /// The attempted action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file has neither form.
    #[error("not an engine: {0}")]
    Plan(HeaderError),
    /// The file has Ultralytics' form, but its metadata is not valid.
    #[error("{bytes} bytes of metadata come before the plan, but they are not a JSON object: {reason}")]
    Metadata {
        /// Number of bytes according to the file.
        bytes: usize,
        /// The parser's reason.
        reason: String,
    },
    /// The file has no metadata to remove.
    #[error("{path:?} is a bare plan already: it has no metadata")]
    BareAlready {
        /// The file.
        path: PathBuf,
    },
    /// The file has metadata already.
    #[error("{path:?} has metadata already")]
    PrefixedAlready {
        /// The file.
        path: PathBuf,
    },
    /// The engine is for TensorRT-RTX, which Ultralytics cannot load.
    #[error(
        "{path:?} is an engine of TensorRT-RTX, which Ultralytics does not load; only one of TensorRT takes metadata"
    )]
    NotForRtx {
        /// The file.
        path: PathBuf,
    },
    /// The metadata is longer than the limit.
    #[error("{bytes} bytes of metadata are more than the {LONGEST} that an engine takes")]
    TooMuchMetadata {
        /// Number of bytes.
        bytes: usize,
    },
}

// Not derived, because the text contains the header's error already and must not repeat it as its source.
impl From<HeaderError> for EngineFileError {
    fn from(error: HeaderError) -> Self {
        Self::Plan(error)
    }
}

/// The parts of an engine file.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineFile<'a> {
    /// The metadata before the plan, if the file has Ultralytics' form.
    pub metadata: Option<EngineMetadata>,
    /// Kind, version and size of the plan.
    pub header: PlanHeader,
    /// The plan itself.
    pub plan: &'a [u8],
}

impl<'a> EngineFile<'a> {
    /// Splits an engine of either form.
    ///
    /// # Errors
    ///
    /// [`EngineFileError`] if it has neither form.
    pub fn read(bytes: &'a [u8]) -> Result<Self, EngineFileError> {
        let wrong = match header_of(bytes) {
            Ok(header) => return Ok(Self { metadata: None, header, plan: bytes }),
            Err(error @ HeaderError::WrongMagic { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        // Bytes count as metadata only if a plan follows them.
        let Some((json, plan)) = split(bytes) else { return Err(wrong.into()) };
        let header = match header_of(plan) {
            Ok(header) => header,
            Err(HeaderError::WrongMagic { .. }) => return Err(wrong.into()),
            Err(error) => return Err(error.into()),
        };
        let metadata = serde_json::from_slice(json)
            .map_err(|error| EngineFileError::Metadata { bytes: json.len(), reason: error.to_string() })?;
        Ok(Self { metadata: Some(metadata), header, plan })
    }
}

fn header_of(plan: &[u8]) -> Result<PlanHeader, HeaderError> {
    PlanHeader::read(&plan[..plan.len().min(HEADER_BYTES)], plan.len() as u64)
}

/// The metadata, whose length is given before it, and the rest.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<PREFIX>()?;
    let length = usize::try_from(i32::from_le_bytes(*number)).ok().filter(|&length| length <= LONGEST)?;
    rest.split_at_checked(length)
}

/// The bytes to write before a plan.
///
/// # Errors
///
/// [`EngineFileError::TooMuchMetadata`].
pub fn metadata_prefix(metadata: &EngineMetadata) -> Result<Vec<u8>, EngineFileError> {
    // Without line breaks and with the keys in order, so that equal metadata gives equal bytes.
    let json = Value::Object(metadata.clone()).to_string();
    let length = i32::try_from(json.len()).ok().filter(|_| json.len() <= LONGEST);
    let length = length.ok_or(EngineFileError::TooMuchMetadata { bytes: json.len() })?;
    Ok([length.to_le_bytes().as_slice(), json.as_bytes()].concat())
}

/// Writes a TensorRT engine with metadata to `out`, which may be the same file.
///
/// # Errors
///
/// [`EngineFileError`] if `engine` is not a bare TensorRT plan, or a file cannot be read or written.
pub fn add_metadata(
    engine: impl AsRef<Path>,
    metadata: &EngineMetadata,
    out: impl AsRef<Path>,
) -> Result<u64, EngineFileError> {
    let engine = engine.as_ref();
    let out = out.as_ref();
    let bytes = fs::read(engine).map_err(file_error("read", engine))?;
    let file = EngineFile::read(&bytes)?;
    if file.metadata.is_some() {
        return Err(EngineFileError::PrefixedAlready { path: engine.to_owned() });
    }
    if file.header.kind == EngineKind::TensorRtRtx {
        return Err(EngineFileError::NotForRtx { path: engine.to_owned() });
    }
    replace(out, &[&metadata_prefix(metadata)?, file.plan])
}

/// Writes the bare plan of an engine in Ultralytics' form to `out`, which may be the same file.
///
/// # Errors
///
/// [`EngineFileError`] if `engine` does not have that form, or a file cannot be read or written.
pub fn remove_metadata(engine: impl AsRef<Path>, out: impl AsRef<Path>) -> Result<u64, EngineFileError> {
    let engine = engine.as_ref();
    let out = out.as_ref();
    let bytes = fs::read(engine).map_err(file_error("read", engine))?;
    let file = EngineFile::read(&bytes)?;
    if file.metadata.is_none() {
        return Err(EngineFileError::BareAlready { path: engine.to_owned() });
    }
    replace(out, &[file.plan])
}

/// Writes a file completely or not at all; returns its size.
fn replace(path: &Path, parts: &[&[u8]]) -> Result<u64, EngineFileError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut partial =
        tempfile::NamedTempFile::new_in(folder).map_err(file_error("make a file in", folder))?;
    for part in parts {
        partial.write_all(part).map_err(file_error("write", path))?;
    }
    partial.as_file().sync_all().map_err(file_error("write", path))?;
    share(partial.as_file()).map_err(file_error("write", path))?;
    partial.persist(path).map_err(|error| file_error("write", path)(error.error))?;
    Ok(parts.iter().map(|part| part.len() as u64).sum())
}

/// Makes the file readable for others: a temporary file is readable only for its owner.
#[cfg(unix)]
fn share(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_file: &File) -> io::Result<()> {
    Ok(())
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EngineFileError + use<> {
    let path = path.to_owned();
    move |source| EngineFileError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{EngineFile, EngineFileError, add_metadata, metadata_prefix, remove_metadata};

    fn plan(magic: &[u8]) -> Vec<u8> {
        let mut plan = [magic, &[7; 96]].concat();
        plan[16..24].copy_from_slice(&100_u64.to_le_bytes());
        plan
    }

    #[test]
    fn there_and_back_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let [raw, prefixed, back] = ["raw", "prefixed", "back"].map(|name| folder.path().join(name));
        std::fs::write(&raw, plan(b"ftrt")).unwrap();
        let metadata = json!({"names": {"0": "Katze"}, "imgsz": [640, 640], "stride": 32});
        let metadata = metadata.as_object().unwrap();
        add_metadata(&raw, metadata, &prefixed).unwrap();

        // Read the file as Python's struct and json would.
        let bytes = std::fs::read(&prefixed).unwrap();
        let length = i32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
        let read: serde_json::Value = serde_json::from_slice(&bytes[4..4 + length]).unwrap();
        assert_eq!(read["names"]["0"], "Katze");
        assert_eq!(&bytes[4 + length..], plan(b"ftrt"));

        assert!(matches!(
            add_metadata(&prefixed, metadata, &back),
            Err(EngineFileError::PrefixedAlready { .. })
        ));
        assert!(matches!(remove_metadata(&raw, &back), Err(EngineFileError::BareAlready { .. })));
        assert_eq!(remove_metadata(&prefixed, &prefixed).unwrap(), 100);
        assert_eq!(std::fs::read(&prefixed).unwrap(), plan(b"ftrt"));

        std::fs::write(&raw, plan(b"vtrt")).unwrap();
        assert!(matches!(add_metadata(&raw, metadata, &back), Err(EngineFileError::NotForRtx { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn bytes_of_neither_form_are_refused() {
        let prefix = metadata_prefix(json!({"stride": 32}).as_object().unwrap()).unwrap();
        let whole = [prefix.as_slice(), &plan(b"ftrt")].concat();
        assert!(EngineFile::read(&whole).unwrap().metadata.is_some());
        for end in 0..whole.len() {
            if end < prefix.len() + 64 {
                assert!(EngineFile::read(&whole[..end]).is_err(), "{end} bytes");
            }
        }
        let mut no_json = whole.clone();
        no_json[4] = b'[';
        assert!(matches!(EngineFile::read(&no_json), Err(EngineFileError::Metadata { .. })));
        let mut negative = whole;
        negative[..4].copy_from_slice(&(-1_i32).to_le_bytes());
        assert!(matches!(EngineFile::read(&negative), Err(EngineFileError::Plan(_))));
    }
}
