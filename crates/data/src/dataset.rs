//! A YOLO-format dataset on disk: images, their labels, and what is wrong with either.
//!
//! Idea: [`Dataset::scan`] looks at every file once and keeps only what can be trained on, so that later stages
//! meet no surprises; flaws are counted in [`Scan`], not hidden and not fatal.
//! Pixels are not kept: [`Loader`](crate::Loader) decodes.

use std::fmt::Write as _;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bonsai_boxes::{Cxcywh, GroundTruth, Xyxy};
use rayon::prelude::*;

use crate::decode::{dimensions, is_truncated_jpeg};
use crate::scan_cache::{Header, ScanCache};
use crate::{DataError, DataYaml, SplitKind, Warning, WarningKind, image_files, label_file};

/// Images smaller than this in either direction are left out, as Ultralytics does.
const MIN_SIDE: u32 = 10;

/// One marked object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// Index into the class names.
    pub class_id: usize,
    /// Where, in fractions of the image that the context names.
    pub bbox: Cxcywh,
}

/// One image file and what is marked on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The file.
    pub image_path: PathBuf,
    /// Width and height in pixels, EXIF orientation applied.
    pub size: (u32, u32),
    /// The objects, in fractions of the image; none for a background image.
    pub labels: Vec<Label>,
}

impl Sample {
    /// The objects in pixels of the image file, as metrics compare them with detections.
    pub fn ground_truth(&self) -> Vec<GroundTruth> {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        self.labels
            .iter()
            .map(|label| {
                let b = Xyxy::from(label.bbox);
                let bbox = Xyxy { x1: b.x1 * width, y1: b.y1 * height, x2: b.x2 * width, y2: b.y2 * height };
                GroundTruth { bbox, class_id: label.class_id }
            })
            .collect()
    }
}

/// The usable images of one split, sorted by path.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The images.
    pub samples: Vec<Sample>,
    /// Class names by class index.
    pub class_names: Vec<String>,
}

/// What a scan counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scan {
    /// Usable images.
    pub images: usize,
    /// Usable labels.
    pub instances: usize,
    /// Usable images without any label.
    pub backgrounds: usize,
    /// What was left out and why, in the order of the images.
    pub warnings: Vec<Warning>,
}

/// A dataset whose `data.yaml` has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    yaml: DataYaml,
}

