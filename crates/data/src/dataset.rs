//! [`Dataset`]: a dataset on disk, with its images, labels and their flaws.
//!
//! [`Dataset::scan`] reads every file once, decodes each image and keeps only usable images, so that later
//! stages meet no surprises. It counts flaws in [`Scan`]: a flaw is neither hidden nor fatal.
//! The scan does not keep pixels: [`Loader`](crate::Loader) decodes again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::class_word::ClassWords;
use crate::coco::{self, CocoFile};
use crate::inspect::inspect;
use crate::label_file::labels_of;
use crate::label_places::LabelPlaces;
use crate::label_row::RowRules;
use crate::label_rows::LabelFile;
use crate::scan_cache::ScanCache;
use crate::verdict::{Inspection, Verdict};
use crate::{
    DataError, DataYaml, Flaws, Sample, Scan, SplitKind, Warning, WarningKind, image_files, label_check,
    layout,
};

/// Images that each thread inspects between two progress reports. At the end of such a turn, all threads wait
/// for its last image.
const IMAGES_A_TURN: usize = 32;

/// Progress callback of a scan: receives the number of inspected images and the number of images of the
/// split.
pub type ScanWatch<'a> = &'a mut dyn FnMut(usize, usize);

/// Images smaller than this in either direction are left out, as Ultralytics does.
const MIN_SIDE: u32 = 10;

/// The usable images of one split, sorted by path.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The images.
    pub samples: Vec<Sample>,
    /// Class names by class index.
    pub class_names: Vec<String>,
}

/// A dataset whose `data.yaml` has been read, or whose folder has been looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    yaml: DataYaml,
    /// The COCO files of each split.
    coco: BTreeMap<SplitKind, Vec<CocoFile>>,
}

