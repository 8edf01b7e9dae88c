//! `val`: evaluates a file on a split.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_checkpoint::write_file;
use bonsai_pipeline::jobs::{self, Validated};
use bonsai_pipeline::{ClassMap, DetMetrics, EvalConvention, NoDataset, SplitFlaws, SplitKind};
use bonsai_stages::before_writing;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::metrics_table::print_metrics;
use crate::onnx_args::OnnxRuntime;
use crate::output::{eprint_line, is_json, say, tell};
use crate::settings_args::{Settings, for_file};
use crate::terminal::Terminal;
use crate::thresholds::ValThresholds;

/// Values of `--split`.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Split {
    /// The training images
    Train,
    /// The images that choose the best weights
    Val,
    /// The images that the report measures
    Test,
}

/// Arguments of `val`.
#[derive(Args)]
pub(crate) struct Val {
    /// Checkpoint, CPU engine, .pt or ONNX file
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// Split to evaluate
    #[arg(long, default_value = "val")]
    pub(crate) split: Split,
    /// Lowest score [default: 0.001]
    #[arg(long)]
    pub(crate) conf: Option<f32>,
    /// Overlap above which the lower-scored box is removed [default: 0.7]
    #[arg(long)]
    pub(crate) iou: Option<f32>,
    /// Remove the lower-scored of two boxes that overlap even if their classes differ
    #[arg(long)]
    pub(crate) agnostic_nms: bool,
    /// Maximum number of objects per image [default: 300]
    #[arg(long)]
    pub(crate) max_det: Option<usize>,
    /// Write the detections to a JSON file in COCO's format for results
    #[arg(long, value_name = "FILE")]
    pub(crate) save_json: Option<PathBuf>,
    /// Folder for pictures: the first batches with labels and with detections, confusion matrices, curves
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
    /// Metrics comparable with Ultralytics 8.4 or 8.0 [default: 8.4]
    #[arg(long, value_name = "VERSION")]
    pub(crate) figures: Option<EvalConvention>,
    /// Use the smallest canvas for each batch of similar shapes, as in Ultralytics' validation
    #[arg(long)]
    pub(crate) rect: bool,
    /// Evaluate a network of one class with all objects as that class
    #[arg(long)]
    pub(crate) single_cls: bool,
    #[command(flatten)]
    pub(crate) thresholds: ValThresholds,
    #[command(flatten)]
    pub(crate) onnx: OnnxRuntime,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// The result of a validation as JSON.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    metrics: &'a DetMetrics,
    classes: &'a ClassMap,
    left_out: &'a [usize],
    images: usize,
    /// Seconds for all images, loading included.
    seconds: f64,
    /// Flaws of the split.
    dataset: &'a [SplitFlaws],
}

pub(crate) fn val(args: &Val) -> Result<u8> {
    const USED: [&str; 9] = [
        "data",
        "imgsz",
        "baseline.batch",
        "loader.workers",
        "loader.cache_bytes",
        "device",
        "executor",
        "compute_precision",
        "threads",
    ];
    args.settings.only("val", &USED)?;
    let config = args.settings.resolve(for_file(&args.weights))?;
    config.data.as_ref().ok_or(NoDataset)?;
    let split = match args.split {
        Split::Train => SplitKind::Train,
        Split::Val => SplitKind::Val,
        Split::Test => SplitKind::Test,
    };
    let convention = args.figures.unwrap_or_default();
    let runtime = args.onnx.choice();
    let how = jobs::Validation {
        suppression: jobs::Suppression {
            confidence: args.conf,
            iou: args.iou,
            max_detections: args.max_det,
            agnostic: args.agnostic_nms,
        },
        keep_detections: args.save_json.is_some(),
        pictures: args.plots.clone(),
        rect: args.rect,
        single_class: args.single_cls,
        convention,
        runtime,
    };
    if let Some(file) = &args.save_json {
        before_writing(&[&args.weights], &[file])?;
    }
    let mut terminal = Terminal::new();
    let Validated { metrics, classes, left_out, images, seconds, detections } =
        jobs::validate(&config, &args.weights, split, &how, &mut terminal)?;
    if let Some(file) = &args.save_json {
        write_file(file, serde_json::to_string(&detections)?.as_bytes())?;
        tell!("{} detections are in {}", detections.len(), file.display());
    }
    if let Some(folder) = &args.plots {
        tell!("pictures are in {}", folder.display());
    }
    tell!("{images} images in {seconds:.2} s, {:.1} per second, including loading", images as f64 / seconds);
    if classes.is_plain() {
        tell!("{classes}");
    } else {
        let fewer = match left_out.iter().sum() {
            0usize => String::new(),
            objects => format!("; {objects} objects of classes that the network lacks are ignored"),
        };
        eprint_line!("{classes}{fewer}");
    }
    if is_json() {
        let document = Document {
            metrics: &metrics,
            classes: &classes,
            left_out: &left_out,
            images,
            seconds,
            dataset: terminal.splits(),
        };
        say!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print_metrics(&metrics, classes.dataset(), &left_out);
    }
    Ok(args.thresholds.check(&metrics))
}
