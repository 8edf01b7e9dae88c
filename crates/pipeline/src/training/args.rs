//! [`TrainArgs`]: the settings of one training, by Ultralytics' argument names.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_data::Augment;
use bonsai_exec::{ExecutorKind, ExecutorOptions};
use bonsai_stages::{PlannedL1, RunContext, ensure_usage};
use bonsai_train::{Freeze, Optimizer, TrainConfig};
use bonsai_yolov8::LossGains;
use serde::{Deserialize, Serialize};

use crate::check::check_imgsz;
use crate::settings::Settings;
use crate::{L1Config, LoaderSettings, executor_options};

/// The settings of one training. Defaults are those of Ultralytics 8.0.90, except `close_mosaic`, which is
/// that of 8.4.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainArgs {
    /// `yolov8n` to `yolov8x`, a checkpoint or an Ultralytics `.pt`.
    pub model: String,
    /// `data.yaml` of a dataset in YOLO format.
    #[serde(with = "bonsai_stages::path_text::optional")]
    pub data: Option<PathBuf>,
    /// Passes over the training split.
    pub epochs: usize,
    /// Epochs without a better fitness after which training ends; 0 disables this.
    pub patience: usize,
    /// Images per forward pass.
    pub batch: usize,
    /// Side of the images in pixels, a multiple of 32.
    pub imgsz: usize,
    /// Folder of the runs.
    #[serde(with = "bonsai_stages::path_text")]
    pub project: PathBuf,
    /// Folder of this run in `project`; a number is added if the folder exists.
    pub name: String,
    /// Whether the training may overwrite an existing folder.
    pub exist_ok: bool,
    /// Seed of all randomness.
    pub seed: u64,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// The executor; if `None`, `cpu` on the CPU and `candle` on a GPU.
    pub executor: Option<ExecutorKind>,
    /// Threads of the CPU; 0 is one per core.
    pub threads: usize,
    /// Background threads that prepare batches.
    pub workers: usize,
    /// Maximum MiB of decoded images kept between epochs; 0 keeps none.
    pub cache_mib: u64,
    /// Fraction of the training split that is used.
    pub fraction: f64,
    /// Evaluate every so many epochs, and after the last.
    pub val_period: usize,
    /// Whether pictures are drawn.
    pub plots: bool,
    /// SGD or `AdamW`.
    pub optimizer: Optimizer,
    /// Learning rate after warm-up.
    pub lr0: f64,
    /// Learning rate at the end, as a fraction of `lr0`.
    pub lrf: f64,
    /// Cosine instead of linear decay.
    pub cos_lr: bool,
    /// SGD momentum, or the first beta of `AdamW`.
    pub momentum: f64,
    /// Weight decay of convolution kernels at `nbs` images per step.
    pub weight_decay: f64,
    /// Length of the warm-up in epochs, possibly a fraction.
    pub warmup_epochs: f64,
    /// Minimum number of batches of warm-up, unless `warmup_epochs` is 0. Not an argument of Ultralytics,
    /// where it is fixed.
    pub warmup_min_batches: usize,
    /// Momentum at the start of warm-up.
    pub warmup_momentum: f64,
    /// Learning rate of biases at the start of warm-up.
    pub warmup_bias_lr: f64,
    /// Images per optimiser step.
    pub nbs: usize,
    /// Layers that are not trained: a number of first layers, or a list.
    pub freeze: Freeze,
    /// Gain of the box loss.
    #[serde(rename = "box")]
    pub box_gain: f32,
    /// Gain of the class loss.
    pub cls: f32,
    /// Gain of the distribution loss.
    pub dfl: f32,
    /// Number of last epochs without mosaic and mixup.
    pub close_mosaic: usize,
    /// Probability of a mosaic.
    pub mosaic: f64,
    /// Probability of mixup.
    pub mixup: f64,
    /// Largest rotation in degrees.
    pub degrees: f64,
    /// Largest shift as a fraction of the image.
    pub translate: f64,
    /// Largest relative change of size.
    pub scale: f64,
    /// Largest shear in degrees.
    pub shear: f64,
    /// Largest perspective in 1 / px.
    pub perspective: f64,
    /// Largest relative change of hue.
    pub hsv_h: f64,
    /// Largest relative change of saturation.
    pub hsv_s: f64,
    /// Largest relative change of brightness.
    pub hsv_v: f64,
    /// Probability of mirroring top and bottom.
    pub flipud: f64,
    /// Probability of mirroring left and right.
    pub fliplr: f64,
    /// Checkpoint of the same classes whose raw outputs the training imitates, in addition to the labels.
    pub teacher: Option<String>,
    /// L1 on batch norm; `Some` makes this a sparsity training.
    pub l1: Option<L1Config>,
}

