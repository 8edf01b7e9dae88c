//! [`Train`]: the arguments of `train`, `sparsify` and `finetune`, with the names of Ultralytics.
//!
//! Arguments override the settings file, which overrides the defaults; all use the same keys.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_pipeline::training::TrainArgs;
use bonsai_pipeline::{ExecutorKind, load_settings, overlay, path_text, resolve};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use serde::Serialize;
use toml::{Table, Value};

use crate::failure::ErrorExt as _;
use crate::model_name::known_model;

/// Keys of the machine, which may differ when a training resumes.
const MACHINE: [&str; 5] = ["device", "executor", "threads", "workers", "cache_mib"];

/// Arguments of a training command.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) flags: Flags,
    /// TOML file with the same keys (`lr0 = 0.02`)
    #[arg(long, visible_alias = "cfg", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One key, such as `l1.gamma=0.005`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Resume a training: its folder or `last` checkpoint, or no value for the latest in --project; pass
    /// --data if the dataset was moved
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap distinguishes absent, without a value and with a value")]
    pub(crate) resume: Option<Option<PathBuf>>,
}

/// The keys of a training; each has a default.
#[derive(Args, Serialize)]
pub(crate) struct Flags {
    /// yolov8n to yolov8x, a checkpoint, or an Ultralytics .pt [default: yolov8n]
    #[arg(long, value_parser = OsStringValueParser::new().map(|name| path_text(name.as_ref())))]
    model: Option<String>,
    /// data.yaml of a dataset in YOLO format
    #[arg(long, value_name = "FILE")]
    #[serde(with = "bonsai_stages::path_text::optional")]
    data: Option<PathBuf>,
    /// Passes over the training split [default: 100]
    #[arg(long)]
    epochs: Option<usize>,
    /// Epochs without better fitness after which training ends; 0 for never [default: 50]
    #[arg(long)]
    patience: Option<usize>,
    /// Images per forward pass [default: 16]
    #[arg(long)]
    batch: Option<usize>,
    /// Side of the images in pixels, a multiple of 32 [default: 640]
    #[arg(long)]
    imgsz: Option<usize>,
    /// Folder of the runs [default: runs/detect]
    #[arg(long, value_name = "DIR")]
    #[serde(with = "bonsai_stages::path_text::optional")]
    project: Option<PathBuf>,
    /// Folder of this run in --project [default: the command]
    #[arg(long)]
    name: Option<String>,
    /// Overwrite an existing folder of this name [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    exist_ok: Option<bool>,
    /// Seed of all randomness [default: 0]
    #[arg(long, value_parser = crate::numbers::seed)]
    seed: Option<u64>,
    /// cpu or cuda:0 [default: cpu]
    #[arg(long)]
    device: Option<String>,
    /// cpu (Bonsai's kernels) or candle [default: cpu on the CPU, candle on a GPU]
    #[arg(long)]
    executor: Option<ExecutorKind>,
    /// CPU threads, at most one per core; 0 for one per core [default: 0]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Background threads that prepare batches [default: 1]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Maximum MiB of decoded images kept between epochs; 0 for none [default: 512]
    #[arg(long, value_name = "MIB")]
    cache_mib: Option<u64>,
    /// Fraction of the training split to use [default: 1]
    #[arg(long)]
    fraction: Option<f64>,
    /// Epochs between evaluations; the last epoch is always evaluated [default: 1]
    #[arg(long, value_name = "EPOCHS")]
    val_period: Option<usize>,
    /// Draw plots and sample pictures [default: true]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    plots: Option<bool>,
    /// SGD or AdamW [default: SGD]
    #[arg(long)]
    optimizer: Option<String>,
    /// Learning rate after warm-up [default: 0.01]
    #[arg(long)]
    lr0: Option<f64>,
    /// Learning rate at the end, as a fraction of lr0 [default: 0.01]
    #[arg(long)]
    lrf: Option<f64>,
    /// Cosine instead of linear decay of the learning rate [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    cos_lr: Option<bool>,
    /// SGD momentum, or the first beta of AdamW [default: 0.937]
    #[arg(long)]
    momentum: Option<f64>,
    /// Weight decay of convolution kernels at nbs images per step [default: 0.0005]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Epochs of warm-up [default: 3]
    #[arg(long)]
    warmup_epochs: Option<f64>,
    /// Minimum batches of warm-up [default: 100]
    #[arg(long)]
    warmup_min_batches: Option<usize>,
    /// Momentum at the start of warm-up [default: 0.8]
    #[arg(long)]
    warmup_momentum: Option<f64>,
    /// Learning rate of biases at the start of warm-up [default: 0.1]
    #[arg(long)]
    warmup_bias_lr: Option<f64>,
    /// Images per optimiser step [default: 64]
    #[arg(long)]
    nbs: Option<usize>,
    /// Layers to freeze: the number of first layers, or a list such as `0,1,4` [default: 0]
    #[arg(long, value_name = "LAYERS", value_parser = freeze)]
    freeze: Option<Value>,
    /// Gain of the box loss [default: 7.5]
    #[arg(long = "box", value_name = "GAIN")]
    #[serde(rename = "box")]
    box_gain: Option<f64>,
    /// Gain of the class loss [default: 0.5]
    #[arg(long, value_name = "GAIN")]
    cls: Option<f64>,
    /// Gain of the distribution loss [default: 1.5]
    #[arg(long, value_name = "GAIN")]
    dfl: Option<f64>,
    /// Checkpoint with the same classes, whose raw outputs the training also imitates
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(|name| path_text(name.as_ref())))]
    teacher: Option<String>,
    /// Number of last epochs without mosaic and mixup [default: 10]
    #[arg(long, value_name = "EPOCHS", help_heading = "Augmentation")]
    close_mosaic: Option<usize>,
    /// Probability of a mosaic [default: 1]
    #[arg(long, help_heading = "Augmentation")]
    mosaic: Option<f64>,
    /// Probability of mixup [default: 0]
    #[arg(long, help_heading = "Augmentation")]
    mixup: Option<f64>,
    /// Largest rotation in degrees [default: 0]
    #[arg(long, help_heading = "Augmentation")]
    degrees: Option<f64>,
    /// Largest shift as a fraction of the image [default: 0.1]
    #[arg(long, help_heading = "Augmentation")]
    translate: Option<f64>,
    /// Largest relative change of size [default: 0.5]
    #[arg(long, help_heading = "Augmentation")]
    scale: Option<f64>,
    /// Largest shear in degrees [default: 0]
    #[arg(long, help_heading = "Augmentation")]
    shear: Option<f64>,
    /// Largest perspective in 1 / px [default: 0]
    #[arg(long, help_heading = "Augmentation")]
    perspective: Option<f64>,
    /// Largest relative change of hue [default: 0.015]
    #[arg(long, help_heading = "Augmentation")]
    hsv_h: Option<f64>,
    /// Largest relative change of saturation [default: 0.7]
    #[arg(long, help_heading = "Augmentation")]
    hsv_s: Option<f64>,
    /// Largest relative change of brightness [default: 0.4]
    #[arg(long, help_heading = "Augmentation")]
    hsv_v: Option<f64>,
    /// Probability of a vertical flip [default: 0]
    #[arg(long, help_heading = "Augmentation")]
    flipud: Option<f64>,
    /// Probability of a horizontal flip [default: 0.5]
    #[arg(long, help_heading = "Augmentation")]
    fliplr: Option<f64>,
}

