//! [`OutputName`] and [`output_names`]: unique names for the files that `predict` writes, like those of the
//! images.
//!
//! `photo.2021.jpg` gives `photo.2021.jpg` and `photo.2021.txt`. Images with the same name in different
//! folders or with different extensions would have the same label file. The first keeps the name, and the
//! others get a number: `photo-2.jpg` and `photo-2.txt`.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bonsai_stages::{Inputs, ensure_usage};

/// Extensions of pictures that can be written; other images become PNG.
const WRITTEN: [&str; 7] = ["bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// The names of the files for one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputName {
    /// Name of the picture with boxes.
    pub(crate) picture: OsString,
    /// Name of the label file.
    pub(crate) labels: OsString,
    /// Whether the name has a number, because an earlier image has the same name.
    pub(crate) is_numbered: bool,
}

/// Names for all images, in the same order.
///
/// # Errors
/// If a path has no file name.
pub(crate) fn output_names(images: &[PathBuf]) -> Result<Vec<OutputName>> {
    let stem = |image: &PathBuf| {
        image
            .file_stem()
            .map(OsStr::to_owned)
            .with_context(|| format!("{} has no file name", image.display()))
    };
    let stems = images.iter().map(stem).collect::<Result<Vec<_>>>()?;
    let mut taken: BTreeSet<String> = stems.iter().map(|stem| key(stem)).collect();
    let mut given = BTreeSet::new();
    let mut names = Vec::with_capacity(images.len());
    for (image, stem) in images.iter().zip(stems) {
        let is_numbered = !given.insert(key(&stem));
        let stem = if is_numbered { numbered(&stem, &mut taken) } else { stem };
        let ending = image.extension().filter(|ending| is_written(ending));
        let picture = named(&stem, ending.unwrap_or(OsStr::new("png")));
        names.push(OutputName { picture, labels: named(&stem, OsStr::new("txt")), is_numbered });
    }
    Ok(names)
}

/// The name in lower case, because some file systems ignore case.
fn key(stem: &OsStr) -> String {
    stem.to_string_lossy().to_lowercase()
}

/// The name with the lowest free number from 2 on.
fn numbered(stem: &OsStr, taken: &mut BTreeSet<String>) -> OsString {
    let mut number = 2usize;
    loop {
        let mut name = stem.to_owned();
        name.push(format!("-{number}"));
        if taken.insert(key(&name)) {
            return name;
        }
        number += 1;
    }
}

/// Joins stem and extension; `with_extension` would cut a stem that contains dots.
fn named(stem: &OsStr, ending: &OsStr) -> OsString {
    let mut name = stem.to_owned();
    name.push(".");
    name.push(ending);
    name
}

fn is_written(ending: &OsStr) -> bool {
    WRITTEN.iter().any(|written| ending.eq_ignore_ascii_case(written))
}

/// Refuses folders in which pictures would overwrite the input images, or label files those of a dataset.
///
/// # Errors
/// Names the first file that would be overwritten.
pub(crate) fn refuse_overwriting(
    images: &[PathBuf],
    names: &[OutputName],
    (pictures, labels): (Option<&Path>, Option<&Path>),
) -> Result<()> {
    let inputs = Inputs::new(images);
    for name in names.iter().filter(|_| pictures.is_some()) {
        let picture = pictures.unwrap_or(Path::new("")).join(&name.picture);
        inputs.refuse(&picture, "pass another folder with --out")?;
    }
    let Some(labels) = labels else { return Ok(()) };
    let marked = images.iter().flat_map(|image| labels_beside(image)).filter(|path| path.is_file());
    let marked = Inputs::new(marked);
    for name in names {
        let file = labels.join(&name.labels);
        ensure_usage!(
            !marked.hold(&file),
            "{} contains labels of a dataset and would be overwritten: pass another folder with --out",
            file.display()
        );
    }
    Ok(())
}

/// Paths where a dataset in YOLO format may have the labels of an image: next to it, or with `labels` instead
/// of a parent folder whose name ends in `images`.
fn labels_beside(image: &Path) -> Vec<PathBuf> {
    let mut places = vec![image.with_extension("txt")];
    for (depth, folder) in image.ancestors().enumerate().skip(1) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if !name.ends_with("images") {
            continue;
        }
        let within: PathBuf =
            image.components().rev().take(depth).collect::<Vec<_>>().into_iter().rev().collect();
        places.push(folder.with_file_name("labels").join(within).with_extension("txt"));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(images: &[&str]) -> Vec<[String; 2]> {
        let images: Vec<PathBuf> = images.iter().map(PathBuf::from).collect();
        let text = |name: &OsString| name.to_str().unwrap().to_owned();
        output_names(&images).unwrap().iter().map(|name| [text(&name.picture), text(&name.labels)]).collect()
    }

    #[test]
    fn files_have_unique_names_like_their_images() {
        for (images, expected) in [
            (&["d/photo.2021.jpg", "d/photo.2022.jpg"][..], &["photo.2021.jpg", "photo.2022.jpg"][..]),
            (&["a/x.jpg", "b/x.jpg", "c/x-2.jpg"], &["x.jpg", "x-3.jpg", "x-2.jpg"]),
            (&["x.jpg", "x.png", "X.PNG"], &["x.jpg", "x-2.png", "X-3.PNG"]),
            (&["x.gif", ".hidden", "y."], &["x.png", ".hidden.png", "y.png"]),
        ] {
            let found = names(images);
            assert_eq!(found.iter().map(|name| name[0].as_str()).collect::<Vec<_>>(), expected);
            for [picture, labels] in &found {
                assert_eq!(picture.rsplit_once('.').unwrap().0, labels.rsplit_once('.').unwrap().0);
            }
            let labels: BTreeSet<String> = found.into_iter().map(|[_, labels]| labels).collect();
            assert_eq!(labels.len(), images.len());
        }
    }

    #[test]
    fn neither_images_nor_their_labels_are_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (file, place) in [("images/val/a.jpg", "images/val"), ("labels/val/a.txt", "labels/val")] {
            std::fs::create_dir_all(at(place)).unwrap();
            std::fs::write(at(file), b"").unwrap();
        }
        let images = [at("images/val/a.jpg")];
        let names = output_names(&images).unwrap();
        let refused = |pictures: &str, labels: &str| {
            let folders = (Some(at(pictures)), Some(at(labels)));
            refuse_overwriting(&images, &names, (folders.0.as_deref(), folders.1.as_deref())).is_err()
        };
        assert!(refused("images/val", "other") && refused("images/../images/val/.", "other"));
        assert!(refused("other", "labels/val"));
        assert!(!refused("other", "other/labels") && !refused("images", "labels"));
    }
}
