//! Commands and their arguments.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use bonsai_pipeline::{EvalConvention, ExecutorKind, Runtime, RuntimeChoice, path_text};
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::Bench;
use crate::completion::{Completions, Manual};
use crate::engine_args::{Engine, Inspect};
use crate::export::Export;
use crate::failure::ensure_usage;
use crate::numbers::{seed, side};
use crate::output::OutputOptions;
use crate::pipeline::Pipeline;
use crate::pruning::Prune;
use crate::thresholds::ValThresholds;
use crate::train_args::Train;
use crate::trial;

/// YOLOv8: train, sparsify, prune, fine-tune, export to ONNX, build engines.
#[derive(Parser)]
#[command(name = "bonsai", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: OutputOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// All stages in order, from a dataset to engines and a report; without arguments on a drawn dataset
    Pipeline(Pipeline),
    /// Train a baseline
    Train(Train),
    /// Train on with L1 on batch norm
    Sparsify(Train),
    /// Train on without L1, keeping the structure
    Finetune(Train),
    /// Measure a checkpoint, CPU engine or ONNX file on a split
    Val(Val),
    /// Read an Ultralytics .pt or a state dict, without Python, into a checkpoint
    Import(Import),
    /// Remove channels with small gamma
    Prune(Prune),
    /// Write a checkpoint as ONNX, or its weights for PyTorch
    Export(Export),
    /// Make an engine: for the CPU from a checkpoint, for TensorRT and TensorRT-RTX from ONNX
    Engine(Engine),
    /// What a file is, and what it says of itself
    Inspect(Inspect),
    /// Find objects in an image or a folder of images
    Predict(Predict),
    /// Parameters, MACs and layers of a model or file
    Summary(Summary),
    /// Time a training step or an inference
    #[command(subcommand)]
    Bench(Bench),
    /// What this machine can do
    Doctor,
    /// All tests, in release mode; arguments go to `cargo test`
    Test {
        /// Arguments for `cargo test`, for example `-p bonsai-prune`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// What a shell is to know to complete commands, options and values
    Completions(Completions),
    /// The manual, for `man`
    Man(Manual),
}

impl Command {
    /// Whether it works so long that `--json` is a stream of events rather than one document.
    pub(crate) const fn is_long(&self) -> bool {
        match self {
            Self::Prune(args) => !args.is_dry(),
            Self::Pipeline(args) => args.is_long(),
            Self::Train(_) | Self::Sparsify(_) | Self::Finetune(_) | Self::Export(_) | Self::Engine(_) => {
                true
            }
            _ => false,
        }
    }
}

/// Where settings come from: defaults, then the file, then flags, then --set.
#[derive(Args, Clone)]
pub(crate) struct Settings {
    /// data.yaml of a dataset in YOLO format
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// yolov8n to yolov8x, or a checkpoint file
    #[arg(long, value_parser = OsStringValueParser::new().map(|name| path_text(name.as_ref())))]
    pub(crate) model: Option<String>,
    /// Side of the images in pixels, a multiple of 32; for `export` also HEIGHT,WIDTH [default: 640, or as trained]
    #[arg(long)]
    pub(crate) imgsz: Option<ImageSize>,
    /// Images per batch, in every training; for `export` images at a time [default: 1]
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// Epochs of every training; sparsity training that is left out stays so
    #[arg(long)]
    pub(crate) epochs: Option<usize>,
    /// Where all randomness starts from
    #[arg(long, value_parser = seed)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// TOML file with settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, for example `finetune.epochs=20` or `prune.prune_ratio=0.3`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Height and width of images in pixels, written as `HEIGHT,WIDTH`, or as one number for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageSize {
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl ImageSize {
    /// That many pixels on each side.
    pub(crate) const fn square(side: usize) -> Self {
        Self { height: side, width: side }
    }

    /// The one number for both sides, where no rectangle will do.
    pub(crate) fn side(self) -> Result<usize> {
        let Self { height, width } = self;
        ensure_usage!(
            height == width,
            "--imgsz {height},{width}: only `export` takes a rectangle; pass one number"
        );
        Ok(height)
    }
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let part = part.trim();
            part.parse().map_err(|_| format!("`{part}` is no number of pixels: use 640, or 480,640"))
        };
        match text.split_once(',') {
            None => Ok(Self::square(number(text)?)),
            Some((height, width)) => Ok(Self { height: number(height)?, width: number(width)? }),
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.height == self.width {
            write!(f, "{}", self.height)
        } else {
            write!(f, "{}x{}", self.height, self.width)
        }
    }
}

