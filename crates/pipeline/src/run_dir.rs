//! [`RunDir`]: the folders and files of a run. No other module names them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_checkpoint::{remove_leftovers, write_file};

use crate::{Manifest, Stage};

/// The averaged weights of the best epoch.
pub(crate) const BEST: &str = "best.safetensors";
/// The latest weights, and the state that a training needs to resume.
pub(crate) const LAST: &str = "last.safetensors";
/// Losses and metrics of each epoch.
pub(crate) const HISTORY: &str = "history.json";
/// Statistics of the gammas after each epoch.
pub(crate) const GAMMAS: &str = "gammas.json";

/// A run directory.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// Name of the report's page in the folder of its stage.
    pub(crate) const PAGE: &str = "report.html";

    /// Names a directory; nothing is created yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved configuration of the last run.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The path of a file of the run within the directory, with `/` between folders.
    pub fn relative(&self, file: &Path) -> String {
        let within = file.strip_prefix(&self.root).unwrap_or(file);
        let parts = within.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        parts.collect::<Vec<_>>().join("/")
    }

    /// The page of a complete run's report.
    pub fn page(&self) -> PathBuf {
        self.stage(Stage::Report).join(Self::PAGE)
    }

    /// Folder of a completed stage.
    pub fn stage(&self, stage: Stage) -> PathBuf {
        self.root.join(stage.name())
    }

    /// The best checkpoint of a completed training stage.
    pub fn best(&self, stage: Stage) -> PathBuf {
        self.stage(stage).join(BEST)
    }

    /// The epochs of a completed training stage: a JSON list of [`EpochRecord`](bonsai_train::EpochRecord).
    pub fn history(&self, stage: Stage) -> PathBuf {
        self.stage(stage).join(HISTORY)
    }

    /// Folder of a stage in progress.
    pub fn partial(&self, stage: Stage) -> PathBuf {
        self.root.join(format!("{}.partial", stage.name()))
    }

    /// Makes an empty folder for a stage in progress.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn begin(&self, stage: Stage) -> Result<PathBuf> {
        let partial = self.partial(stage);
        remove_if_there(&partial)?;
        fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
        Ok(partial)
    }

    /// Returns the folder of an earlier attempt at a training stage, if its key is the same; otherwise makes
    /// an empty folder.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn go_on(&self, stage: Stage, key: &str) -> Result<PathBuf> {
        let partial = self.partial(stage);
        let mark = partial.join(Manifest::KEY);
        if fs::read_to_string(&mark).is_ok_and(|left| left == key) {
            remove_leftovers(&partial);
            return Ok(partial);
        }
        self.begin(stage)?;
        write_file(&mark, key.as_bytes())?;
        Ok(partial)
    }

    /// Completes a stage: writes its manifest, then renames the folder to its final name.
    ///
    /// # Errors
    /// If writing or renaming fails.
    pub fn finish(&self, stage: Stage, manifest: &Manifest) -> Result<()> {
        let partial = self.partial(stage);
        let folder = self.stage(stage);
        manifest.save(&partial.join(Manifest::FILE))?;
        remove_if_there(&folder)?;
        fs::rename(&partial, &folder).with_context(|| format!("cannot rename {}", partial.display()))
    }

    /// The manifest of a completed stage, if all its files are unchanged.
    pub fn completed(&self, stage: Stage) -> Option<Manifest> {
        match self.found(stage) {
            Found::Complete(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// The state of a stage in the directory.
    pub fn found(&self, stage: Stage) -> Found {
        let folder = self.stage(stage);
        if !folder.exists() {
            return if self.partial(stage).exists() { Found::Begun } else { Found::Nothing };
        }
        match Manifest::load(&folder.join(Manifest::FILE)) {
            Err(error) => Found::Unreadable(format!("{error:#}")),
            Ok(manifest) => {
                let damaged: Vec<String> = manifest.damaged(&folder).into_iter().map(str::to_owned).collect();
                if damaged.is_empty() { Found::Complete(manifest) } else { Found::Damaged(manifest, damaged) }
            }
        }
    }
}

/// The state of a stage in the directory.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The stage has not run here.
    Nothing,
    /// The stage began and did not complete.
    Begun,
    /// The manifest is missing or cannot be read, for this reason.
    Unreadable(String),
    /// These files were changed or are missing.
    Damaged(Manifest, Vec<String>),
    /// The stage is complete and its files are unchanged.
    Complete(Manifest),
}

fn remove_if_there(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
