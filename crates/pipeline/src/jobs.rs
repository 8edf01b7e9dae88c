//! One stage on its own, from files to files: what the single commands of the command line do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_data::{SplitKind, decode};
use bonsai_detector::{DetectConfig, Detector, draw_detections, write_engine};
use bonsai_exec::ExecutorOptions;
use bonsai_metrics::DetMetrics;
use bonsai_prune::PruneReport;
use bonsai_tensorrt::EngineOutcome;
use serde::Serialize;

use crate::stages::{
    Setting, build_tensorrt, export_stage, open_dataset, prune_stage, start_checkpoint, train_stage,
    validation_loader,
};
use crate::{PipelineConfig, Progress, Stage, evaluate};

/// An object found in an image file, in pixels of that image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Class.
    pub name: String,
    /// Score in 0..=1.
    pub confidence: f32,
    /// Left, top, right, bottom.
    pub xyxy: [f32; 4],
}

/// What an engine job made.
#[derive(Debug)]
pub enum Engine {
    /// A folded network for the CPU.
    Cpu(PathBuf),
    /// A TensorRT engine, or why there is none.
    TensorRt(Box<EngineOutcome>),
}

fn setting(config: &PipelineConfig) -> Result<Setting> {
    let executor = config.executor_options()?;
    Ok(Setting { imgsz: config.imgsz, seed: config.seed, executor, loader: config.loader })
}

fn data_yaml(config: &PipelineConfig) -> Result<&Path> {
    config.data.as_deref().context("no dataset: pass --data DATA.YAML")
}

/// The image size that a checkpoint or engine file was trained at, if it says so.
///
/// # Errors
/// If the file cannot be read.
pub fn trained_imgsz(file: &Path) -> Result<Option<usize>> {
    Ok(Checkpoint::open(file)?.metadata.get("imgsz").and_then(|size| size.parse().ok()))
}

