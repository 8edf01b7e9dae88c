//! [`PipelineConfig`]: all settings of a run. Each section has the name of its stage.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_data::Augment;
use bonsai_data::shapes::ShapesConfig;
use bonsai_exec::{ComputePrecision, ExecutorKind, ExecutorOptions};
use bonsai_prune::{CostTarget, Importance, PrunePolicy, ScoreConfig};
use bonsai_stages::{
    DistillConfig, EngineConfig, ExportConfig, IterateConfig, L1Config, LoadingConfig, PruneConfig,
    PruneExtras, RunContext, executor_options,
};
use bonsai_train::TrainConfig;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// All settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// `data.yaml` of a dataset in YOLO format; without it, shapes are drawn.
    #[serde(with = "bonsai_stages::path_text::optional")]
    pub data: Option<PathBuf>,
    /// Starting network: `yolov8n` to `yolov8x`, or a checkpoint file.
    pub model: String,
    /// Side of the images in pixels, a multiple of 32.
    pub imgsz: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// The executor; if `None`, `cpu` on the CPU and `cuda` on a GPU.
    pub executor: Option<ExecutorKind>,
    /// How the CUDA executor multiplies in convolutions; if `None`, in TF32. Other executors know only `f32`.
    pub compute_precision: Option<ComputePrecision>,
    /// Threads of the CPU; 0 is one per core.
    pub threads: usize,
    /// The drawn dataset, used without `data`.
    pub shapes: ShapesConfig,
    /// Loading and augmentation of batches.
    pub loader: LoadingConfig,
    /// Baseline training.
    pub baseline: TrainConfig,
    /// Networks that pruned networks are compared with.
    pub control: ControlConfig,
    /// Sparsity training, from the baseline; 0 epochs leave it out.
    pub sparse: TrainConfig,
    /// L1 during sparsity training.
    pub l1: L1Config,
    /// How channels are scored.
    pub score: ScoreConfig,
    /// How channels to remove are chosen.
    pub prune: PrunePolicy,
    /// Additional steps of pruning.
    pub extras: PruneExtras,
    /// Pruning in steps, with fine-tuning between them.
    pub iterate: IterateConfig,
    /// Fine-tuning, from the pruned network, without L1.
    pub finetune: TrainConfig,
    /// Distillation during fine-tuning.
    pub distill: DistillConfig,
    /// ONNX files.
    pub export: ExportConfig,
    /// Engines.
    pub engine: EngineConfig,
    /// Number of single images that the report times for a latency.
    pub latency_runs: usize,
}

/// Networks that pruned networks are compared with, in addition to the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlConfig {
    /// Whether to train the baseline on without pruning, for as many epochs as sparsity training and
    /// fine-tuning together.
    pub dense: bool,
}

impl Settings for PipelineConfig {
    const OPTIONAL: &'static [&'static str] = &[
        "data",
        "executor",
        "compute_precision",
        "engine.trtexec",
        "engine.tensorrt_rtx",
        "engine.rtx_folder",
        "engine.precision",
        "engine.workspace_mib",
        "engine.optimization_level",
        "engine.timing_cache",
        "engine.hardware_compatibility",
        "prune.max_ratio_per_layer",
        "prune.target",
        "distill.teacher",
        "shapes.style",
    ];
    const WHOLE: &'static [&'static str] =
        &["l1.gamma", "l1.beta", "l1.gamma_decay", "prune.target", "score.importance"];
    const INSTEAD: &'static [(&'static str, &'static str)] = &[("prune.prune_ratio", "prune.target")];
}

impl Default for PipelineConfig {
    /// Defaults for a real dataset: 640 px, half of the MACs, 50 epochs of baseline and 100 of fine-tuning.
    ///
    /// There is no sparsity training: it ruined networks on datasets that it was not tuned on. Its epochs did
    /// more as epochs of fine-tuning after pruning by Taylor importance.
    fn default() -> Self {
        let train = TrainConfig { epochs: 50, nbs: 16, ..TrainConfig::default() };
        Self {
            data: None,
            model: "yolov8n".to_owned(),
            imgsz: 640,
            seed: 0,
            device: "cpu".to_owned(),
            executor: None,
            compute_precision: None,
            threads: 0,
            shapes: ShapesConfig::default(),
            loader: LoadingConfig::default(),
            baseline: train.clone(),
            control: ControlConfig::default(),
            // L1 lowers the metrics at first, and its schedule must run to the end.
            sparse: TrainConfig { epochs: 0, patience: 0, ..train.clone() },
            l1: L1Config::default(),
            // No ranking is best on all datasets (BENCHMARKS.md); a short training of each tells.
            score: ScoreConfig { importance: Importance::Best, ..ScoreConfig::default() },
            // Half of the MACs: the fraction of channels that this takes depends on the data.
            prune: PrunePolicy { target: Some(CostTarget::Macs(0.5)), ..PrunePolicy::default() },
            extras: PruneExtras::default(),
            iterate: IterateConfig::default(),
            finetune: TrainConfig { epochs: 100, ..train },
            distill: DistillConfig::default(),
            export: ExportConfig::default(),
            engine: EngineConfig::default(),
            latency_runs: 30,
        }
    }
}

impl PipelineConfig {
    /// The settings of fine-tuning in `f32`: for trainings whose networks are pruned further or compared with.
    pub(crate) fn float_finetune(&self) -> TrainConfig {
        TrainConfig { qat: false, ..self.finetune.clone() }
    }

    /// All settings of pruning.
    pub fn prune_settings(&self) -> PruneConfig {
        PruneConfig {
            score: self.score,
            policy: self.prune.clone(),
            extras: self.extras,
            training: self.float_finetune(),
        }
    }

    /// Settings for the drawn dataset at small size: a few minutes on two cores. The dense control is on,
    /// because even a baseline whose metrics hardly rise any more gains from further epochs.
    ///
    /// Batches are small, because a training from scratch needs many updates. The warm-up has no minimum,
    /// because a hundred batches would be a sixth of the whole baseline.
    pub fn drawn() -> Self {
        let imgsz = 128;
        let train = |epochs| TrainConfig {
            epochs,
            batch: 8,
            nbs: 8,
            warmup_epochs: 2.0,
            warmup_min_batches: 0,
            val_period: 4,
            // The metrics rise as the learning rate falls; cosine decay lets them rise before a short
            // training ends.
            cos_lr: true,
            ..TrainConfig::default()
        };
        Self {
            imgsz,
            shapes: ShapesConfig { train: 256, val: 96, test: 96, imgsz, seed: 0, ..ShapesConfig::default() },
            // A few hundred updates are enough to learn whole shapes, but not parts of them at any scale.
            loader: LoadingConfig { augment: Augment::colours_and_flips(), ..LoadingConfig::default() },
            baseline: train(36),
            control: ControlConfig { dense: true },
            sparse: TrainConfig { epochs: 0, patience: 0, ..train(1) },
            finetune: train(18),
            ..Self::default()
        }
    }
}

impl PipelineConfig {
    /// The executor of this configuration, its device and its threads.
    ///
    /// # Errors
    /// As [`executor_options`].
    pub fn executor_options(&self) -> Result<ExecutorOptions> {
        executor_options(self.executor, &self.device, self.compute_precision, self.threads)
    }

    /// The settings that the stages of a run share, with square images.
    ///
    /// # Errors
    /// As [`executor_options`].
    pub fn run_context(&self) -> Result<RunContext> {
        let executor = self.executor_options()?;
        Ok(RunContext {
            imgsz: self.imgsz,
            seed: self.seed,
            executor,
            loader: self.loader,
            rect: false,
            ranks: None,
        })
    }
}
