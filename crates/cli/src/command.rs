//! [`Cli`] and [`Command`]: all commands of the program.

use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::completion::{Completions, Manual};
use crate::compress::Compress;
use crate::data::Data;
use crate::engine_args::{Engine, Inspect};
use crate::export::Export;
use crate::import::Import;
use crate::output::OutputOptions;
use crate::pipeline::Pipeline;
use crate::predict::Predict;
use crate::pruning::Prune;
use crate::serve::Serve;
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

/// The command to run.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run all stages, from a dataset to engines and a report; without arguments, on a drawn dataset
    Pipeline(Pipeline),
    /// Make a trained network meet a limit of latency, MACs, size or loss of mAP
    Compress(Compress),
    /// Train a baseline
    Train(Train),
    /// Continue training with L1 on batch norm
    Sparsify(Train),
    /// Continue training without L1, with the same structure
    Finetune(Train),
    /// Check a dataset, or write it in another layout
    #[command(subcommand)]
    Data(Data),
    /// Evaluate a checkpoint, CPU engine or ONNX file on a split
    Val(Val),
    /// Convert an Ultralytics .pt or a state dict to a checkpoint, without Python
    Import(Import),
    /// Remove channels with small gamma
    Prune(Prune),
    /// Write a checkpoint as ONNX, or its weights for PyTorch
    Export(Export),
    /// Build an engine: for the CPU from a checkpoint, for TensorRT and TensorRT-RTX from ONNX
    Engine(Engine),
    /// Show the kind, contents and metadata of a file
    Inspect(Inspect),
    /// Find objects in images or a video
    Predict(Predict),
    /// Answer requests of another program: find objects in the images that it sends
    Serve(Serve),
    /// Show parameters, MACs and layers of a model or file
    Summary(Summary),
    /// Time a training step or an inference
    #[command(subcommand)]
    Bench(Bench),
    /// Show which features work on this machine
    Doctor,
    /// Run all tests in release mode; arguments are passed to `cargo test`
    Test {
        /// Arguments for `cargo test`, for example `-p bonsai-prune`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Print a shell script that completes commands, options and values
    Completions(Completions),
    /// Print or write manual pages for `man`
    Man(Manual),
}

impl Command {
    /// Whether the command runs so long that `--json` prints a stream of events instead of one document.
    pub(crate) const fn is_long(&self) -> bool {
        match self {
            Self::Prune(args) => !args.is_dry(),
            Self::Pipeline(args) => args.is_long(),
            Self::Compress(_)
            | Self::Train(_)
            | Self::Sparsify(_)
            | Self::Finetune(_)
            | Self::Export(_)
            | Self::Engine(_) => true,
            _ => false,
        }
    }

    /// Whether several processes would each do the whole work, on the same files.
    pub(crate) const fn runs_once(&self) -> bool {
        match self {
            Self::Pipeline(args) => !args.is_run(),
            Self::Compress(_)
            | Self::Data(_)
            | Self::Val(_)
            | Self::Import(_)
            | Self::Prune(_)
            | Self::Export(_)
            | Self::Engine(_)
            | Self::Predict(_)
            | Self::Bench(_) => true,
            _ => false,
        }
    }
}
