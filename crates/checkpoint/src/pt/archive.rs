//! [`Archive`]: the zip file of uncompressed entries around a pickle.
//!
//! `NAME/data.pkl` is the pickle and `NAME/data/KEY` is a storage (PyTorch's `torch.save`, the format since
//! 1.6). No entry is compressed, so all entries together are no longer than the file; this is checked before
//! any is read.

use std::io::{Read, Seek};

use super::directory::{Directory, Entry};
use super::error::PtError;
use super::pickle::Storage;

/// Longest pickle that is read: that of YOLOv8x with its optimiser's state has about 500 KB.
const LONGEST_PICKLE: u64 = 16 << 20;
/// Longest small entry that is read, such as `byteorder`.
const LONGEST_NOTE: u64 = 16;

/// An archive whose directory has been checked.
pub(super) struct Archive<R> {
    reader: R,
    directory: Directory,
    /// Common prefix of all names, including `/`.
    root: Vec<u8>,
    bytes: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens a file of `bytes` bytes.
    pub(super) fn open(mut reader: R, bytes: u64) -> Result<Self, PtError> {
        let directory = Directory::read(&mut reader, bytes)?;
        let root = directory.names().filter_map(|name| name.strip_suffix(b"data.pkl"));
        // The outermost one, if there are several.
        let root = root.filter(|root| root.is_empty() || root.ends_with(b"/")).min_by_key(|root| root.len());
        let root = root.ok_or(PtError::NoPickle)?.to_vec();
        let mut archive = Self { reader, directory, root, bytes };
        if let Ok(order) = archive.read("byteorder", LONGEST_NOTE)
            && order != b"little"
        {
            return Err(PtError::ByteOrder { found: String::from_utf8_lossy(&order).into_owned() });
        }
        Ok(archive)
    }

    /// The length of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The pickle.
    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, PtError> {
        self.read("data.pkl", LONGEST_PICKLE)
    }

    /// Checks in the directory that the entry of a storage has as many bytes as the storage needs.
    pub(super) fn check(&self, storage: &Storage) -> Result<(), PtError> {
        let (entry, Entry { size: found, .. }) = self.find(&format!("data/{}", storage.key))?;
        let wanted = (storage.len as u64).saturating_mul(storage.dtype.size());
        if found < wanted {
            return Err(PtError::Short { entry: shown(&entry), wanted, found });
        }
        Ok(())
    }

    /// The bytes of a storage.
    pub(super) fn storage(&mut self, key: &str) -> Result<Vec<u8>, PtError> {
        self.read(&format!("data/{key}"), self.bytes)
    }

    /// Finds an entry; also returns its full name.
    fn find(&self, name: &str) -> Result<(Vec<u8>, Entry), PtError> {
        let entry = [&self.root, name.as_bytes()].concat();
        match self.directory.get(&entry) {
            Some(found) => Ok((entry, found)),
            None => Err(PtError::NoEntry { entry: shown(&entry) }),
        }
    }

    fn read(&mut self, name: &str, most: u64) -> Result<Vec<u8>, PtError> {
        let (entry, found) = self.find(name)?;
        if found.size > most {
            return Err(PtError::TooLarge { entry: shown(&entry), total: found.size, bytes: most });
        }
        self.directory.content(&mut self.reader, &shown(&entry), found)
    }
}

/// A name in the form for messages.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
