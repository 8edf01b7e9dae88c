//! [`missing_file`] and [`hint_for_missing`]: the file that an error is about, and what to do.

use std::path::{Path, PathBuf};

use bonsai_pipeline::nearest;

use crate::published_models::MODELS;

/// The first of `files` that the error names and that does not exist.
pub(crate) fn missing_file<'a>(error: &str, files: &'a [PathBuf]) -> Option<&'a Path> {
    let missing = files.iter().find(|path| {
        let named = path.to_str().is_some_and(|text| !text.is_empty() && error.contains(text));
        named && !path.exists()
    });
    missing.map(PathBuf::as_path)
}

/// What to do about a missing file: use an existing file of a similar name, or fetch published weights.
pub(crate) fn hint_for_missing(missing: &Path) -> Option<String> {
    let name = missing.file_name()?.to_str()?;
    if let Some(model) = name.strip_suffix(".pt").filter(|model| MODELS.contains(model)) {
        return Some(format!(
            "Bonsai downloads nothing: fetch {name} from the releases of Ultralytics' `assets` repository and pass its path; \
             `--model {model}`, without `.pt`, starts with an untrained network"
        ));
    }
    let folder = missing.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let near = nearest(name, names)?;
    let near = folder.map_or_else(|| near.clone(), |folder| folder.join(&near).display().to_string());
    Some(format!("`{}` does not exist; did you mean `{near}`?", missing.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_answered_with_its_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("data.yaml"), "").unwrap();
        std::fs::write(at("a"), "").unwrap();
        let missing = at("data.yml");
        let there = at("data.yaml");
        let error = format!("cannot read {}", missing.display());
        let files = [missing.clone()];
        let hint = hint_for_missing(missing_file(&error, &files).unwrap()).unwrap();
        let expected = format!("`{}` does not exist; did you mean `{}`?", missing.display(), there.display());
        assert_eq!(hint, expected);
        assert_eq!(missing_file("out of memory", &files), None);
        assert_eq!(missing_file("cannot read x", &[at("weights.pt")]), None);
        assert_eq!(missing_file(&format!("cannot read {}", there.display()), &[there]), None);
        // Names of one or two characters are too short for a suggestion.
        assert_eq!(hint_for_missing(&at("18")), None);
    }

    #[test]
    fn published_weights_are_not_downloaded() {
        let hint = hint_for_missing(Path::new("weights/yolov8s.pt")).unwrap();
        assert!(hint.contains("downloads nothing") && hint.contains("--model yolov8s`, without"), "{hint}");
    }
}
