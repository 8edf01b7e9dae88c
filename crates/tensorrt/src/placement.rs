//! [`Placement`] and [`Log`]: files that appear complete under their name, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::BuildError;

/// A folder for unfinished files next to the engine; when dropped, it is removed with all files that were not
/// moved.
pub(crate) struct Placement {
    folder: TempDir,
    engine: PathBuf,
    /// Shows that the builder is still running: `remove_leftovers` of `bonsai-checkpoint` knows both names,
    /// and leaves a folder alone whose file is locked.
    _lock: File,
}

impl Placement {
    /// Makes a folder next to `engine`, so that the last step is a rename.
    pub(crate) fn beside(engine: &Path) -> Result<Self, BuildError> {
        let parent = match engine.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = tempfile::Builder::new()
            .prefix(".bonsai-")
            .suffix(".partial")
            .tempdir_in(parent)
            .map_err(file_error("make a temporary folder in", parent))?;
        let path = folder.path().join("lock");
        let mut lock = File::create(&path).map_err(file_error("make a temporary file in", &path))?;
        // Without locks, no folder ever counts as abandoned.
        let _ = lock.lock();
        writeln!(lock, "held by who builds the engine").map_err(file_error("write", &path))?;
        Ok(Self { folder, engine: engine.to_owned(), _lock: lock })
    }

    /// Path of an unfinished file.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Moves the plan, which has this name in the folder, to its final path.
    pub(crate) fn finish(&self, name: &str) -> Result<(), BuildError> {
        let plan = self.partial(name);
        // Sync before the rename: the name must never refer to half a file, even after a power cut.
        File::open(&plan).and_then(|file| file.sync_all()).map_err(file_error("sync", &plan))?;
        fs::rename(&plan, &self.engine).map_err(file_error("move the finished plan to", &self.engine))
    }

    /// Moves another file to its final path, if it exists.
    pub(crate) fn deliver(&self, name: &str, to: &Path) -> Result<(), BuildError> {
        let from = self.partial(name);
        if !from.exists() {
            return Ok(());
        }
        // The target may be on another disk, where a rename is impossible.
        fs::rename(&from, to).or_else(|_| fs::copy(&from, to).map(|_| ())).map_err(file_error("write", to))
    }
}

/// The log of a build, next to the engine.
pub(crate) struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// The engine's path with `.log` added: `model.engine.log`.
    pub(crate) fn beside(engine: &Path) -> Result<Self, BuildError> {
        let mut name = OsString::from(engine);
        name.push(".log");
        let path = PathBuf::from(name);
        let file = File::create(&path).map_err(file_error("write the log", &path))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line and flushes it, so that the log can be followed.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), BuildError> {
        writeln!(self.file, "{line}")
            .and_then(|()| self.file.flush())
            .map_err(file_error("write the log", &self.path))
    }
}

/// Converts an I/O error into one with the action and the path.
pub(crate) fn file_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> BuildError + use<> {
    let path = path.to_owned();
    move |source| BuildError::File { action, path, source }
}
