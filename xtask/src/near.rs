//! The name that was probably meant: of a file that is not there, of a model that does not exist.

use std::path::Path;

/// Changes of a letter that a slip of the hand makes.
const SLIP: usize = 2;

/// Says which file is there, if the error is about one of `arguments` that is not.
pub(crate) fn near_file(error: &str, arguments: &[String]) -> Option<String> {
    let values = arguments.iter().map(|word| word.split_once('=').map_or(word.as_str(), |(_, value)| value));
    let missing = values.map(Path::new).find(|path| {
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

/// The name that differs by a slip; of several, the first in the alphabet of those that differ least.
pub(crate) fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let measured =
        names.map(|other| (strsim::levenshtein(name, &other), other)).filter(|(d, _)| (1..=SLIP).contains(d));
    measured.min().map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_answered_with_its_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("data.yaml"), "").unwrap();
        let (missing, there) = (at("data.yml"), at("data.yaml"));
        let error = format!("cannot read {missing}");
        let hint = near_file(&error, &["val".to_owned(), "--data".to_owned(), missing.clone()]).unwrap();
        assert!(hint.contains(&missing) && hint.contains(&format!("there is `{there}`")), "{hint}");
        assert!(near_file(&error, &[format!("--data={missing}")]).is_some());
        assert_eq!(near_file("out of memory", &[missing]), None);
        assert_eq!(near_file("cannot read x", &[at("weights.pt")]), None);
    }

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let models = || ["yolov8n", "yolov8s"].into_iter().map(str::to_owned);
        assert_eq!(nearest("yolo8s", models()).as_deref(), Some("yolov8s"));
        assert_eq!(nearest("resnet50", models()), None);
    }
}
