//! One stage on its own, from files to files: what the single commands of the command line do.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_data::SplitKind;
use bonsai_detector::{DetectConfig, Detector, FileKind, OnnxSignature};
use bonsai_graph::ClassMap;
use bonsai_metrics::DetMetrics;
use bonsai_onnx::{ExportOptions, OnnxInfo, Precision, Quantization};
use bonsai_prune::{Iterated, PrunePlan, PruneReport, apply, apply_compensated, report};
use bonsai_stages::{
    Calibration, Canvas, RunContext, Stepwise, before_writing, calibrate_stage, for_dataset, iterate_stage,
    left_out, open_checkpoint, open_dataset, open_images, open_split, prune_stage, ranking,
    validation_loader_in,
};
use bonsai_yolov8::NmsConfig;

pub use crate::engine_job::{Engine, UltralyticsForm, engine, engine_metadata, unwrap_engine};
use crate::iterations::{Files, save_iterations};
use crate::{
    EvalConvention, EvalOptions, NoDataset, Parity, PipelineConfig, Progress, RuntimeChoice, confirm_parity,
    evaluate,
};

fn context(config: &PipelineConfig) -> Result<RunContext> {
    Ok(config.run_context(config.executor_options()?))
}

fn data_yaml(config: &PipelineConfig) -> Result<&Path> {
    Ok(config.data.as_deref().ok_or(NoDataset)?)
}

/// The image size that a checkpoint or engine file was trained at or an ONNX file exported for, if it says so.
///
/// # Errors
/// If the file cannot be read.
pub fn trained_imgsz(file: &Path) -> Result<Option<usize>> {
    if FileKind::from_path(file)? == FileKind::Onnx {
        return Ok(Some(OnnxSignature::read(&OnnxInfo::open(file)?)?.imgsz));
    }
    Ok(open_checkpoint(file)?.metadata.get("imgsz").and_then(|size| size.parse().ok()))
}

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

