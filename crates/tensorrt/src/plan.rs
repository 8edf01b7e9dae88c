//! [`PlanHeader`]: kind, version and size of a serialised engine, read without the GPU that could load it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Version;

/// Smallest size of a plan in bytes; the header alone is longer.
const SHORTEST: u64 = 64;
/// Bytes of a file that [`PlanHeader::read`] needs.
pub const HEADER_BYTES: usize = 28;

/// The runtime that an engine is for. Neither runtime can load the other's engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// TensorRT: only the version and the GPU that built it.
    TensorRt,
    /// TensorRT-RTX: only its version, and the compute capabilities that it was built for.
    TensorRtRtx,
}

impl EngineKind {
    /// First bytes of a plan.
    fn magic(self) -> [u8; 4] {
        match self {
            Self::TensorRt => *b"ftrt",
            Self::TensorRtRtx => *b"vtrt",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TensorRt => "TensorRT",
            Self::TensorRtRtx => "TensorRT-RTX",
        })
    }
}

/// Facts in the first bytes of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanHeader {
    /// The runtime that the engine is for.
    pub kind: EngineKind,
    /// The version that built it; only this version can load it.
    pub version: Version,
    /// Size of the plan in bytes.
    pub bytes: u64,
}

/// Reasons why bytes are not a complete plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// There are no bytes, or only the beginning of a file.
    #[error("{bytes} bytes are too few for a plan (at least {SHORTEST}): the disk may be full")]
    TooShort {
        /// Number of bytes.
        bytes: u64,
    },
    /// The bytes begin like another format.
    #[error("a plan starts with `ftrt` (TensorRT) or `vtrt` (TensorRT-RTX), not with {found:02x?}")]
    WrongMagic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The engine is for the other runtime.
    #[error("an engine of {found} cannot take the place of one of {wanted}")]
    WrongKind {
        /// The runtime of the engine.
        found: EngineKind,
        /// The required runtime.
        wanted: EngineKind,
    },
    /// The plan is cut off, or bytes follow it.
    #[error("the header gives {said} bytes, but the plan has {found}: it was cut off or bytes were added")]
    Length {
        /// The length in the header.
        said: u64,
        /// The actual length.
        found: u64,
    },
}

/// Reasons why a file is not a plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnginePlanError {
    /// The file does not exist or cannot be read.
    #[error("cannot read the plan {path:?}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// The file has another content.
    #[error("{path:?} is not a plan: {why}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: HeaderError,
    },
}

impl PlanHeader {
    /// Reads the header of a plan of `bytes` bytes from its first [`HEADER_BYTES`] (or more).
    ///
    /// # Errors
    ///
    /// [`HeaderError`] if it is not a plan, or if its length differs from the one in TensorRT-RTX's header.
    /// TensorRT's header is not known to contain a length.
    pub fn read(start: &[u8], bytes: u64) -> Result<Self, HeaderError> {
        let Some(&head) = start.first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderError::TooShort { bytes: bytes.min(start.len() as u64) });
        };
        let found = [head[0], head[1], head[2], head[3]];
        let kinds = [EngineKind::TensorRt, EngineKind::TensorRtRtx];
        let kind = kinds.into_iter().find(|kind| kind.magic() == found);
        let kind = kind.ok_or(HeaderError::WrongMagic { found })?;
        if bytes < SHORTEST {
            return Err(HeaderError::TooShort { bytes });
        }
        if kind == EngineKind::TensorRtRtx {
            let mut said = [0; 8];
            said.copy_from_slice(&head[16..24]);
            let said = u64::from_le_bytes(said);
            if said != bytes {
                return Err(HeaderError::Length { said, found: bytes });
            }
        }
        let [major, minor, patch] = [head[24], head[25], head[26]].map(u32::from);
        Ok(Self { kind, version: Version { major, minor, patch }, bytes })
    }

    /// Reads the header of a file.
    ///
    /// # Errors
    ///
    /// [`EnginePlanError`] with the problem.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EnginePlanError> {
        let path = path.as_ref();
        let unreadable = |why| EnginePlanError::Unreadable { path: path.to_owned(), why };
        let mut file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let mut start = Vec::with_capacity(HEADER_BYTES);
        file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut start).map_err(unreadable)?;
        Self::read(&start, bytes).map_err(|why| EnginePlanError::Header { path: path.to_owned(), why })
    }

    /// As [`PlanHeader::open`], for a plan that must be for a given runtime.
    ///
    /// # Errors
    ///
    /// As [`PlanHeader::open`], and [`HeaderError::WrongKind`].
    pub fn open_kind(path: impl AsRef<Path>, wanted: EngineKind) -> Result<Self, EnginePlanError> {
        let path = path.as_ref();
        let header = Self::open(path)?;
        if header.kind == wanted {
            return Ok(header);
        }
        let why = HeaderError::WrongKind { found: header.kind, wanted };
        Err(EnginePlanError::Header { path: path.to_owned(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::{EngineKind, HeaderError, PlanHeader};

    fn plan(magic: [u8; 4], said: u64, bytes: usize) -> Vec<u8> {
        let mut plan = vec![0; bytes];
        plan[..4].copy_from_slice(&magic);
        plan[16..24].copy_from_slice(&said.to_le_bytes());
        plan[24..27].copy_from_slice(&[10, 16, 1]);
        plan
    }

    #[test]
    fn both_headers_are_read() {
        for (magic, said, kind) in
            [(*b"ftrt", 0, EngineKind::TensorRt), (*b"vtrt", 80, EngineKind::TensorRtRtx)]
        {
            let header = PlanHeader::read(&plan(magic, said, 80), 80).unwrap();
            assert_eq!((header.kind, header.version.to_string().as_str()), (kind, "10.16.1"));
        }
    }

    #[test]
    fn what_is_no_whole_plan_says_why() {
        let cut = plan(*b"vtrt", 81, 80);
        assert_eq!(PlanHeader::read(&cut, 80), Err(HeaderError::Length { said: 81, found: 80 }));
        let short = plan(*b"ftrt", 0, 40);
        assert_eq!(PlanHeader::read(&short, 40), Err(HeaderError::TooShort { bytes: 40 }));
        assert_eq!(PlanHeader::read(b"ftrt", 4), Err(HeaderError::TooShort { bytes: 4 }));
        let other = plan(*b"PK\x03\x04", 0, 80);
        assert!(matches!(PlanHeader::read(&other, 80), Err(HeaderError::WrongMagic { .. })));
    }
}
