//! [`LabelPlaces`]: the folder that holds the labels of each folder of images.
//!
//! The last folder called `images` becomes `labels` and the extension becomes `txt`, as in every dataset of
//! this format. Folders that come from other systems (`Images`, `JPEGImages`) have their labels in `Labels`
//! or `labels`, and some datasets keep labels next to the images. One place is chosen for each folder of
//! images: the first candidate that holds any label.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Label folders of a split.
#[derive(Debug, Default)]
pub(crate) struct LabelPlaces {
    /// By folder of images: the expected label folder and the chosen one.
    folders: BTreeMap<PathBuf, (PathBuf, PathBuf)>,
}

impl LabelPlaces {
    /// Chooses the label folders of sorted images.
    pub(crate) fn find(images: &[PathBuf]) -> Self {
        let mut folders = BTreeMap::new();
        let mut by_folder: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
        for image in images {
            by_folder.entry(folder_of(image)).or_default().push(image);
        }
        for (folder, images) in by_folder {
            let places = candidates(folder);
            let has_any = |place: &&PathBuf| {
                place.is_dir() && images.iter().any(|image| label_in(place, image).is_file())
            };
            let found = places.iter().find(has_any).unwrap_or(&places[0]).clone();
            folders.insert(folder.to_owned(), (places[0].clone(), found));
        }
        Self { folders }
    }

    /// The path of an image's label file, which need not exist.
    pub(crate) fn label_path(&self, image: &Path) -> PathBuf {
        let folder = folder_of(image);
        match self.folders.get(folder) {
            Some((_, place)) => label_in(place, image),
            None => Self::expected_path(image),
        }
    }

    /// The expected label path of an image, if its labels are read from the image's own folder instead.
    pub(crate) fn instead_of(&self, image: &Path) -> Option<PathBuf> {
        let folder = folder_of(image);
        let (expected, place) = self.folders.get(folder)?;
        (place == folder && expected != folder).then(|| label_in(expected, image))
    }

    /// The path at which the labels of an image are looked for first.
    pub(crate) fn expected_path(image: &Path) -> PathBuf {
        label_in(&candidates(folder_of(image))[0], image)
    }
}

fn folder_of(image: &Path) -> &Path {
    image.parent().unwrap_or(Path::new(""))
}

fn label_in(place: &Path, image: &Path) -> PathBuf {
    place.join(image.with_extension("txt").file_name().unwrap_or_default())
}

/// Folders that may hold the labels of a folder of images, the usual one first. Never empty.
fn candidates(folder: &Path) -> Vec<PathBuf> {
    let parts: Vec<Component<'_>> = folder.components().collect();
    let last = |is: fn(&OsStr) -> bool| parts.iter().rposition(|part| is(part.as_os_str()));
    let in_place_of = |position: usize, name: &str| -> PathBuf {
        let name = Component::Normal(name.as_ref());
        parts[..position].iter().chain([&name]).chain(&parts[position + 1..]).collect()
    };
    let mut places = Vec::new();
    if let Some(position) = last(|name| name == "images") {
        places.push(in_place_of(position, "labels"));
    }
    if let Some(position) = last(|name| name != "images" && name.eq_ignore_ascii_case("images")) {
        let capitals = parts[position].as_os_str() == "IMAGES";
        places.extend(
            [if capitals { "LABELS" } else { "Labels" }, "labels"].map(|name| in_place_of(position, name)),
        );
    }
    if let Some(position) = last(|name| name.eq_ignore_ascii_case("jpegimages")) {
        places.extend(["labels", "Labels"].map(|name| in_place_of(position, name)));
    }
    places.push(folder.to_owned());
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_images_folder_becomes_labels() {
        for (image, label) in [
            ("/d/images/train/a.jpg", "/d/labels/train/a.txt"),
            ("/images/x/images/a.b.png", "/images/x/labels/a.b.txt"),
            ("images/a.jpg", "labels/a.txt"),
            ("/d/pictures/images.png", "/d/pictures/images.txt"),
            ("/d/myimages/a.png", "/d/myimages/a.txt"),
            ("/d/Images/val/a.png", "/d/Labels/val/a.txt"),
            ("/d/images/Images/a.png", "/d/labels/Images/a.txt"),
            ("/VOC/JPEGImages/a.jpg", "/VOC/labels/a.txt"),
            ("a.jpg", "a.txt"),
        ] {
            assert_eq!(LabelPlaces::expected_path(Path::new(image)), Path::new(label), "{image}");
        }
    }

    #[test]
    fn the_first_place_with_any_label_is_that_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [
            "images/a/1.txt",
            "images/b/2.txt",
            "labels/b/9.txt",
            "Images/3.txt",
            "labels/3.txt",
            "d/images/4.txt",
        ] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir_all(path("d/labels")).unwrap();
        let images = ["images/a/1.png", "images/b/2.png", "images/b/9.png", "Images/3.png", "d/images/4.png"]
            .map(path);
        let places = LabelPlaces::find(&images);
        let found = images.each_ref().map(|image| places.label_path(image));
        // In `images/b` one image has labels in the usual folder, so a text file next to another image is not
        // used.
        let expected =
            ["images/a/1.txt", "labels/b/2.txt", "labels/b/9.txt", "labels/3.txt", "d/images/4.txt"];
        assert_eq!(found, expected.map(path));
        assert_eq!(places.instead_of(&images[0]), Some(path("labels/a/1.txt")));
        assert_eq!([1, 2, 3].map(|image| places.instead_of(&images[image])), [const { None }; 3]);
    }
}
