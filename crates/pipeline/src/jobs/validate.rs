//! [`validate`]: evaluates a file on a split.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bonsai_data::SplitKind;
use bonsai_detector::{DetectConfig, Detector};
use bonsai_graph::ClassMap;
use bonsai_metrics::DetMetrics;
use bonsai_stages::{
    Canvas, EvalConvention, EvalOptions, Progress, RuntimeChoice, evaluate, left_out, open_split,
    validation_loader_in,
};
use bonsai_yolov8::NmsConfig;

use super::requirements::{context, data_yaml};
use crate::PipelineConfig;

/// Settings of [`validate`] beside the file and the data.
#[derive(Debug, Clone, Default)]
pub struct Validation {
    /// Lowest score; 0.001 where `None`.
    pub confidence: Option<f32>,
    /// Overlap at which the lesser box goes; 0.7 where `None`.
    pub iou: Option<f32>,
    /// Canvases no larger than needed, as Ultralytics validates, in place of squares; without meaning for an ONNX file of
    /// one size.
    pub rect: bool,
    /// Whose figures are to be comparable.
    pub convention: EvalConvention,
    /// What runs an ONNX file.
    pub runtime: RuntimeChoice,
}

/// What [`validate`] found.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The figures; classes are numbered as in the dataset.
    pub metrics: DetMetrics,
    /// Which of the file's classes they are.
    pub classes: ClassMap,
    /// By class of the dataset, objects of the split that took no part, because the file does not have their class.
    pub left_out: Vec<usize>,
}

/// Measures a file on a split of `config.data`.
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
    let standard = NmsConfig::VALIDATION;
    let suppression = NmsConfig {
        confidence: how.confidence.unwrap_or(standard.confidence),
        iou: how.iou.unwrap_or(standard.iou),
        ..standard
    };
    let NmsConfig { confidence, iou, max_detections, .. } = suppression;
    DetectConfig { confidence, iou, max_detections, ..DetectConfig::default() }.check_thresholds()?;
    let context = context(config)?;
    let split = open_split(data_yaml(config)?, split, progress)?;
    let mut detector = Detector::load(weights, how.runtime.with(context.executor))?;
    let imgsz = context.imgsz;
    let batch = config.baseline.batch;
    let canvas = match detector.fixed_size() {
        Some((h, w)) if h.max(w) == imgsz => Canvas::Fixed((h, w)),
        Some((h, w)) => {
            bail!("{} was exported for images of {h} x {w} pixels, but imgsz is {imgsz}", weights.display())
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
