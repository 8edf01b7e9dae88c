//! What the files are called that `predict` writes: as the images are, and no two the same.
//!
//! `photo.2021.jpg` gives `photo.2021.jpg` and `photo.2021.txt`. Of images that share a name but for folder or ending, which
//! would share their labels, the first keeps it and the others get a number: `photo-2.jpg` and `photo-2.txt`.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bonsai_stages::{Inputs, ensure_usage};

/// Endings of pictures that can be written; what else can be read becomes PNG.
const WRITTEN: [&str; 7] = ["bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// What the files for one image are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputName {
    /// Of the picture with boxes.
    pub(crate) picture: OsString,
    /// Of the labels.
    pub(crate) labels: OsString,
    /// Whether another image has the name that this one would have.
    pub(crate) is_numbered: bool,
}

/// Names for all images, in their order.
///
/// # Errors
/// If an image has no name.
pub(crate) fn output_names(images: &[PathBuf]) -> Result<Vec<OutputName>> {
    let stem = |image: &PathBuf| {
        image.file_stem().map(OsStr::to_owned).with_context(|| format!("{} has no name", image.display()))
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

/// As a file system without capitals sees it.
fn key(stem: &OsStr) -> String {
    stem.to_string_lossy().to_lowercase()
}

/// The name with the first number that is free.
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

/// A stem may have dots of its own.
fn named(stem: &OsStr, ending: &OsStr) -> OsString {
    let mut name = stem.to_owned();
    name.push(".");
    name.push(ending);
    name
}

fn is_written(ending: &OsStr) -> bool {
    WRITTEN.iter().any(|written| ending.eq_ignore_ascii_case(written))
}

/// Refuses folders in which pictures would be written over the images that are read, or labels over those of a dataset.
///
/// # Errors
/// With the first file.
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
            "{} has the labels of an image of a dataset, and would be written over: pass another folder with --out",
            file.display()
        );
    }
    Ok(())
}

/// Where a dataset in YOLO's format may have the labels of an image: beside it, or in `labels` in place of the last folder of
/// images.
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
    fn files_are_called_as_their_images_and_no_two_the_same() {
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
    fn neither_images_nor_their_labels_are_written_over() {
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
