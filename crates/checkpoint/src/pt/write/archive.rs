//! [`write`]: the zip file around a pickle, as `torch.save` writes it.

use std::io::{Cursor, Error, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::pt::error::PtError;

/// The folder in the archive; PyTorch takes the name of the file, and readers accept any.
const ROOT: &str = "archive";
/// PyTorch's version of this format.
const VERSION: &[u8] = b"3\n";
/// Where storages begin: at multiples of this, as in PyTorch's own files, so that they can be mapped.
const ALIGNMENT: u16 = 64;

/// The archive of a pickle and its storages.
///
/// # Errors
/// [`PtError::Entry`] if the archive would be larger than its format allows.
pub(super) fn write(pickle: &[u8], storages: &[Vec<u8>]) -> Result<Vec<u8>, PtError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut entry = |name: String, bytes: &[u8]| {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .with_alignment(ALIGNMENT);
        let name = format!("{ROOT}/{name}");
        let put = zip.start_file(name.as_str(), options).map_err(Error::from);
        put.and_then(|()| zip.write_all(bytes)).map_err(|source| PtError::Entry { entry: name, source })
    };
    entry("data.pkl".to_owned(), pickle)?;
    entry("byteorder".to_owned(), b"little")?;
    for (key, bytes) in storages.iter().enumerate() {
        entry(format!("data/{key}"), bytes)?;
    }
    entry("version".to_owned(), VERSION)?;
    let finished = zip.finish().map_err(Error::from);
    Ok(finished.map_err(|source| PtError::Entry { entry: "the directory".to_owned(), source })?.into_inner())
}
