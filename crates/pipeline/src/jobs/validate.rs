//! [`validate`]: evaluates a file on a split.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bonsai_data::SplitKind;
use bonsai_detector::{DetectOptions, Detector};
use bonsai_graph::ClassMap;
use bonsai_metrics::DetMetrics;
use bonsai_stages::{
    Canvas, EvalConvention, EvalOptions, Progress, RuntimeChoice, evaluate, left_out, open_split,
    validation_loader_in,
};
use bonsai_yolov8::NmsOptions;

use super::requirements::data_yaml;
use crate::PipelineConfig;

/// Settings of [`validate`] in addition to the file and the data.
#[derive(Debug, Clone, Default)]
pub struct Validation {
    /// Lowest score of a detection; 0.001 if `None`.
    pub confidence: Option<f32>,
    /// IoU above which suppression drops the box with the lower score; 0.7 if `None`.
    pub iou: Option<f32>,
    /// Whether canvases are no larger than needed, as in Ultralytics, and not square; ignored for an ONNX
    /// file of a fixed size.
    pub rect: bool,
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
    let standard = NmsOptions::VALIDATION;
    let suppression = NmsOptions {
        confidence: how.confidence.unwrap_or(standard.confidence),
        iou: how.iou.unwrap_or(standard.iou),
        ..standard
    };
    let NmsOptions { confidence, iou, max_detections, .. } = suppression;
    DetectOptions { confidence, iou, max_detections, ..DetectOptions::default() }.check_thresholds()?;
    let context = config.run_context()?;
    let split = open_split(data_yaml(config)?, split, progress)?;
    let mut detector = Detector::load(weights, how.runtime.with(context.executor))?;
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
    let options = EvalOptions { suppression, convention: how.convention, gains: None };
    let yaml = data_yaml(config)?;
    let evaluation = evaluate(&mut detector, &loader, &options, &mut |_, _, _| {})
        .with_context(|| format!("{} cannot be evaluated on {}", weights.display(), yaml.display()))?;
    let left_out = left_out(&split, &evaluation.classes);
    Ok(Validated { metrics: evaluation.metrics, classes: evaluation.classes, left_out })
}
