//! [`find`]: the image files of a split.
//!
//! Invariant: the list is sorted and free of repeats, whatever the order in which folders are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::source_path::seen_from;
use crate::text::read_text;
use crate::voc_list::VocList;
use crate::{DataError, Flaws, Warning, WarningKind, formats};

/// Images found in folders and lists.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Images to decode; each exists.
    pub(crate) images: BTreeSet<PathBuf>,
    /// Images of formats that are not read.
    pub(crate) others: BTreeSet<PathBuf>,
    /// One warning for each listed image that does not exist.
    pub(crate) flaws: Flaws,
}

impl Found {
    /// Adds an image file, by its extension.
    pub(crate) fn insert(&mut self, path: PathBuf) {
        let kind = if formats::not_read(&path).is_some() { &mut self.others } else { &mut self.images };
        kind.insert(path);
    }
}

/// The warning about images of other formats, if there are any.
pub(crate) fn other_formats(others: &BTreeSet<PathBuf>) -> Option<Warning> {
    let path = others.first()?.clone();
    let mut counts = BTreeMap::new();
    for extension in others.iter().filter_map(|path| formats::not_read(path)) {
        *counts.entry(extension).or_default() += 1;
    }
    Some(Warning { path, line: None, kind: WarningKind::OtherFormats { counts } })
}

/// All images of the given folders (searched recursively, links followed), `.txt` lists and single images.
///
/// A path in a list is resolved against the list's folder, then `root`, then the working directory; the first
/// that exists counts.
///
/// # Errors
/// [`DataError::Io`] for a folder or list that cannot be read, [`DataError::NotText`] for a list that is not
/// text.
pub(crate) fn find(sources: &[PathBuf], root: &Path) -> Result<Found, DataError> {
    let mut found = Found::default();
    for source in sources {
        if source.is_dir() {
            walk(source, &mut BTreeSet::new(), &mut found)?;
        } else if formats::is_read(source) || formats::not_read(source).is_some() {
            found.insert(source.clone());
        } else {
            read_list(source, root, &mut found)?;
        }
    }
    Ok(found)
}

/// `visited` holds canonical paths, so that a link to a parent folder ends the walk instead of looping.
fn walk(folder: &Path, visited: &mut BTreeSet<PathBuf>, found: &mut Found) -> Result<(), DataError> {
    let real = folder.canonicalize().map_err(DataError::io("open the folder", folder))?;
    if !visited.insert(real) {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).map_err(DataError::io("list the folder", folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(DataError::io("list the folder", folder))?.path());
    }
    // Sorted before descending: if links lead to a folder twice, the order decides under which name it is
    // visited.
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, visited, found)?;
        } else if formats::is_read(&path) || formats::not_read(&path).is_some() {
            found.insert(path);
        }
    }
    Ok(())
}

/// Reads a list with one image per line; a list of VOC names them without extension.
fn read_list(list: &Path, root: &Path, found: &mut Found) -> Result<(), DataError> {
    let text = read_text(list, "read the image list")?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let voc = VocList::of(list)?;
    for (index, line) in text.lines().enumerate() {
        let path = Path::new(line.trim());
        if path.as_os_str().is_empty() {
            continue;
        }
        if let Some(voc) = voc.as_ref().filter(|_| !formats::is_read(path)) {
            match voc.find(line) {
                Ok(image) => found.insert(image),
                Err(tried) => found.flaws.push(Warning {
                    path: list.to_owned(),
                    line: Some(index + 1),
                    kind: WarningKind::MissingImage { tried },
                }),
            }
            continue;
        }
        let from = [folder, root, Path::new("")];
        let mut places = from.iter().map(|from| seen_from(from, path));
        match places.clone().find(|path| path.exists()) {
            Some(image) => found.insert(image),
            None => found.flaws.push(Warning {
                path: list.to_owned(),
                line: Some(index + 1),
                kind: WarningKind::MissingImage { tried: places.next().unwrap_or_default() },
            }),
        }
    }
    Ok(())
}
