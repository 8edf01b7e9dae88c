//! [`files_with`]: the files of a folder with given extensions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::DataError;

/// The sorted files of a folder with one of the extensions (in lower case); none if it does not exist.
///
/// # Errors
/// [`DataError::Io`] if the folder cannot be listed.
pub(crate) fn files_with(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(DataError::io("list the folder", folder))?;
    let mut files = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(DataError::io("list the folder", folder))?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if extensions.contains(&extension.as_str()) && path.is_file() {
            files.insert(path);
        }
    }
    Ok(files.into_iter().collect())
}
