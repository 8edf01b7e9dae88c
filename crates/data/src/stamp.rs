//! [`Stamp`]: properties of a file that show a change without reading it.

use std::fs::Metadata;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Properties of a file that show a change without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    bytes: u64,
    /// Time of the last modification, in nanoseconds since 1970.
    pub(crate) modified: Option<u128>,
    /// Time of the last change of content, name or permissions, in nanoseconds since 1970; only on Unix. No
    /// program can set it.
    changed: Option<i128>,
}

impl Stamp {
    pub(crate) fn from_metadata(metadata: &Metadata) -> Self {
        let since = |time: SystemTime| Some(time.duration_since(UNIX_EPOCH).ok()?.as_nanos());
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok().and_then(since),
            changed: CHANGED.map(|changed| changed(metadata)),
        }
    }
}

/// Reads the time of a file's last change of content or metadata, in nanoseconds; only where the system keeps
/// it.
#[cfg(unix)]
const CHANGED: Option<fn(&Metadata) -> i128> = Some(|metadata| {
    use std::os::unix::fs::MetadataExt as _;
    i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec())
});

#[cfg(not(unix))]
const CHANGED: Option<fn(&Metadata) -> i128> = None;
