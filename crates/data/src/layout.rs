//! [`open`]: datasets with and without a `data.yaml`.
//!
//! Each layout is that of a widespread exporter. The names of folders and files say which split they are; nothing is
//! divided at random, because a split that changes makes results incomparable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::coco::CocoFile;
use crate::folder_files::files_with;
use crate::label_places::{LabelPlaces, is_voc};
use crate::split_word::SplitWord;
use crate::text::{decode_text, read_bytes, read_text};
use crate::{DataError, DataYaml, SplitKind, coco_layout, image_files, voc};

/// Reads a dataset file, or finds a dataset in a folder or from a COCO file (`.json`).
///
/// # Errors
/// Those of [`DataYaml::load`], and [`DataError::DataYaml`] if a folder or COCO file is no dataset.
pub(crate) fn open(file: &Path) -> Result<DataYaml, DataError> {
    if file.is_dir() {
        in_folder(file)
    } else if CocoFile::is_named(file) && file.exists() {
        of_coco(file)
    } else {
        DataYaml::load(file)
    }
}

/// Finds the dataset in a folder.
///
/// # Errors
/// [`DataError::DataYaml`] if there is none, and the errors of reading its files.
fn in_folder(folder: &Path) -> Result<DataYaml, DataError> {
    if let Some(yaml) = own_yaml(folder)? {
        return DataYaml::load(yaml);
    }
    let mut found = without_sources(folder, folder);
    for (kind, file) in coco_layout::in_folder(folder)? {
        found.sources_mut(kind).push(file);
    }
    if SplitKind::ALL.iter().any(|kind| !found.sources(*kind).is_empty()) {
        return Ok(found);
    }
    for kind in SplitKind::ALL {
        let list = folder.join(format!("ImageSets/Main/{}.txt", kind.key()));
        let source = if list.is_file() { Some(list) } else { split_folder(folder, kind) };
        found.sources_mut(kind).extend(source);
    }
    if SplitKind::ALL.iter().all(|kind| found.sources(*kind).is_empty()) {
        return Err(problem(
            folder,
            "no dataset was found in this folder: expected `data.yaml`; or COCO files whose names say `train` and `val`, \
             here or in `annotations`; or `ImageSets/Main/train.txt` of Pascal VOC; or folders `train` and `val` \
             (directly or in `images`)",
        ));
    }
    found.class_names = names(&found)?;
    Ok(found)
}

/// The dataset of a COCO file and the files of the other splits beside it.
///
/// # Errors
/// [`DataError::DataYaml`] if its name does not say of which split it is.
fn of_coco(file: &Path) -> Result<DataYaml, DataError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = without_sources(file, folder);
    let sources = coco_layout::beside(file)?.ok_or_else(|| {
        problem(
            file,
            "neither the name of this COCO file nor its folder says `train`, `val` or `test`: write a data.yaml with \
             `train: FILE.json` and `val: FILE.json`, and pass that",
        )
    })?;
    for (kind, source) in sources {
        found.sources_mut(kind).push(source);
    }
    Ok(found)
}

/// A dataset without images and classes.
fn without_sources(file: &Path, root: &Path) -> DataYaml {
    DataYaml {
        file: file.to_owned(),
        root: root.to_owned(),
        train: Vec::new(),
        val: Vec::new(),
        test: Vec::new(),
        class_names: Vec::new(),
        keypoints: None,
    }
}

/// The dataset file of a folder: `data.yaml`, or the only file with such an extension that names a split.
fn own_yaml(folder: &Path) -> Result<Option<PathBuf>, DataError> {
    let usual = ["data.yaml", "data.yml", "dataset.yaml", "dataset.yml"].map(|name| folder.join(name));
    if let Some(file) = usual.into_iter().find(|file| file.is_file()) {
        return Ok(Some(file));
    }
    let names_split = |file: &PathBuf| {
        let text = read_bytes(file).ok().and_then(|bytes| decode_text(&bytes).ok()).unwrap_or_default();
        let keys = ["train:", "val:", "validation:", "test:"];
        text.lines().any(|line| keys.iter().any(|key| line.starts_with(key)))
    };
    let mut files: Vec<PathBuf> =
        files_with(folder, &["yaml", "yml"])?.into_iter().filter(names_split).collect();
    Ok(if files.len() == 1 { files.pop() } else { None })
}

/// The folder of a split's images.
fn split_folder(folder: &Path, kind: SplitKind) -> Option<PathBuf> {
    let places = SplitWord::words(kind)
        .iter()
        .flat_map(|name| [format!("images/{name}"), format!("{name}/images"), (*name).to_owned()]);
    places.map(|place| folder.join(place)).find(|place| place.is_dir())
}

/// The class names: those of the VOC files in alphabetical order; else those of a file of names; else numbers.
fn names(dataset: &DataYaml) -> Result<Vec<String>, DataError> {
    let folder = &dataset.root;
    for file in ["classes.txt", "obj.names", "labels.txt", "labels/classes.txt"].map(|name| folder.join(name))
    {
        if file.is_file() {
            let text = read_text(&file, "read the names of classes")?;
            return Ok(text
                .lines()
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect());
        }
    }
    let mut names = BTreeSet::new();
    let mut last = None;
    for kind in SplitKind::ALL {
        let images: Vec<PathBuf> =
            image_files::find(dataset.sources(kind), folder)?.images.into_iter().collect();
        let places = LabelPlaces::find(&images);
        for file in images.iter().map(|image| places.label_path(image)) {
            // A file that cannot be read is a flaw that the scan reports.
            let Some(text) = read_bytes(&file).ok().and_then(|bytes| decode_text(&bytes).ok()) else {
                continue;
            };
            if is_voc(&file) {
                names.extend(voc::names(&text));
            } else {
                last = text.lines().filter_map(class_number).max().max(last);
            }
        }
    }
    match (names.is_empty(), last) {
        (false, Some(_)) => Err(problem(
            folder,
            "some labels are VOC files with names of classes, others are text with numbers, and nothing says which number is \
             which class: write the names in the order of the numbers into `classes.txt`, one per line",
        )),
        (false, None) => Ok(names.into_iter().collect()),
        (true, Some(last)) if last < 1000 => Ok((0..=last).map(|class| format!("class_{class}")).collect()),
        _ => Err(problem(
            folder,
            "no class was found: expected VOC files beside the images or in `Annotations`, or label files with `class cx cy \
             w h`; write a data.yaml with `names: [...]`",
        )),
    }
}

fn class_number(row: &str) -> Option<usize> {
    row.split([' ', '\t', ',', ';']).next()?.parse().ok()
}

fn problem(path: &Path, problem: &str) -> DataError {
    DataError::DataYaml { path: path.to_owned(), problem: problem.to_owned() }
}
