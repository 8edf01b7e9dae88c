//! Ultralytics' form of an engine: metadata in front of the plan.
//!
//! A signed 32-bit little-endian number of bytes, that many bytes of JSON, then the plan. Ultralytics loads a bare plan
//! too, but then knows no names of classes; `trtexec` and clients in C++ load bare plans only.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::plan::HEADER_BYTES;
use crate::{EngineKind, HeaderError, PlanHeader};

/// Metadata of an engine, as JSON.
pub type EngineMetadata = Map<String, Value>;

/// Longest metadata that is believed: names of many thousand classes.
const LONGEST: usize = 16 << 20;
/// Bytes of the number in front.
const PREFIX: usize = 4;

/// Why a file is no engine, or cannot become one of the other form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineFileError {
    /// A file could not be handled.
    #[error("cannot {action} {path:?}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Neither form.
    #[error("not an engine: {0}")]
    Plan(HeaderError),
    /// The form of Ultralytics', but the metadata is none.
    #[error("{bytes} bytes of metadata stand in front of the plan, but they are no JSON object: {reason}")]
    Metadata {
        /// How many the file says.
        bytes: usize,
        /// What is wrong with them.
        reason: String,
    },
    /// There is nothing to take away.
    #[error("{path:?} is a bare plan already: it has no metadata in front")]
    BareAlready {
        /// The file.
        path: PathBuf,
    },
    /// There is something already.
    #[error("{path:?} has metadata in front already")]
    PrefixedAlready {
        /// The file.
        path: PathBuf,
    },
    /// Ultralytics cannot load it anyway.
    #[error(
        "{path:?} is an engine of TensorRT-RTX, which Ultralytics does not load; only one of TensorRT takes metadata"
    )]
    NotForRtx {
        /// The file.
        path: PathBuf,
    },
    /// The length does not fit into the number in front.
    #[error("{bytes} bytes of metadata are more than the {LONGEST} that an engine takes")]
    TooMuchMetadata {
        /// How many there are.
        bytes: usize,
    },
}

// By hand, because the header's complaint is in the text already and must not follow it once more as its source.
impl From<HeaderError> for EngineFileError {
    fn from(error: HeaderError) -> Self {
        Self::Plan(error)
    }
}

/// An engine file, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineFile<'a> {
    /// What stands in front of the plan, if it is of Ultralytics' form.
    pub metadata: Option<EngineMetadata>,
    /// What the plan is.
    pub header: PlanHeader,
    /// The plan itself.
    pub plan: &'a [u8],
}

impl<'a> EngineFile<'a> {
    /// Takes an engine of either form apart.
    ///
    /// # Errors
    ///
    /// [`EngineFileError`] if it is neither.
    pub fn read(bytes: &'a [u8]) -> Result<Self, EngineFileError> {
        let wrong = match header_of(bytes) {
            Ok(header) => return Ok(Self { metadata: None, header, plan: bytes }),
            Err(error @ HeaderError::WrongMagic { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        // Metadata is believed only where a plan stands behind it.
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

/// What the number in front says is metadata, and the rest.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<PREFIX>()?;
    let length = usize::try_from(i32::from_le_bytes(*number)).ok().filter(|&length| length <= LONGEST)?;
    rest.split_at_checked(length)
}

/// What goes in front of a plan.
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

/// Writes an engine of TensorRT with metadata in front to `out`, which may be the same file.
///
/// # Errors
///
/// [`EngineFileError`] if `engine` is no bare plan of TensorRT, or a file cannot be handled.
pub fn add_metadata(engine: &Path, metadata: &EngineMetadata, out: &Path) -> Result<u64, EngineFileError> {
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

/// Writes the bare plan of an engine of Ultralytics' form to `out`, which may be the same file.
///
/// # Errors
///
/// [`EngineFileError`] if `engine` is not of that form, or a file cannot be handled.
pub fn remove_metadata(engine: &Path, out: &Path) -> Result<u64, EngineFileError> {
    let bytes = fs::read(engine).map_err(file_error("read", engine))?;
    let file = EngineFile::read(&bytes)?;
    if file.metadata.is_none() {
        return Err(EngineFileError::BareAlready { path: engine.to_owned() });
    }
    replace(out, &[file.plan])
}

/// Writes a file whole or not at all; returns its size.
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

/// Temporary files are for their owner alone; what is delivered is not.
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

        // As Python's struct and json would read it.
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
    fn what_is_neither_form_is_told_apart() {
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