impl Dataset {
    /// Reads `data.yaml` ([`DataYaml::load`]), or finds the dataset in a folder or from a COCO file (`.json`).
    ///
    /// In a folder, the first of these counts: its `data.yaml` (or its only `.yaml` file); COCO files whose names or
    /// folders say `train`, `val` (`valid`) or `test`; `ImageSets/Main` with `Annotations` (Pascal VOC); folders
    /// called `train`, `val` and `test`, directly or in `images`. A COCO file stands for itself and the files of the
    /// other splits beside it.
    ///
    /// # Errors
    /// Those of [`DataYaml::load`], and [`DataError::DataYaml`] where a `.json` file is no COCO file or no class is
    /// found.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, DataError> {
        let mut yaml = layout::open(file.as_ref())?;
        let mut coco = BTreeMap::new();
        for kind in SplitKind::ALL {
            coco.insert(kind, CocoFile::load_all(yaml.sources(kind), &yaml.root)?);
        }
        if yaml.class_names.is_empty() {
            // Without these files, the classes are unknown.
            for kind in SplitKind::ALL.into_iter().filter(|kind| !yaml.sources(*kind).is_empty()) {
                sources_exist(&yaml, kind)?;
            }
            let files: Vec<&CocoFile> = coco.values().flatten().collect();
            yaml.class_names = coco::class_names(&files);
        }
        if yaml.class_names.is_empty() {
            return Err(DataError::DataYaml {
                path: yaml.file,
                problem: "no class was found: `categories` of its COCO files are empty".to_owned(),
            });
        }
        Ok(Self { yaml, coco })
    }

    /// The dataset file.
    pub fn yaml(&self) -> &DataYaml {
        &self.yaml
    }

    /// Class names by class index.
    pub fn class_names(&self) -> &[String] {
        &self.yaml.class_names
    }

    /// Whether `data.yaml` names the split. Many datasets have no test split; the caller chooses what to use
    /// instead.
    pub fn has(&self, split: SplitKind) -> bool {
        !self.yaml.sources(split).is_empty()
    }

    /// Finds the images of a split, decodes each, reads its labels and checks both.
    ///
    /// Later stages can decode every image of the returned split. Files are read in parallel, one image per
    /// thread; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`DataError::UndefinedSplit`], [`DataError::MissingSource`], [`DataError::MissingImages`],
    /// [`DataError::EmptySplit`], [`DataError::Labels`] where the labels as a whole are unusable (in pixels,
    /// for example), and [`DataError::Io`] and [`DataError::NotText`] for folders and lists that cannot be
    /// read.
    pub fn scan(&self, split: SplitKind) -> Result<(Split, Scan), DataError> {
        self.scan_known(split, &ScanCache::default(), &mut ScanCache::default(), &mut |_, _| {})
    }

    /// As [`scan`](Self::scan), but reuses the results that an earlier scan wrote into the file `cache`: for
    /// images that have not changed since (same length, same timestamps) and for images with the same content
    /// as a scanned one. Labels are always read again. The scan rewrites the file if it can.
    ///
    /// # Errors
    /// As [`scan`](Self::scan); problems with the cache cause no error.
    pub fn scan_cached(
        &self,
        split: SplitKind,
        cache: &Path,
        watch: ScanWatch<'_>,
    ) -> Result<(Split, Scan), DataError> {
        let known = ScanCache::load(cache);
        let mut found = ScanCache::default();
        let scanned = self.scan_known(split, &known, &mut found, watch);
        // Also after an error in labels: the scan after the correction then does not decode the images again.
        if !found.is_empty() && !found.same(&known) {
            found.save(cache);
        }
        scanned
    }

    /// As [`scan_cached`](Self::scan_cached), but does not write the file.
    ///
    /// # Errors
    /// As [`scan`](Self::scan); problems with the cache cause no error.
    pub fn scan_with(
        &self,
        split: SplitKind,
        cache: &Path,
        watch: ScanWatch<'_>,
    ) -> Result<(Split, Scan), DataError> {
        self.scan_known(split, &ScanCache::load(cache), &mut ScanCache::default(), watch)
    }

    /// Checks that the folders and lists of a split exist.
    ///
    /// # Errors
    /// [`DataError::UndefinedSplit`] and [`DataError::MissingSource`].
    pub fn check_sources(&self, split: SplitKind) -> Result<(), DataError> {
        sources_exist(&self.yaml, split)
    }

    /// Refuses a split without a single label, as nothing can be learned from it.
    ///
    /// # Errors
    /// [`DataError::Labels`], with the path at which the labels of the first image were expected.
    pub fn require_labels(&self, split: SplitKind, scan: &Scan) -> Result<(), DataError> {
        if scan.instances > 0 {
            return Ok(());
        }
        let path = scan.label_path.as_deref().unwrap_or(Path::new(""));
        Err(DataError::Labels {
            yaml: self.yaml.file.clone(),
            split: split.key(),
            problem: format!(
                "no usable label: none of its {} images has any; the labels of the first image were looked for in \
                 `{}`",
                scan.images,
                path.display()
            ),
        })
    }

    fn scan_known(
        &self,
        split: SplitKind,
        known: &ScanCache,
        found: &mut ScanCache,
        watch: ScanWatch<'_>,
    ) -> Result<(Split, Scan), DataError> {
        self.check_sources(split)?;
        let sources = self.yaml.sources(split);
        let yaml = &self.yaml.file;
        let key = split.key();
        let coco = self.coco.get(&split).map_or(&[][..], Vec::as_slice);
        let folders: Vec<PathBuf> =
            sources.iter().filter(|source| !CocoFile::is_named(source)).cloned().collect();
        let mut found_files = image_files::find(&folders, &self.yaml.root)?;
        for file in coco {
            file.images().for_each(|image| found_files.insert(image.clone()));
            found_files.flaws.extend(file.missing.clone());
        }
        let image_files::Found { images, others, flaws } = found_files;
        let files: Vec<PathBuf> = images.into_iter().collect();
        let others = image_files::other_formats(&others);
        let mut scan = Scan { found: files.len() + flaws.len(), warnings: flaws, ..Scan::default() };
        for file in coco {
            scan.rows += file.stray.len();
            scan.warnings.extend(file.stray.clone());
        }
        if let (true, None, Some(first)) = (files.is_empty(), &others, scan.warnings.iter().next()) {
            return Err(DataError::missing_images(yaml, key, scan.found, first));
        }
        scan.label_path = files.first().map(|image| LabelPlaces::expected_path(image));
        let places = LabelPlaces::find(&files);
        let rules =
            RowRules { classes: ClassWords::new(&self.yaml.class_names), keypoints: self.yaml.keypoints };
        let inspections = inspect_all(&files, known, watch);
        let used = |(file, inspection): (&PathBuf, &Inspection)| {
            let mut flaws = Flaws::default();
            let Some(size) = admitted(file, &inspection.verdict, &mut flaws) else { return (flaws, None, 0) };
            let from_coco = coco.iter().filter_map(|coco| coco.labels(file, size, &rules.classes));
            let from_coco = from_coco.reduce(LabelFile::join);
            match from_coco.map_or_else(|| labels_of(file, size, &places, &rules), Ok) {
                Ok(LabelFile { labels, rows, flaws: more }) => {
                    flaws.extend(more);
                    (flaws, Some(Sample { image_path: file.clone(), size, labels }), rows)
                }
                Err(flaw) => {
                    flaws.push(flaw);
                    (flaws, None, 0)
                }
            }
        };
        let looked_at: Vec<_> = files.par_iter().zip(&inspections).map(used).collect();

        let mut samples = Vec::with_capacity(files.len());
        for ((file, inspection), (flaws, sample, rows)) in files.iter().zip(inspections).zip(looked_at) {
            scan.warnings.extend(flaws);
            scan.rows += rows;
            found.insert(file, inspection);
            if let Some(sample) = sample {
                scan.images += 1;
                scan.instances += sample.labels.len();
                scan.backgrounds += usize::from(sample.labels.is_empty());
                samples.push(sample);
            }
        }
        if let Some(others) = &others {
            scan.found += others.kind.times();
            scan.warnings.push(others.clone());
        }
        if let Some(problem) = label_check::misreading(&scan, &samples) {
            return Err(DataError::Labels { yaml: yaml.clone(), split: key, problem });
        }
        if samples.is_empty() {
            return Err(DataError::EmptySplit {
                yaml: yaml.clone(),
                split: key,
                found: files.len(),
                sources: listing(sources),
                others: others.map_or_else(String::new, |warning| format!("; {warning}")),
            });
        }
        tracing::info!(
            split = key,
            images = scan.images,
            instances = scan.instances,
            backgrounds = scan.backgrounds,
            warnings = scan.warnings.len(),
            "scanned"
        );
        Ok((Split { samples, class_names: self.yaml.class_names.clone() }, scan))
    }
}

