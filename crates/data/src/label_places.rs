//! [`LabelPlaces`]: the folder that holds the labels of each folder of images.
//!
//! The last folder called `images` becomes `labels` and the extension becomes `txt`, as in every dataset of
//! this format. Folders that come from other systems (`Images`, `JPEGImages`) have their labels in `Labels`
//! or `labels`, and some datasets keep labels next to the images. One place is chosen for each folder of
//! images: the first candidate that holds any label. For an image without a text file, the XML file of Pascal VOC is
//! looked for in `Annotations` and next to the images.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// The labels of a folder of images.
#[derive(Debug)]
struct Place {
    /// The label folder in which text files were looked for first.
    expected: PathBuf,
    /// The chosen one, if any holds a label.
    text: Option<PathBuf>,
    /// The folder with VOC files, if any holds one.
    voc: Option<PathBuf>,
}

/// Label folders of a split.
#[derive(Debug, Default)]
pub(crate) struct LabelPlaces {
    folders: BTreeMap<PathBuf, Place>,
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
            let first_with_any = |places: &[PathBuf], extension| {
                let has_any = |place: &&PathBuf| {
                    place.is_dir() && images.iter().any(|image| label_in(place, image, extension).is_file())
                };
                places.iter().find(has_any).cloned()
            };
            let text = first_with_any(&places, TEXT);
            let voc = first_with_any(&voc_candidates(folder), VOC);
            folders.insert(folder.to_owned(), Place { expected: places[0].clone(), text, voc });
        }
        Self { folders }
    }

    /// The path of an image's label file, which need not exist. An image without a text file may have a VOC file.
    pub(crate) fn label_path(&self, image: &Path) -> PathBuf {
        let Some(Place { expected, text, voc }) = self.folders.get(folder_of(image)) else {
            return Self::expected_path(image);
        };
        let path = label_in(text.as_ref().unwrap_or(expected), image, TEXT);
        let voc = voc.as_ref().map(|voc| label_in(voc, image, VOC));
        voc.filter(|voc| !path.exists() && voc.exists()).unwrap_or(path)
    }

    /// The expected label path of an image, if the text file with its labels is read from the image's own folder
    /// instead.
    pub(crate) fn instead_of(&self, image: &Path) -> Option<PathBuf> {
        let folder = folder_of(image);
        let Place { expected, text, .. } = self.folders.get(folder)?;
        (text.as_deref() == Some(folder) && expected != folder && !is_voc(&self.label_path(image)))
            .then(|| label_in(expected, image, TEXT))
    }

    /// The path at which the labels of an image are looked for first.
    pub(crate) fn expected_path(image: &Path) -> PathBuf {
        label_in(&candidates(folder_of(image))[0], image, TEXT)
    }
}

fn folder_of(image: &Path) -> &Path {
    image.parent().unwrap_or(Path::new(""))
}

fn label_in(place: &Path, image: &Path, extension: &str) -> PathBuf {
    place.join(image.with_extension(extension).file_name().unwrap_or_default())
}

/// Extensions of label files.
const TEXT: &str = "txt";
const VOC: &str = "xml";

/// Whether a label file is one of Pascal VOC.
pub(crate) fn is_voc(label_path: &Path) -> bool {
    label_path.extension().is_some_and(|extension| extension == VOC)
}

/// Folders that may hold the VOC files of a folder of images.
fn voc_candidates(folder: &Path) -> Vec<PathBuf> {
    let is_images =
        |name: &OsStr| ["images", "jpegimages"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let parts: Vec<Component<'_>> = folder.components().collect();
    let mut places = Vec::new();
    if let Some(position) = parts.iter().rposition(|part| is_images(part.as_os_str())) {
        places.extend(["Annotations", "annotations", "labels"].map(|name| -> PathBuf {
            let name = Component::Normal(name.as_ref());
            parts[..position].iter().chain([&name]).chain(&parts[position + 1..]).collect()
        }));
    }
    places.push(folder.to_owned());
    places
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
    fn voc_files_are_found_where_an_image_has_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["Annotations/1.xml", "b/images/2.xml", "images/3.xml", "labels/3.txt", "images/4.xml"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "").unwrap();
        }
        let images = ["JPEGImages/1.jpg", "b/images/2.jpg", "images/3.jpg", "images/4.jpg"].map(path);
        let places = LabelPlaces::find(&images);
        let found = images.each_ref().map(|image| places.label_path(image));
        assert_eq!(found, ["Annotations/1.xml", "b/images/2.xml", "labels/3.txt", "images/4.xml"].map(path));
        assert_eq!(found.each_ref().map(|file| is_voc(file)), [true, true, false, true]);
        assert!(images.iter().all(|image| places.instead_of(image).is_none()));
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
