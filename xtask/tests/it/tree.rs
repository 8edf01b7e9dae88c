//! [`paths`], [`texts`] and [`sources`]: the files of the workspace for the house rules.
//!
//! Walks the folders with the project's own files in sorted order, without build output, run directories and
//! version control. Does not use git, so that the tests also work in an unpacked archive.

use std::fs;
use std::path::{Path, PathBuf};

/// Top-level folders whose files belong to the project.
pub(crate) const FOLDERS: [&str; 8] =
    [".cargo", ".ci", "crates", "docs", "fixtures", "python", "scripts", "xtask"];

/// A text file, with its path from the root, separated by `/`.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) content: String,
}

impl Text {
    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.content.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether a program wrote the file; rules for authors do not apply to it.
    pub(crate) fn is_generated(&self) -> bool {
        self.content.lines().take(3).any(|line| line.contains("enerated by") && line.starts_with("//"))
    }
}

/// The folder of the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace").to_owned()
}

/// Sorted paths of all files of the project, from the root.
pub(crate) fn paths() -> Vec<String> {
    let root = root();
    let mut found: Vec<PathBuf> = entries(&root).into_iter().filter(|path| path.is_file()).collect();
    for folder in FOLDERS {
        walk(&root.join(folder), &mut found);
    }
    let mut paths: Vec<String> = found
        .iter()
        .map(|path| path.strip_prefix(&root).expect("every path was found under the root"))
        .map(|path| path.to_string_lossy().replace('\\', "/"))
        .collect();
    paths.sort();
    paths
}

/// The content of every file whose path ends in one of `endings`.
pub(crate) fn texts(endings: &[&str]) -> Vec<Text> {
    let root = root();
    paths()
        .into_iter()
        .filter(|path| endings.iter().any(|ending| path.ends_with(ending)))
        .map(|path| {
            let content = fs::read_to_string(root.join(&path))
                .unwrap_or_else(|error| panic!("cannot read {path} as text: {error}"));
            Text { path, content }
        })
        .collect()
}

/// All Rust files of the project.
pub(crate) fn sources() -> Vec<Text> {
    texts(&[".rs"])
}

/// Fails if `found` is not empty, with `rule` and one line for each place.
pub(crate) fn assert_none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n  {}\n", found.join("\n  "));
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() {
            found.push(path);
        } else if name != "target" && name != "__pycache__" {
            walk(&path, found);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}
