//! [`RunLock`]: the lock that allows one run, or one training, at a time in a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Name of the file in the run directory.
const FILE: &str = "run.lock";

/// A held lock. The operating system releases it when the process ends, even after a crash.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of a run directory that exists; `elsewhere` is the option that names another directory.
    ///
    /// # Errors
    /// If another process holds the lock, with the number of that process; or if the file cannot be written.
    pub(crate) fn take(root: &Path, elsewhere: &str) -> Result<Self> {
        let path = root.join(FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                bail!(
                    "another run is at work in {} ({}): wait for it, or name another folder with {elsewhere}",
                    root.display(),
                    holder.trim()
                );
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!(
                    "the file system of {} has no locks: make sure that no other run uses this folder",
                    root.display()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path(), "--name").unwrap();
        let refused = RunLock::take(folder.path(), "--name").unwrap_err().to_string();
        let number = format!("process {}", std::process::id());
        assert!(refused.contains("another run is at work") && refused.contains(&number), "{refused}");
        assert!(refused.ends_with("another folder with --name"), "{refused}");
        drop(first);
        assert!(RunLock::take(folder.path(), "--name").is_ok());
        assert!(RunLock::take(&folder.path().join("missing"), "--name").is_err());
    }
}