/// Trains `config.model` by the rules of `stage` (baseline, sparse or finetune) into `folder`:
/// `best.safetensors`, `last.safetensors`, `history.json`.
///
/// # Errors
/// As the stage.
pub fn train(
    config: &PipelineConfig,
    stage: Stage,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<()> {
    let data = open_dataset(data_yaml(config)?, progress)?;
    let start = start_checkpoint(&config.model, &data.class_names, config.seed)?;
    let (rules, l1) = match stage {
        Stage::Baseline => (&config.baseline, None),
        Stage::Sparse => (&config.sparse, Some(&config.l1)),
        Stage::Finetune => (&config.finetune, None),
        other => bail!("stage `{other}` trains nothing"),
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let trained = train_stage(&start, &data, rules, l1, &setting(config)?, progress)?;
    trained.best.save(&folder.join("best.safetensors"))?;
    trained.last.save(&folder.join("last.safetensors"))?;
    Ok(write_file(&folder.join("history.json"), &serde_json::to_vec_pretty(&trained.history)?)?)
}

/// Measures a file on a split of `config.data`; returns the metrics and the class names.
///
/// # Errors
/// If the file or the split cannot be read, or the classes differ in number.
pub fn validate(
    config: &PipelineConfig,
    weights: &Path,
    split: SplitKind,
) -> Result<(DetMetrics, Vec<String>)> {
    let setting = setting(config)?;
    let dataset = bonsai_data::Dataset::open(data_yaml(config)?)?;
    let (split, _) = dataset.scan(split)?;
    let mut detector = Detector::load(weights, setting.executor)?;
    let (ours, theirs) = (detector.class_names().len(), split.class_names.len());
    if ours != theirs {
        bail!("{} has {ours} classes, but {} has {theirs}", weights.display(), data_yaml(config)?.display());
    }
    let loader = validation_loader(
        &std::sync::Arc::new(split),
        setting.imgsz,
        config.baseline.batch,
        &setting.loader,
    )?;
    let metrics = evaluate(&mut detector, &loader)?;
    Ok((metrics, detector.class_names().to_vec()))
}

/// Prunes a checkpoint file; with `out`, writes the smaller checkpoint and its plan (`OUT.plan.json`).
///
/// # Errors
/// As the stage.
pub fn prune(config: &PipelineConfig, weights: &Path, out: Option<&Path>) -> Result<PruneReport> {
    let pruned = prune_stage(&Checkpoint::open(weights)?, &config.prune, config.imgsz)?;
    if let Some(out) = out {
        pruned.plan.save(&out.with_extension("plan.json"))?;
        pruned.checkpoint.save(out)?;
    }
    Ok(pruned.report)
}

/// Writes a checkpoint file as ONNX.
///
/// # Errors
/// As the stage.
pub fn export(config: &PipelineConfig, weights: &Path, out: &Path) -> Result<()> {
    Ok(export_stage(&Checkpoint::open(weights)?, config.imgsz)?.save(out)?)
}

/// Makes an engine: for the CPU from a checkpoint, for TensorRT from an ONNX file.
///
/// # Errors
/// If the file cannot be read or the builder fails.
pub fn engine(
    config: &PipelineConfig,
    file: &Path,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Engine> {
    if file.extension().is_some_and(|e| e == "onnx") {
        return Ok(Engine::TensorRt(Box::new(build_tensorrt(&config.engine, file, out, progress)?)));
    }
    write_engine(&Checkpoint::open(file)?, out)?;
    Ok(Engine::Cpu(out.to_owned()))
}

/// Settings of [`predict`] beside the file and the images.
#[derive(Debug, Clone)]
pub struct Predict<'a> {
    /// What to look for.
    pub detect: DetectSettings,
    /// Where pictures with boxes go; none are drawn without it.
    pub out: Option<&'a Path>,
    /// What runs the network.
    pub executor: ExecutorOptions,
}

/// What to look for; `None` is the detector's own default.
#[derive(Debug, Clone, Default)]
pub struct DetectSettings {
    /// Side of the network's input.
    pub imgsz: Option<usize>,
    /// Lowest score.
    pub confidence: Option<f32>,
    /// Overlap at which the lesser box goes.
    pub iou: Option<f32>,
    /// Most objects per image.
    pub max_detections: Option<usize>,
}

/// Finds objects in an image or in every image of a folder; `each` is told of one image after the other.
///
/// # Errors
/// If the network or an image cannot be read, or a picture cannot be written.
pub fn predict(
    weights: &Path,
    source: &Path,
    settings: &Predict<'_>,
    each: &mut dyn FnMut(&Path, Vec<Found>) -> Result<()>,
) -> Result<()> {
    let mut detector = Detector::load(weights, settings.executor)?;
    let base = detector.config();
    let config = DetectConfig {
        imgsz: settings.detect.imgsz.unwrap_or(base.imgsz),
        confidence: settings.detect.confidence.unwrap_or(base.confidence),
        iou: settings.detect.iou.unwrap_or(base.iou),
        max_detections: settings.detect.max_detections.unwrap_or(base.max_detections),
        classes: base.classes,
    };
    if let Some(out) = settings.out {
        std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    }
    for path in images(source)? {
        let mut image = decode(&path)?;
        let detections = detector.detect(&image, &config)?;
        if let Some(out) = settings.out {
            draw_detections(&mut image, &detections, detector.class_names());
            let name = path.file_stem().context("an image without a name")?;
            let target = out.join(name).with_extension("png");
            image.save(&target).with_context(|| format!("cannot write {}", target.display()))?;
        }
        let found = detections.iter().map(|d| Found {
            name: detector.class_names()[d.class_id].clone(),
            confidence: d.confidence,
            xyxy: [d.bbox.x1, d.bbox.y1, d.bbox.x2, d.bbox.y2],
        });
        each(&path, found.collect())?;
    }
    Ok(())
}

/// The file itself, or the images of a folder by name.
fn images(source: &Path) -> Result<Vec<PathBuf>> {
    const ENDINGS: [&str; 7] = ["bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp"];
    if !source.is_dir() {
        return Ok(vec![source.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))? {
        let path = entry?.path();
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("{} holds no image ({})", source.display(), ENDINGS.join(", "));
    }
    found.sort();
    Ok(found)
}
