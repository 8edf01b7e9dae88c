//! [`seen_from`]: resolves paths from `data.yaml` and image lists, which may come from another system.

use std::path::{Path, PathBuf};

/// `path` relative to `root`. If that does not exist, `\` also counts as a separator. A Windows path with a
/// drive is returned unchanged.
pub(crate) fn seen_from(root: &Path, path: &Path) -> PathBuf {
    let direct = root.join(path.strip_prefix(".").unwrap_or(path));
    if direct.exists() {
        return direct;
    }
    if is_of_windows(path) {
        // On the Windows machine, the path is absolute.
        return path.to_owned();
    }
    match with_slashes(path) {
        Some(path) => root.join(path.strip_prefix(".").unwrap_or(&path)),
        None => direct,
    }
}

/// The path with `/` for `\`; `None` if it has no backslash.
pub(crate) fn with_slashes(path: &Path) -> Option<PathBuf> {
    let text = path.to_str().filter(|text| text.contains('\\'))?;
    Some(PathBuf::from(text.replace('\\', "/")))
}

/// Whether a path begins with a drive or a server, as Windows paths do: `C:\data`, `\\server\data`.
pub(crate) fn is_of_windows(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let drive = matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    drive || text.starts_with(r"\\")
}

/// Text to add to a message about a path that does not exist.
pub(crate) fn whereabouts(path: &Path) -> &'static str {
    if is_of_windows(path) { " (a path of a Windows machine)" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_separate_where_nothing_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("images/val")).unwrap();
        for path in ["images/val", r"images\val", r".\images\val", "./images/val", r"images\val\"] {
            assert!(seen_from(root, Path::new(path)).is_dir(), "{path}");
        }
        assert!(!seen_from(root, Path::new(r"C:\images\val")).exists());
        #[cfg(unix)]
        {
            std::fs::create_dir(root.join(r"a\b")).unwrap();
            assert_eq!(seen_from(root, Path::new(r"a\b")), root.join(r"a\b"));
        }
    }

    #[test]
    fn paths_of_windows_are_known() {
        let of = |path: &&str| is_of_windows(Path::new(path));
        assert!([r"C:\data", "d:/data", r"\\server\data"].iter().all(of));
        assert!(!["data", "/data", "C:", "images/a:b", r"images\val"].iter().any(of));
    }
}