/// What runs networks.
#[derive(Args, Clone)]
pub(crate) struct Machine {
    /// cpu or cuda:0 [default: cpu]
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// cpu (this project's kernels) or candle [default: cpu on the CPU, candle on a GPU]
    #[arg(long)]
    pub(crate) executor: Option<ExecutorKind>,
    /// Threads of the CPU, at most one per core, 0 for that [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// What runs ONNX files.
#[derive(Args, Clone)]
pub(crate) struct OnnxRuntime {
    /// What runs an ONNX file, as --executor runs the other ones: rten or onnxruntime [default: rten]
    #[arg(long)]
    pub(crate) runtime: Option<Runtime>,
    /// onnxruntime's library, or a folder with it [default: `ORT_DYLIB_PATH`, or the usual places]
    #[arg(long, value_name = "FILE")]
    pub(crate) onnxruntime: Option<PathBuf>,
}

impl OnnxRuntime {
    pub(crate) fn choice(&self) -> RuntimeChoice {
        RuntimeChoice {
            runtime: self.runtime,
            library: self.onnxruntime.clone(),
            trial: trial::by_this_program(),
        }
    }
}

/// Which images.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Split {
    /// Trained on
    Train,
    /// Chooses the best weights
    Val,
    /// Measured in the end
    Test,
}

/// A measurement.
#[derive(Args)]
pub(crate) struct Val {
    /// Checkpoint, CPU engine, .pt or ONNX file
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// Which split
    #[arg(long, default_value = "val")]
    pub(crate) split: Split,
    /// Lowest score [default: 0.001]
    #[arg(long)]
    pub(crate) conf: Option<f32>,
    /// Overlap at which the lesser box goes [default: 0.7]
    #[arg(long)]
    pub(crate) iou: Option<f32>,
    /// Figures as of Ultralytics 8.4, or 8.0 [default: 8.4]
    #[arg(long, value_name = "VERSION")]
    pub(crate) figures: Option<EvalConvention>,
    /// Images of one shape together in canvases no larger than needed, as Ultralytics validates
    #[arg(long)]
    pub(crate) rect: bool,
    #[command(flatten)]
    pub(crate) thresholds: ValThresholds,
    #[command(flatten)]
    pub(crate) onnx: OnnxRuntime,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// File to file.
#[derive(Args)]
pub(crate) struct Convert {
    /// The file to start from
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// An import.
#[derive(Args)]
pub(crate) struct Import {
    /// .pt file, or state dict in safetensors
    pub(crate) file: PathBuf,
    /// The checkpoint to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// A detection.
#[derive(Args)]
pub(crate) struct Predict {
    /// Checkpoint, CPU engine, .pt or ONNX file
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// An image, a folder of images, or a pattern in quotes (`'photos/*.jpg'`)
    #[arg(long, value_name = "PATH")]
    pub(crate) source: PathBuf,
    /// Side of the network's input [default: as trained]
    #[arg(long, value_parser = side)]
    pub(crate) imgsz: Option<usize>,
    /// Lowest score
    #[arg(long)]
    pub(crate) conf: Option<f32>,
    /// Overlap at which the lesser box goes
    #[arg(long)]
    pub(crate) iou: Option<f32>,
    /// Most objects per image
    #[arg(long)]
    pub(crate) max_det: Option<usize>,
    /// Numbers of the classes to report, such as `0,2` [default: all]
    #[arg(long, value_delimiter = ',')]
    pub(crate) classes: Option<Vec<usize>>,
    /// Where pictures with boxes go, each named as its image
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write labels in YOLO's format to OUT/labels
    #[arg(long, requires = "out")]
    pub(crate) save_txt: bool,
    #[command(flatten)]
    pub(crate) onnx: OnnxRuntime,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// A description.
#[derive(Args)]
pub(crate) struct Summary {
    /// yolov8n to yolov8x (80 classes), or a checkpoint file
    #[arg(value_parser = OsStringValueParser::new().map(|name| path_text(name.as_ref())))]
    pub(crate) model: String,
    /// Side of the image for which MACs are counted
    #[arg(long, default_value = "640", value_parser = side)]
    pub(crate) imgsz: usize,
}
