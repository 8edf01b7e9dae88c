//! What a scan learned from the headers of images, kept in a file between scans.
//!
//! An entry holds for a file of the same length and time of change; labels are small and read anew every time, so no edit of
//! theirs can be missed. A cache that cannot be read or written costs time, nothing else.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// Raised when entries change their meaning.
const VERSION: u32 = 1;

/// What the header of an image says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Width and height in pixels, EXIF orientation applied.
    pub(crate) size: (u32, u32),
    /// Whether it is a JPEG without its end marker.
    pub(crate) truncated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    header: Header,
}

/// Headers by image file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ScanCache {
    version: u32,
    images: BTreeMap<PathBuf, Entry>,
}

impl ScanCache {
    /// Reads a file; one that is missing, damaged or of another version is an empty cache.
    pub(crate) fn load(path: &Path) -> Self {
        let read = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        read.filter(|cache| cache.version == VERSION).unwrap_or_default()
    }

    /// What is known of an image that has not changed.
    pub(crate) fn get(&self, image: &Path, metadata: &Metadata) -> Option<Header> {
        let entry = self.images.get(image)?;
        (entry.bytes == metadata.len() && Some(entry.modified) == modified(metadata)).then_some(entry.header)
    }

    /// Keeps what was found of an image.
    pub(crate) fn insert(&mut self, image: &Path, metadata: &Metadata, header: Header) {
        // Paths that are not Unicode have no place in JSON.
        if let (Some(modified), Some(_)) = (modified(metadata), image.to_str()) {
            let entry = Entry { bytes: metadata.len(), modified, header };
            self.images.insert(image.to_owned(), entry);
        }
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn save(&mut self, path: &Path) {
        self.version = VERSION;
        let write = || -> std::io::Result<()> {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.persist(path)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!(path = %path.display(), %error, "scan cache not written");
        }
    }
}

fn modified(metadata: &Metadata) -> Option<u128> {
    Some(metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos())
}