/// Prunes a checkpoint file; with `out`, writes the smaller checkpoint and its plan (`OUT.plan.json`).
///
/// # Errors
/// As the stage.
pub fn prune(
    config: &PipelineConfig,
    weights: &Path,
    out: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<PruneReport> {
    let plan = out.map(|out| out.with_extension("plan.json"));
    let outputs: Vec<&Path> = out.into_iter().chain(plan.as_deref()).collect();
    before_writing(&[weights], &outputs)?;
    let model = open_checkpoint(weights)?;
    let settings = config.prune_settings();
    // The loss is asked about labels; statistics are measured on images alone.
    let open = if settings.needs_labels() { open_dataset } else { open_images };
    let data = config.data.as_ref().map(|yaml| open(yaml, progress)).transpose()?;
    if let Some(data) = data.as_ref().filter(|_| settings.needs_labels()) {
        let classes = ClassMap::new(model.model.class_names(), &data.class_names);
        if !classes.is_plain() {
            progress.classes(&format!("{}: {classes}", weights.display()));
        }
    }
    let mut note = |text: &str| progress.note(text);
    let pruned = prune_stage(&model, &settings, &context(config)?, data.as_ref(), &mut note)?;
    if let (importance, Some(reason)) = ranking(&model, &settings)? {
        progress
            .note(&format!("warning: {reason}: `--importance {importance}` with `--data` may know better"));
    }
    if let (Some(out), Some(plan)) = (out, plan) {
        pruned.plan.save(&plan)?;
        pruned.checkpoint.save(out)?;
    }
    Ok(pruned.report)
}

/// Prunes a checkpoint file as a plan says; with `out`, writes the smaller checkpoint.
///
/// # Errors
/// If the plan cannot be read or is another network's.
pub fn replay(
    config: &PipelineConfig,
    weights: &Path,
    plan: &Path,
    out: Option<&Path>,
) -> Result<PruneReport> {
    before_writing(&[weights, plan], out.as_slice())?;
    let model = open_checkpoint(weights)?;
    let plan = PrunePlan::load(plan)?;
    let mut report = report(&plan, &model, config.imgsz, config.imgsz)?;
    let pruned = if config.extras.compensate {
        let (pruned, compensation) = apply_compensated(&plan, &model)?;
        report.compensation = Some(compensation);
        pruned
    } else {
        apply(&plan, &model)?
    };
    if let Some(out) = out {
        pruned.save(out)?;
    }
    Ok(report)
}

/// Prunes a checkpoint file in steps with fine-tuning between them; writes the last good network (`out`), its plan
/// (`OUT.plan.json`), the curve (`OUT.iterations.json`) and its picture (`OUT.png`).
///
/// # Errors
/// As the stage, or if a file cannot be written.
pub fn iterate(
    config: &PipelineConfig,
    weights: &Path,
    out: &Path,
    mut progress: &mut dyn Progress,
) -> Result<Iterated> {
    let files = Files::beside(out);
    before_writing(&[weights], &[&files.checkpoint, &files.plan, &files.records, &files.picture])?;
    let model = Checkpoint { train: None, ..open_checkpoint(weights)? };
    let data = open_dataset(data_yaml(config)?, progress)?;
    let model = for_dataset(model, &data.class_names, config.seed, &weights.display().to_string(), progress)?;
    let prune = config.prune_settings();
    let what = Stepwise { prune: &prune, iterate: &config.iterate, finetune: &config.finetune };
    let iterated = iterate_stage(&model, &what, &data, &context(config)?, &mut progress)?;
    save_iterations(&iterated, config.iterate.max_map_drop, &files)?;
    Ok(iterated)
}

/// Imports a file of Ultralytics' or a state dict as a checkpoint; beside it, what was assumed or is worth knowing.
///
/// # Errors
/// If it is none that can be read, with the module or the place; or if `out` cannot be written.
pub fn import(file: &Path, out: &Path) -> Result<(Checkpoint, Vec<String>)> {
    before_writing(&[file], &[out])?;
    let (checkpoint, notes) = Checkpoint::import_with_notes(file)?;
    checkpoint.save(out)?;
    Ok((checkpoint, notes))
}

/// Writes a checkpoint file as a state dict in safetensors, with Ultralytics' names.
///
/// # Errors
/// If a file cannot be read or written.
pub fn export_state_dict(weights: &Path, out: &Path) -> Result<()> {
    before_writing(&[weights], &[out])?;
    Ok(open_checkpoint(weights)?.save_state_dict(out)?)
}

/// Writes a checkpoint file as ONNX, and beside it how far it is from the checkpoint (`NAME.parity.json`); for 8-bit integers
/// `calibration` says how the ranges in `options` are found, on images of `config.data`.
///
/// # Errors
/// As the stages and [`confirm_parity`], or if calibration is wanted and there is no dataset.
pub fn export(
    config: &PipelineConfig,
    weights: &Path,
    out: &Path,
    options: &ExportOptions,
    calibration: Option<&Calibration>,
    progress: &mut dyn Progress,
) -> Result<Parity> {
    before_writing(&[weights], &[out, &Parity::path(out)])?;
    let checkpoint = open_checkpoint(weights)?;
    let mut options = options.clone();
    let mut calibrated_on = None;
    if let Some(calibration) = calibration {
        options.precision = Precision::Int8(Quantization::default());
        // Before images are run.
        options.check()?;
        let yaml = data_yaml(config).context("int8 is calibrated on images")?;
        let split = open_split(yaml, SplitKind::Train, progress)?;
        // The loader makes squares; what a wire carries hardly depends on the shape of the picture.
        let context = RunContext { imgsz: options.imgsz.0.max(options.imgsz.1), ..context(config)? };
        options.precision = Precision::Int8(calibrate_stage(&checkpoint, calibration, &split, &context)?);
        calibrated_on = Some(split);
    }
    bonsai_onnx::export(&checkpoint, &options)?.save(out)?;
    let suppression = options.nms.as_ref().map_or(NmsConfig::PREDICT, |nms| NmsConfig {
        confidence: nms.confidence,
        iou: nms.iou,
        max_detections: nms.max_detections,
        ..NmsConfig::PREDICT
    });
    confirm_parity(&checkpoint, out, &suppression, calibrated_on.as_ref())
}
