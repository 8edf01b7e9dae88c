//! [`open`]: datasets with and without a `data.yaml`.
//!
//! Each layout is that of a widespread exporter. The names of folders and files say which split they are; nothing is
//! divided at random, because a split that changes makes results incomparable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::coco::CocoFile;
use crate::image_files;
use crate::label_places::{LabelPlaces, is_voc};
use crate::source_path::seen_from;
use crate::text::{decode_text, read_bytes, read_text};
use crate::{DataError, DataYaml, SplitKind, formats, voc};

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
    let empty = || DataYaml {
        file: folder.to_owned(),
        root: folder.to_owned(),
        train: Vec::new(),
        val: Vec::new(),
        test: Vec::new(),
        class_names: Vec::new(),
        keypoints: None,
    };
    let mut found = empty();
    for place in ["", "annotations", "train", "valid", "val", "test"].map(|name| folder.join(name)) {
        for file in coco_files(&place)? {
            if let Some(kind) = split_of(&file, folder) {
                found.sources_mut(kind).push(file);
            }
        }
    }
    if SplitKind::ALL.iter().any(|kind| !found.sources(*kind).is_empty()) {
        return Ok(found);
    }
    for kind in SplitKind::ALL {
        *found.sources_mut(kind) = match voc_list(folder, kind)? {
            sources if sources.is_empty() => split_folder(folder, kind).into_iter().collect(),
            sources => sources,
        };
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
    let mut found = DataYaml {
        file: file.to_owned(),
        root: folder.to_owned(),
        train: Vec::new(),
        val: Vec::new(),
        test: Vec::new(),
        class_names: Vec::new(),
        keypoints: None,
    };
    let above = folder.parent().unwrap_or(folder);
    let Some(own) = split_of(file, above) else {
        return Err(problem(
            file,
            "neither the name of this COCO file nor its folder says `train`, `val` or `test`: write a data.yaml with \
             `train: FILE.json` and `val: FILE.json`, and pass that",
        ));
    };
    found.sources_mut(own).push(file.to_owned());
    let mut beside = coco_files(folder)?;
    for name in ["train", "valid", "val", "test"] {
        if Some(name) != folder.file_name().and_then(|name| name.to_str()) {
            beside.extend(coco_files(&above.join(name))?);
        }
    }
    for other in beside {
        if let Some(kind) = split_of(&other, above)
            && found.sources(kind).is_empty()
        {
            found.sources_mut(kind).push(other);
        }
    }
    Ok(found)
}

/// The dataset file of a folder: `data.yaml`, or the only file with such an extension.
fn own_yaml(folder: &Path) -> Result<Option<PathBuf>, DataError> {
    let usual = ["data.yaml", "data.yml", "dataset.yaml", "dataset.yml"].map(|name| folder.join(name));
    if let Some(file) = usual.into_iter().find(|file| file.is_file()) {
        return Ok(Some(file));
    }
    let mut files = files_with(folder, &["yaml", "yml"])?;
    Ok(if files.len() == 1 { files.pop() } else { None })
}

/// The COCO files of a folder; none if it does not exist. Files of other tasks of COCO are left out.
fn coco_files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let other_task = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        ["captions", "person_keypoints", "stuff", "panoptic", "image_info", "."]
            .iter()
            .any(|start| name.starts_with(start))
    };
    Ok(files_with(folder, &["json"])?.into_iter().filter(|file| !other_task(file)).collect())
}

/// The sorted files of a folder with one of the extensions; none if it does not exist.
fn files_with(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(DataError::io("list the folder", folder))?;
    let mut files = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(DataError::io("list the folder", folder))?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if extensions.contains(&extension.as_str()) && path.is_file() {
            files.insert(path);
        }
    }
    Ok(files.into_iter().collect())
}

/// The split that a file's name, or the name of its folder below `root`, says.
fn split_of(file: &Path, root: &Path) -> Option<SplitKind> {
    let says = |name: &str| {
        let name = name.to_lowercase();
        let kinds = [(SplitKind::Train, "train"), (SplitKind::Val, "val"), (SplitKind::Test, "test")];
        let mut said = kinds.into_iter().filter(|(_, word)| name.contains(word));
        // A name such as `trainval` says nothing.
        said.next().filter(|_| said.next().is_none()).map(|(kind, _)| kind)
    };
    let own = says(&file.file_stem()?.to_string_lossy());
    let folder = file.parent().filter(|folder| *folder != root)?.file_name();
    own.or_else(|| says(&folder?.to_string_lossy()))
}

/// The images that `ImageSets/Main/SPLIT.txt` of a VOC folder lists, by their names without extension.
fn voc_list(folder: &Path, kind: SplitKind) -> Result<Vec<PathBuf>, DataError> {
    let list = folder.join(format!("ImageSets/Main/{}.txt", kind.key()));
    if !list.is_file() {
        return Ok(Vec::new());
    }
    let images = folder.join("JPEGImages");
    let text = read_text(&list, "read the image list")?;
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    let file = |name: &str| {
        let with = |extension: &str| seen_from(&images, Path::new(&format!("{name}.{extension}")));
        let found = formats::READ.iter().map(|extension| with(extension)).find(|file| file.is_file());
        found.unwrap_or_else(|| with("jpg"))
    };
    Ok(names.map(file).collect())
}

/// The folder of a split's images.
fn split_folder(folder: &Path, kind: SplitKind) -> Option<PathBuf> {
    let names: &[&str] = match kind {
        SplitKind::Train => &["train", "training"],
        SplitKind::Val => &["val", "valid", "validation"],
        SplitKind::Test => &["test"],
    };
    let places = names
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
        (false, _) => Ok(names.into_iter().collect()),
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
