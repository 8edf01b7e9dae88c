//! [`VocList`]: the lists of Pascal VOC (`ImageSets/Main/train.txt`), which name images without extension.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::folder_files::files_with;
use crate::{DataError, formats};

/// Marks that follow the name in the lists of a class: the image has such an object, or none, or a difficult one.
const MARKS: [&str; 3] = ["1", "-1", "0"];

/// The images that a list of VOC can name.
pub(crate) struct VocList {
    folder: PathBuf,
    by_stem: BTreeMap<String, PathBuf>,
}

impl VocList {
    /// The images of the dataset that a list belongs to; `None` if the list is not one of VOC, by its place.
    ///
    /// # Errors
    /// [`DataError::Io`] if the folder of images cannot be listed.
    pub(crate) fn of(list: &Path) -> Result<Option<Self>, DataError> {
        let folder = list.parent().filter(|folder| folder.ends_with("ImageSets/Main"));
        let Some(root) = folder.and_then(Path::parent).and_then(Path::parent) else { return Ok(None) };
        let folder = root.join("JPEGImages");
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let images = files_with(&folder, &formats::READ)?;
        let by_stem = images.into_iter().map(|path| (stem(&path), path)).collect();
        Ok(Some(Self { folder, by_stem }))
    }

    /// The image of a line, or the path at which it was looked for.
    pub(crate) fn find(&self, line: &str) -> Result<PathBuf, PathBuf> {
        let line = line.trim();
        let marked = line.rsplit_once(char::is_whitespace).filter(|(_, mark)| MARKS.contains(mark));
        let mut names = std::iter::once(line).chain(marked.map(|(name, _)| name.trim_end()));
        let found = names.find_map(|name| self.by_stem.get(name));
        found.cloned().ok_or_else(|| self.folder.join(format!("{line}.jpg")))
    }
}
