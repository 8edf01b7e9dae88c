//! [`validate`]: evaluates a file on a split.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bonsai_data::SplitKind;
use bonsai_detector::{DetectOptions, Detector};
use bonsai_graph::ClassMap;
use bonsai_metrics::DetMetrics;
use bonsai_stages::{
    Canvas, EvalConvention, EvalOptions, Progress, RuntimeChoice, evaluate, left_out, one_class, open_split,
    validation_loader_in,
};
use bonsai_yolov8::NmsOptions;

use super::coco_results::CocoResult;
use super::requirements::data_yaml;
use crate::PipelineConfig;
use crate::training::pictures;

/// Non-maximum suppression of a validation; `None` is Ultralytics' value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Suppression {
    /// Lowest score of a detection; 0.001 if `None`.
    pub confidence: Option<f32>,
    /// IoU above which suppression drops the box with the lower score; 0.7 if `None`.
    pub iou: Option<f32>,
    /// Maximum number of detections in an image; 300 if `None`.
    pub max_detections: Option<usize>,
    /// Whether a box also suppresses boxes of other classes.
    pub agnostic: bool,
}

/// Settings of [`validate`] in addition to the file and the data.
#[derive(Debug, Clone, Default)]
pub struct Validation {
    /// Which detections count.
    pub suppression: Suppression,
    /// Whether the result has the detections.
    pub keep_detections: bool,
    /// Folder for the pictures of a validation: the first batches with labels and with detections, confusion matrices and
    /// curves. `None` draws none.
    pub pictures: Option<PathBuf>,
    /// Whether canvases are no larger than needed, as in Ultralytics, and not square; ignored for an ONNX
    /// file of a fixed size.
    pub rect: bool,
    /// Whether all objects of the dataset are of one class, called `item`.
    pub single_class: bool,
    /// The convention by which metrics are computed.
    pub convention: EvalConvention,
    /// The runtime for an ONNX file.
    pub runtime: RuntimeChoice,
}

/// The result of [`validate`].
#[derive(Debug, Clone)]
pub struct Validated {
    /// The metrics; classes are numbered as in the dataset.
    pub metrics: DetMetrics,
    /// How the classes of the file map to those of the dataset.
    pub classes: ClassMap,
    /// For each class of the dataset, the number of objects of the split that were left out because the file
    /// does not have their class.
    pub left_out: Vec<usize>,
    /// Number of images.
    pub images: usize,
    /// Seconds for all images, loading included.
    pub seconds: f64,
    /// The detections, image after image; empty unless [`Validation::keep_detections`].
    pub detections: Vec<CocoResult>,
}

/// Evaluates a file on a split of `config.data`.
///
/// # Errors
/// If the file or the split cannot be read, or they have no class in common.
pub fn validate(
    config: &PipelineConfig,
    weights: &Path,
    split: SplitKind,
    how: &Validation,
    progress: &mut dyn Progress,
) -> Result<Validated> {
    let (standard, chosen) = (NmsOptions::VALIDATION, how.suppression);
    let suppression = NmsOptions {
        confidence: chosen.confidence.unwrap_or(standard.confidence),
        iou: chosen.iou.unwrap_or(standard.iou),
        max_detections: chosen.max_detections.unwrap_or(standard.max_detections),
        agnostic: chosen.agnostic,
        ..standard
    };
    let NmsOptions { confidence, iou, max_detections, .. } = suppression;
    DetectOptions { confidence, iou, max_detections, ..DetectOptions::default() }.check_thresholds()?;
    let context = config.run_context()?;
    let split = open_split(data_yaml(config)?, split, progress)?;
    let split = if how.single_class { one_class(&split) } else { split };
    let mut detector = Detector::load(weights, how.runtime.with(context.executor))?;
    detector.accepts(&DetectOptions { agnostic: chosen.agnostic, ..detector.config() })?;
    let imgsz = context.imgsz;
    let batch = config.baseline.batch;
    let canvas = match detector.fixed_size() {
        Some(size) if size.longer_side() == imgsz => Canvas::Fixed(size),
        Some(size) => {
            bail!("{} was exported for images of {size} pixels, but imgsz is {imgsz}", weights.display())
        }
        None => how.rect.then(|| detector.stride()).into(),
    };
    let split = Arc::new(split);
    let loader = validation_loader_in(&split, imgsz, batch, &context.loader, canvas)?;
    let options = EvalOptions { suppression, convention: how.convention, gains: None, class_weights: None };
    let yaml = data_yaml(config)?;
    let total = split.samples.len();
    let mut done = 0;
    let mut detections = Vec::new();
    if let Some(folder) = &how.pictures {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let (mut drawn, mut drawing) = (Ok(()), 0.0);
    let start = Instant::now();
    let evaluation = evaluate(&mut detector, &loader, &options, &mut |number, batch, found| {
        if let Some(folder) = how.pictures.as_ref().filter(|_| drawn.is_ok()) {
            let clock = Instant::now();
            drawn = pictures::validation_batch(number, batch, found, &split, folder);
            drawing += clock.elapsed().as_secs_f64();
        }
        if how.keep_detections {
            for ((found, transform), sample) in found.iter().zip(&batch.transforms).zip(&batch.samples) {
                let image = &split.samples[*sample].image_path;
                let native = found.iter().map(|detection| transform.detection_to_native(*detection));
                detections.extend(native.map(|detection| CocoResult::new(image, &detection)));
            }
        }
        done += batch.samples.len();
        progress.evaluate(done, total);
    })
    .with_context(|| format!("{} cannot be evaluated on {}", weights.display(), yaml.display()))?;
    let seconds = start.elapsed().as_secs_f64() - drawing;
    if let Some(folder) = &how.pictures {
        // The metrics are worth more than their pictures.
        let drawn = drawn.and_then(|()| pictures::evaluation(&evaluation, &split.class_names, folder));
        if let Err(error) = drawn {
            tracing::warn!("the pictures in {} are not complete: {error:#}", folder.display());
        }
    }
    let left_out = left_out(&split, &evaluation.classes);
    let metrics = evaluation.metrics;
    Ok(Validated { metrics, classes: evaluation.classes, left_out, images: total, seconds, detections })
}
