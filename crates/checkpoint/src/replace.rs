//! Writing a file so that a reader sees all of it or nothing.

use std::io::Write;
use std::path::Path;

use crate::CheckpointError;

/// Writes `bytes` under a temporary name beside `path`, then renames.
///
/// # Errors
/// [`CheckpointError::Io`]; the old file is then still there, and nothing new.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let io = |action| move |source| CheckpointError::Io { action, path: path.to_owned(), source };
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new()
        .prefix(".bonsai-")
        .suffix(".partial")
        .tempfile_in(parent)
        .map_err(io("create a file beside"))?;
    temp.write_all(bytes).map_err(io("write"))?;
    temp.as_file().sync_all().map_err(io("write"))?;
    // A temporary file is private to its owner; an artefact is as readable as any other file.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temp.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(io("write"))?;
    }
    temp.persist(path).map_err(|e| io("replace")(e.error))?;
    Ok(())
}
