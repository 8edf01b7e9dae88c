//! [`Data`], [`open_dataset`] and [`draw_dataset`]: a dataset with its labels read and their flaws reported.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use bonsai_data::shapes::{self, ShapesConfig};
use bonsai_data::{DataError, Dataset, Sample, Scan, ScanWatch, Split, SplitKind};

use crate::{Progress, SplitFlaws, digest_file, digest_json, path_text};

/// A dataset with its labels read.
#[derive(Debug, Clone)]
pub struct Data {
    /// Its `data.yaml`; or the folder or COCO file that stands for it.
    pub yaml: PathBuf,
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// The training split.
    pub train: Arc<Split>,
    /// The validation split, which chooses the best weights.
    pub val: Arc<Split>,
    /// The split that the report measures: the test split, or the validation split if the dataset has none.
    pub test: Arc<Split>,
    /// Name of the split in `test`.
    pub test_name: &'static str,
    /// What was left out of each split.
    pub flaws: Vec<SplitFlaws>,
}

impl Data {
    /// Number of training images, and of validation images.
    pub fn trained_and_evaluated(&self) -> [usize; 2] {
        [&self.train, &self.val].map(|split| split.samples.len())
    }

    /// Makes all classes one, called `item` as in Ultralytics. A dataset with one class stays as it is.
    pub fn make_one_class(&mut self) {
        if self.class_names.len() > 1 {
            for split in [&mut self.train, &mut self.val, &mut self.test] {
                *split = Arc::new(one_class(split));
            }
            self.class_names = vec![ONE_CLASS.to_owned()];
        }
    }

    /// Digest of everything that a run uses except pixels: `data.yaml`, and names, sizes and labels of all
    /// images.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn digest(&self) -> Result<String> {
        // A dataset without `data.yaml` has no settings beyond its images, labels and classes.
        let is_yaml = ["yaml", "yml"].map(OsStr::new).contains(&self.yaml.extension().unwrap_or_default());
        let mut parts =
            vec![if is_yaml { digest_file(&self.yaml)? } else { digest_json(&self.class_names)? }];
        for split in [&self.train, &self.val, &self.test] {
            parts.extend(digests(split)?);
        }
        digest_json(&parts)
    }

    /// Digest of everything that a single training uses except pixels, independent of the dataset's folder:
    /// class names, and names, sizes and labels of the training and validation images.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn content_digest(&self) -> Result<String> {
        digest_json(&(&self.class_names, digests(&self.train)?, digests(&self.val)?))
    }
}

/// Name of the class that stands for all classes.
const ONE_CLASS: &str = "item";

/// A split with all objects in one class.
pub fn one_class(split: &Split) -> Split {
    let mut split = split.clone();
    split.samples.iter_mut().flat_map(|sample| &mut sample.labels).for_each(|label| label.class_id = 0);
    split.class_names = vec![ONE_CLASS.to_owned()];
    split
}

/// A digest of name, size and labels for every image of a split.
fn digests(split: &Split) -> Result<Vec<String>> {
    let of = |sample: &Sample| {
        let size = std::fs::metadata(&sample.image_path)
            .with_context(|| format!("cannot read {}", sample.image_path.display()))?
            .len();
        let labels: Vec<_> = sample.labels.iter().map(|l| (l.class_id, l.bbox)).collect();
        let name = sample.image_path.file_name().map(|name| path_text(Path::new(name)));
        digest_json(&(name, size, labels))
    };
    split.samples.iter().map(of).collect()
}

/// Opens a dataset in YOLO format for training, and reports to `progress` what is left out of it.
///
/// # Errors
/// If `data.yaml` is not valid, the training or validation split is missing or empty, the labels are invalid
/// as a whole, or the training split has no labels.
pub fn open_dataset(yaml: &Path, progress: &mut dyn Progress) -> Result<Data> {
    open(yaml, progress, true, Dataset::scan_cached)
}

