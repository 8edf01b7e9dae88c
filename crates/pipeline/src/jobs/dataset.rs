//! [`check_dataset`] and [`convert_dataset`]: what a training would read, and the same in another layout.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_boxes::Xyxy;
use bonsai_data::convert::{Converted, DatasetLayout, convert};
use bonsai_data::{Dataset, Sample, Split, SplitKind, Statistics, decode};
use bonsai_plots::{RgbImage, Tile, TileBox, draw_grid};
use bonsai_stages::{Progress, SplitFlaws, digest_file, write_picture};

/// Pictures on the sheet of [`CheckedDataset::draw`].
const SHOWN: usize = 16;

/// A dataset whose images and labels were read.
#[derive(Debug)]
pub struct CheckedDataset {
    /// Class names by class index.
    pub class_names: Vec<String>,
    /// The splits that the dataset names.
    pub splits: Vec<CheckedSplit>,
    /// Images with the same content in two splits: the splits, their number, and the first pair.
    pub shared: Vec<SharedImages>,
    shown: Option<Split>,
}

/// A split whose images and labels were read.
#[derive(Debug)]
pub struct CheckedSplit {
    /// Which split.
    pub kind: SplitKind,
    /// Its images and objects, or why it cannot be used.
    pub statistics: Result<Statistics, String>,
    /// What was left out or assumed.
    pub flaws: Option<SplitFlaws>,
}

/// Images that occur in two splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedImages {
    /// The splits.
    pub splits: [SplitKind; 2],
    /// Number of images of the second split that the first has too.
    pub count: usize,
    /// The first such image of each split.
    pub first: [PathBuf; 2],
}

/// Reads every image and label of a dataset: a `data.yaml`, a folder, or a COCO file.
///
/// # Errors
/// If no dataset is found at `path`, or a file cannot be read. A split that cannot be used is no error of the call
/// ([`CheckedSplit::statistics`]).
pub fn check_dataset(path: &Path, progress: &mut dyn Progress) -> Result<CheckedDataset> {
    let dataset = Dataset::open(path)?;
    let mut splits = Vec::new();
    let mut read = Vec::new();
    for kind in SplitKind::ALL.into_iter().filter(|kind| dataset.has(*kind)) {
        // No file is called so: every image is decoded again.
        let no_cache = Path::new("");
        let mut watch = |done, total| progress.scan(kind, done, total);
        let (statistics, flaws) = match dataset.scan_with(kind, no_cache, &mut watch) {
            Ok((split, scan)) => {
                // A training refuses a training split without labels.
                let usable = match kind {
                    SplitKind::Train => {
                        dataset.require_labels(kind, &scan).map_err(|error| error.to_string())
                    }
                    _ => Ok(()),
                };
                let statistics = usable.map(|()| Statistics::of(&split));
                read.push((kind, split));
                (statistics, Some(SplitFlaws::new(kind, &scan)))
            }
            Err(error) => (Err(format!("{:#}", anyhow::Error::new(error))), None),
        };
        splits.push(CheckedSplit { kind, statistics, flaws });
    }
    let shared = shared_images(&read)?;
    let class_names = dataset.class_names().to_vec();
    let shown = read.into_iter().next().map(|(_, split)| split);
    Ok(CheckedDataset { class_names, splits, shared, shown })
}

impl CheckedDataset {
    /// Draws the first images of the first usable split with their labels to `path`: those with objects, if there are
    /// any.
    ///
    /// # Errors
    /// If no split is usable, an image cannot be read again, or the file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        let split = self.shown.as_ref().context("no split has usable images, so there is nothing to draw")?;
        let labelled = split.samples.iter().filter(|sample| !sample.labels.is_empty());
        let others = split.samples.iter().filter(|sample| sample.labels.is_empty());
        let chosen: Vec<&Sample> = labelled.chain(others).take(SHOWN).collect();
        let images = chosen.iter().map(|sample| decode(&sample.image_path));
        let images = images.collect::<Result<Vec<RgbImage>, _>>()?;
        let names: Vec<_> = chosen
            .iter()
            .map(|sample| sample.image_path.file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        let boxes: Vec<Vec<TileBox>> = chosen.iter().map(|sample| boxes(sample)).collect();
        let tiles: Vec<_> = images
            .iter()
            .zip(&names)
            .zip(&boxes)
            .map(|((image, name), boxes)| Tile { image, name, boxes })
            .collect();
        write_picture(&draw_grid(&tiles, &self.class_names)?, path)
    }
}

/// The labels of an image, in its pixels.
fn boxes(sample: &Sample) -> Vec<TileBox> {
    let (width, height) = (sample.size.0 as f32, sample.size.1 as f32);
    let of = |label: &bonsai_data::Label| {
        let b = Xyxy::from(label.bbox);
        let bbox = Xyxy { x1: b.x1 * width, y1: b.y1 * height, x2: b.x2 * width, y2: b.y2 * height };
        TileBox { bbox, class_id: label.class_id, confidence: None }
    };
    sample.labels.iter().map(of).collect()
}

/// Images of the same content in two splits. Only files of the same length are read.
fn shared_images(splits: &[(SplitKind, Split)]) -> Result<Vec<SharedImages>> {
    let mut by_length: BTreeMap<u64, Vec<(usize, &Path)>> = BTreeMap::new();
    for (index, (_, split)) in splits.iter().enumerate() {
        for sample in &split.samples {
            let path = sample.image_path.as_path();
            let metadata =
                std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
            by_length.entry(metadata.len()).or_default().push((index, path));
        }
    }
    let mut shared: BTreeMap<[usize; 2], (usize, [PathBuf; 2])> = BTreeMap::new();
    for files in by_length.values().filter(|files| files.iter().any(|file| file.0 != files[0].0)) {
        // The first image of each content and split.
        let mut first: BTreeMap<String, BTreeMap<usize, &Path>> = BTreeMap::new();
        for (split, path) in files {
            let known = first.entry(digest_file(path)?).or_default();
            for (earlier, twin) in known.iter().filter(|(earlier, _)| **earlier < *split) {
                let entry = shared.entry([*earlier, *split]);
                entry.or_insert_with(|| (0, [twin.to_path_buf(), path.to_path_buf()])).0 += 1;
            }
            known.entry(*split).or_insert(path);
        }
    }
    let named = |([a, b], (count, first)): ([usize; 2], _)| SharedImages {
        splits: [splits[a].0, splits[b].0],
        count,
        first,
    };
    Ok(shared.into_iter().map(named).collect())
}

/// Writes a dataset in another layout into `folder`, which must be empty or missing; reports to `progress` what is left
/// out.
///
/// # Errors
/// As [`convert`].
pub fn convert_dataset(
    path: &Path,
    layout: DatasetLayout,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<Converted> {
    let dataset = Dataset::open(path)?;
    let converted =
        convert(&dataset, layout, folder, &mut |kind, done, total| progress.scan(kind, done, total))?;
    let flaws: Vec<_> = converted.scans.iter().map(|(kind, scan)| SplitFlaws::new(*kind, scan)).collect();
    progress.dataset(&flaws);
    Ok(converted)
}