/// Parses a number, or a list separated by commas.
fn freeze(text: &str) -> Result<Value, String> {
    let item = |item: &str| item.parse().map_or_else(|_| Value::String(item.to_owned()), Value::Integer);
    match text.split(',').map(str::trim).collect::<Vec<_>>()[..] {
        [""] => Err("expected a number of layers, or a list such as `0,1,4`".to_owned()),
        [only] if only.parse::<u32>().is_ok() => Ok(item(only)),
        ref several => Ok(Value::Array(several.iter().map(|text| item(text)).collect())),
    }
}

impl Train {
    /// Applies the file, flags and --set to the defaults, and checks the result.
    pub(crate) fn resolve(&self, defaults: TrainArgs) -> Result<TrainArgs> {
        let args = self.overlaid(defaults).misuse()?;
        args.check().misuse()?;
        known_model(&args.model)?;
        Ok(args)
    }

    fn overlaid(&self, defaults: TrainArgs) -> Result<TrainArgs> {
        let base = match &self.config {
            Some(file) => load_settings(&defaults, file)?,
            None => defaults,
        };
        resolve(&overlay(&base, Table::try_from(&self.flags)?)?, &self.set)
    }

    /// The saved arguments of a training, with the machine and dataset of these flags.
    pub(crate) fn on_this_machine(&self, saved: &TrainArgs) -> Result<TrainArgs> {
        let mut flags = Table::try_from(&self.flags)?;
        // --data may name a new place for the same dataset; `train_run` checks that the content is the same.
        flags.retain(|key, _| key == "data" || MACHINE.contains(&key));
        overlay(saved, flags)
    }

    /// Whether `--data` is given.
    pub(crate) const fn names_data(&self) -> bool {
        self.flags.data.is_some()
    }

    /// The given options that a resumed training does not accept, because it takes them from its folder: all
    /// except dataset and machine, and `--project` if no folder is given.
    pub(crate) fn given(&self, has_folder: bool) -> Result<Vec<String>> {
        let flags = Table::try_from(&self.flags)?;
        let is_free =
            |key: &str| key == "data" || MACHINE.contains(&key) || (key == "project" && !has_folder);
        let fixed = flags.keys().filter(|key| !is_free(key));
        let mut keys: Vec<String> = fixed.map(|key| format!("--{}", key.replace('_', "-"))).collect();
        keys.extend(self.set.iter().map(|set| format!("--set {set}")));
        keys.extend(self.config.iter().map(|file| format!("--config {}", file.display())));
        Ok(keys)
    }
}
