//! Files that appear whole under their name, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::BuildError;

/// A folder beside the engine for what is being made; it goes, with all that was not moved out of it, when dropped.
pub(crate) struct Placement {
    folder: TempDir,
    engine: PathBuf,
    /// Tells who finds the folder of a builder that was killed from one whose builder is at work: `remove_leftovers` of
    /// `bonsai-checkpoint` knows both names.
    _lock: File,
}

impl Placement {
    /// Beside `engine`, so that the last step is a rename.
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
        // Without locks nothing is ever taken for left.
        let _ = lock.lock();
        writeln!(lock, "held by who builds the engine").map_err(file_error("write", &path))?;
        Ok(Self { folder, engine: engine.to_owned(), _lock: lock })
    }

    /// Where a file is made.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Moves the plan, made under [`Placement::partial`] of that name, into place.
    pub(crate) fn finish(&self, name: &str) -> Result<(), BuildError> {
        let plan = self.partial(name);
        // Durable before visible: the name must never stand for half a file, even after a power cut.
        File::open(&plan).and_then(|file| file.sync_all()).map_err(file_error("sync", &plan))?;
        fs::rename(&plan, &self.engine).map_err(file_error("move the finished plan to", &self.engine))
    }

    /// Moves another file into place, if it was made.
    pub(crate) fn deliver(&self, name: &str, to: &Path) -> Result<(), BuildError> {
        let from = self.partial(name);
        if !from.exists() {
            return Ok(());
        }
        // The place may be on another disk, where a rename does not reach.
        fs::rename(&from, to).or_else(|_| fs::copy(&from, to).map(|_| ())).map_err(file_error("write", to))
    }
}

/// The log of a build, beside the engine.
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

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line, at once on disk so that it can be followed.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), BuildError> {
        writeln!(self.file, "{line}")
            .and_then(|()| self.file.flush())
            .map_err(file_error("write the log", &self.path))
    }
}

/// Turns a complaint of the system into one about that file.
pub(crate) fn file_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> BuildError + use<> {
    let path = path.to_owned();
    move |source| BuildError::File { action, path, source }
}
