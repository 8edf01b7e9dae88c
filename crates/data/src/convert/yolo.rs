//! Writes the layout of YOLO: `images/SPLIT`, `labels/SPLIT` and `data.yaml`.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::{Named, make, place, write};
use crate::{DataError, Split, SplitKind};

/// The dataset file.
pub(super) const FILE: &str = "data.yaml";

#[derive(Serialize)]
struct Yaml<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    val: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<&'static str>,
    names: &'a [String],
}

pub(super) fn write_split(
    folder: &Path,
    kind: SplitKind,
    _: &Split,
    images: &[Named<'_>],
) -> Result<(), DataError> {
    let [pictures, labels] = ["images", "labels"].map(|part| make(folder.join(part).join(kind.key())));
    let (pictures, labels) = (pictures?, labels?);
    for named in images {
        place(named, &pictures)?;
        let mut text = String::new();
        for label in &named.sample.labels {
            let b = label.bbox;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {} {} {} {}", label.class_id, b.cx, b.cy, b.w, b.h);
        }
        write(&labels.join(format!("{}.txt", named.stem)), &text)?;
    }
    Ok(())
}

pub(super) fn write_yaml(
    folder: &Path,
    names: &[String],
    kinds: impl Iterator<Item = SplitKind>,
) -> Result<(), DataError> {
    let mut yaml = Yaml { train: None, val: None, test: None, names };
    for kind in kinds {
        match kind {
            SplitKind::Train => yaml.train = Some("images/train"),
            SplitKind::Val => yaml.val = Some("images/val"),
            SplitKind::Test => yaml.test = Some("images/test"),
        }
    }
    let path = folder.join(FILE);
    let text = serde_yaml_ng::to_string(&yaml)
        .map_err(|error| DataError::DataYaml { path: path.clone(), problem: error.to_string() })?;
    write(&path, &text)
}