impl Dataset {
    /// Reads `data.yaml`; see [`DataYaml::load`].
    ///
    /// # Errors
    /// Those of [`DataYaml::load`].
    pub fn open(file: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self { yaml: DataYaml::load(file)? })
    }

    /// The dataset file.
    pub fn yaml(&self) -> &DataYaml {
        &self.yaml
    }

    /// Class names by class index.
    pub fn class_names(&self) -> &[String] {
        &self.yaml.class_names
    }

    /// Whether `data.yaml` names the split. Many datasets have no test split; what to use instead is the caller's choice.
    pub fn has(&self, split: SplitKind) -> bool {
        !self.yaml.sources(split).is_empty()
    }

    /// Finds the images of a split, reads their sizes and labels and checks both.
    ///
    /// Files are looked at in parallel; the result does not depend on how many threads there are.
    ///
    /// # Errors
    /// [`DataError::UndefinedSplit`], [`DataError::MissingSource`], [`DataError::EmptySplit`], and
    /// [`DataError::Io`] for folders and lists that cannot be read.
    pub fn scan(&self, split: SplitKind) -> Result<(Split, Scan), DataError> {
        self.scan_known(split, &ScanCache::default()).map(|(split, scan, _)| (split, scan))
    }

    /// As [`scan`](Self::scan), with what an earlier scan wrote into the file `cache` about images that have not changed since
    /// (same length, same time of change). Labels are always read anew. The file is written if it can be.
    ///
    /// # Errors
    /// As [`scan`](Self::scan); never about the cache.
    pub fn scan_cached(&self, split: SplitKind, cache: &Path) -> Result<(Split, Scan), DataError> {
        let known = ScanCache::load(cache);
        let (split, scan, mut found) = self.scan_known(split, &known)?;
        if found != known {
            found.save(cache);
        }
        Ok((split, scan))
    }

    /// As [`scan_cached`](Self::scan_cached), but writes nothing.
    ///
    /// # Errors
    /// As [`scan`](Self::scan); never about the cache.
    pub fn scan_with(&self, split: SplitKind, cache: &Path) -> Result<(Split, Scan), DataError> {
        self.scan_known(split, &ScanCache::load(cache)).map(|(split, scan, _)| (split, scan))
    }

    fn scan_known(&self, split: SplitKind, known: &ScanCache) -> Result<(Split, Scan, ScanCache), DataError> {
        let sources = self.yaml.sources(split);
        let (yaml, key) = (&self.yaml.file, split.key());
        if sources.is_empty() {
            return Err(DataError::UndefinedSplit { yaml: yaml.clone(), split: key });
        }
        if let Some(missing) = sources.iter().find(|source| !source.exists()) {
            return Err(DataError::MissingSource {
                yaml: yaml.clone(),
                split: key,
                source_path: missing.clone(),
            });
        }
        let files = image_files::find(sources)?;
        let num_classes = self.yaml.class_names.len();
        let looked_at: Vec<_> = files.par_iter().map(|file| look_at(file, num_classes, known)).collect();

        let mut scan = Scan::default();
        let mut found = ScanCache::default();
        let mut samples = Vec::with_capacity(looked_at.len());
        for (file, (header, sample, warnings)) in files.iter().zip(looked_at) {
            scan.warnings.extend(warnings);
            if let Some((metadata, header)) = header {
                found.insert(file, &metadata, header);
            }
            if let Some(sample) = sample {
                scan.images += 1;
                scan.instances += sample.labels.len();
                scan.backgrounds += usize::from(sample.labels.is_empty());
                samples.push(sample);
            }
        }
        if samples.is_empty() {
            return Err(DataError::EmptySplit {
                yaml: yaml.clone(),
                split: key,
                found: files.len(),
                sources: listing(sources),
            });
        }
        tracing::debug!(
            split = key,
            images = scan.images,
            instances = scan.instances,
            backgrounds = scan.backgrounds,
            warnings = scan.warnings.len(),
            "scanned"
        );
        Ok((Split { samples, class_names: self.yaml.class_names.clone() }, scan, found))
    }
}

/// What one image gives: its header if it can be read, the sample if it can be used, and what is wrong.
type LookedAt = (Option<(Metadata, Header)>, Option<Sample>, Vec<Warning>);

fn look_at(image: &Path, num_classes: usize, known: &ScanCache) -> LookedAt {
    let mut warnings = Vec::new();
    let flaw = |kind| Warning { path: image.to_owned(), line: None, kind };
    let unreadable = |reason| (None, None, vec![flaw(WarningKind::UnreadableImage { reason })]);
    let metadata = match std::fs::metadata(image) {
        Ok(metadata) => metadata,
        Err(error) => return unreadable(error.to_string()),
    };
    let header = match known.get(image, &metadata) {
        Some(header) => header,
        None => match dimensions(image) {
            Ok(size) => Header { size, truncated: is_truncated_jpeg(image).unwrap_or(true) },
            Err(error) => return unreadable(reason(&error)),
        },
    };
    let (width, height) = header.size;
    let seen = Some((metadata, header));
    if width.min(height) < MIN_SIDE {
        return (seen, None, vec![flaw(WarningKind::TinyImage { width, height })]);
    }
    if header.truncated {
        warnings.push(flaw(WarningKind::TruncatedJpeg));
    }
    let label_path = image_files::label_path(image);
    let labels = match std::fs::read_to_string(&label_path) {
        Ok(text) => label_file::parse(&text, &label_path, num_classes, &mut warnings),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let kind = WarningKind::UnreadableLabels { reason: error.to_string() };
            warnings.push(Warning { path: label_path, line: None, kind });
            Vec::new()
        }
    };
    (seen, Some(Sample { image_path: image.to_owned(), size: (width, height), labels }), warnings)
}

/// The innermost cause: the outer messages only repeat the path, which a warning names anyway.
pub(crate) fn reason(error: &DataError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    // Some decoders end their messages with a line break.
    cause.to_string().trim().to_owned()
}

fn listing(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for (index, path) in paths.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}`{}`", path.display());
    }
    text
}
