//! Whether a file can be a TensorRT plan.
//!
//! Only the header is looked at: loading a plan needs the GPU it was built for.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// First bytes of every TensorRT plan. (TensorRT-RTX writes `vtrt`; the two cannot load each other's files.)
const MAGIC: [u8; 4] = *b"ftrt";
/// A plan's header alone is longer than this.
const SHORTEST: u64 = 64;

/// Why a file is not a plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The file is not there or cannot be read.
    #[error("cannot read the plan {path:?}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nothing, or the beginning of something.
    #[error("{path:?} has {bytes} bytes, too few for a plan (at least {SHORTEST}): the disk may be full")]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Something else.
    #[error("{path:?} starts with {found:02x?}, a TensorRT plan with {MAGIC:02x?} (`ftrt`)")]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// Its first four bytes.
        found: [u8; 4],
    },
}

/// Checks that `path` starts as a TensorRT plan does, and returns its size in bytes.
///
/// # Errors
///
/// [`PlanError`] says what is wrong with the file.
pub fn check_plan(path: &Path) -> Result<u64, PlanError> {
    let unreadable = |source| PlanError::Unreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes < SHORTEST {
        return Err(PlanError::TooShort { path: path.to_owned(), bytes });
    }
    let mut found = [0; 4];
    file.read_exact(&mut found).map_err(unreadable)?;
    if found != MAGIC {
        return Err(PlanError::WrongMagic { path: path.to_owned(), found });
    }
    Ok(bytes)
}
