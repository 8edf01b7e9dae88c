//! [`Inputs`] and [`before_writing`]: refuse outputs that would overwrite an input, even through a link or
//! another name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::ensure_usage;
use anyhow::{Context as _, Result};
use bonsai_checkpoint::remove_leftovers;

/// Files that a command reads.
#[derive(Debug, Default)]
pub struct Inputs {
    paths: BTreeSet<PathBuf>,
    /// Device and inode number of each file, which hard links share.
    files: BTreeSet<(u64, u64)>,
}

impl Inputs {
    /// Records these paths and the files at them.
    pub fn new(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        let mut inputs = Self::default();
        for path in paths {
            let path = path.as_ref();
            inputs.paths.insert(real(path));
            inputs.files.extend(number(path));
        }
        inputs
    }

    /// Whether writing `output` would replace an input.
    pub fn hold(&self, output: &Path) -> bool {
        self.paths.contains(&real(output))
            || number(output).is_some_and(|number| self.files.contains(&number))
    }

    /// Refuses an output that is an input; `instead` tells the user what to do.
    ///
    /// # Errors
    /// [`Misuse`](crate::Misuse) that names the output.
    pub fn refuse(&self, output: &Path, instead: &str) -> Result<()> {
        ensure_usage!(
            !self.hold(output),
            "{} is an input of this command and would be overwritten: {instead}",
            output.display()
        );
        Ok(())
    }
}

/// Checks the outputs of a command before it works. Refuses outputs that are inputs and folders that cannot
/// be written to, and removes temporary files that killed writers left in those folders.
///
/// # Errors
/// Names the first output that is an input or cannot be written.
pub fn before_writing(inputs: &[&Path], outputs: &[&Path]) -> Result<()> {
    let inputs = Inputs::new(inputs);
    for output in outputs {
        inputs.refuse(output, "pass the name of another file")?;
        ensure_usage!(!output.is_dir(), "{} is a folder: pass the name of a file", output.display());
    }
    let folder = |output: &&Path| {
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new(".")).to_owned()
    };
    let folders: BTreeSet<PathBuf> = outputs.iter().map(folder).collect();
    for folder in folders {
        ensure_usage!(
            folder.is_dir(),
            "the output folder {} does not exist: create it first",
            folder.display()
        );
        // Fail now rather than after hours of work.
        tempfile::tempfile_in(&folder).with_context(|| format!("cannot write to {}", folder.display()))?;
        remove_leftovers(&folder);
    }
    Ok(())
}

/// Whether `path` lies in `folder`, also through links.
pub fn is_within(path: &Path, folder: &Path) -> bool {
    real(path).starts_with(folder.canonicalize().unwrap_or_else(|_| real(folder)))
}

/// The real path: the canonical path of the deepest parent folder that exists, followed by the rest of the
/// path.
///
/// The last name is not resolved if it is a link, because replacing a link does not change the file that it
/// points to.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut rest = Vec::new();
    let mut folder = absolute.as_path();
    loop {
        match (folder.parent(), folder.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name.to_owned());
                folder = parent;
            }
            _ => return absolute,
        }
        if let Ok(known) = folder.canonicalize() {
            return rest.iter().rev().fold(known, |path, name| path.join(name));
        }
    }
}

/// Device and inode number of a regular file.
#[cfg(unix)]
fn number(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn number(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn an_input_is_recognised_by_every_name() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("in")).unwrap();
        std::fs::write(at("in/best.pt"), b"x").unwrap();
        symlink(at("in"), at("link")).unwrap();
        symlink(at("in/best.pt"), at("best.pt")).unwrap();
        std::fs::hard_link(at("in/best.pt"), at("hard.pt")).unwrap();
        std::fs::write(at("other.pt"), b"x").unwrap();
        let inputs = Inputs::new([at("in/best.pt")]);
        for same in ["in/best.pt", "in/../in/./best.pt", "link/best.pt", "best.pt", "hard.pt"] {
            assert!(inputs.hold(&at(same)), "{same}");
        }
        for other in ["other.pt", "in/gone.pt", "gone/best.pt", "in"] {
            assert!(!inputs.hold(&at(other)), "{other}");
        }
        assert!(is_within(&at("link/best.pt"), &at("in")) && !is_within(&at("other.pt"), &at("in")));
        let error =
            before_writing(&[&at("in/best.pt")], &[&at("other.pt"), &at("link/best.pt")]).unwrap_err();
        assert!(crate::is_misuse(&error) && error.to_string().contains("link/best.pt"), "{error}");
        assert!(before_writing(&[&at("in/best.pt")], &[&at("in")]).is_err());
    }
}
