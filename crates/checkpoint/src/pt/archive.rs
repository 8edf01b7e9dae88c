//! The archive around a pickle: a zip file of uncompressed entries.
//!
//! `NAME/data.pkl` is the pickle, `NAME/data/KEY` a storage (PyTorch's `torch.save`, the format since 1.6). Nothing in it is
//! compressed, so all entries together are no longer than the file, and that is checked before any is read.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::error::PtError;
use super::pickle::Storage;

/// Longest pickle: that of YOLOv8x with its optimiser's state has some 500 KB.
const LONGEST_PICKLE: u64 = 16 << 20;

/// An archive whose entries have been checked.
pub(super) struct Archive<R> {
    zip: ZipArchive<R>,
    /// What all names begin with, `/` included.
    root: String,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens a file of so many bytes.
    pub(super) fn open(reader: R, bytes: u64) -> Result<Self, PtError> {
        let mut zip = ZipArchive::new(reader).map_err(PtError::Zip)?;
        let mut root = None;
        let mut total = 0u64;
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(PtError::Zip)?;
            let name = entry.name().map_err(PtError::Zip)?;
            if entry.compression() != zip::CompressionMethod::Stored
                || entry.size() != entry.compressed_size()
            {
                return Err(PtError::Compressed { entry: name.into_owned() });
            }
            total = total.saturating_add(entry.size());
            if total > bytes {
                return Err(PtError::TooLarge { entry: name.into_owned(), total, bytes });
            }
            if let Some(prefix) = name.strip_suffix("data.pkl")
                && (prefix.is_empty() || prefix.ends_with('/'))
            {
                root = Some(prefix.to_owned());
            }
        }
        let root = root.ok_or(PtError::NoPickle)?;
        let mut archive = Self { zip, root };
        if let Ok(order) = archive.read("byteorder", 16)
            && order != b"little"
        {
            return Err(PtError::ByteOrder { found: String::from_utf8_lossy(&order).into_owned() });
        }
        Ok(archive)
    }

    /// The pickle.
    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, PtError> {
        self.read("data.pkl", LONGEST_PICKLE)
    }

    /// The bytes of a storage, as many as it says.
    pub(super) fn storage(&mut self, storage: &Storage) -> Result<Vec<u8>, PtError> {
        let wanted = storage.len as u64 * storage.dtype.size() as u64;
        let name = format!("data/{}", storage.key);
        let bytes = self.read(&name, wanted)?;
        if (bytes.len() as u64) < wanted {
            let (entry, found) = (format!("{}{name}", self.root), bytes.len() as u64);
            return Err(PtError::Short { entry, wanted, found });
        }
        Ok(bytes)
    }

    fn read(&mut self, name: &str, most: u64) -> Result<Vec<u8>, PtError> {
        let entry = format!("{}{name}", self.root);
        let found: ZipFile<'_, R> = match self.zip.by_name(&entry) {
            Ok(found) => found,
            Err(zip::result::ZipError::FileNotFound) => return Err(PtError::NoEntry { entry }),
            Err(source) => return Err(PtError::Zip(source)),
        };
        if found.size() > most {
            return Err(PtError::TooLarge { entry, total: found.size(), bytes: most });
        }
        let mut bytes = Vec::with_capacity(found.size() as usize);
        // One more than there can be: the checksum is compared where the entry ends.
        found
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| PtError::Entry { entry, source })?;
        Ok(bytes)
    }
}
