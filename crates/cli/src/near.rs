//! The name that was probably meant: of a file that is not there, of a model that does not exist.

use std::path::{Path, PathBuf};

use bonsai_pipeline::nearest;

/// Says which file is there, if the error is about one of `files` that is not.
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
    Some(format!("there is no `{}`; there is `{near}`", missing.display()))
}

/// Says which model was probably meant by a name that is none.
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
        let expected = format!("there is no `{}`; there is `{}`", missing.display(), there.display());
        assert_eq!(hint, expected);
        assert_eq!(near_file("out of memory", &[missing]), None);
        assert_eq!(near_file("cannot read x", &[at("weights.pt")]), None);
        // A letter is near to every other.
        assert_eq!(near_file(&format!("cannot read {}", at("18").display()), &[at("18")]), None);
    }
}
