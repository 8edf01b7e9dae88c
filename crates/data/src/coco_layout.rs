//! [`in_folder`] and [`beside`]: which COCO files belong to one dataset, by their names and folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::folder_files::files_with;
use crate::split_word::SplitWord;
use crate::{DataError, SplitKind};

/// Folders of a dataset in which COCO files are looked for.
const FOLDERS: [&str; 8] = ["", "annotations", "train", "training", "valid", "val", "validation", "test"];
/// Beginnings of the names of COCO's files for other tasks, and of hidden files.
const OTHER_TASKS: [&str; 6] = ["captions", "person_keypoints", "stuff", "panoptic", "image_info", "."];
/// Words in the name of a COCO file whose folder, not its name, says the split.
const COCO_WORDS: [&str; 3] = ["coco", "annotation", "instances"];

/// The COCO files of each split.
pub(crate) type CocoSources = BTreeMap<SplitKind, PathBuf>;

/// A file of a split, and what the files of one dataset share.
struct Candidate {
    file: PathBuf,
    kind: SplitKind,
    family: (String, String, String),
}

/// The COCO files of a folder, at most one for each split; empty if there are none.
///
/// # Errors
/// [`DataError::DataYaml`] if several files say the same split, [`DataError::Io`] if a folder cannot be listed.
pub(crate) fn in_folder(folder: &Path) -> Result<CocoSources, DataError> {
    let mut found = CocoSources::new();
    for candidate in candidates(folder)? {
        if let Some(first) = found.insert(candidate.kind, candidate.file.clone()) {
            return Err(DataError::DataYaml {
                path: folder.to_owned(),
                problem: format!(
                    "two COCO files say that they are `{}`: `{}` and `{}`; pass one of them, or write a data.yaml that names \
                     the file of each split",
                    candidate.kind.key(),
                    first.display(),
                    candidate.file.display()
                ),
            });
        }
    }
    Ok(found)
}

/// A COCO file and the files of the other splits that have the same name but for the word for the split; `None` if
/// neither the name of the file nor its folder says a split.
///
/// # Errors
/// [`DataError::Io`] if a folder cannot be listed.
pub(crate) fn beside(file: &Path) -> Result<Option<CocoSources>, DataError> {
    let file = file.canonicalize().map_err(DataError::io("open the COCO file", file))?;
    let Some(own) = candidate(file.clone()) else { return Ok(None) };
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut all = candidates(folder)?;
    if let Some(above) = folder.parent() {
        all.extend(candidates(above)?);
    }
    let mut found: CocoSources = all
        .into_iter()
        .filter(|other| other.family == own.family)
        .map(|other| (other.kind, other.file))
        .collect();
    found.insert(own.kind, file);
    Ok(Some(found))
}

/// All files of a dataset's folder that say a split.
fn candidates(folder: &Path) -> Result<Vec<Candidate>, DataError> {
    let mut found = Vec::new();
    for name in FOLDERS {
        found.extend(files_with(&folder.join(name), &["json"])?.into_iter().filter_map(candidate));
    }
    Ok(found)
}

fn candidate(file: PathBuf) -> Option<Candidate> {
    let stem = file.file_stem()?.to_string_lossy().to_lowercase();
    if OTHER_TASKS.iter().any(|start| stem.starts_with(start)) {
        return None;
    }
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    if let Some(SplitWord { kind, rest: (before, after) }) = SplitWord::of(&stem) {
        return Some(Candidate { file, kind, family: (before, after, String::new()) });
    }
    let word = SplitWord::of(&folder).filter(|_| COCO_WORDS.iter().any(|word| stem.contains(word)))?;
    Some(Candidate { file, kind: word.kind, family: (word.rest.0, word.rest.1, stem) })
}
