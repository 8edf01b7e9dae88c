//! [`ScanCache`]: verdicts on images, kept in a file between scans.
//!
//! A verdict belongs to a content, identified by its digest: an image that was moved, copied or touched is
//! read again, but not decoded. An image with the length and timestamps of the last scan is not even read. If
//! its content changed without a change of these, the verdict may be wrong, but no metric is: the loader
//! decodes every image, and stops with an error that names an image that it cannot decode or that has another
//! size.
//! Labels are small and read again every time. A cache that cannot be read or written only costs time.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::decode::{DECODERS, regular};
use crate::stamp::Stamp;
use crate::verdict::{Inspection, Verdict};

/// Increased when the meaning of entries changes.
const VERSION: u32 = 2;
/// Most bytes of a cache file: about four million images.
const MOST_BYTES: u64 = 1 << 30;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    /// SHA-256 of the content, hexadecimal.
    digest: String,
    verdict: Verdict,
}

/// Verdicts by image file and by content.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ScanCache {
    version: u32,
    decoders: String,
    images: BTreeMap<PathBuf, Entry>,
    #[serde(skip)]
    by_content: HashMap<String, Verdict>,
}

impl ScanCache {
    /// Reads a cache file; if it is missing, damaged, or of another version or other decoders, the cache is
    /// empty.
    pub(crate) fn load(path: &Path) -> Self {
        let read = || -> Option<Self> {
            regular(path).ok().filter(|metadata| metadata.len() <= MOST_BYTES)?;
            let mut bytes = Vec::new();
            std::fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        let current = |cache: &Self| cache.version == VERSION && cache.decoders == DECODERS;
        let mut cache = read().filter(current).unwrap_or_default();
        cache.images.retain(|_, entry| entry.verdict.is_possible());
        cache.by_content =
            cache.images.values().map(|entry| (entry.digest.clone(), entry.verdict.clone())).collect();
        cache
    }

    /// Verdict and digest of an image whose stamp has not changed.
    pub(crate) fn unchanged(&self, image: &Path, stamp: Stamp) -> Option<(&Verdict, &str)> {
        let same = |entry: &&Entry| entry.stamp == stamp && stamp.modified.is_some();
        let entry = self.images.get(image).filter(same)?;
        Some((&entry.verdict, &entry.digest))
    }

    /// The verdict on a content, by its digest.
    pub(crate) fn of_content(&self, digest: &str) -> Option<&Verdict> {
        self.by_content.get(digest)
    }

    /// Whether there are no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Whether both have the same entries.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.images == other.images
    }

    /// Keeps an inspection, if the content of the file could be read.
    pub(crate) fn insert(&mut self, image: &Path, inspection: Inspection) {
        // JSON cannot hold paths that are not Unicode.
        if let (Some((stamp, digest)), Some(_)) = (inspection.of, image.to_str()) {
            self.images.insert(image.to_owned(), Entry { stamp, digest, verdict: inspection.verdict });
        }
    }

    /// Writes the file, completely or not at all; a failure is only logged.
    pub(crate) fn save(&mut self, path: &Path) {
        (self.version, self.decoders) = (VERSION, DECODERS.to_owned());
        let write = || -> std::io::Result<()> {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new();
            // Other users of the dataset may read it, as far as the mask of the process allows.
            #[cfg(unix)]
            file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let mut file = file.tempfile_in(folder)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.persist(path)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::info!(path = %path.display(), %error, "scan cache not written");
        }
    }
}
