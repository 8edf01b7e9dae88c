//! [`TrainDir`]: the files in the folder of a training. No other module names them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bonsai_checkpoint::remove_leftovers;

/// The folder of a training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainDir {
    root: PathBuf,
}

impl TrainDir {
    /// Creates `project/name`, or that name followed by the first free number (`train2`); with `exist_ok`,
    /// uses an existing folder.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn claim(project: &Path, name: &str, exist_ok: bool) -> Result<Self> {
        std::fs::create_dir_all(project).with_context(|| format!("cannot create {}", project.display()))?;
        for number in 1usize.. {
            let suffix = if number == 1 { String::new() } else { number.to_string() };
            let root = project.join(format!("{name}{suffix}"));
            match std::fs::create_dir(&root) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists && !(exist_ok && root.is_dir()) => {}
                Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                    return Err(e).with_context(|| format!("cannot create {}", root.display()));
                }
                _ => return Self { root }.with_weights(),
            }
        }
        bail!("no number is free for {name} in {}", project.display())
    }

    /// The folder of an interrupted training: `path` is the folder, or its `last` checkpoint.
    ///
    /// # Errors
    /// If the folder lacks `args.toml` or its `last` checkpoint.
    pub fn new(path: &Path) -> Result<Self> {
        let root = if path.is_dir() {
            path.to_owned()
        } else {
            path.parent().and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
        };
        let found = Self { root };
        for file in [found.args(), found.last()] {
            if !file.is_file() {
                bail!("{} cannot be resumed: there is no {}", path.display(), file.display());
            }
        }
        Ok(found)
    }

    /// The training in `project` that was saved last.
    ///
    /// # Errors
    /// If there is none.
    pub fn latest(project: &Path) -> Result<Self> {
        let entries =
            std::fs::read_dir(project).with_context(|| format!("cannot list {}", project.display()))?;
        let saved = |entry: std::io::Result<std::fs::DirEntry>| {
            let folder = Self::new(&entry.ok()?.path()).ok()?;
            let time = std::fs::metadata(folder.last()).and_then(|m| m.modified()).ok()?;
            Some((time, folder))
        };
        let latest = entries.filter_map(saved).max_by(|a, b| (a.0, &a.1.root).cmp(&(b.0, &b.1.root)));
        match latest {
            Some((_, folder)) => Ok(folder),
            None => bail!("{} holds no training that was saved", project.display()),
        }
    }

    /// Removes the temporary files of processes that were killed. The caller must hold the lock of the
    /// folder.
    pub(super) fn clean(&self) {
        [&*self.root, &*self.root.join("weights")].into_iter().for_each(remove_leftovers);
    }

    fn with_weights(self) -> Result<Self> {
        let weights = self.root.join("weights");
        std::fs::create_dir_all(&weights).with_context(|| format!("cannot create {}", weights.display()))?;
        Ok(self)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The settings of the training.
    pub fn args(&self) -> PathBuf {
        self.root.join("args.toml")
    }

    /// The record of the data that the training uses.
    pub fn data(&self) -> PathBuf {
        self.root.join("data.json")
    }

    /// The averaged weights with the best fitness.
    pub fn best(&self) -> PathBuf {
        self.root.join("weights/best.safetensors")
    }

    /// The averaged weights of the last epoch, with the state that a training needs to resume.
    pub fn last(&self) -> PathBuf {
        self.root.join("weights/last.safetensors")
    }

    /// The averaged weights after an epoch, counted from 1, of a training with `save_period`.
    pub fn epoch(&self, epoch: usize) -> PathBuf {
        self.root.join(format!("weights/epoch{epoch}.safetensors"))
    }

    /// The files of [`epoch`](Self::epoch) that exist.
    pub fn epochs(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.root.join("weights")) else { return Vec::new() };
        let is_epoch = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let number = name.strip_prefix("epoch").and_then(|name| name.strip_suffix(".safetensors"));
            number.is_some_and(|number| number.parse::<usize>().is_ok())
        };
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_epoch).collect()
    }

    /// The table with one row per epoch.
    pub fn results_csv(&self) -> PathBuf {
        self.root.join("results.csv")
    }

    /// The distribution of gammas after each epoch of a sparsity training.
    pub fn gammas(&self) -> PathBuf {
        self.root.join("gammas.json")
    }

    /// The metrics on the validation split, as JSON.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.json")
    }

    /// Path of a picture.
    pub fn picture(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_count_up_and_are_found_again() {
        let runs = tempfile::tempdir().unwrap();
        let claim = |exist_ok| TrainDir::claim(runs.path(), "train", exist_ok).unwrap();
        let first = claim(false);
        let second = claim(false);
        assert_eq!(second.root().file_name().unwrap(), "train2");
        assert_eq!(claim(true), first);
        assert!(first.root().join("weights").is_dir());
        assert!(TrainDir::latest(runs.path()).unwrap_err().to_string().contains("holds no training"));
        let error = TrainDir::new(first.root()).unwrap_err().to_string();
        assert!(error.contains("args.toml"), "{error}");
        for folder in [&first, &second] {
            std::fs::write(folder.args(), "").unwrap();
            std::fs::write(folder.last(), "").unwrap();
        }
        assert_eq!(TrainDir::new(&first.last()).unwrap(), first);
        assert_eq!(TrainDir::new(first.root()).unwrap(), first);
        let earlier = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
        let file = std::fs::File::options().write(true).open(second.last()).unwrap();
        file.set_modified(earlier).unwrap();
        assert_eq!(TrainDir::latest(runs.path()).unwrap(), first);
    }
}