/// Checks that a split is named, and that its folders and lists exist.
fn sources_exist(yaml: &DataYaml, split: SplitKind) -> Result<(), DataError> {
    let sources = yaml.sources(split);
    let (yaml, split) = (yaml.file.clone(), split.key());
    if sources.is_empty() {
        return Err(DataError::UndefinedSplit { yaml, split });
    }
    match sources.iter().find(|source| !source.exists()) {
        Some(missing) => Err(DataError::MissingSource { yaml, split, source_path: missing.clone() }),
        None => Ok(()),
    }
}

/// Inspects every image, in parallel; the results are in the order of the files.
fn inspect_all(files: &[PathBuf], known: &ScanCache, watch: ScanWatch<'_>) -> Vec<Inspection> {
    let mut inspected = Vec::with_capacity(files.len());
    watch(0, files.len());
    for turn in files.chunks(IMAGES_A_TURN * rayon::current_num_threads()) {
        inspected.par_extend(turn.par_iter().map(|file| inspect(file, known)));
        watch(inspected.len(), files.len());
    }
    inspected
}

/// The size of a usable image, or `None`; adds a flaw with the reason if the image is unusable or doubtful.
fn admitted(image: &Path, verdict: &Verdict, flaws: &mut Flaws) -> Option<(u32, u32)> {
    let mut flaw = |kind| flaws.push(Warning { path: image.to_owned(), line: None, kind });
    match verdict {
        Verdict::Unusable(reason) => {
            flaw(WarningKind::UnreadableImage { reason: reason.clone() });
            None
        }
        Verdict::Usable { size: (width, height), .. } if *width.min(height) < MIN_SIDE => {
            flaw(WarningKind::TinyImage { width: *width, height: *height });
            None
        }
        Verdict::Usable { size, doubt } => {
            if let Some(reason) = doubt {
                flaw(WarningKind::DoubtfulJpeg { reason: reason.clone() });
            }
            Some(*size)
        }
    }
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
