//! [`convert`]: writes a dataset in the layout of YOLO, COCO or Pascal VOC.
//!
//! Boxes are written with all digits, so that the written dataset gives the same labels when it is read. Images are
//! linked where the file system can (no second copy on the disk) and copied elsewhere.

mod coco;
mod voc;
mod yolo;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{DataError, Dataset, Label, Sample, Scan, Split, SplitKind};

/// A layout of datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetLayout {
    /// `data.yaml`, `images/SPLIT` and `labels/SPLIT`, one text file for each image.
    Yolo,
    /// `annotations/instances_SPLIT.json`, and the images in `SPLIT`.
    Coco,
    /// `Annotations` (one XML file for each image), `JPEGImages`, and `ImageSets/Main/SPLIT.txt`.
    Voc,
}

/// What [`convert`] wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// What to pass as a dataset: `data.yaml`, or the folder.
    pub dataset: PathBuf,
    /// The scan of each split that was written.
    pub scans: Vec<(SplitKind, Scan)>,
}

/// An image of a split with its new name.
struct Named<'a> {
    sample: &'a Sample,
    /// Name of the file.
    name: String,
    /// The name without extension; unique in the dataset.
    stem: String,
}

/// Writes all splits of a dataset into `folder`, which must be empty or missing. Images and labels with flaws are left
/// out, as the scans say, and so is a test split that does not exist. `watch` receives the numbers of inspected images and of all images of a split. The folder
/// appears when everything is written.
///
/// # Errors
/// The errors of [`Dataset::scan`], [`DataError::TargetExists`], and [`DataError::Io`] if a file cannot be written.
pub fn convert(
    dataset: &Dataset,
    layout: DatasetLayout,
    folder: &Path,
    watch: &mut dyn FnMut(SplitKind, usize, usize),
) -> Result<Converted, DataError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(DataError::TargetExists(folder.to_owned()));
    }
    let mut splits = Vec::new();
    let mut scans = Vec::new();
    // Exporters name a test folder in every dataset file, even if they do not create it.
    let is_written = |kind: &SplitKind| {
        dataset.has(*kind) && (*kind != SplitKind::Test || dataset.check_sources(*kind).is_ok())
    };
    for kind in SplitKind::ALL.into_iter().filter(is_written) {
        // No file is called so: nothing is known of the images.
        let no_cache = Path::new("");
        let (split, scan) = dataset.scan_with(kind, no_cache, &mut |done, total| watch(kind, done, total))?;
        splits.push((kind, split));
        scans.push((kind, scan));
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = if folder.is_dir() { folder.to_owned() } else { make(parent.to_owned())? };
    let temporary = tempfile::Builder::new().prefix(".bonsai-convert-").tempdir_in(&parent);
    let temporary = temporary.map_err(DataError::io("create a folder in", &parent))?;
    // A folder of its own in the temporary one, which only this user may read.
    let partial = make(temporary.path().join("dataset"))?;
    write_all(dataset, layout, &splits, &partial)?;
    if folder.is_dir() {
        // It may be a link or the working directory, so it stays, and only its content is new.
        for entry in fs::read_dir(&partial).map_err(DataError::io("list the folder", &partial))? {
            let entry = entry.map_err(DataError::io("list the folder", &partial))?;
            let target = folder.join(entry.file_name());
            fs::rename(entry.path(), &target).map_err(DataError::io("create", &target))?;
        }
    } else {
        fs::rename(&partial, folder).map_err(DataError::io("create the folder", folder))?;
    }
    let dataset = if layout == DatasetLayout::Yolo { folder.join(yolo::FILE) } else { folder.to_owned() };
    Ok(Converted { dataset, scans })
}

fn write_all(
    dataset: &Dataset,
    layout: DatasetLayout,
    splits: &[(SplitKind, Split)],
    folder: &Path,
) -> Result<(), DataError> {
    let write_split = match layout {
        DatasetLayout::Yolo => yolo::write_split,
        DatasetLayout::Coco => coco::write_split,
        DatasetLayout::Voc => voc::write_split,
    };
    let mut names = Names::default();
    for (kind, split) in splits {
        let named: Vec<Named<'_>> = split.samples.iter().map(|sample| names.of(sample)).collect();
        write_split(folder, *kind, split, &named)?;
    }
    match layout {
        DatasetLayout::Yolo => {
            yolo::write_yaml(folder, dataset.class_names(), splits.iter().map(|(kind, _)| *kind))
        }
        DatasetLayout::Coco => Ok(()),
        // Without it, the classes would be numbered in alphabetical order.
        DatasetLayout::Voc => write(&folder.join("classes.txt"), &(dataset.class_names().join("\n") + "\n")),
    }
}

/// File names that are taken.
#[derive(Default)]
struct Names {
    stems: HashSet<String>,
}

impl Names {
    /// The name of an image; a number is added to a name that is taken.
    fn of<'a>(&mut self, sample: &'a Sample) -> Named<'a> {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let first = part(sample.image_path.file_stem());
        let extension = part(sample.image_path.extension());
        let mut stem = first.clone();
        let mut number = 1;
        while !self.stems.insert(stem.to_lowercase()) {
            number += 1;
            stem = format!("{first}_{number}");
        }
        Named { sample, name: format!("{stem}.{extension}"), stem }
    }
}

/// Puts the image of a sample into a folder.
fn place(named: &Named<'_>, folder: &Path) -> Result<(), DataError> {
    let target = folder.join(&named.name);
    // A link to a link would break if the first one moved.
    let source = named.sample.image_path.canonicalize();
    let source = source.map_err(DataError::io("open the image", &named.sample.image_path))?;
    if fs::hard_link(&source, &target).is_ok() {
        return Ok(());
    }
    fs::copy(&source, &target).map(|_| ()).map_err(DataError::io("write the image", &target))
}

fn make(folder: PathBuf) -> Result<PathBuf, DataError> {
    fs::create_dir_all(&folder).map_err(DataError::io("create the folder", &folder))?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> Result<(), DataError> {
    fs::write(path, text).map_err(DataError::io("write", path))
}

/// Edges of a label in pixels.
fn edges(label: &Label, (width, height): (u32, u32)) -> [f64; 4] {
    let b = label.bbox;
    let [cx, cy, w, h] = [b.cx, b.cy, b.w, b.h].map(f64::from);
    let (width, height) = (f64::from(width), f64::from(height));
    [(cx - w / 2.0) * width, (cy - h / 2.0) * height, (cx + w / 2.0) * width, (cy + h / 2.0) * height]
}
