//! Which image files a split consists of, and where the labels of each lie.
//!
//! Invariant: the list is sorted and free of repeats, whatever the order in which folders are read.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::DataError;

/// Extensions that [`decode`](crate::decode) understands, lower case.
const EXTENSIONS: [&str; 7] = ["bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// All images of the given folders (searched through, links followed) and `.txt` lists.
///
/// # Errors
/// [`DataError::Io`] for a folder or list that cannot be read.
pub(crate) fn find(sources: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let mut images = BTreeSet::new();
    for source in sources {
        if source.is_dir() {
            walk(source, &mut BTreeSet::new(), &mut images)?;
        } else {
            read_list(source, &mut images)?;
        }
    }
    Ok(images.into_iter().collect())
}

/// Where the labels of an image lie: the last folder called `images` becomes `labels`, the extension `txt`.
/// Without such a folder they lie beside the image.
pub(crate) fn label_path(image: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = image.components().collect();
    let folders = parts.len().saturating_sub(1);
    if let Some(position) = parts[..folders].iter().rposition(|part| part.as_os_str() == "images") {
        parts[position] = Component::Normal("labels".as_ref());
    }
    parts.iter().collect::<PathBuf>().with_extension("txt")
}

fn is_image(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// `visited` holds real paths, so that a link to a parent folder ends instead of going round.
fn walk(
    folder: &Path,
    visited: &mut BTreeSet<PathBuf>,
    images: &mut BTreeSet<PathBuf>,
) -> Result<(), DataError> {
    let real = folder.canonicalize().map_err(DataError::io("open the folder", folder))?;
    if !visited.insert(real) {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).map_err(DataError::io("list the folder", folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(DataError::io("list the folder", folder))?.path());
    }
    // Sorted before descending: with links, which of two names a folder is visited under depends on the order.
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, visited, images)?;
        } else if is_image(&path) {
            images.insert(path);
        }
    }
    Ok(())
}

/// One image per line, relative to the list's folder.
fn read_list(list: &Path, images: &mut BTreeSet<PathBuf>) -> Result<(), DataError> {
    let text = std::fs::read_to_string(list).map_err(DataError::io("read the image list", list))?;
    let folder = list.parent().unwrap_or(Path::new(""));
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let path = Path::new(line);
        let relative = path.strip_prefix(".").unwrap_or(path);
        images.insert(folder.join(relative));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_images_folder_becomes_labels() {
        for (image, label) in [
            ("/d/images/train/a.jpg", "/d/labels/train/a.txt"),
            ("/images/x/images/a.b.png", "/images/x/labels/a.b.txt"),
            ("images/a.jpg", "labels/a.txt"),
            ("/d/pictures/images.png", "/d/pictures/images.txt"),
            ("/d/myimages/a.png", "/d/myimages/a.txt"),
        ] {
            assert_eq!(label_path(Path::new(image)), Path::new(label), "{image}");
        }
    }
}
