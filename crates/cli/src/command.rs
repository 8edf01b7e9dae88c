//! [`Cli`] and [`Command`]: all commands of the program.

use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::completion::{Completions, Manual};
use crate::engine_args::{Engine, Inspect};
use crate::export::Export;
use crate::import::Import;
use crate::output::OutputOptions;
use crate::pipeline::Pipeline;
use crate::predict::Predict;
use crate::pruning::Prune;
use crate::summary::Summary;
use crate::train_args::Train;
use crate::val::Val;

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
