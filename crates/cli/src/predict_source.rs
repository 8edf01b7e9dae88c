//! [`images`]: the image files that `predict --source` names.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bonsai_data::{IMAGE_EXTENSIONS, is_image};
use bonsai_stages::ensure_usage;

/// Largest list of images; a longer one is likely another kind of file.
const LONGEST_LIST: u64 = 256 << 20;

/// The file itself, the images of a folder, the images that match a pattern (`*`, `?`, `**`), or those that a
/// text file lists. Images of folders and patterns are sorted by name; a list keeps its order.
///
/// # Errors
/// If there is no image, or a folder, pattern or list cannot be read.
pub(crate) fn images(source: &Path) -> Result<Vec<PathBuf>> {
    let text = source.to_string_lossy();
    if source.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt")) {
        return listed(source);
    }
    let mut found = if source.is_dir() {
        let entries =
            std::fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))?;
        entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?
    } else if !source.exists() && text.contains(['*', '?', '[']) {
        let matches = glob::glob(&text).with_context(|| format!("`{text}` is not a valid pattern"))?;
        matches.map(|path| Ok(path?)).collect::<Result<Vec<_>>>()?
    } else {
        return Ok(vec![source.to_owned()]);
    };
    found.retain(|path| is_image(path));
    if found.is_empty() {
        bail!(
            "{} contains no image; expected files ending in {}",
            source.display(),
            IMAGE_EXTENSIONS.join(", ")
        );
    }
    found.sort();
    Ok(found)
}

/// The paths of a list, one per line; relative ones count from the folder of the list.
fn listed(list: &Path) -> Result<Vec<PathBuf>> {
    let size = std::fs::metadata(list).with_context(|| format!("cannot read {}", list.display()))?.len();
    ensure_usage!(
        size <= LONGEST_LIST,
        "{} has {size} bytes; expected a list of images, one path per line",
        list.display()
    );
    let text = std::fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty());
    let paths: Vec<PathBuf> = lines.map(|line| folder.join(line)).collect();
    if let Some((line, path)) = paths.iter().enumerate().find(|(_, path)| !is_image(path)) {
        bail!(
            "{}: entry {} is {}, which is no image; expected one path per line, ending in {}",
            list.display(),
            line + 1,
            path.display(),
            IMAGE_EXTENSIONS.join(", ")
        );
    }
    ensure_usage!(!paths.is_empty(), "{} lists no image; expected one path per line", list.display());
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &Path) -> Result<Vec<String>> {
        let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        images(source).map(|paths| paths.into_iter().map(name).collect())
    }

    #[test]
    fn sources_are_files_folders_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.jpg", "a.PNG", "notes.md"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(names(folder.path()).unwrap(), ["a.PNG", "b.jpg"]);
        assert_eq!(names(&folder.path().join("*.jpg")).unwrap(), ["b.jpg"]);
        assert_eq!(names(&folder.path().join("b.jpg")).unwrap(), ["b.jpg"]);
        let error = names(&folder.path().join("*.svg")).unwrap_err().to_string();
        assert!(error.contains("contains no image"), "{error}");
    }

    #[test]
    fn a_list_keeps_its_order_and_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        std::fs::write(&list, "\u{feff}sub/z.jpg\r\n\n /a.png \n").unwrap();
        assert_eq!(images(&list).unwrap(), [folder.path().join("sub/z.jpg"), PathBuf::from("/a.png")]);
        std::fs::write(&list, "z.jpg\n0 0.5 0.5 0.1 0.1\n").unwrap();
        let error = names(&list).unwrap_err().to_string();
        assert!(error.contains("entry 2") && error.contains("one path per line"), "{error}");
        std::fs::write(&list, "\n").unwrap();
        assert!(names(&list).unwrap_err().to_string().contains("lists no image"));
    }
}
