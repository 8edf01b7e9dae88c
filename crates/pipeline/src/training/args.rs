//! [`TrainRunConfig`]: the settings of one training, by Ultralytics' argument names.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_data::Augment;
use bonsai_exec::{ComputePrecision, ExecutorKind};
use bonsai_stages::{PlannedL1, RunContext, ensure_usage};
use bonsai_train::TrainConfig;
use serde::{Deserialize, Serialize};

use crate::check::check_imgsz;
use crate::settings::Settings;
use crate::{L1Config, LoadingConfig, executor_options};

/// Largest period between checkpoints, as for the number of epochs.
const MOST_EPOCHS: usize = 1_000_000;

/// The settings of one training. Defaults are those of Ultralytics 8.0.90, except `close_mosaic`, which is
/// that of 8.4. All keys are on one level, as Ultralytics' are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "Ultralytics has these arguments")]
pub struct TrainRunConfig {
    /// `yolov8n` to `yolov8x`, a checkpoint or an Ultralytics `.pt`.
    pub model: String,
    /// `data.yaml`, folder or COCO file of a dataset.
    #[serde(with = "bonsai_stages::path_text::optional")]
    pub data: Option<PathBuf>,
    /// Side of the images in pixels, a multiple of 32.
    pub imgsz: usize,
    /// Folder of the runs.
    #[serde(with = "bonsai_stages::path_text")]
    pub project: PathBuf,
    /// Folder of this run in `project`; a number is added if the folder exists.
    pub name: String,
    /// Whether the training may overwrite an existing folder.
    pub exist_ok: bool,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// The executor; if `None`, `cpu` on the CPU and `cuda` on a GPU.
    pub executor: Option<ExecutorKind>,
    /// How the CUDA executor multiplies in convolutions; if `None`, in TF32. Other executors know only `f32`.
    pub compute_precision: Option<ComputePrecision>,
    /// Threads of the CPU; 0 is one per core.
    pub threads: usize,
    /// Background threads that prepare batches.
    pub workers: usize,
    /// Maximum MiB of decoded images kept between epochs; 0 keeps none.
    pub cache_mib: u64,
    /// Fraction of the training split that is used.
    pub fraction: f64,
    /// Whether all classes are trained as one, called `item`.
    pub single_cls: bool,
    /// Number of epochs between further checkpoints, `weights/epochN.safetensors`; 0 keeps only the best and the last.
    pub save_period: usize,
    /// Whether pictures are drawn.
    pub plots: bool,
    /// Number of last epochs without mosaic, mixup and cutmix.
    pub close_mosaic: usize,
    /// Whether batches have images of similar shape on the smallest canvas for them, without mosaic, mixup, cutmix and
    /// shuffling.
    pub rect: bool,
    /// Largest change of the size of batches, as a fraction of `imgsz`; 0 for none.
    pub multi_scale: f64,
    /// Settings of the trainer; the gains of the loss are `box`, `cls` and `dfl`.
    #[serde(flatten, with = "super::flat_gains")]
    pub train: TrainConfig,
    /// Random changes to training images.
    #[serde(flatten)]
    pub augment: Augment,
    /// Checkpoint of the same classes whose raw outputs the training imitates, in addition to the labels.
    pub teacher: Option<String>,
    /// L1 on batch norm; `Some` makes this a sparsity training.
    pub l1: Option<L1Config>,
}

impl Settings for TrainRunConfig {
    const OPTIONAL: &'static [&'static str] = &["data", "executor", "compute_precision", "l1", "teacher"];
    const WHOLE: &'static [&'static str] = &["l1.gamma", "l1.beta", "l1.gamma_decay"];
}

impl Default for TrainRunConfig {
    fn default() -> Self {
        let loader = LoadingConfig::default();
        Self {
            model: "yolov8n".to_owned(),
            data: None,
            imgsz: 640,
            project: PathBuf::from("runs/detect"),
            name: "train".to_owned(),
            exist_ok: false,
            device: "cpu".to_owned(),
            executor: None,
            compute_precision: None,
            threads: 0,
            workers: loader.workers,
            cache_mib: loader.cache_bytes >> 20,
            fraction: 1.0,
            single_cls: false,
            save_period: 0,
            plots: true,
            close_mosaic: loader.close_mosaic,
            rect: loader.rect,
            multi_scale: loader.multi_scale,
            train: TrainConfig::default(),
            augment: loader.augment,
            teacher: None,
            l1: None,
        }
    }
}

impl TrainRunConfig {
    /// Checks the settings, so that a wrong one fails before the training.
    ///
    /// # Errors
    /// With the argument, its value and the accepted range.
    pub fn check(&self) -> Result<()> {
        check_imgsz(self.imgsz)?;
        ensure_usage!(
            self.fraction > 0.0 && self.fraction <= 1.0,
            "fraction is {}, must be above 0 and at most 1",
            self.fraction
        );
        ensure_usage!(!self.name.is_empty(), "name is empty: give the run's folder a name");
        ensure_usage!(
            self.save_period <= MOST_EPOCHS,
            "save_period is {}, must be from 0 to {MOST_EPOCHS}",
            self.save_period
        );
        self.loader().check()?;
        // What `-1` stands for is in the range of any batch.
        let batch = if self.train.batch == TrainConfig::FITTING_BATCH { 1 } else { self.train.batch };
        TrainConfig { batch, ..self.train.clone() }.check()?;
        if let Some(l1) = &self.l1 {
            PlannedL1::check(l1, &self.train)?;
            ensure_usage!(
                self.teacher.is_none(),
                "a training has L1 or a teacher, not both: leave `l1` or `teacher` out"
            );
            ensure_usage!(
                !self.train.qat,
                "qat is true, and a network in 8-bit codes cannot be pruned: leave `qat` out"
            );
        }
        Ok(())
    }

    /// The settings of the loader.
    pub fn loader(&self) -> LoadingConfig {
        LoadingConfig {
            workers: self.workers,
            cache_bytes: self.cache_mib.saturating_mul(1 << 20),
            augment: self.augment,
            close_mosaic: self.close_mosaic,
            rect: self.rect,
            multi_scale: self.multi_scale,
        }
    }

    /// The settings that all stages of a run share.
    ///
    /// # Errors
    /// If this machine lacks the device.
    pub fn context(&self) -> Result<RunContext> {
        Ok(RunContext {
            imgsz: self.imgsz,
            seed: self.train.seed,
            executor: executor_options(self.executor, &self.device, self.compute_precision, self.threads)?,
            loader: self.loader(),
            rect: true,
            ranks: None,
        })
    }
}
