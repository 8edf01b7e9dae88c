//! [`near_file`] and [`near_model`]: hints that suggest a similar name for a missing file or an unknown
//! model.

use std::path::{Path, PathBuf};

use bonsai_pipeline::nearest;

/// Suggests an existing file, if the error names one of `files` that does not exist.
pub(crate) fn near_file(error: &str, files: &[PathBuf]) -> Option<String> {
    let missing = files.iter().find(|path| {
        let named = path.to_str().is_some_and(|text| !text.is_empty() && error.contains(text));
        named && !path.exists()
    })?;
    let name = missing.file_name()?.to_str()?;
    let folder = missing.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let near = nearest(name, names)?;
    let near = folder.map_or_else(|| near.clone(), |folder| folder.join(&near).display().to_string());
    Some(format!("`{}` does not exist; did you mean `{near}`?", missing.display()))
}

/// Suggests the model whose name is most similar.
pub(crate) fn near_model(name: &str, models: impl Iterator<Item = String>) -> Option<String> {
    nearest(name, models).map(|near| format!("did you mean `{near}`?"))
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
        let hint = near_file(&error, std::slice::from_ref(&missing)).unwrap();
        let expected = format!("`{}` does not exist; did you mean `{}`?", missing.display(), there.display());
        assert_eq!(hint, expected);
        assert_eq!(near_file("out of memory", &[missing]), None);
        assert_eq!(near_file("cannot read x", &[at("weights.pt")]), None);
        // Names of one or two characters are too short for a suggestion.
        assert_eq!(near_file(&format!("cannot read {}", at("18").display()), &[at("18")]), None);
    }
}