impl Settings for TrainArgs {
    const OPTIONAL: &'static [&'static str] = &["data", "executor", "l1", "teacher"];
    const WHOLE: &'static [&'static str] = &["l1.gamma", "l1.beta", "l1.gamma_decay"];
}

impl Default for TrainArgs {
    fn default() -> Self {
        let train = TrainConfig::default();
        let augment = Augment::default();
        let loader = LoaderSettings::default();
        Self {
            model: "yolov8n".to_owned(),
            data: None,
            epochs: train.epochs,
            patience: train.patience,
            batch: train.batch,
            imgsz: 640,
            project: PathBuf::from("runs/detect"),
            name: "train".to_owned(),
            exist_ok: false,
            seed: train.seed,
            device: "cpu".to_owned(),
            executor: None,
            threads: 0,
            workers: loader.workers,
            cache_mib: loader.cache_bytes >> 20,
            fraction: 1.0,
            val_period: train.val_period,
            plots: true,
            optimizer: train.optimizer,
            lr0: train.lr0,
            lrf: train.lrf,
            cos_lr: train.cos_lr,
            momentum: train.momentum,
            weight_decay: train.weight_decay,
            warmup_epochs: train.warmup_epochs,
            warmup_min_batches: train.warmup_min_batches,
            warmup_momentum: train.warmup_momentum,
            warmup_bias_lr: train.warmup_bias_lr,
            nbs: train.nbs,
            freeze: train.freeze,
            box_gain: train.gains.bbox,
            cls: train.gains.cls,
            dfl: train.gains.dfl,
            close_mosaic: loader.close_mosaic,
            mosaic: augment.mosaic,
            mixup: augment.mixup,
            degrees: augment.degrees,
            translate: augment.translate,
            scale: augment.scale,
            shear: augment.shear,
            perspective: augment.perspective,
            hsv_h: augment.hsv_h,
            hsv_s: augment.hsv_s,
            hsv_v: augment.hsv_v,
            flipud: augment.flipud,
            fliplr: augment.fliplr,
            teacher: None,
            l1: None,
        }
    }
}

impl TrainArgs {
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
        self.loader().check()?;
        let training = self.train_config();
        training.check()?;
        if let Some(l1) = &self.l1 {
            PlannedL1::check(l1, &training)?;
            ensure_usage!(
                self.teacher.is_none(),
                "a training has L1 or a teacher, not both: leave `l1` or `teacher` out"
            );
        }
        Ok(())
    }

    /// The settings of the trainer.
    pub fn train_config(&self) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            patience: self.patience,
            batch: self.batch,
            nbs: self.nbs,
            optimizer: self.optimizer,
            lr0: self.lr0,
            lrf: self.lrf,
            cos_lr: self.cos_lr,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            warmup_epochs: self.warmup_epochs,
            warmup_min_batches: self.warmup_min_batches,
            warmup_momentum: self.warmup_momentum,
            warmup_bias_lr: self.warmup_bias_lr,
            gains: LossGains { bbox: self.box_gain, cls: self.cls, dfl: self.dfl },
            val_period: self.val_period,
            freeze: self.freeze.clone(),
            seed: self.seed,
            ..TrainConfig::default()
        }
    }

    /// The settings of the augmentation.
    pub fn augment(&self) -> Augment {
        Augment {
            mosaic: self.mosaic,
            mixup: self.mixup,
            degrees: self.degrees,
            translate: self.translate,
            scale: self.scale,
            shear: self.shear,
            perspective: self.perspective,
            hsv_h: self.hsv_h,
            hsv_s: self.hsv_s,
            hsv_v: self.hsv_v,
            flipud: self.flipud,
            fliplr: self.fliplr,
        }
    }

    /// The settings of the loader.
    pub fn loader(&self) -> LoaderSettings {
        LoaderSettings {
            workers: self.workers,
            cache_bytes: self.cache_mib.saturating_mul(1 << 20),
            augment: self.augment(),
            close_mosaic: self.close_mosaic,
        }
    }

    /// The executor, its device and its threads.
    ///
    /// # Errors
    /// If this machine lacks the device.
    pub fn executor_options(&self) -> Result<ExecutorOptions> {
        executor_options(self.executor, &self.device, self.threads)
    }

    /// The settings that all stages of a run share.
    ///
    /// # Errors
    /// As [`executor_options`](Self::executor_options).
    pub fn context(&self) -> Result<RunContext> {
        Ok(RunContext {
            imgsz: self.imgsz,
            seed: self.seed,
            executor: self.executor_options()?,
            loader: self.loader(),
            rect: true,
        })
    }
}
