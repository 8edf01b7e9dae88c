//! Writing a file so that a reader sees all of it or nothing, and taking away what writers that were killed have left.
//!
//! A file in the making is locked by its writer. The system lets the lock go when the process ends, however it ends, so that
//! who gets the lock of such a file knows that nobody is going to finish it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::CheckpointError;

const PREFIX: &str = ".bonsai-";
const SUFFIX: &str = ".partial";

/// Age from which an empty file is nobody's: a writer that is alive has locked it and written to it long before.
const STALE: Duration = Duration::from_mins(1);

/// In a folder in the making, the file that is locked in its place.
const LOCK: &str = "lock";

/// A folder for files in the making, which goes when dropped.
#[derive(Debug)]
pub struct ScratchFolder {
    folder: TempDir,
    _lock: File,
}

impl ScratchFolder {
    /// Makes one in `parent`, so that what is made in it can be renamed to beside it.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn within(parent: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { action: "make a folder in", path: parent.to_owned(), source };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let folder = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempdir_in(parent).map_err(io)?;
        let mut lock = File::create(folder.path().join(LOCK)).map_err(io)?;
        let _ = lock.lock();
        lock.write_all(b"held by who made this folder").map_err(io)?;
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Writes `bytes` under a temporary name beside `path`, then renames.
///
/// # Errors
/// [`CheckpointError::Io`]; the old file is then still there, and nothing new.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let io = |action| move |source| CheckpointError::Io { action, path: path.to_owned(), source };
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .tempfile_in(parent)
        .map_err(io("create a file beside"))?;
    // Without locks a file system keeps what is left, which is better than to lose what is being written.
    let _ = temp.as_file().lock();
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

/// Removes from a folder what [`write_file`] and [`ScratchFolder`] had there in processes that were killed, and nothing that is
/// still being written. What cannot be removed stays: it costs room, and nothing else.
pub fn remove_leftovers(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if !name.starts_with(PREFIX.as_bytes()) || !name.ends_with(SUFFIX.as_bytes()) {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type();
        let _ = match kind {
            Ok(kind) if kind.is_file() && is_left(&path).unwrap_or(false) => std::fs::remove_file(path),
            Ok(kind) if kind.is_dir() && is_left(&path.join(LOCK)).unwrap_or(false) => {
                std::fs::remove_dir_all(path)
            }
            _ => continue,
        };
    }
}

/// Whether nobody is writing a file.
fn is_left(path: &Path) -> std::io::Result<bool> {
    let file = File::open(path)?;
    if file.try_lock().is_err() {
        return Ok(false);
    }
    let metadata = file.metadata()?;
    // One that is empty may have been made this moment, by a writer that comes to lock it next.
    let age = metadata.modified()?.elapsed().unwrap_or_default();
    Ok(metadata.len() > 0 || age > STALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let dead = [(".bonsai-a.partial", "half"), (".bonsai-old.partial", "")];
        let alive = [
            (".bonsai-b.partial", "half"),
            (".bonsai-new.partial", ""),
            (".other-a.partial", "half"),
            ("a.partial", "half"),
            (".bonsai-x", "half"),
        ];
        for (name, text) in dead.into_iter().chain(alive) {
            std::fs::write(at(name), text).unwrap();
        }
        let old = File::options().append(true).open(at(".bonsai-old.partial")).unwrap();
        old.set_modified(std::time::SystemTime::now() - 2 * STALE).unwrap();
        let writer = File::open(at(".bonsai-b.partial")).unwrap();
        writer.lock().unwrap();
        remove_leftovers(folder.path());
        for (name, _) in dead {
            assert!(!at(name).exists(), "{name}");
        }
        for (name, _) in alive {
            assert!(at(name).exists(), "{name}");
        }
        drop(writer);
        remove_leftovers(folder.path());
        assert!(!at(".bonsai-b.partial").exists());
        remove_leftovers(&at("gone"));
    }

    #[test]
    fn a_folder_lives_as_long_as_its_maker() {
        let folder = tempfile::tempdir().unwrap();
        let alive = ScratchFolder::within(folder.path()).unwrap();
        std::fs::write(alive.path().join("half"), "x").unwrap();
        let dead = folder.path().join(".bonsai-dead.partial");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join(LOCK), "x").unwrap();
        remove_leftovers(folder.path());
        assert!(alive.path().join("half").exists() && !dead.exists());
        drop(alive);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_written_whole_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_file(&folder.path().join("gone/a"), b"x").is_err());
    }
}
