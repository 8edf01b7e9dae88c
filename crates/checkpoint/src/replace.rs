//! [`write_file`] and [`ScratchFolder`]: write a file so that a reader sees all of it or nothing.
//!
//! [`remove_leftovers`] removes the unfinished files of writers that were killed. A writer locks its
//! unfinished file. The system releases the lock when the process ends, for any reason. A process that gets
//! the lock of such a file therefore knows that no writer will finish it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::CheckpointError;

const PREFIX: &str = ".bonsai-";
const SUFFIX: &str = ".partial";

/// Age from which an empty file is abandoned: a live writer locks it and writes to it much sooner.
const STALE: Duration = Duration::from_mins(1);

/// The locked file in a scratch folder, which stands for the folder.
const LOCK: &str = "lock";

/// A folder for unfinished files, which is removed when dropped.
#[derive(Debug)]
pub struct ScratchFolder {
    folder: TempDir,
    _lock: File,
}

impl ScratchFolder {
    /// Makes a folder in `parent`, so that its files can be renamed into `parent`.
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

/// Writes `bytes` under a temporary name in the folder of `path`, then renames the file.
///
/// # Errors
/// [`CheckpointError::Io`]; the old file then still exists, and nothing new.
pub fn write_file(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), CheckpointError> {
    let path = path.as_ref();
    let io = |action| move |source| CheckpointError::Io { action, path: path.to_owned(), source };
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .tempfile_in(parent)
        .map_err(io("create a file beside"))?;
    // On a file system without locks, leftovers stay, which is better than losing a file that is being
    // written.
    let _ = temp.as_file().lock();
    temp.write_all(bytes).map_err(io("write"))?;
    temp.as_file().sync_all().map_err(io("write"))?;
    // A temporary file is private to its owner, but an artefact must be readable like other files.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temp.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(io("write"))?;
    }
    temp.persist(path).map_err(|e| io("replace")(e.error))?;
    Ok(())
}

/// Removes from a folder the files and folders that [`write_file`] and [`ScratchFolder`] left in killed
/// processes, and nothing that is still being written. A leftover that cannot be removed only takes space.
pub fn remove_leftovers(folder: impl AsRef<Path>) {
    let folder = folder.as_ref();
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

/// Whether no process is writing the file.
fn is_left(path: &Path) -> std::io::Result<bool> {
    let file = File::open(path)?;
    if file.try_lock().is_err() {
        return Ok(false);
    }
    let metadata = file.metadata()?;
    // An empty file may have just been created by a writer that will lock it next.
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
        remove_leftovers(at("gone"));
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
        assert!(write_file(folder.path().join("gone/a"), b"x").is_err());
    }
}