/// As [`open_dataset`], for callers that need images but no labels.
///
/// # Errors
/// As [`open_dataset`], but missing labels are no error.
pub fn open_images(yaml: &Path, progress: &mut dyn Progress) -> Result<Data> {
    open(yaml, progress, false, Dataset::scan_cached)
}

/// As [`open_dataset`], but writes no cache next to `data.yaml`.
///
/// # Errors
/// As [`open_dataset`].
pub fn look_at_dataset(yaml: &Path, progress: &mut dyn Progress) -> Result<Data> {
    open(yaml, progress, true, Dataset::scan_with)
}

/// Opens one split of a dataset, and reports to `progress` what is left out of it.
///
/// # Errors
/// If `data.yaml` is not valid, the split is missing or empty, or its labels are invalid as a whole.
pub fn open_split(yaml: &Path, kind: SplitKind, progress: &mut dyn Progress) -> Result<Split> {
    let mut watch = |done, total| progress.scan(kind, done, total);
    let (split, scan) = Dataset::open(yaml)?.scan_cached(kind, &scan_cache(yaml, kind), &mut watch)?;
    progress.dataset(&[SplitFlaws::new(kind, &scan)]);
    Ok(split)
}

fn open(
    yaml: &Path,
    progress: &mut dyn Progress,
    needs_labels: bool,
    how: impl Fn(&Dataset, SplitKind, &Path, ScanWatch<'_>) -> Result<(Split, Scan), DataError>,
) -> Result<Data> {
    let dataset = Dataset::open(yaml)?;
    // Checked before images are decoded, because that takes long.
    dataset.check_sources(SplitKind::Train)?;
    dataset.check_sources(SplitKind::Val)?;
    let mut flaws = Vec::new();
    let mut scan = |kind: SplitKind| -> Result<Arc<Split>> {
        let mut watch = |done, total| progress.scan(kind, done, total);
        let (split, scan) = how(&dataset, kind, &scan_cache(yaml, kind), &mut watch)?;
        if needs_labels && kind == SplitKind::Train {
            dataset.require_labels(kind, &scan)?;
        }
        flaws.push(SplitFlaws::new(kind, &scan));
        progress.note(&format!(
            "{} images, {} objects, {} backgrounds in {}",
            scan.images,
            scan.instances,
            scan.backgrounds,
            kind.key()
        ));
        Ok(Arc::new(split))
    };
    let train = scan(SplitKind::Train)?;
    let val = scan(SplitKind::Val)?;
    let (test, test_name) = match dataset.check_sources(SplitKind::Test) {
        Ok(()) => (scan(SplitKind::Test)?, "test"),
        Err(reason) => {
            // Dataset exporters name a test folder in every dataset file, even if they do not create it.
            if dataset.has(SplitKind::Test) {
                flaws.push(SplitFlaws::missing(SplitKind::Test, &reason));
            }
            (Arc::clone(&val), "val")
        }
    };
    let class_names = dataset.class_names().to_vec();
    progress.dataset(&flaws);
    Ok(Data { yaml: yaml.to_owned(), class_names, train, val, test, test_name, flaws })
}

/// The scan cache of a split: a file next to `data.yaml`, or in the dataset's folder if that has no such file.
fn scan_cache(yaml: &Path, kind: SplitKind) -> PathBuf {
    if yaml.is_dir() {
        return yaml.join(format!("{}.scan.cache", kind.key()));
    }
    let stem = yaml.file_stem().unwrap_or_default().to_string_lossy();
    yaml.with_file_name(format!("{stem}.{}.scan.cache", kind.key()))
}

/// Draws the dataset `shapes` into `folder`, which must be empty or missing.
///
/// # Errors
/// If a value of `config` is out of range, `folder` is not empty, or writing fails.
pub fn draw_dataset(config: &ShapesConfig, folder: &Path) -> Result<PathBuf> {
    Ok(shapes::draw(config, folder)?)
}
